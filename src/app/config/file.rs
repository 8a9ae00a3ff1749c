//! The configuration file: its shape, and from its text to values.

use toml::de::DeTable;

use super::{
    Finding,
    channel_entry::{self, ChannelEntry},
    knob::{KNOBS, Kind},
    reader::{Log, Section},
    user_entry::{self, UserEntry},
};
use crate::{base::Secret, runtime::Platform, snapshot::name};

/// What a configuration file says.
#[derive(Debug, Default)]
pub struct FileConfig {
    /// What applies to the whole instance and is kept in the database.
    pub instance: Instance,
    /// `[[channels]]`: providers.
    pub channels: Vec<ChannelEntry>,
    /// `[[users]]`.
    pub users: Vec<UserEntry>,
    /// What `[global]`, `[runtime]` and `[oidc]` say for the process.
    pub(super) process: Vec<Told>,
}

impl FileConfig {
    /// Whether it says anything that the database keeps.
    #[must_use]
    pub fn is_source(&self) -> bool {
        let Instance { proxy, admin_key, mask_sensitive_info, cache_doctor, hf_url, hf_token, update_source } = &self.instance;
        let texts = [proxy, hf_url, update_source].iter().any(|text| text.is_some());
        let switches = mask_sensitive_info.is_some() || cache_doctor.is_some();
        texts || switches || admin_key.is_some() || hf_token.is_some() || !self.channels.is_empty() || !self.users.is_empty()
    }
}

/// What `[global]` says for the database.
#[derive(Debug, Default)]
pub struct Instance {
    /// `proxy`; an empty one is none.
    pub proxy: Option<String>,
    /// `admin_key`; an empty one is none.
    pub admin_key: Option<Secret<String>>,
    /// `mask_sensitive_info`.
    pub mask_sensitive_info: Option<bool>,
    /// `cache_doctor`.
    pub cache_doctor: Option<bool>,
    /// `hf_url`.
    pub hf_url: Option<String>,
    /// `hf_token`.
    pub hf_token: Option<Secret<String>>,
    /// `update_source`.
    pub update_source: Option<String>,
}

/// A value for a knob, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) flag: &'static str,
    pub(super) value: Secret<String>,
    pub(super) path: String,
    pub(super) line: Option<usize>,
}

/// Knobs of the file that end up in the database, not in the process.
const INSTANCE: &[&str] = &["proxy", "admin-key", "mask-sensitive-info", "cache-doctor"];

/// Reads a file. There is a value unless its TOML is broken; whether it may be used, the findings say.
#[must_use]
pub fn parse(text: &str, platform: &Platform) -> (Option<FileConfig>, Vec<Finding>) {
    let log = Log::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            let line = error.span().map(|span| log.line(span.start));
            log.add(Finding::error("", line, format!("no valid TOML: {}", error.message())));
        }
        return (None, log.finish());
    }
    let file = {
        let root = Section::root(table.get_ref(), &log);
        let file = read(&root, platform);
        root.close();
        file
    };
    (Some(file), log.finish())
}

fn read(root: &Section<'_>, platform: &Platform) -> FileConfig {
    let mut process = Vec::new();
    let instance = root.section("global").map(|global| {
        let instance = read_instance(&global);
        told(&global, "global", &mut process);
        global.close();
        instance
    });
    for name in ["runtime", "oidc"] {
        if let Some(section) = root.section(name) {
            told(&section, name, &mut process);
            section.close();
        }
    }
    let channels = channel_entry::read(&root.sections("channels"), platform);
    let users = user_entry::read(&root.sections("users"));
    FileConfig { instance: instance.unwrap_or_default(), channels, users, process }
}

fn read_instance(global: &Section<'_>) -> Instance {
    let proxy = global.text("proxy").filter(|proxy| !proxy.is_empty());
    if let Some(Err(message)) = proxy.as_deref().map(name::proxy) {
        global.error("proxy", message);
    }
    let admin_key = global.secret("admin_key").filter(|key| !key.expose().is_empty());
    if let Some(key) = &admin_key {
        user_entry::check_key(global, "admin_key", key);
    }
    global.unserved("spoof_emulation", "this build imitates no browser");
    let later = "it is kept, and nothing reads it yet";
    let instance = Instance {
        proxy,
        admin_key,
        mask_sensitive_info: global.switch("mask_sensitive_info"),
        cache_doctor: global.switch("cache_doctor"),
        hf_url: global.text("hf_url").filter(|url| !url.is_empty()),
        hf_token: global.secret("hf_token").filter(|token| !token.expose().is_empty()),
        update_source: global.text("update_source").filter(|source| !source.is_empty()),
    };
    for key in ["hf_url", "hf_token", "update_source"] {
        global.unserved(key, later);
    }
    instance
}

/// Reads the knobs of a section.
fn told(section: &Section<'_>, name: &str, process: &mut Vec<Told>) {
    for knob in KNOBS.iter().filter(|knob| knob.section == Some(name) && !INSTANCE.contains(&knob.flag)) {
        let key = &knob.key();
        let value = match knob.kind {
            Kind::Text => section.text(key),
            Kind::Secret => section.secret(key).map(|secret| secret.expose().clone()),
            Kind::Whole => section.whole(key).map(|number| number.to_string()),
            Kind::Switch => section.switch(key).map(|value| value.to_string()),
            Kind::List => section.texts(key).map(|texts| texts.join(",")),
        };
        if let Some(value) = value {
            process.push(Told { flag: knob.flag, value: Secret::new(value), path: section.at(key), line: Some(section.line(key)) });
        }
    }
}
