//! First boot, later boots, and the file as it changes.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use super::{ADMIN, BootFault, Booted, bootstrap};
use crate::{
    access::{Caller, identify},
    admin::{Control, Origin, Stores, password::Passwords},
    app::{
        config::{Config, Sources},
        reload::{Look, Watch},
    },
    base::Secret,
    credentials::Sealer,
    store::{
        persist::{Records, RecordsExt as _, memory::MemoryStore},
        record::{ConfigRows, NewProvider},
    },
    testing::{ManualClock, platform_with},
};

const GIVEN: &str = "sk-given-0123456789-0123456789";
const OTHER: &str = "sk-other-0123456789-0123456789";

const FILE: &str = r#"
[global]
proxy = "http://global:1"
hf_token = "canary-hf"

[[channels]]
id = "openai"
models = ["m1", "m2"]
[[channels.credentials]]
label = "a"
secret = "sk-canary-a"
[[channels.credentials]]
label = "b"
secret = "sk-canary-b"

[[channels]]
id = "mine"
channel = "openai"
[[channels.credentials]]
secret = "sk-canary-c"

[[users]]
name = "alice"
password = "correct horse"
permissions = ["openai/*", "mine/*"]
[[users.keys]]
api_key = "sk-alice-0123456789-0123456789"
"#;

struct House {
    control: Arc<Control>,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
}

impl House {
    fn new() -> Self {
        let clock = ManualClock::new();
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
        let (control, store) = (control(&clock, &store), store);
        Self { control, store, clock }
    }

    /// The same store under another process.
    fn again(&mut self) {
        self.clock.advance(Duration::from_mins(1));
        self.control = control(&self.clock, &self.store);
    }

    async fn boot(&self, flags: &[(&'static str, &str)], file: &str) -> Result<Booted, BootFault> {
        bootstrap(&self.control, &self.config(flags, file)).await
    }

    fn config(&self, flags: &[(&'static str, &str)], file: &str) -> Config {
        let reader = |_: &Path| Ok(file.to_owned());
        let mut flags: BTreeMap<_, _> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        flags.entry("config").or_insert("gproxy.toml".to_owned());
        let sources = Sources { flags, env: BTreeMap::new(), read: &reader };
        Config::read(&sources, self.control.platform()).unwrap().0
    }

    async fn rows(&self) -> ConfigRows {
        self.store.load().await.unwrap()
    }

    fn caller(&self, key: &str) -> Option<Caller> {
        identify(self.control.snapshot().load().directory(), Some(key), self.control.now_ms(), None).ok()
    }

    fn serving(&self) -> Vec<String> {
        self.control
            .snapshot()
            .load()
            .providers()
            .iter()
            .map(|provider| format!("{}:{}", provider.name, provider.credentials.len()))
            .collect()
    }
}

fn control(clock: &Arc<ManualClock>, store: &Arc<MemoryStore>) -> Arc<Control> {
    let stores = Stores::of(store);
    let control = Control::new(stores, Sealer::new(Secret::new("k".to_owned())), platform_with(Arc::clone(clock) as _));
    Arc::new(control.with_passwords(Passwords::cheap()))
}

#[tokio::test]
async fn the_first_boot_takes_the_file_and_makes_an_administrator() {
    let house = House::new();
    let booted = house.boot(&[], FILE).await.unwrap();
    assert_eq!(house.serving(), ["mine:1", "openai:2"]);
    assert_eq!(booted.faults, 0);
    let admin = house.caller(booted.admin_key.unwrap().expose()).unwrap();
    assert!(admin.is_admin() && admin.name() == ADMIN);
    assert!(!house.caller("sk-alice-0123456789-0123456789").unwrap().is_admin());
    let rows = house.rows().await;
    assert!(rows.permissions.iter().any(|row| row.is_of(admin.user()) && row.pattern == "*"));
    assert_eq!(rows.settings.proxy.as_deref(), Some("http://global:1"));
    assert!(!format!("{rows:?}").contains("canary") && !format!("{rows:?}").contains("correct horse"));
    let hash = rows.users.iter().find(|row| row.name == "alice").unwrap().password_hash.clone().unwrap();
    assert!(house.control.passwords().verify("correct horse", Some(&hash)));
}

#[tokio::test]
async fn a_later_boot_leaves_the_database_as_it_is() {
    let mut house = House::new();
    let key = house.boot(&[], FILE).await.unwrap().admin_key.unwrap();
    let before = house.rows().await;
    house.again();
    let booted = house.boot(&[], "[[channels]]\nid = \"nvidia\"\n[[channels.credentials]]\nsecret = \"x\"\n").await.unwrap();
    assert!(booted.admin_key.is_none());
    assert_eq!(house.rows().await, before);
    assert_eq!(house.serving(), ["mine:1", "openai:2"]);
    assert!(house.caller(key.expose()).is_some());
    assert_eq!(house.control.origin(), Origin::Database);
}

#[tokio::test]
async fn a_key_given_at_the_start_is_honoured_in_place_of_the_one_before() {
    let mut house = House::new();
    let made = house.boot(&[], "").await.unwrap().admin_key.unwrap();
    house.again();
    assert!(house.boot(&[("admin-key", GIVEN)], "").await.unwrap().admin_key.is_none());
    assert!(house.caller(GIVEN).is_some_and(|caller| caller.is_admin()) && house.caller(made.expose()).is_none());
    house.again();
    house.boot(&[("admin-key", OTHER)], "").await.unwrap();
    assert!(house.caller(OTHER).is_some() && house.caller(GIVEN).is_none());
    house.again();
    let taken = house
        .boot(&[("admin-key", OTHER), ("bootstrap-force-config", "true")], &FILE.replace("sk-alice-0123456789-0123456789", OTHER))
        .await;
    assert!(matches!(taken, Err(BootFault::KeyTaken { .. })), "{taken:?}");
}

#[tokio::test]
async fn an_explicit_proxy_and_mask_win_at_each_boot() {
    let mut house = House::new();
    house.boot(&[], FILE).await.unwrap();
    house.again();
    house.boot(&[("proxy", "socks5://flag:2"), ("mask-sensitive-info", "false")], FILE).await.unwrap();
    let settings = house.rows().await.settings;
    assert_eq!((settings.proxy.as_deref(), settings.mask_sensitive_info), (Some("socks5://flag:2"), false));
}

#[tokio::test]
async fn a_first_boot_that_broke_off_is_taken_up_again() {
    let house = House::new();
    let taken = FILE.replace("sk-alice-0123456789-0123456789", GIVEN);
    // The administrator's key is alice's already, so this boot ends after the import.
    assert!(house.boot(&[("admin-key", GIVEN)], &taken).await.is_err());
    let booted = house.boot(&[], FILE).await.unwrap();
    assert!(house.caller(booted.admin_key.unwrap().expose()).is_some());
    assert_eq!(house.serving(), ["mine:1", "openai:2"]);
}

#[tokio::test]
async fn a_file_that_is_the_source_is_applied_again_without_needless_writes() {
    let mut house = House::new();
    let force = [("bootstrap-force-config", "true"), ("admin-key", GIVEN)];
    house.boot(&force, FILE).await.unwrap();
    let before = house.rows().await;
    house.again();
    house.boot(&force, FILE).await.unwrap();
    assert_eq!(house.rows().await, before);
    assert_eq!(house.control.origin(), Origin::File("gproxy.toml".into()));
}

#[tokio::test]
async fn a_database_keeps_what_was_imported_to_the_letter() {
    let dir = tempfile::tempdir().unwrap();
    let dsn = format!("sqlite://{}/gproxy.db?mode=rwc", dir.path().display());
    let force = [("bootstrap-force-config", "true"), ("admin-key", GIVEN)];
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut house = House::new();
        let store = Arc::new(crate::store::persist::sql::SqlStore::open(&dsn).await.unwrap());
        let stores = Stores::of(&store);
        house.clock.advance(Duration::from_mins(seen.len() as u64));
        let control = Control::new(stores, Sealer::new(Secret::new("k".to_owned())), platform_with(Arc::clone(&house.clock) as _));
        house.control = Arc::new(control.with_passwords(Passwords::cheap()));
        house.boot(&force, FILE).await.unwrap();
        assert_eq!(house.serving(), ["mine:1", "openai:2"]);
        seen.push(store.load().await.unwrap());
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn what_left_the_file_is_disabled_and_what_came_back_serves() {
    let mut house = House::new();
    let force = [("bootstrap-force-config", "true"), ("admin-key", GIVEN)];
    house.boot(&force, FILE).await.unwrap();
    let without_mine = FILE.replace("id = \"mine\"", "id = \"yours\"").replace("secret = \"sk-canary-b\"", "secret = \"sk-canary-d\"");
    let less = without_mine.replace("permissions = [\"openai/*\", \"mine/*\"]", "permissions = [\"openai/*\"]").replace("\"m1\", ", "");
    house.again();
    house.boot(&force, &less).await.unwrap();
    assert_eq!(house.serving(), ["openai:2", "yours:1"]);
    let rows = house.rows().await;
    assert_eq!(rows.credentials.len(), 4, "b has a new secret under its old id: {:?}", rows.credentials);
    assert_eq!(rows.models.iter().filter(|row| row.enabled).map(|row| row.model_id.as_str()).collect::<Vec<_>>(), ["m2"]);
    let alice = house.caller("sk-alice-0123456789-0123456789").unwrap().user();
    assert_eq!(rows.permissions.iter().filter(|row| row.is_of(alice)).map(|row| row.pattern.as_str()).collect::<Vec<_>>(), ["openai/*"]);
    house.again();
    house.boot(&force, FILE).await.unwrap();
    assert_eq!(house.serving(), ["mine:1", "openai:2"]);
}

#[tokio::test]
async fn the_last_good_file_serves_until_a_better_one_comes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gproxy.toml");
    let house = House::new();
    std::fs::write(&path, FILE).unwrap();
    let flags = [("bootstrap-force-config", "true"), ("admin-key", GIVEN), ("config", path.to_str().unwrap())];
    let config = Arc::new(house.config(&flags, FILE));
    bootstrap(&house.control, &config).await.unwrap();
    let mut watch = Watch::new(Arc::clone(&house.control), config);
    assert_eq!((watch.look().await, watch.look().await), (Look::Applied, Look::Unchanged));
    let serving = house.serving();
    for bad in [
        FILE.replace("id = \"mine\"", "idd = \"mine\""),
        "[[channels".to_owned(),
        FILE.replace("channel = \"openai\"", "channel = \"opnai\""),
    ] {
        std::fs::write(&path, bad).unwrap();
        assert_eq!((watch.look().await, watch.look().await), (Look::Refused, Look::Unchanged));
        assert_eq!(house.serving(), serving);
        let faults = house.control.faults();
        assert!(faults.iter().any(|fault| fault.what == "file" && fault.message.starts_with("line ")), "{faults:?}");
        assert!(!format!("{faults:?}").contains("canary"));
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!((watch.look().await, watch.look().await), (Look::Refused, Look::Unchanged));
    std::fs::write(&path, FILE.replace("id = \"mine\"", "id = \"longer\"")).unwrap();
    assert_eq!(watch.look().await, Look::Applied);
    assert_eq!(house.serving(), ["longer:1", "openai:2"]);
    assert_eq!(house.control.faults(), []);
    assert!(house.caller(GIVEN).is_some());
}

#[tokio::test]
async fn a_secret_in_settings_is_sealed_once_wherever_it_comes_from() {
    let file = r#"
[[channels]]
id = "up"
channel = "custom"
[channels.settings]
base_url = "https://up.example"
[channels.settings.oauth]
token_url = "https://id.example/token"
client_id = "c"
client_secret = "canary-client"
[[channels.credentials]]
secret = "refresh"
"#;
    let mut house = House::new();
    let force = [("bootstrap-force-config", "true")];
    house.boot(&force, file).await.unwrap();
    let rows = house.rows().await;
    let row = rows.providers.iter().find(|row| row.name == "up").unwrap();
    assert!(!row.settings_json.contains("canary") && row.settings_json.contains("enc:v2:"), "{}", row.settings_json);
    assert_eq!(house.serving(), ["up:1"]);
    house.again();
    house.boot(&force, file).await.unwrap();
    assert_eq!(house.rows().await, rows, "the same file writes nothing the second time");
    // As an earlier version left it.
    let open = crate::snapshot::secret::open_settings(house.control.sealer(), &row.settings_json).unwrap().into_owned();
    house.store.save(Some(row.id), NewProvider { settings_json: open, ..row.row.clone() }).await.unwrap();
    house.again();
    house.boot(&[], "").await.unwrap();
    let text = house.rows().await.providers.get(row.id).unwrap().settings_json.clone();
    assert!(!text.contains("canary") && text.contains("enc:v2:"), "{text}");
    assert_eq!(house.serving(), ["up:1"]);
}
