//! The same over each database: whole or not at all.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use gproxy::{
    app::{
        config::{Config, Sources, database_key},
        seals,
        transfer::{
            Bundle, Entry, Prune, apply,
            command::{Asked, PASSPHRASE, Passphrase, Run, import, obey},
            extract,
        },
    },
    base::Secret,
    credentials::Sealer,
    snapshot::secret,
    store::{
        persist::{AuditFilter, AuditLog as _, Books as _, Records as _, RecordsExt as _, sql::SqlStore},
        record::{NewProvider, Noun},
    },
    testing::platform,
};
use serde_json::{Value, json};

use crate::{
    databases::{Server, mysql, postgres},
    house::{bundle, furnish, in_memory, instance},
};

#[tokio::test]
async fn sqlite_takes_a_bundle_whole_or_not_at_all() {
    takes_it(SqlStore::open("sqlite::memory:").await.unwrap()).await;
}

#[tokio::test]
async fn postgres_takes_a_bundle_whole_or_not_at_all() {
    on(postgres()).await;
}

#[tokio::test]
async fn mysql_takes_a_bundle_whole_or_not_at_all() {
    on(mysql()).await;
}

async fn on(server: Server) {
    let database = server.make().await;
    takes_it(SqlStore::open(database.dsn()).await.unwrap()).await;
    database.drop().await;
}

async fn takes_it(store: SqlStore) {
    let store = Arc::new(store);
    let (one, two) = (in_memory("one", 0).await, instance(Arc::clone(&store), "two"));
    furnish(&one, 1).await;
    furnish(&one, 2).await;
    let exported = bundle(&one).await;
    let empty = two.records().load().await.unwrap();

    // The last row of the last noun names nobody.
    let mut broken = exported.clone();
    broken.rows.get_mut(&Noun::PriceRule).unwrap()[3].fields.insert("provider".into(), "nobody".into());
    let fault = import(&two, &broken, Run::Real, Prune::Keep).await.unwrap_err().to_string();
    assert_eq!(fault, "price_rules[3].provider: is \"nobody\"; expected a provider of the bundle or of this instance");
    // The store itself refuses the last one.
    let mut broken = exported.clone();
    let user: Entry =
        Entry { fields: [("user".to_owned(), "eve1".into())].into_iter().chain(key_of(&exported)).collect(), ..Entry::default() };
    broken.rows.get_mut(&Noun::Key).unwrap().push(user);
    assert!(import(&two, &broken, Run::Real, Prune::Keep).await.is_err());
    assert_eq!(two.records().load().await.unwrap(), empty);

    import(&two, &exported, Run::Real, Prune::Keep).await.unwrap();
    assert_eq!(bundle(&two).await, exported);

    // What was planned over other rows than those that stand is refused.
    let rows = two.records().load().await.unwrap();
    let standing = extract(&rows, two.sealer());
    let nothing = Bundle::default();
    let plan = gproxy::app::transfer::Plan::of(&standing, &nothing, Prune::Remove);
    two.records().save(None, NewProvider::of("meanwhile", "openai")).await.unwrap();
    let fault = apply(&two, &rows, (&standing, &nothing), &plan).await.unwrap_err().to_string();
    assert!(fault.contains("changed meanwhile"), "{fault}");

    let done = import(&two, &nothing, Run::Real, Prune::Remove).await.unwrap();
    assert!(done.answer.starts_with("- "), "{}", done.answer);
    let rows = two.records().load().await.unwrap();
    assert!(rows.providers.is_empty() && rows.users.is_empty() && rows.permissions.is_empty());
    store.close().await.unwrap();
}

/// The members of the first key, but for its user.
fn key_of(bundle: &Bundle) -> impl Iterator<Item = (String, serde_json::Value)> + '_ {
    bundle.of(Noun::Key)[0].fields.iter().filter(|(name, _)| *name != "user").map(|(name, value)| (name.clone(), value.clone()))
}

/// What `gproxy import` leaves behind in a folder that nobody used yet.
#[tokio::test]
async fn a_fresh_database_is_the_operators_from_its_first_import_on() {
    let folder = tempfile::tempdir().unwrap();
    let platform = platform();
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let flags = BTreeMap::from([("data-dir", folder.path().to_str().unwrap().to_owned())]);
    let config = Config::read(&Sources { flags, env: BTreeMap::new(), read: &read }, &platform).unwrap().0;
    let one = in_memory("one", 0).await;
    let oauth = json!({"token_url": "https://id.example/token", "client_id": "c", "client_secret": "canary-client"});
    let settings = json!({"base_url": "https://up.example", "oauth": oauth}).to_string();
    let settings_json = secret::seal_settings(one.sealer(), &settings, &*platform.entropy);
    one.records().save(None, NewProvider { settings_json, ..NewProvider::of("up", "custom") }).await.unwrap();
    let passphrase = Secret::new("a passphrase".to_owned());
    let file = folder.path().join("bundle.json");
    std::fs::write(&file, bundle(&one).await.write(Some(&passphrase), &*platform.entropy).unwrap()).unwrap();
    let passphrase = Passphrase::Environment;
    let asked = Asked::Import { file, run: Run::Real, prune: Prune::Keep, passphrase, format: None, source_key: None };
    let environment = BTreeMap::from([(PASSPHRASE.to_owned(), "a passphrase".to_owned())]);
    obey(&asked, &config, &environment, &platform).await.unwrap();

    let sealer = Sealer::new(database_key(&config, &*platform.entropy).unwrap());
    let store = SqlStore::open_sealed(config.dsn.expose(), seals::keys(&sealer)).await.unwrap();
    assert!(store.books().await.unwrap().head().await.unwrap().unwrap().is_ours, "the ledger's seals are the operator's");
    let row = store.load().await.unwrap().providers.iter().next().unwrap().row.clone();
    assert!(!row.settings_json.contains("canary"), "{}", row.settings_json);
    let opened = secret::open_settings(&sealer, &row.settings_json).unwrap().into_owned();
    assert_eq!(serde_json::from_str::<Value>(&opened).unwrap(), serde_json::from_str::<Value>(&settings).unwrap());
    let entries = store.entries(AuditFilter::default(), None, 9).await.unwrap();
    let told: Vec<(&str, Option<&str>)> =
        entries.iter().map(|row| (row.entry.target_kind.as_str(), row.entry.actor_name.as_deref())).collect();
    assert_eq!(told, [("bundle", Some("gproxy import"))]);
    assert!(entries[0].entry.after_json.as_deref().is_some_and(|counts| counts.contains("\"made\":1")), "{entries:?}");
    store.close().await.unwrap();
}
