//! The three engines, and the few places where their SQL differs.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// SQLite, in the process.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
}

impl Dialect {
    /// The engine that a dsn names, by its scheme.
    pub(super) fn of(dsn: &str) -> Option<Self> {
        match dsn.split_once(':')?.0 {
            "sqlite" => Some(Self::Sqlite),
            "postgres" | "postgresql" => Some(Self::Postgres),
            "mysql" | "mariadb" => Some(Self::Mysql),
            _ => None,
        }
    }

    pub(super) fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
            Self::Mysql => DbBackend::MySql,
        }
    }

    /// Turns `?` into this engine's placeholders. Our texts have no other question mark.
    pub(super) fn text(self, sql: &str) -> String {
        match self {
            Self::Sqlite | Self::Mysql => sql.to_owned(),
            Self::Postgres => {
                let mut out = String::with_capacity(sql.len() + 64);
                let mut count = 0;
                for piece in sql.split_inclusive('?') {
                    match piece.strip_suffix('?') {
                        Some(head) => {
                            count += 1;
                            out.push_str(head);
                            out.push('$');
                            out.push_str(&count.to_string());
                        }
                        None => out.push_str(piece),
                    }
                }
                out
            }
        }
    }

    /// A statement of a text with `?` placeholders.
    pub(super) fn statement(self, sql: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.backend(), self.text(sql), values)
    }

    /// Unix milliseconds by the database's own clock: one clock for all instances that share it.
    pub(super) fn now(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
            Self::Postgres => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
            Self::Mysql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
        }
    }

    /// A sum as a 64-bit integer, zero over nothing.
    pub(super) fn sum(self, column: &str) -> String {
        let word = match self {
            Self::Sqlite => "INTEGER",
            Self::Postgres => "BIGINT",
            Self::Mysql => "SIGNED",
        };
        format!("CAST(COALESCE(SUM({column}), 0) AS {word})")
    }

    /// An insert of `rows` rows that leaves standing rows as they are. `key` is the primary key's first column.
    pub(super) fn insert_new(self, table: &str, columns: &[&str], rows: usize, key: &str) -> String {
        self.insert_like(table, columns, &vec!["?"; columns.len()], (rows, key))
    }

    /// The same for rows that have some of their values in the statement's text.
    pub(super) fn insert_like(self, table: &str, columns: &[&str], row: &[&str], (rows, key): (usize, &str)) -> String {
        let row = format!("({})", row.join(","));
        let values = vec![row.as_str(); rows].join(",");
        let columns = columns.join(",");
        let sql = match self {
            Self::Sqlite => format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES {values}"),
            Self::Postgres => format!("INSERT INTO {table} ({columns}) VALUES {values} ON CONFLICT DO NOTHING"),
            // Not INSERT IGNORE, which would also turn real errors (too long, null) into warnings.
            Self::Mysql => format!("INSERT INTO {table} ({columns}) VALUES {values} ON DUPLICATE KEY UPDATE {key} = {key}"),
        };
        self.text(&sql)
    }

    /// An insert of `rows` rows whose `sums` are added to the row that stands under `key`; a sum with a modulus goes round there.
    pub(super) fn insert_adding(self, table: &str, columns: &[&str], (key, rows): (&str, usize), sums: &[(&str, Option<i64>)]) -> String {
        let row = format!("({})", vec!["?"; columns.len()].join(","));
        let (values, columns) = (vec![row.as_str(); rows].join(","), columns.join(","));
        let sets: Vec<String> = sums
            .iter()
            .map(|(column, modulus)| {
                let sum = match self {
                    Self::Sqlite | Self::Postgres => format!("{table}.{column} + excluded.{column}"),
                    Self::Mysql => format!("{column} + VALUES({column})"),
                };
                modulus.map_or_else(|| format!("{column} = {sum}"), |modulus| format!("{column} = ({sum}) % {modulus}"))
            })
            .collect();
        let clause = match self {
            Self::Sqlite | Self::Postgres => format!("ON CONFLICT ({key}) DO UPDATE SET"),
            Self::Mysql => "ON DUPLICATE KEY UPDATE".to_owned(),
        };
        self.text(&format!("INSERT INTO {table} ({columns}) VALUES {values} {clause} {}", sets.join(", ")))
    }

    /// Holds the rows that a `SELECT` finds until the transaction ends. SQLite's transactions that write hold all.
    pub(super) fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres | Self::Mysql => " FOR UPDATE",
        }
    }

    /// Fills a schema text's `{word}`s with this engine's types.
    pub(super) fn ddl(self, sql: &str) -> String {
        let words: [(&str, &str); 10] = match self {
            Self::Sqlite => [
                ("{id}", "id INTEGER PRIMARY KEY AUTOINCREMENT"),
                ("{name}", "TEXT"),
                ("{word}", "TEXT"),
                ("{pattern}", "TEXT"),
                ("{uuid}", "TEXT"),
                ("{text}", "TEXT"),
                ("{bytes}", "BLOB"),
                ("{end}", ""),
                // One tree instead of two: as quick to write, smaller on disk.
                ("{keyed}", "WITHOUT ROWID"),
                ("{add}", "ADD COLUMN"),
            ],
            Self::Postgres => [
                ("{id}", "id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
                ("{name}", "TEXT"),
                ("{word}", "TEXT"),
                ("{pattern}", "TEXT"),
                ("{uuid}", "VARCHAR(32) COLLATE \"C\""),
                ("{text}", "TEXT"),
                ("{bytes}", "BYTEA"),
                ("{end}", ""),
                ("{keyed}", ""),
                ("{add}", "ADD COLUMN IF NOT EXISTS"),
            ],
            Self::Mysql => [
                ("{id}", "id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"),
                ("{name}", "VARCHAR(255)"),
                ("{word}", "VARCHAR(32)"),
                ("{pattern}", "VARCHAR(512)"),
                ("{uuid}", "CHAR(32) CHARACTER SET ascii COLLATE ascii_bin"),
                ("{text}", "LONGTEXT"),
                ("{bytes}", "LONGBLOB"),
                // Names differ by case, as they do on the other engines.
                ("{end}", "ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
                ("{keyed}", "ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
                // Only MariaDB can say "if not exists" here; see `stands_already`.
                ("{add}", "ADD COLUMN"),
            ],
        };
        words.iter().fold(sql.to_owned(), |sql, (word, with)| sql.replace(word, with))
    }

    /// Whether a statement of the schema failed because a column stands that an earlier try added: MySQL rolls no schema back.
    pub(super) fn stands_already(self, error: &DbErr) -> bool {
        match self {
            Self::Sqlite | Self::Postgres => false,
            Self::Mysql => error.to_string().contains("Duplicate column name"),
        }
    }

    /// The names of the tables that stand in the database, lower case.
    pub(super) async fn tables<C: ConnectionTrait>(self, connection: &C) -> Result<Vec<String>, DbErr> {
        let sql = match self {
            Self::Sqlite => "SELECT lower(name) AS name FROM sqlite_master WHERE type IN ('table', 'view')",
            Self::Postgres => {
                "SELECT lower(c.relname::text) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm')"
            }
            Self::Mysql => {
                "SELECT CONVERT(lower(table_name) USING utf8mb4) AS name FROM information_schema.tables WHERE table_schema = DATABASE()"
            }
        };
        let rows = connection.query_all_raw(self.statement(sql, Vec::new())).await?;
        rows.iter().map(|row: &QueryResult| row.try_get("", "name")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn placeholders_are_numbered_for_postgres_only() {
        assert_eq!(Dialect::Postgres.text("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(Dialect::Sqlite.text("a = ? AND b = ?"), "a = ? AND b = ?");
        assert_eq!(
            Dialect::Postgres.insert_new("t", &["a", "b"], 2, "a"),
            "INSERT INTO t (a,b) VALUES ($1,$2),($3,$4) ON CONFLICT DO NOTHING"
        );
    }

    #[test]
    fn the_scheme_names_the_engine() {
        for (dsn, dialect) in [
            ("sqlite://data/gproxy.db?mode=rwc", Some(Dialect::Sqlite)),
            ("postgres://u:p@h/db", Some(Dialect::Postgres)),
            ("postgresql://h/db", Some(Dialect::Postgres)),
            ("mysql://h/db", Some(Dialect::Mysql)),
            ("oracle://h/db", None),
            ("data/gproxy.db", None),
        ] {
            assert_eq!(Dialect::of(dsn), dialect, "{dsn}");
        }
    }
}
