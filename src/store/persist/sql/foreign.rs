//! Another program's SQLite file, to look at. Nothing is made, migrated or written.

use std::{collections::BTreeMap, path::Path};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement};
use serde_json::{Map, Value};

use super::failed;
use crate::store::persist::StoreFault;

/// A SQLite file that other programs made.
#[derive(Debug)]
pub struct ForeignFile {
    database: DatabaseConnection,
}

impl ForeignFile {
    /// Opens a file that is there, for reading only.
    ///
    /// # Errors
    /// [`StoreFault::Failed`] where it cannot be read as SQLite.
    pub async fn open(path: &Path) -> Result<Self, StoreFault> {
        let mut options = ConnectOptions::new("sqlite::memory:");
        let path = path.to_owned();
        options.sqlx_logging(false).max_connections(1).min_connections(1);
        options.map_sqlx_sqlite_opts(move |options| options.filename(&path).in_memory(false).shared_cache(false).read_only(true));
        Ok(Self { database: Database::connect(options).await.map_err(failed)? })
    }

    /// Its tables, each with its number of rows.
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn tables(&self) -> Result<BTreeMap<String, i64>, StoreFault> {
        let listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let mut tables = BTreeMap::new();
        for row in self.all(listed.to_owned()).await? {
            let name: String = row.try_get("", "name").map_err(failed)?;
            let counted = self.all(format!("SELECT COUNT(*) AS rows FROM {}", quoted(&name))).await?;
            let rows = counted.first().map_or(Ok(0), |row| row.try_get("", "rows")).map_err(failed)?;
            tables.insert(name, rows);
        }
        Ok(tables)
    }

    /// The columns of a table.
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn columns(&self, table: &str) -> Result<Vec<String>, StoreFault> {
        let described = self.all(format!("SELECT name FROM pragma_table_info({})", literal(table))).await?;
        described.iter().map(|row| row.try_get("", "name")).collect::<Result<_, DbErr>>().map_err(failed)
    }

    /// The rows of a table, oldest first, column by column; blobs are given as the texts that they hold.
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn rows(&self, table: &str) -> Result<Vec<Map<String, Value>>, StoreFault> {
        let names = self.columns(table).await?;
        // SQLite types values, not columns; its own JSON says what each one is.
        let cells: Vec<String> = names.iter().map(|name| cell(&quoted(name))).collect();
        let sql = format!("SELECT json_array({}) AS cells FROM {}", cells.join(", "), quoted(table));
        let mut rows = Vec::new();
        for row in self.all(sql).await? {
            let text: String = row.try_get("", "cells").map_err(failed)?;
            let cells: Vec<Value> = serde_json::from_str(&text).map_err(|error| StoreFault::Failed(Box::new(error)))?;
            rows.push(names.iter().cloned().zip(cells).collect());
        }
        Ok(rows)
    }

    /// Lets go of the file.
    ///
    /// # Errors
    /// [`StoreFault::Failed`].
    pub async fn close(self) -> Result<(), StoreFault> {
        self.database.close().await.map_err(failed)
    }

    async fn all(&self, sql: String) -> Result<Vec<sea_orm::QueryResult>, StoreFault> {
        self.database.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.map_err(failed)
    }
}

fn cell(column: &str) -> String {
    format!("CASE typeof({column}) WHEN 'blob' THEN CAST({column} AS TEXT) ELSE {column} END")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
