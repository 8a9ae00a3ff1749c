//! The schema's steps, refusals and backup, on SQLite files.

use std::path::Path;

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

const NEXT: Migration = Migration { version: 100, statements: &["CREATE TABLE later (id BIGINT)"] };
const BROKEN: Migration = Migration { version: 100, statements: &["CREATE TABLE later (id BIGINT)", "CREATE NONSENSE"] };

/// The steps of today, and one more.
fn with(step: Migration) -> Vec<Migration> {
    [schema::MIGRATIONS, &[step]].concat()
}

fn known() -> Vec<i64> {
    schema::MIGRATIONS.iter().map(|step| step.version).collect()
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
    assert_eq!(versions(&store).await, known());
    assert_eq!(files(folder.path()), ["gproxy.db"], "no backup without a migration");
}

#[tokio::test]
async fn a_file_is_copied_before_its_migration() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    migrate::run(&store, &with(NEXT)).await.unwrap();
    assert_eq!(versions(&store).await, [known(), vec![100]].concat());
    let files = files(folder.path());
    let [_, copy] = &files[..] else { panic!("{files:?}") };
    assert!(copy.starts_with(&format!("gproxy.db.v{}-", known().last().unwrap())), "{copy}");
    let copy = SqlStore::connect(&format!("sqlite://{}/data/{copy}", folder.path().display())).await.unwrap();
    assert_eq!(versions(&copy).await, known());
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_version_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    assert!(matches!(migrate::run(&store, &with(BROKEN)).await, Err(StoreFault::Failed(_))));
    assert_eq!(versions(&store).await, known());
    assert!(!store.dialect.tables(&store.database).await.unwrap().contains(&"later".to_owned()));
    store.close().await.unwrap();
    SqlStore::open(&dsn(folder.path())).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    migrate::run(&store, &with(NEXT)).await.unwrap();
    store.close().await.unwrap();
    let fault = SqlStore::open(&dsn(folder.path())).await.unwrap_err();
    assert!(matches!(&fault, StoreFault::Schema(text) if text.contains("version 100, newer than the")), "{fault}");
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
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dsn(folder.path())).await.unwrap();
    let rows: Vec<UsageRow> = (0..700).map(|number| if number % 9 == 0 { ended(number) } else { plain(number) }).collect();
    store.write_usages(rows.clone()).await.unwrap();
    // A journal that is read twice changes nothing.
    store.write_usages(rows.clone()).await.unwrap();
    let read = store.usages(UsageFilter::default(), None, 1000).await.unwrap();
    assert!(read.into_iter().rev().eq(rows));
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
