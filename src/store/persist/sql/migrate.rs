//! Brings a database's schema up to date, or refuses to touch it.

use std::path::{Path, PathBuf};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::{
    SqlStore,
    dialect::Dialect,
    failed,
    schema::{LEDGER_OF_STEPS, Migration, OLDEST, TABLES},
};
use crate::store::persist::StoreFault;

/// Held while migrating, so that two instances do not do it at once. Any number that nobody else uses.
const LOCK: i64 = 0x6770_726f_7879;

/// Takes all steps that the database has not taken.
pub(super) async fn run(store: &SqlStore, migrations: &[Migration]) -> Result<(), StoreFault> {
    let known = migrations.last().map_or(0, |last| last.version);
    let standing = standing(store, &store.database, known).await?;
    if standing == known {
        return Ok(());
    }
    if standing > 0
        && let Some(path) = store.file()
    {
        back_up(store, &path, standing).await?;
    }
    let transaction = store.begin().await.map_err(failed)?;
    lock(store, &transaction).await.map_err(failed)?;
    let taken = take(store, &transaction, (migrations, known)).await;
    match taken {
        Ok(()) => transaction.commit().await.map_err(failed),
        Err(fault) => {
            // The fault says more than a failed rollback would; dropping the connection rolls back as well.
            let _ = transaction.rollback().await;
            Err(fault)
        }
    }
}

/// Refuses a database that has not taken all steps.
pub(super) async fn look(store: &SqlStore, migrations: &[Migration]) -> Result<(), StoreFault> {
    let known = migrations.last().map_or(0, |last| last.version);
    match standing(store, &store.database, known).await? {
        0 => Err(StoreFault::Schema("the database is empty: no gproxy has used it yet".to_owned())),
        version if version < known => Err(StoreFault::Schema(format!(
            "the database has schema version {version}, older than the {known} of this program; start gproxy once to bring it up to date"
        ))),
        _ => Ok(()),
    }
}

async fn take(store: &SqlStore, transaction: &DatabaseTransaction, (migrations, known): (&[Migration], i64)) -> Result<(), StoreFault> {
    // Read again under the lock: another instance may have been here.
    let standing = standing(store, transaction, known).await?;
    transaction.execute_unprepared(&store.dialect.ddl(LEDGER_OF_STEPS)).await.map_err(failed)?;
    for migration in migrations.iter().filter(|migration| migration.version > standing) {
        step(store, transaction, migration).await.map_err(failed)?;
        tracing::info!(version = migration.version, "database schema migrated");
    }
    release(store, transaction).await.map_err(failed)
}

async fn step(store: &SqlStore, transaction: &DatabaseTransaction, migration: &Migration) -> Result<(), DbErr> {
    let version = migration.version;
    // MySQL commits at each table it makes: the row with time 0 tells the next start that these half-made tables are ours.
    let sql = store.dialect.insert_new("schema_migrations", &["version", "applied_at"], 1, "version");
    transaction.execute_raw(sea_orm::Statement::from_sql_and_values(store.dialect.backend(), sql, [version.into(), 0_i64.into()])).await?;
    for statement in migration.statements {
        match transaction.execute_unprepared(&store.dialect.ddl(statement)).await {
            Err(error) if !store.dialect.stands_already(&error) => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    let now = store.now(transaction).await?;
    let done = store.statement("UPDATE schema_migrations SET applied_at = ? WHERE version = ?", vec![now.into(), version.into()]);
    transaction.execute_raw(done).await?;
    Ok(())
}

/// The last version that was applied whole; 0 for an empty database.
async fn standing<C: ConnectionTrait>(store: &SqlStore, connection: &C, known: i64) -> Result<i64, StoreFault> {
    let tables = store.dialect.tables(connection).await.map_err(failed)?;
    let (mut begun, mut applied) = (0_i64, 0_i64);
    if tables.iter().any(|table| table == "schema_migrations") {
        let rows = store.statement("SELECT version, applied_at FROM schema_migrations", Vec::new());
        let rows = connection.query_all_raw(rows).await.map_err(|_| {
            StoreFault::Schema(
                "the database has a table schema_migrations that another program made; give gproxy a database of its own".to_owned(),
            )
        })?;
        for row in rows {
            let (version, at): (i64, i64) = (row.try_get("", "version").map_err(failed)?, row.try_get("", "applied_at").map_err(failed)?);
            begun = begun.max(version);
            applied = if at > 0 { applied.max(version) } else { applied };
        }
    }
    if begun > known {
        return Err(StoreFault::Schema(format!(
            "the database has schema version {begun}, newer than the {known} that this program knows; use a newer gproxy, or restore the \
             backup that was made before the migration"
        )));
    }
    if (1..OLDEST).contains(&begun) {
        return Err(StoreFault::Schema(format!(
            "the database has schema version {begun}, from before the first release of gproxy, which this program cannot bring up to date; \
             give it a new database (for SQLite: move the file away)"
        )));
    }
    let foreign: Vec<&str> = TABLES.into_iter().filter(|name| tables.iter().any(|table| table == name)).collect();
    if begun == 0 && !foreign.is_empty() {
        return Err(StoreFault::Schema(format!(
            "the database has tables of another program ({}) and no schema version of gproxy; give gproxy a database of its own",
            foreign.join(", ")
        )));
    }
    Ok(applied)
}

async fn lock(store: &SqlStore, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    match store.dialect {
        // BEGIN IMMEDIATE holds the lock already.
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await.map(drop),
        Dialect::Mysql => {
            let row = transaction
                .query_one_raw(store.statement("SELECT CAST(GET_LOCK('gproxy_schema', 60) AS SIGNED) AS held", Vec::new()))
                .await?;
            match row.map(|row| row.try_get::<Option<i64>>("", "held")).transpose()?.flatten() {
                Some(1) => Ok(()),
                Some(_) | None => Err(DbErr::Custom("another instance has been migrating this database for a minute".to_owned())),
            }
        }
    }
}

async fn release(store: &SqlStore, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    match store.dialect {
        Dialect::Sqlite | Dialect::Postgres => Ok(()),
        Dialect::Mysql => transaction.execute_unprepared("DO RELEASE_LOCK('gproxy_schema')").await.map(drop),
    }
}

/// Copies a SQLite file beside itself, whole and consistent.
async fn back_up(store: &SqlStore, path: &Path, version: i64) -> Result<(), StoreFault> {
    let now = store.now(&store.database).await.map_err(failed)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".v{version}-{now}.bak"));
    let copy = PathBuf::from(name);
    // Into an empty file of that name it copies as into none.
    super::reserve(&copy).map_err(|error| StoreFault::Failed(Box::new(error)))?;
    let sql = store.statement("VACUUM INTO ?", vec![copy.to_string_lossy().into_owned().into()]);
    store.database.execute_raw(sql).await.map_err(failed)?;
    tracing::info!(copy = %copy.display(), version, "database copied before its migration");
    Ok(())
}
