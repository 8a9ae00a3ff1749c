//! Everything opens with the new secret and nothing with the former, or everything is as it was.

use std::{collections::BTreeMap, path::Path};

use super::{place::NEW_KEY, *};
use crate::{
    admin::Stores,
    app::config::{
        Sources, database_key,
        secret_key::{KEY_FILE, NEXT_KEY_FILE},
    },
    base::ProviderId,
    store::{
        persist::{
            AuditFilter, AuditLog as _, Books as _, Records as _, RecordsExt as _,
            journal::{Beside, FileJournal},
        },
        record::{Noun, ProviderRow},
    },
    testing::platform,
};

const SETTINGS: &str =
    r#"{"base_url":"https://up.example","oauth":{"token_url":"https://id.example/token","client_id":"c","client_secret":"hush"}}"#;
const DEFAULT: Asked = Asked { new_key: Source::Environment, unreadable: Unreadable::Refuse };

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// A platform whose random bytes are others than those that the first key was made of.
fn later() -> Platform {
    let platform = platform();
    platform.entropy.fill(&mut [0; 8]);
    platform
}

/// A configuration whose data is in a folder.
fn config(folder: &Path, env: &[(&str, &str)]) -> Config {
    let env: BTreeMap<String, String> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let flags = BTreeMap::from([("data-dir", folder.join("data").to_str().unwrap().to_owned())]);
    Config::read(&Sources { flags, env, read: &read }, &platform()).unwrap().0
}

async fn opened(config: &Config, sealer: &Sealer) -> Arc<SqlStore> {
    Arc::new(SqlStore::open_sealed(config.dsn.expose(), seals::keys(sealer)).await.unwrap())
}

/// A database with a secret in every place that has one.
async fn furnish(config: &Config) -> Sealer {
    let platform = platform();
    let sealer = Sealer::new(database_key(config, &*platform.entropy).unwrap());
    let store = opened(config, &sealer).await;
    let settings_json = secret::seal_settings(&sealer, SETTINGS, &*platform.entropy);
    let provider = store.save(None, NewProvider { settings_json, ..NewProvider::of("up", "custom") }).await.unwrap().id;
    // One from before settings were sealed.
    store.save(None, NewProvider { settings_json: SETTINGS.to_owned(), ..NewProvider::of("older", "custom") }).await.unwrap();
    store.save(None, NewProvider::of("plain", "openai")).await.unwrap();
    for key in ["sk-one", "sk-two"] {
        let sealed = secret::seal_api_key(&sealer, provider, &secret(key), &*platform.entropy);
        store.save(None, NewCredential::of(provider, secret::API_KEY, sealed)).await.unwrap();
    }
    let token = sealer.seal(HF_TOKEN, "hf", &*platform.entropy);
    store.save_settings(SettingsRow { hf_token_sealed: Some(token), ..SettingsRow::default() }).await.unwrap();
    store.close().await.unwrap();
    sealer
}

/// How many of the secrets a sealer opens, to what was given; and whether the ledger is sealed with its key.
async fn opens(config: &Config, sealer: &Sealer) -> (usize, bool) {
    let store = opened(config, sealer).await;
    let rows = store.load().await.unwrap();
    let keys = ["sk-one", "sk-two"];
    let credentials =
        rows.credentials.iter().zip(keys).filter(|(row, key)| {
            secret::open_api_key(sealer, row.provider_id, &row.secret_sealed).is_ok_and(|opened| opened == secret(key))
        });
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let is_right = |row: &&ProviderRow| {
        secret::rests(&row.settings_json) == Rests::Sealed
            && secret::open_settings(sealer, &row.settings_json).is_ok_and(|opened| value(&opened) == value(SETTINGS))
    };
    let token = rows.settings.hf_token_sealed.as_deref().and_then(|sealed| sealer.open(HF_TOKEN, sealed).ok());
    let opened = credentials.count() + rows.providers.iter().filter(is_right).count() + usize::from(token == Some(secret("hf")));
    let head = store.books().await.unwrap().head().await.unwrap().unwrap();
    store.close().await.unwrap();
    (opened, head.is_ours && head.is_intact)
}

#[tokio::test]
async fn everything_is_sealed_anew_and_the_file_holds_the_new_key() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[]);
    let former = furnish(&config).await;
    assert_eq!(opens(&config, &former).await, (4, true), "one provider's settings rest open");
    let report = run(&DEFAULT, &config, None, &later()).await.unwrap();
    let Report { credentials, providers, others, already, ref left, .. } = report;
    assert_eq!((credentials, providers, others, already, left.len()), (2, 2, 2, 0, 0), "{report}");
    let new = Sealer::new(standing_key(&config).unwrap());
    assert_eq!(opens(&config, &new).await, (5, true));
    assert_eq!(opens(&config, &former).await.0, 0, "nothing opens with the former");
    let text = std::fs::read_to_string(folder.path().join("data").join(KEY_FILE)).unwrap();
    assert!(!report.to_string().contains(&text) && report.to_string().contains("secret.key.before-"), "{report}");
    // And once more, to a key that is given.
    let report = run(&DEFAULT, &config, Some("another, given"), &later()).await.unwrap();
    assert_eq!((report.credentials, report.providers, report.others), (2, 2, 2), "{report}");
    assert_eq!(standing_key(&config).unwrap(), secret("another, given"));
    assert_eq!(opens(&config, &Sealer::new(secret("another, given"))).await, (5, true));
    let store = opened(&config, &Sealer::new(secret("another, given"))).await;
    let entries = store.entries(AuditFilter { action: Some(AuditAction::Rotate), ..AuditFilter::default() }, None, 9).await.unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].entry.actor_name.as_deref(), Some("gproxy rotate-secret"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn one_that_was_interrupted_is_finished_and_nothing_starts_before() {
    for sealed_before in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &[]);
        let former = furnish(&config).await;
        // Killed before the database changed, or after, with the new key's file at hand.
        let new = Sealer::new(secret("the next key"));
        std::fs::write(folder.path().join("data").join(NEXT_KEY_FILE), "the next key").unwrap();
        if sealed_before {
            let store = opened(&config, &former).await;
            let control = Control::new(Stores::of(&store), former.clone(), platform());
            rotate(&control, &store, (&former, &new), Unreadable::Refuse).await.unwrap();
            store.close().await.unwrap();
        }
        assert!(matches!(database_key(&config, &*platform().entropy), Err(KeyFault::Interrupted(_))));
        assert!(matches!(run(&DEFAULT, &config, Some("a third"), &later()).await, Err(RotateFault::Interrupted(_))));
        let report = run(&DEFAULT, &config, None, &later()).await.unwrap();
        assert_eq!(report.already, if sealed_before { 6 } else { 0 }, "{report}");
        assert_eq!(database_key(&config, &*platform().entropy).unwrap(), secret("the next key"));
        assert_eq!(opens(&config, &new).await, (5, true));
    }
}

#[tokio::test]
async fn what_opens_with_neither_stops_all_or_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[]);
    let former = furnish(&config).await;
    let store = opened(&config, &former).await;
    let lost = secret::seal_api_key(&Sealer::new(secret("lost")), ProviderId(1), &secret("sk"), &*platform().entropy);
    let id = store.save(None, NewCredential::of(ProviderId(1), secret::API_KEY, lost.clone())).await.unwrap().id;
    let before = store.load().await.unwrap();
    store.close().await.unwrap();
    let fault = run(&DEFAULT, &config, None, &later()).await.unwrap_err().to_string();
    assert!(fault.contains(&format!("credential {id}")) && fault.contains("nothing was written"), "{fault}");
    assert!(!folder.path().join("data").join(NEXT_KEY_FILE).exists(), "a start is not stopped by it");
    let store = opened(&config, &former).await;
    assert_eq!(store.load().await.unwrap(), before);
    store.close().await.unwrap();
    let report = run(&Asked { unreadable: Unreadable::Leave, ..DEFAULT }, &config, None, &later()).await.unwrap();
    assert_eq!(report.left, [format!("credential {id}")]);
    let new = Sealer::new(standing_key(&config).unwrap());
    assert_eq!(opens(&config, &new).await, (5, true));
    let store = opened(&config, &new).await;
    assert_eq!(store.load().await.unwrap().credentials.get(id).unwrap().secret_sealed, lost);
    store.close().await.unwrap();
}

#[tokio::test]
async fn beside_a_gateway_that_serves_nothing_is_touched() {
    for env in [&[][..], &[("DATABASE_SECRET_KEY", "given")]] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), env);
        let former = furnish(&config).await;
        let serving = FileJournal::claim(&config.data_dir, Beside::Nobody).unwrap();
        let fault = run(&DEFAULT, &config, Some("another"), &later()).await.unwrap_err();
        assert!(matches!(fault, RotateFault::Serving(_)) && fault.to_string().contains("stop it first"), "{fault}");
        assert_eq!(opens(&config, &former).await, (4, true));
        assert!(!folder.path().join("data").join(NEXT_KEY_FILE).exists());
        drop(serving);
        run(&DEFAULT, &config, Some("another"), &later()).await.unwrap();
        assert_eq!(opens(&config, &Sealer::new(secret("another"))).await, (5, true));
    }
}

#[tokio::test]
async fn a_secret_that_is_given_at_every_start_wants_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[("DATABASE_SECRET_KEY", "given")]);
    furnish(&config).await;
    for (new, words) in [(None, NEW_KEY), (Some("given"), "the one in use"), (Some(" \n"), "blank")] {
        let fault = run(&DEFAULT, &config, new, &later()).await.unwrap_err().to_string();
        assert!(fault.contains(words), "{new:?}: {fault}");
        assert_eq!(opens(&config, &Sealer::new(secret("given"))).await, (4, true), "{new:?}");
    }
    let file = folder.path().join("new");
    std::fs::write(&file, "from a file\n").unwrap();
    let asked = Asked { new_key: Source::File(file), ..DEFAULT };
    let report = run(&asked, &config, None, &later()).await.unwrap();
    assert!(report.to_string().contains("DATABASE_SECRET_KEY"), "{report}");
    assert_eq!(opens(&config, &Sealer::new(secret("from a file"))).await, (5, true));
    assert!(!folder.path().join("data").join(KEY_FILE).exists(), "no file is made of it");
    let again = run(&asked, &config, None, &later()).await.unwrap();
    assert_eq!((again.already, again.changed()), (6, 0), "once more is no harm: {again}");
}

#[tokio::test]
async fn every_column_that_rests_sealed_is_known_here() {
    let sealed: Vec<&str> = Noun::ALL.iter().flat_map(|noun| noun.with(Sealed)).collect();
    assert_eq!(sealed, ["secret_sealed"], "rotate() must seal the new one anew too");
}

struct Sealed;

impl crate::store::record::NounWork for Sealed {
    type Output = Vec<&'static str>;

    fn of<N: crate::store::record::Record>(self) -> Vec<&'static str> {
        N::COLUMNS.iter().map(|(column, _)| *column).filter(|column| column.ends_with("_sealed")).collect()
    }
}
