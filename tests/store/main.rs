//! One contract for every store, run against each: in memory, SQLite, PostgreSQL, MariaDB.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, helpers included")]
#![expect(clippy::large_futures, reason = "run once each")]
#![expect(clippy::disallowed_methods, reason = "the servers' addresses come from the environment")]

mod contract;
mod databases;

use std::{sync::Arc, time::Duration};

use contract::uphold_store_contract;
use databases::{Server, mysql, postgres};
use gproxy::{
    runtime::{BoxFuture, Clock, Instant},
    store::persist::{StoreFault, memory::MemoryStore, sql::SqlStore},
};

#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn unix_ms(&self) -> u64 {
        1_790_000_000_000
    }

    fn now(&self) -> Instant {
        Instant(0)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn memory_upholds_the_contract() {
    uphold_store_contract(&MemoryStore::new(Arc::new(Standing))).await;
}

#[tokio::test]
async fn sqlite_upholds_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let dsn = format!("sqlite://{}/store.db?mode=rwc", folder.path().display());
    opened_twice_at_once(&dsn).await;
    let store = SqlStore::open(&dsn).await.unwrap();
    uphold_store_contract(&store).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn sqlite_in_memory_upholds_the_contract() {
    uphold_store_contract(&SqlStore::open("sqlite::memory:").await.unwrap()).await;
}

#[tokio::test]
async fn postgres_upholds_the_contract() {
    uphold_on(postgres()).await;
}

#[tokio::test]
async fn mysql_upholds_the_contract() {
    uphold_on(mysql()).await;
}

#[tokio::test]
async fn servers_with_another_programs_tables_are_refused() {
    for server in [postgres(), mysql()] {
        let database = server.make().await;
        database.run("CREATE TABLE providers (id BIGINT)").await;
        let fault = SqlStore::open(database.dsn()).await.unwrap_err();
        assert!(matches!(&fault, StoreFault::Schema(text) if text.contains("providers")), "{fault}");
        database.drop().await;
        let database = server.make().await;
        SqlStore::open(database.dsn()).await.unwrap().close().await.unwrap();
        database.run("INSERT INTO schema_migrations (version, applied_at) VALUES (99, 1)").await;
        let fault = SqlStore::open(database.dsn()).await.unwrap_err();
        assert!(matches!(&fault, StoreFault::Schema(text) if text.contains("newer")), "{fault}");
        database.drop().await;
    }
}

async fn uphold_on(server: Server) {
    let database = server.make().await;
    opened_twice_at_once(database.dsn()).await;
    let store = SqlStore::open(database.dsn()).await.unwrap();
    uphold_store_contract(&store).await;
    store.close().await.unwrap();
    database.drop().await;
}

/// Two instances that start on an empty database at the same moment.
async fn opened_twice_at_once(dsn: &str) {
    let (one, two) = tokio::join!(SqlStore::open(dsn), SqlStore::open(dsn));
    for store in [one, two] {
        store.unwrap().close().await.unwrap();
    }
}
