//! The proof of the ledger: a load with faults verifies clean, and each kind of planted tampering is found by name.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, helpers included")]
#![expect(clippy::disallowed_methods, reason = "the servers' addresses come from the environment")]

#[path = "../store/databases.rs"]
mod databases;
mod house;
mod life;
mod program;
mod tampering;

use databases::{Database, Server, mysql, postgres};
use gproxy::store::persist::{SealKey, sql::SqlStore};
use house::House;

#[tokio::test]
async fn sqlite_is_proven_and_each_tampering_found() {
    let folder = tempfile::tempdir().unwrap();
    let dsn = format!("sqlite://{}/gproxy.db?mode=rwc", folder.path().display());
    proven_and_found(&dsn).await;
}

#[tokio::test]
async fn postgres_is_proven_and_each_tampering_found() {
    on(postgres()).await;
}

#[tokio::test]
async fn mysql_is_proven_and_each_tampering_found() {
    on(mysql()).await;
}

async fn on(server: Server) {
    let database = server.make().await;
    refused_until_it_is_ours(&database).await;
    proven_and_found(database.dsn()).await;
    database.drop().await;
}

/// Looking changes nothing: neither an empty database nor an older one is brought up to date.
async fn refused_until_it_is_ours(database: &Database) {
    let look = || SqlStore::look_at(database.dsn(), SealKey::default());
    assert!(look().await.unwrap_err().to_string().contains("empty"));
    database.run("CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)").await;
    database.run("INSERT INTO schema_migrations VALUES (2, 1)").await;
    assert!(look().await.unwrap_err().to_string().contains("version 2, older"));
    database.run("DROP TABLE schema_migrations").await;
}

async fn proven_and_found(dsn: &str) {
    let mut house = House::build(dsn).await;
    house.load(700).await;
    let report = house.prove().await;
    assert!(report.is_clean(), "{report}");
    tampering::each_is_found(&mut house, dsn).await;
    let report = house.prove().await;
    assert!(report.is_clean(), "what was planted is gone again\n{report}");
    house.end().await;
}
