//! The schema's steps, refusals and backup, on SQLite files.

use std::{path::Path, sync::Arc};

use super::{migrate, schema::Migration, *};
use crate::{
    base::{Bucket, Modality, Usage},
    protocol::{Operation, OperationKind},
    store::{
        persist::{Ledger as _, UsageFilter, fixture::ended},
        record::UsageRow,
    },
};

fn dsn(folder: &Path) -> String {
    format!("sqlite://{}/data/gproxy.db?mode=rwc", folder.display())
}

const NEXT: Migration = Migration { version: 1000, statements: &["CREATE TABLE later (id BIGINT)"] };
const BROKEN: Migration = Migration { version: 1000, statements: &["CREATE TABLE later (id BIGINT)", "CREATE NONSENSE"] };

/// All steps, and one more.
fn then(step: Migration) -> Vec<Migration> {
    schema::MIGRATIONS.iter().copied().chain([step]).collect()
}

fn released() -> Vec<i64> {
    schema::MIGRATIONS.iter().map(|step| step.version).collect()
}

fn newest() -> i64 {
    *released().last().unwrap()
}

async fn versions(store: &SqlStore) -> Vec<i64> {
    let rows = store.database.query_all_raw(store.statement("SELECT version FROM schema_migrations WHERE applied_at > 0", Vec::new()));
    rows.await.unwrap().iter().map(|row| row.try_get("", "version").unwrap()).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder.join("data")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_missing_folder_is_made_and_a_second_opening_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    SqlStore::open(&dsn(folder.path())).await.unwrap().close().await.unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    assert_eq!(versions(&store).await, released());
    assert_eq!(files(folder.path()), ["gproxy.db"], "no backup without a migration");
}

#[tokio::test]
async fn a_file_is_copied_before_its_migration() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    migrate::run(&store, &then(NEXT)).await.unwrap();
    assert_eq!(versions(&store).await, [released(), vec![1000]].concat());
    let files = files(folder.path());
    let [_, copy] = &files[..] else { panic!("{files:?}") };
    assert!(copy.starts_with(&format!("gproxy.db.v{}-", newest())), "{copy}");
    let copy = SqlStore::connect(&format!("sqlite://{}/data/{copy}", folder.path().display())).await.unwrap();
    assert_eq!(versions(&copy).await, released());
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_version_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    assert!(matches!(migrate::run(&store, &then(BROKEN)).await, Err(StoreFault::Failed(_))));
    assert_eq!(versions(&store).await, released());
    assert!(!store.dialect.tables(&store.database).await.unwrap().contains(&"later".to_owned()));
    store.close().await.unwrap();
    SqlStore::open(&dsn(folder.path())).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    migrate::run(&store, &then(NEXT)).await.unwrap();
    store.close().await.unwrap();
    let fault = SqlStore::open(&dsn(folder.path())).await.unwrap_err();
    assert!(matches!(&fault, StoreFault::Schema(text) if text.contains(&format!("version 1000, newer than the {}", newest()))), "{fault}");
}

#[tokio::test]
async fn a_schema_from_before_the_first_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::connect(&dsn(folder.path())).await.unwrap();
    store.database.execute_unprepared("CREATE TABLE schema_migrations (version BIGINT, applied_at BIGINT)").await.unwrap();
    store.database.execute_unprepared("INSERT INTO schema_migrations VALUES (1, 7)").await.unwrap();
    store.close().await.unwrap();
    let fault = SqlStore::open(&dsn(folder.path())).await.unwrap_err();
    assert!(matches!(&fault, StoreFault::Schema(text) if text.contains("before the first release")), "{fault}");
}

#[tokio::test]
async fn another_programs_tables_are_refused_and_left_alone() {
    for sql in ["CREATE TABLE users (login TEXT)", "CREATE TABLE schema_migrations (name TEXT)"] {
        let folder = tempfile::tempdir().unwrap();
        let other = SqlStore::connect(&dsn(folder.path())).await.unwrap();
        other.database.execute_unprepared(sql).await.unwrap();
        other.close().await.unwrap();
        let fault = SqlStore::open(&dsn(folder.path())).await.unwrap_err();
        assert!(matches!(&fault, StoreFault::Schema(text) if text.contains("a database of its own")), "{fault}");
        let other = SqlStore::connect(&dsn(folder.path())).await.unwrap();
        assert_eq!(other.dialect.tables(&other.database).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn faults_do_not_repeat_the_dsn() {
    for dsn in ["oracle://user:hunter2@host/db", "hunter2", "postgres://user:hunter2@host:99999/db", "mysql://user:hunter2@host:99999/db"] {
        let fault = SqlStore::open(dsn).await.unwrap_err();
        let told = format!("{fault} {fault:?}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn rows_that_are_alike_are_written_as_all_others_are() {
    use crate::store::persist::Books as _;
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    let rows: Vec<UsageRow> = (0..700).map(|number| if number % 9 == 0 { ended(number) } else { plain(number) }).collect();
    // A journal that is read twice changes nothing.
    for _ in 0..2 {
        store.write_usages(rows.iter().cloned().map(Arc::new).collect()).await.unwrap();
    }
    let read = store.usages(UsageFilter::default(), None, 1000).await.unwrap();
    assert!(read.into_iter().rev().eq(rows));
    let books = store.books().await.unwrap();
    let head = books.head().await.unwrap().unwrap();
    assert_eq!((head.requests, head.is_intact), (700, true));
    assert!(books.rows(String::new(), 1000).await.unwrap().iter().all(|row| row.is_intact));
}

#[tokio::test]
async fn rows_from_before_the_seals_are_adopted_once() {
    use crate::store::persist::Books as _;
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    let rows: Vec<UsageRow> = (0..2500).map(ended).collect();
    store.write_usages(rows.iter().cloned().map(Arc::new).collect()).await.unwrap();
    let summary = store.usage_summary(UsageFilter::default()).await.unwrap();
    for sql in ["UPDATE usages SET seal = 0", "DELETE FROM usage_rollups", "DELETE FROM usage_head"] {
        store.database.execute_unprepared(sql).await.unwrap();
    }
    store.close().await.unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    assert_eq!(store.usage_summary(UsageFilter::default()).await.unwrap(), summary);
    let books = store.books().await.unwrap();
    let head = books.head().await.unwrap().unwrap();
    assert_eq!((head.requests, head.adopted, head.is_intact, head.is_ours), (2500, 2500, true, true));
    assert!(books.rows(String::new(), 3000).await.unwrap().iter().all(|row| row.is_intact));
    drop(books);
    // What has no seal later was not written by this program, and gets none.
    store.database.execute_unprepared("UPDATE usages SET seal = 0").await.unwrap();
    store.close().await.unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    let books = store.books().await.unwrap();
    assert!(books.rows(String::new(), 3000).await.unwrap().iter().all(|row| !row.is_intact));
}

/// Rows of three likenesses.
fn plain(number: u64) -> UsageRow {
    let mut row = ended(number);
    row.begun.operation = Operation::GenerateContent;
    row.begun.kind = if number < 300 { OperationKind::OpenAiChatCompletions } else { OperationKind::ClaudeMessages };
    row.usage = Usage::default();
    row.usage.set(Bucket::Input, Modality::Text, number);
    row.usage.set(Bucket::CacheWrite5m, Modality::Text, number / 500);
    row
}
