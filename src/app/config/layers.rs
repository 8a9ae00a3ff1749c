//! Flags over environment over the file over defaults, value by value.

use std::{
    cell::RefCell,
    io,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use super::{
    Config, CountersDown, Explicit, FileConfig, FileUse, Finding, Findings, Keep, LogFormat, Sources, WriteQueue, file,
    file::Told,
    knob::{self, KNOBS, Kind, Knob, UNSERVED_ENV},
    log_filter, user_entry,
};
use crate::{
    app::retire::{Kept, LEAST_USAGE_DAYS},
    base::Secret,
    pipeline::{Idempotency, Timing},
    runtime::Platform,
    snapshot::name,
};

mod oidc;

/// Reads everything.
pub(super) fn read(sources: &Sources<'_>, platform: &Platform) -> Result<(Config, Vec<Finding>), Findings> {
    let mut layers = Layers { sources, told: Vec::new(), findings: RefCell::default() };
    let (path, mut file) = layers.file(platform);
    layers.told = file.as_mut().map(|file| std::mem::take(&mut file.process)).unwrap_or_default();
    layers.unknown_variables();
    let config = layers.config(path, file);
    let mut findings = layers.findings.into_inner();
    // Errors first: they are what must be mended.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    if findings.iter().any(Finding::is_error) { Err(Findings(findings)) } else { Ok((config, findings)) }
}

struct Layers<'a> {
    sources: &'a Sources<'a>,
    told: Vec<Told>,
    findings: RefCell<Vec<Finding>>,
}

impl Layers<'_> {
    fn add(&self, finding: Finding) {
        self.findings.borrow_mut().push(finding);
    }

    /// Finds and reads the file. Only the default one may be absent.
    fn file(&self, platform: &Platform) -> (PathBuf, Option<FileConfig>) {
        let given = self.explicit("config");
        let path = PathBuf::from(given.as_ref().map_or("./gproxy.toml", |told| told.value.expose()));
        let text = match (self.sources.read)(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && given.is_none() => return (path, None),
            Err(error) => {
                let at = given.map_or_else(|| path.display().to_string(), |told| told.path);
                self.add(Finding::error(at, None, format!("{} cannot be read: {error}", path.display())));
                return (path, None);
            }
        };
        let (file, findings) = file::parse(&text, platform);
        self.findings.borrow_mut().extend(findings);
        (path, file)
    }

    /// What a flag or the environment says.
    fn explicit(&self, flag: &'static str) -> Option<Told> {
        let knob = knob::find(flag)?;
        let told = |value: &str, path: String| Told { flag, value: Secret::new(value.to_owned()), path, line: None };
        if let Some(value) = self.sources.flags.get(flag) {
            return Some(told(value, format!("--{flag}")));
        }
        let given = knob.env.iter().find_map(|name| Some((*name, self.sources.env.get(*name)?)));
        let from_file = if knob.kind == Kind::Secret { self.secret_file(knob, given.is_some()) } else { None };
        let (name, value) = given
            .map(|(name, value)| (name, value.as_str()))
            .filter(|_| from_file.is_none())
            .or(from_file.as_ref().map(|(name, value)| (name.as_str(), value.expose().as_str())))?;
        // Kubernetes sets this for a service of our name, in every pod beside it.
        if flag == "port" && value.starts_with("tcp://") {
            self.add(Finding::warning(name, None, format!("no effect: {value:?} is a service's address, not a port")));
            return None;
        }
        let empty_counts = flag == "database-secret-key" || flag == "proxy";
        (empty_counts || !value.is_empty()).then(|| told(value, name.to_owned()))
    }

    /// A secret from the file that `NAME_FILE` names.
    fn secret_file(&self, knob: &Knob, beside: bool) -> Option<(String, Secret<String>)> {
        let name = format!("{}_FILE", knob.env.first()?);
        let path = self.sources.env.get(&name).filter(|path| !path.is_empty())?;
        if beside {
            self.add(Finding::error(&name, None, format!("is given beside {}; expected one of them", knob.env[0])));
            return None;
        }
        match (self.sources.read)(Path::new(path)) {
            Ok(text) => {
                let text = Secret::new(text);
                Some((name, Secret::new(text.expose().trim_end_matches(['\r', '\n']).to_owned())))
            }
            Err(error) => {
                self.add(Finding::error(name, None, format!("{path} cannot be read: {error}")));
                None
            }
        }
    }

    /// What the uppermost layer says.
    fn told(&self, flag: &'static str) -> Option<Told> {
        let from_file = || self.told.iter().find(|told| told.flag == flag && !told.value.expose().is_empty()).cloned();
        self.explicit(flag).or_else(from_file)
    }

    fn parsed<T>(&self, flag: &'static str, default: T, read: impl FnOnce(&str) -> Result<T, String>) -> T {
        let Some(told) = self.told(flag) else { return default };
        read(told.value.expose()).unwrap_or_else(|message| {
            self.add(Finding::error(told.path, told.line, message));
            default
        })
    }

    fn whole<T: FromStr + PartialOrd + Copy + std::fmt::Display>(&self, flag: &'static str, default: T, (least, most): (T, T)) -> T {
        self.parsed(flag, default, |text| {
            let number = text.replace('_', "").parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("expected a whole number from {least} to {most}, not {text:?}"))
        })
    }

    fn list<T>(&self, flag: &'static str, default: Vec<T>, item: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.parsed(flag, default, |text| text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(item).collect())
    }

    fn text(&self, flag: &'static str, default: &str) -> String {
        self.told(flag).map_or_else(|| default.to_owned(), |told| told.value.expose().clone())
    }

    /// Names variables that look like ours and are not.
    fn unknown_variables(&self) {
        let known: Vec<&str> = KNOBS.iter().flat_map(|knob| knob.env).copied().collect();
        for variable in self.sources.env.keys().filter(|name| name.starts_with("GPROXY_")) {
            if known.contains(&variable.as_str()) || variable.strip_suffix("_FILE").is_some_and(|stem| known.contains(&stem)) {
                continue;
            }
            if UNSERVED_ENV.contains(&variable.as_str()) {
                self.add(Finding::warning(variable, None, "no effect: this build does not serve it"));
            } else if let Some(near) = known.iter().find(|name| strsim::damerau_levenshtein(name, variable) <= 2) {
                self.add(Finding::warning(variable, None, format!("no effect: unknown variable; did you mean {near}?")));
            }
        }
    }

    fn kept(&self) -> Kept {
        let days = self.parsed("keep-usage-days", 0, |text| {
            let days = text.replace('_', "").parse().ok().filter(|days| *days == 0 || (LEAST_USAGE_DAYS..=36_500).contains(days));
            days.ok_or_else(|| format!("expected 0 or a whole number from {LEAST_USAGE_DAYS} to 36500, not {text:?}"))
        });
        Kept {
            usage_days: days,
            usage_rows: self.whole("keep-usage-rows", 0, (0, 1 << 50)),
            log_days: self.whole("keep-log-days", 0, (0, 36_500)),
            log_rows: self.whole("keep-log-rows", 0, (0, 1 << 50)),
            audit_days: self.whole("keep-audit-days", 0, (0, 36_500)),
            audit_rows: self.whole("keep-audit-rows", 0, (0, 1 << 50)),
        }
    }

    fn config(&self, path: PathBuf, file: Option<FileConfig>) -> Config {
        let data_dir = PathBuf::from(self.text("data-dir", "./data"));
        let dsn =
            self.told("dsn").map_or_else(|| Secret::new(format!("sqlite://{}/gproxy.db?mode=rwc", data_dir.display())), |told| told.value);
        let force = self.parsed("bootstrap-force-config", false, switch);
        let loopback = ["127.0.0.0/8", "::1/128"].iter().filter_map(|text| text.parse().ok()).collect();
        Config {
            path,
            file,
            file_use: if force { FileUse::Always } else { FileUse::Once },
            host: self.parsed("host", "127.0.0.1".to_owned(), host),
            port: self.whole("port", 8787, (0, u16::MAX)),
            dsn: self.checked_dsn(dsn),
            database_secret_key: self.database_secret_key(),
            explicit: self.explicits(),
            write_queue: WriteQueue {
                capacity: self.whole("storage-write-queue-capacity", 4096, (1, 1 << 24)),
                max_batch: self.whole("storage-write-max-batch-size", 1024, (1, 1 << 16)),
                window: Duration::from_millis(self.whole("storage-write-aggregate-window-ms", 25, (0, 60_000))),
            },
            log_format: self.parsed("log-format", LogFormat::Text, log_format),
            log_level: self.parsed("log-level", "info".to_owned(), log_filter::read),
            trusted_proxies: self
                .list("trusted-proxies", loopback, |text| text.parse::<crate::base::Network>().map_err(|error| error.to_string())),
            cors_origins: self.list("cors-origins", Vec::new(), origin),
            metrics: self.parsed("metrics", true, switch),
            max_in_flight: self.whole("max-in-flight", 1024, (1, 1 << 20)),
            body_limit: self.whole("body-limit", 52_428_800, (1024, 1 << 31)),
            drain: Duration::from_secs(self.whole("drain-seconds", 30, (0, 3600))),
            keep: Keep {
                span: Duration::from_hours(24 * self.whole("keep-responses-days", 30, (0, 36_500))),
                bytes: self.whole("keep-response-bytes", 16 << 20, (1024, 1 << 30)),
            },
            idempotency: self.idempotency(),
            timing: if self.parsed("server-timing", false, switch) { Timing::Told } else { Timing::Kept },
            kept: self.kept(),
            redis: self.parsed("redis-url", None, |text| redis_url(text).map(Some)),
            counters_down: self.parsed("counters-down", CountersDown::Closed, counters_down),
            oidc: self.oidc(),
            data_dir,
        }
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency {
            span: Duration::from_hours(self.whole("idempotency-hours", 24, (0, 24 * 365))),
            calls: self.whole("idempotency-calls", 65_536, (1, 1 << 24)),
            bytes: self.whole("idempotency-bytes", 64 << 20, (0, 1 << 40)),
            answer: self.whole("idempotency-answer-bytes", 4 << 20, (0, 1 << 30)),
        }
    }

    fn checked_dsn(&self, dsn: Secret<String>) -> Secret<String> {
        let scheme = dsn.expose().split_once(':').map(|(scheme, _)| scheme);
        if !scheme.is_some_and(|scheme| ["sqlite", "postgres", "postgresql", "mysql"].contains(&scheme)) {
            // Without a scheme nothing tells whether it holds a password.
            let what = scheme.map_or_else(|| "is no address of a database".to_owned(), |scheme| format!("unknown database {scheme:?}"));
            let told = self.told("dsn");
            let (path, line) = told.map_or(("dsn".to_owned(), None), |told| (told.path, told.line));
            self.add(Finding::error(
                path,
                line,
                format!("{what}; expected an address that begins with sqlite://, postgres:// or mysql://"),
            ));
        }
        dsn
    }

    fn database_secret_key(&self) -> Option<Secret<String>> {
        let told = self.explicit("database-secret-key")?;
        if told.value.expose().trim().is_empty() {
            self.add(Finding::error(told.path, None, "is empty; expected a long random text, or no such variable"));
            return None;
        }
        Some(told.value)
    }

    fn explicits(&self) -> Explicit {
        let admin_key = self.explicit("admin-key");
        if let Some(told) = &admin_key {
            match user_entry::judge_key(&told.value) {
                Ok(None) => {}
                Ok(Some(warning)) => self.add(Finding::warning(&told.path, None, warning)),
                Err(error) => self.add(Finding::error(&told.path, None, error)),
            }
        }
        let proxy = self.explicit("proxy");
        if let Some(told) = proxy.as_ref().filter(|told| !told.value.expose().is_empty())
            && let Err(message) = name::proxy(told.value.expose())
        {
            self.add(Finding::error(&told.path, None, message));
        }
        let told = |flag| {
            let told: Told = self.explicit(flag)?;
            switch(told.value.expose()).map_err(|message| self.add(Finding::error(told.path, None, message))).ok()
        };
        Explicit {
            admin_key: admin_key.map(|told| told.value),
            proxy: proxy.map(|told| told.value.expose().clone()),
            mask_sensitive_info: told("mask-sensitive-info"),
            cache_doctor: told("cache-doctor"),
        }
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("expected true or false, not {text:?}")),
    }
}

fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let named = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    if named || bare.parse::<std::net::IpAddr>().is_ok() {
        Ok(bare.to_owned())
    } else {
        Err(format!("expected an address such as 0.0.0.0 or a host's name, not {text:?}"))
    }
}

/// The address may hold a password: no message repeats it.
fn redis_url(text: &str) -> Result<Secret<String>, String> {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let authority = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = place.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).unwrap_or((place, ""));
    let named = !host.is_empty() && (port.is_empty() || port.parse::<u16>().is_ok());
    match scheme {
        "redis" | "rediss" | "valkey" | "valkeys" if named => Ok(Secret::new(text.to_owned())),
        // A socket of this machine.
        "unix" | "redis+unix" | "valkey+unix" => Ok(Secret::new(text.to_owned())),
        _ => Err("expected redis://[[user]:password@]host[:port][/database], or rediss:// for TLS".to_owned()),
    }
}

fn counters_down(text: &str) -> Result<CountersDown, String> {
    match (text, text.parse::<u32>()) {
        ("closed", _) => Ok(CountersDown::Closed),
        ("open", _) => Ok(CountersDown::Open),
        (_, Ok(instances)) if instances > 0 => Ok(CountersDown::Share(instances)),
        _ => Err(format!("expected closed, open or a number of instances, not {text:?}")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("unknown format {other:?}; expected text or json{}", name::hint(other, ["text", "json"]))),
    }
}

fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let uri: Option<http::Uri> = text.parse().ok();
    let usable = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.path() == "/" && uri.query().is_none()
    });
    if usable && !text.ends_with('/') { Ok(text.to_owned()) } else { Err(format!("expected scheme://host[:port] or *, not {text:?}")) }
}
