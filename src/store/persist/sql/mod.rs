//! Records and ledger in SQLite, PostgreSQL or MySQL, chosen by the dsn.
//!
//! Statements are texts with bound parameters; only [`dialect`] knows where the engines differ.

use std::{
    fmt,
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
    sqlx::{
        mysql::MySqlConnectOptions,
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use crate::store::persist::{SealKey, SealKeys, StoreFault, Stored, private};

mod audit;
mod books;
mod change;
mod data;
mod dialect;
mod direct;
mod foreign;
mod head;
mod health;
mod hot;
mod kept;
mod ledger;
mod migrate;
mod paging;
mod records;
mod retire;
mod rollup;
mod schema;
mod settings;
mod summary;
#[cfg(test)]
mod tests;
mod usage;

pub use books::SqlBooks;
use dialect::Dialect;
use direct::Direct;
pub use foreign::ForeignFile;

/// How often a busy SQLite file is asked again at the start, and how long that waits each time.
const BUSY_TRIES: usize = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// How long a writer of a SQLite file waits for another one.
const BUSY_TIME: Duration = Duration::from_secs(5);
/// What a SQLite file's log is cut to once it is folded into the file, in bytes.
const LOG_BYTES: i64 = 64 << 20;

/// Records and ledger in one SQL database.
pub struct SqlStore {
    database: DatabaseConnection,
    dialect: Dialect,
    texts: hot::Texts,
    /// What usage rows are sealed with.
    key: SealKey,
    /// A SQLite file's own way for usage rows.
    direct: Option<Arc<Direct>>,
}

impl SqlStore {
    /// Opens `sqlite://path?mode=rwc`, `postgres://…` or `mysql://…`, and brings the schema up to date.
    ///
    /// A SQLite file's folder is made where it is missing; its file is copied beside itself before a migration.
    ///
    /// # Errors
    /// [`StoreFault::Schema`] where the dsn or the schema is not one that this program knows, [`StoreFault::Failed`] where the
    /// database cannot be reached.
    pub async fn open(dsn: &str) -> Result<Self, StoreFault> {
        Self::open_sealed(dsn, SealKey::default()).await
    }

    /// The same, with keys of the operator's for the seals of usage rows.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_sealed(dsn: &str, keys: impl Into<SealKeys>) -> Result<Self, StoreFault> {
        let store = Self::connect(dsn).await?;
        migrate::run(&store, schema::MIGRATIONS).await?;
        let store = store.sealing(&keys.into()).await?;
        head::adopt(&store).await.map_err(failed)?;
        Ok(store)
    }

    /// Opens a database to look at it, and changes nothing: one whose schema this program would first have to change is refused.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn look_at(dsn: &str, keys: impl Into<SealKeys>) -> Result<Self, StoreFault> {
        if Dialect::of(dsn) == Some(Dialect::Sqlite) {
            let path = dsn.trim_start_matches("sqlite:").trim_start_matches("//").split('?').next().unwrap_or_default();
            if !path.contains(":memory:") && !std::path::Path::new(path).exists() {
                return Err(StoreFault::Schema(format!("there is no database at {path}")));
            }
        }
        let store = Self::connect(dsn).await?;
        migrate::look(&store, schema::MIGRATIONS).await?;
        store.sealing(&keys.into()).await
    }

    /// The same store with the key that its ledger began with.
    async fn sealing(self, keys: &SealKeys) -> Result<Self, StoreFault> {
        let kept = head::kept_key(&self).await.map_err(failed)?;
        Ok(Self { key: keys.of(kept.as_deref()), ..self })
    }

    /// The ledger's kept key, sealed; nothing where its key is that of the secret it began with.
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn kept_key(&self) -> Result<Option<String>, StoreFault> {
        head::kept_key(self).await.map_err(failed)
    }

    /// Closes every connection after its last statement. SQLite folds its log into the file here.
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn close(&self) -> Result<(), StoreFault> {
        if let Some(direct) = &self.direct {
            direct.close();
        }
        self.database.close_by_ref().await.map_err(failed)
    }

    async fn connect(dsn: &str) -> Result<Self, StoreFault> {
        // The dsn carries a password: no message repeats it.
        let unknown = || StoreFault::Schema("unknown dsn; expected sqlite://path?mode=rwc, postgres://… or mysql://…".to_owned());
        let dialect = Dialect::of(dsn).ok_or_else(unknown)?;
        let dsn = match dsn.strip_prefix("mariadb:") {
            Some(rest) => format!("mysql:{rest}"),
            None => dsn.to_owned(),
        };
        check(dialect, &dsn)?;
        let mut options = ConnectOptions::new(dsn.as_str());
        options.sqlx_logging(false).acquire_timeout(Duration::from_secs(5)).max_connections(8).min_connections(1);
        if dialect == Dialect::Sqlite {
            tune_sqlite(&mut options, &dsn)?;
        }
        let database = patiently(&options).await.map_err(failed)?;
        let mut store = Self { database, dialect, texts: hot::Texts::new(dialect), key: SealKey::default(), direct: None };
        store.direct = store.file().map(Direct::new);
        Ok(store)
    }

    /// The SQLite file, where there is one.
    fn file(&self) -> Option<PathBuf> {
        match self.dialect {
            Dialect::Sqlite => {
                let options = self.database.get_sqlite_connection_pool().connect_options();
                let path = options.get_filename().to_owned();
                // sqlx names databases in memory `file:sqlx-in-memory-N`.
                (!path.to_string_lossy().starts_with("file:")).then_some(path)
            }
            Dialect::Postgres | Dialect::Mysql => None,
        }
    }

    /// Begins a transaction that writes; SQLite takes its lock here rather than at a later point where waiting would be refused.
    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let mode = match self.dialect {
            Dialect::Sqlite => Some(SqliteTransactionMode::Immediate),
            Dialect::Postgres | Dialect::Mysql => None,
        };
        self.database.begin_with_options(TransactionOptions { sqlite_transaction_mode: mode, ..TransactionOptions::default() }).await
    }

    fn statement(&self, sql: &str, values: Vec<sea_orm::Value>) -> Statement {
        self.dialect.statement(sql, values)
    }

    /// Unix milliseconds by the database's clock.
    async fn now<C: ConnectionTrait>(&self, connection: &C) -> Result<i64, DbErr> {
        let sql = format!("SELECT {} AS now", self.dialect.now());
        let row = connection.query_one_raw(self.statement(&sql, Vec::new())).await?;
        row.ok_or_else(|| DbErr::RecordNotFound("now".to_owned()))?.try_get("", "now")
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

/// Connects. Switching a fresh SQLite file to its write-ahead log is the one step that SQLite's own timeout does not cover:
/// of two processes that start on it at once, one is told that the file is busy, and only has to ask again.
#[expect(clippy::disallowed_methods, reason = "this store is native, and there is no call whose clock it could take")]
async fn patiently(options: &ConnectOptions) -> Result<DatabaseConnection, DbErr> {
    for _ in 0..BUSY_TRIES {
        match Database::connect(options.clone()).await {
            Err(error) if error.to_string().contains("database is locked") => tokio::time::sleep(BUSY_PAUSE).await,
            connected => return connected,
        }
    }
    Database::connect(options.clone()).await
}

/// Refuses a dsn that cannot be read, before it comes to a place whose message would repeat it.
fn check(dialect: Dialect, dsn: &str) -> Result<(), StoreFault> {
    let read = match dialect {
        Dialect::Sqlite => dsn.parse::<SqliteConnectOptions>().map(drop),
        Dialect::Postgres => dsn.parse::<PgConnectOptions>().map(drop),
        Dialect::Mysql => dsn.parse::<MySqlConnectOptions>().map(drop),
    };
    read.map_err(|error| StoreFault::Schema(format!("the dsn cannot be read: {error}")))
}

fn tune_sqlite(options: &mut ConnectOptions, dsn: &str) -> Result<(), StoreFault> {
    let parsed: SqliteConnectOptions =
        dsn.parse().map_err(|error| StoreFault::Failed(Box::<dyn std::error::Error + Send + Sync>::from(error)))?;
    let path = parsed.get_filename();
    let in_memory = path.to_string_lossy().starts_with("file:");
    if let Some(folder) = path.parent().filter(|folder| !in_memory && !folder.as_os_str().is_empty()) {
        private::folder(folder).map_err(|error| StoreFault::Failed(Box::new(error)))?;
    }
    if !in_memory && dsn.contains("mode=rwc") {
        reserve(path).map_err(|error| StoreFault::Failed(Box::new(error)))?;
    }
    // One connection for the writer, the rest for screens; a database in memory lives in its one connection.
    options.max_connections(if in_memory { 1 } else { 4 });
    options.test_before_acquire(false).idle_timeout(None).max_lifetime(None);
    options.map_sqlx_sqlite_opts(|options| {
        options
            // Of a new file: half as many writes for the rows of a busy gateway as with the usual 4 KB.
            .page_size(8192)
            .journal_mode(SqliteJournalMode::Wal)
            // The journal is the log that must survive; this one may lose its last moments to a power cut.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIME)
            .foreign_keys(true)
            .pragma("journal_size_limit", LOG_BYTES.to_string())
    });
    Ok(())
}

/// Makes a database's file, empty, where it is not there. SQLite gives the files beside it the same mode.
fn reserve(path: &Path) -> io::Result<()> {
    match private::new_file().open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// A database's error as the store's.
fn failed(error: DbErr) -> StoreFault {
    StoreFault::Failed(Box::new(error))
}

/// Boxes a store's future.
fn stored<'a, T, F>(future: F) -> Stored<'a, T>
where
    F: Future<Output = Result<T, StoreFault>> + Send + 'a,
{
    Box::pin(future)
}
