//! Databases of a test's own on the servers of this machine.

use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connect, DatabaseConnection};

/// A database server.
pub(crate) struct Server {
    address: String,
    /// The database that is there from the start.
    first: &'static str,
    drop: &'static str,
    variable: &'static str,
}

/// PostgreSQL, at `GPROXY_TEST_POSTGRES` or the usual place.
pub(crate) fn postgres() -> Server {
    Server::at("GPROXY_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432", "postgres", "DROP DATABASE {} WITH (FORCE)")
}

/// MariaDB or MySQL, at `GPROXY_TEST_MYSQL` or the usual place.
pub(crate) fn mysql() -> Server {
    Server::at("GPROXY_TEST_MYSQL", "mysql://root@127.0.0.1:3306", "mysql", "DROP DATABASE {}")
}

/// An empty database.
pub(crate) struct Database {
    admin: DatabaseConnection,
    dsn: String,
    drop: String,
}

impl Server {
    fn at(variable: &'static str, usual: &str, first: &'static str, drop: &'static str) -> Self {
        let address = std::env::var(variable).unwrap_or_else(|_| usual.to_owned()).trim_end_matches('/').to_owned();
        Self { address, first, drop, variable }
    }

    /// Makes a database with a name that nobody else has.
    pub(crate) async fn make(&self) -> Database {
        let admin = connect(&format!("{}/{}", self.address, self.first)).await.unwrap_or_else(|error| {
            let Self { address, variable, .. } = self;
            panic!("no database server at {address} ({error}): start one with `make services`, or name another in {variable}")
        });
        let unique = tempfile::Builder::new().prefix("gproxy").rand_bytes(10).tempfile().unwrap();
        let name: String = unique.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let name = format!("{name}_{}", std::process::id());
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        Database { admin, dsn: format!("{}/{name}", self.address), drop: self.drop.replace("{}", &name) }
    }
}

impl Database {
    /// How to open it.
    pub(crate) fn dsn(&self) -> &str {
        &self.dsn
    }

    /// Runs a statement in it.
    pub(crate) async fn run(&self, sql: &str) {
        let connection = connect(&self.dsn).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Drops it.
    pub(crate) async fn drop(self) {
        self.admin.execute_unprepared(&self.drop).await.unwrap();
    }
}

async fn connect(dsn: &str) -> Result<DatabaseConnection, sea_orm::DbErr> {
    let mut options = ConnectOptions::new(dsn);
    options.sqlx_logging(false).max_connections(1).acquire_timeout(std::time::Duration::from_secs(3));
    Connect::connect(options).await
}
