//! A gateway of its own for the lab: a process of the given binary, on a scratch copy of a configuration, with routes whose
//! members all lead to the misbehaving provider.

use std::{
    fs::{self, DirBuilder, File},
    io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use toml::{Table, Value as Toml};

use super::{
    Dialect,
    client::Client,
    run::{LabFault, OnStreamFault, Profile},
};
use crate::{channel, runtime::Platform};

/// The key of the scratch gateway's admin. It guards nothing: the process serves on loopback and ends with the lab.
const KEY: &str = "sk-lab-scratch-gateway-of-one-run";

/// How long a gateway may take to serve, and how often it is looked at meanwhile.
const READY_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A route, its members in the order of their tiers.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Its name.
    pub(super) name: String,
    /// Whom it asks.
    pub(super) members: Vec<Member>,
}

/// A model of one of the scratch gateway's providers.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The provider's name.
    pub(super) provider: String,
    /// The model.
    pub(super) model: String,
}

/// How the members of a route follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Each only where the one before it fails.
    Failover,
    /// In turns.
    Turns,
}

/// How the routes shall be served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) profile: Profile,
    pub(super) on_stream_fault: OnStreamFault,
}

/// A running gateway. It ends with this value, and its folder with it.
#[derive(Debug)]
pub(super) struct Gateway {
    process: Child,
    exe: PathBuf,
    folder: PathBuf,
    base: String,
}

impl Gateway {
    /// Starts one whose providers are all the misbehaving one at `address`, each under a name of its own and made after a pattern.
    pub(super) async fn start(
        platform: &Platform,
        exe: &Path,
        (own, providers): (Option<&Table>, &[(String, Table)]),
        address: SocketAddr,
    ) -> Result<Self, LabFault> {
        let folder = folder().map_err(LabFault::Scratch)?;
        let path = folder.join("gproxy.toml");
        let text = configuration(own, &folder, (providers, address));
        fs::write(&path, text.to_string()).map_err(LabFault::Scratch)?;
        let log = File::create(folder.join("log")).map_err(LabFault::Scratch)?;
        let errors = log.try_clone().map_err(LabFault::Scratch)?;
        // Without an environment, so that nothing of the operator's real gateway reaches this one.
        let process = Command::new(exe)
            .arg("--config")
            .arg(&path)
            .current_dir(&folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(LabFault::Spawn)?;
        let mut gateway = Self { process, exe: exe.to_owned(), folder, base: String::new() };
        gateway.base = gateway.address(platform).await?;
        Ok(gateway)
    }

    /// A client of it.
    pub(super) fn client(&self, platform: &Platform) -> Client {
        Client::new(platform, self.base.clone(), KEY.to_owned())
    }

    /// Makes routes.
    pub(super) async fn route(&self, client: &Client, routes: &[Route], (order, manner): (Order, Manner)) -> Result<(), LabFault> {
        let providers = client.admin(Method::GET, "/admin/providers", None).await.map_err(LabFault::Admin)?;
        let list = providers.as_array().or_else(|| providers["providers"].as_array()).cloned().unwrap_or_default();
        let id_of = |name: &str| list.iter().find(|provider| provider["name"] == name).map(|provider| provider["id"].clone());
        for route in routes {
            let row = body(&route.name, (order, manner));
            let made = client.admin(Method::POST, "/admin/routes", Some(&row)).await.map_err(LabFault::Admin)?;
            for (member, place) in route.members.iter().zip(0..) {
                let lacking = || LabFault::Admin(format!("the scratch gateway lacks the provider {}", member.provider));
                let provider_id = id_of(&member.provider).ok_or_else(lacking)?;
                let tier = if order == Order::Failover { place } else { 0 };
                let row = json!({ "route_id": made["id"], "provider_id": provider_id, "upstream_model": member.model, "tier": tier });
                client.admin(Method::POST, "/admin/route-members", Some(&row)).await.map_err(LabFault::Admin)?;
            }
        }
        Ok(())
    }

    /// What `gproxy verify` finds wrong in its records; nothing where it holds.
    ///
    /// # Errors
    /// For people: it could not be run.
    pub(super) fn verify(&self) -> Result<String, String> {
        let asked = Command::new(&self.exe)
            .arg("--config")
            .arg(self.folder.join("gproxy.toml"))
            .arg("verify")
            .current_dir(&self.folder)
            .env_clear()
            .stdin(Stdio::null())
            .output();
        let told = asked.map_err(|error| format!("gproxy verify cannot be run: {error}"))?;
        let text = [told.stdout, told.stderr].concat();
        Ok(if told.status.success() { String::new() } else { String::from_utf8_lossy(&text).into_owned() })
    }

    /// Its resident memory in kilobytes and its open handles, where the system tells.
    pub(super) fn size(&self) -> Option<(u64, usize)> {
        let process = Path::new("/proc").join(self.process.id().to_string());
        let status = fs::read_to_string(process.join("status")).ok()?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())?;
        Some((memory, fs::read_dir(process.join("fd")).ok()?.count()))
    }

    /// Waits for the line in its log that says where it serves.
    async fn address(&mut self, platform: &Platform) -> Result<String, LabFault> {
        let begun = platform.clock.now();
        loop {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let serving = lines.into_iter().find(|line| line["message"] == "serving");
            if let Some(address) = serving.as_ref().and_then(|line| line["address"].as_str()) {
                return Ok(format!("http://{address}"));
            }
            let ended = self.process.try_wait().is_ok_and(|status| status.is_some());
            if ended || platform.clock.now().since(begun) > READY_WITHIN {
                return Err(LabFault::Start(log));
            }
            platform.clock.sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself, and a folder that stays behind harms nobody.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The one place that knows how a route says its timers and what it does with a broken stream.
fn body(name: &str, (order, manner): (Order, Manner)) -> Value {
    let strategy = match order {
        Order::Failover => "failover",
        Order::Turns => "round_robin",
    };
    let settings = json!({ "timers": manner.profile.name(), "on_stream_fault": manner.on_stream_fault.name() });
    json!({ "name": name, "strategy": strategy, "settings_json": settings })
}

/// An empty folder of its own.
fn folder() -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = format!("gproxy-lab-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// The scratch configuration: the operator's own without secrets, users, stores and ways out, and the lab's providers.
fn configuration(own: Option<&Table>, folder: &Path, (providers, address): (&[(String, Table)], SocketAddr)) -> Table {
    let mut table = own.cloned().unwrap_or_default();
    table.remove("users");
    change(&mut table, "global", |global| {
        for name in ["dsn", "proxy"] {
            global.remove(name);
        }
        global.insert("host".into(), "127.0.0.1".into());
        global.insert("port".into(), 0.into());
        global.insert("admin_key".into(), KEY.into());
        global.insert("data_dir".into(), folder.join("data").to_string_lossy().into_owned().into());
    });
    change(&mut table, "runtime", |runtime| {
        runtime.remove("redis_url");
        runtime.insert("log_format".into(), "json".into());
        runtime.insert("log_level".into(), "info".into());
    });
    let channels = table.entry("channels").or_insert_with(|| Toml::Array(Vec::new()));
    if let Toml::Array(channels) = channels {
        channels.extend(providers.iter().map(|(name, pattern)| {
            let mut channel = pattern.clone();
            channel.insert("id".into(), name.as_str().into());
            Toml::Table(channel)
        }));
        channels.iter_mut().filter_map(Toml::as_table_mut).for_each(|channel| disarm(channel, address));
    }
    table
}

/// Changes a section, which is made where it is missing.
fn change(table: &mut Table, name: &str, change: impl FnOnce(&mut Table)) {
    let mut section = match table.remove(name) {
        Some(Toml::Table(section)) => section,
        Some(_) | None => Table::new(),
    };
    change(&mut section);
    table.insert(name.into(), Toml::Table(section));
}

/// Takes an operator's provider off its real account.
fn disarm(channel: &mut Table, address: SocketAddr) {
    channel.remove("proxy");
    change(channel, "settings", |settings| {
        settings.remove("headers");
        settings.insert("base_url".into(), format!("http://{address}").into());
    });
    channel.insert("credentials".into(), credentials());
}

/// The pattern of a provider that speaks one dialect.
pub(super) fn speaking(dialect: Dialect) -> Table {
    let mut settings = Table::new();
    settings.insert("dialects".into(), Toml::Array(vec![dialect.kind().id().into()]));
    let mut channel = Table::new();
    channel.insert("channel".into(), "custom".into());
    channel.insert("settings".into(), Toml::Table(settings));
    channel
}

/// The pattern of a provider that is like one of the operator's own.
///
/// # Errors
/// [`LabFault::Channel`], where there is none of this name.
pub(super) fn like(own: Option<&Table>, name: &str) -> Result<Table, LabFault> {
    let channels = own.and_then(|own| own.get("channels")).and_then(Toml::as_array).into_iter().flatten().filter_map(Toml::as_table);
    let names: Vec<&str> = channels.clone().filter_map(|channel| channel.get("id")?.as_str()).collect();
    let found = channels.into_iter().find(|channel| channel.get("id").and_then(Toml::as_str) == Some(name));
    let mut pattern = found.cloned().ok_or_else(|| LabFault::Channel { name: name.into(), known: names.join(", ") })?;
    let kind = if channel::find(name).is_some() { name } else { "custom" };
    pattern.entry("channel").or_insert_with(|| kind.into());
    pattern.insert("enabled".into(), true.into());
    Ok(pattern)
}

fn credentials() -> Toml {
    let mut credential = Table::new();
    credential.insert("label".into(), "lab".into());
    credential.insert("secret".into(), "sk-lab-of-no-account".into());
    Toml::Array(vec![Toml::Table(credential)])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Dialect, configuration, like, speaking};

    const OWN: &str = r#"
        [global]
        dsn = "postgres://gproxy:db-canary@db.example/gproxy"
        admin_key = "sk-admin-canary"
        proxy = "http://proxy.example"
        [runtime]
        body_limit = 1000000
        redis_url = "redis://:redis-canary@cache.example"
        [[users]]
        name = "ann"
        keys = [{ api_key = "sk-user-canary" }]
        [[channels]]
        id = "openai"
        proxy = "http://proxy.example"
        settings = { base_url = "https://real.example", headers = { x-key = "header-canary" } }
        credentials = [{ id = "1", secret = "sk-provider-canary" }]
    "#;

    #[test]
    fn nothing_of_an_operators_accounts_is_in_the_scratch_copy() {
        let own = OWN.parse().unwrap();
        let address = "127.0.0.1:4000".parse().unwrap();
        let table = configuration(
            Some(&own),
            Path::new("/scratch"),
            (&[("lab-a".into(), speaking(Dialect::Claude)), ("lab-b".into(), like(Some(&own), "openai").unwrap())], address),
        );
        let text = table.to_string();
        assert!(!text.contains("canary") && !text.contains(".example"), "{text}");
        assert_eq!(table["runtime"]["body_limit"].as_integer(), Some(1_000_000));
        let names: Vec<&str> = table["channels"].as_array().unwrap().iter().map(|channel| channel["id"].as_str().unwrap()).collect();
        assert_eq!(names, ["openai", "lab-a", "lab-b"]);
        assert_eq!(table["channels"][2]["channel"].as_str(), Some("openai"));
        assert!(like(Some(&own), "opening").unwrap_err().to_string().contains("openai"));
        for channel in table["channels"].as_array().unwrap() {
            assert_eq!(channel["settings"]["base_url"].as_str(), Some("http://127.0.0.1:4000"));
        }
    }
}
