//! What a process is told: flags over environment over the file over defaults.
//!
//! Reading is pure: the environment and the files come in as [`Sources`]. All errors are found, not only the first.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    admin::oidc,
    base::Secret,
    pipeline::{Idempotency, Timing},
    runtime::Platform,
};

mod channel_entry;
mod check;
mod dispatch;
mod file;
mod finding;
pub mod knob;
mod layers;
mod log_filter;
mod reader;
pub(in crate::app) mod secret_key;
mod user_entry;

pub use channel_entry::{ChannelEntry, CredentialEntry};
pub use check::{Report, check};
pub use file::{FileConfig, Instance, parse};
pub use finding::{Finding, Findings, Severity};
pub use secret_key::{KeyFault, database_key, standing_key};
pub use user_entry::{KeyEntry, UserEntry};

/// Where the values come from.
pub struct Sources<'a> {
    /// Flags that were given, by their names without dashes.
    pub flags: BTreeMap<&'static str, String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Reads a file.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The environment holds secrets.
        f.debug_struct("Sources").field("flags", &self.flags.keys()).finish_non_exhaustive()
    }
}

/// How often the file is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileUse {
    /// At first boot; then the database is the source.
    Once,
    /// At each boot and whenever it changes: the file is the source.
    Always,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What is kept of responses, for providers that keep none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// For how long; zero keeps none.
    pub span: Duration,
    /// Bytes of one at most.
    pub bytes: u64,
}

/// How the writer of records gathers its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteQueue {
    /// Entries that may wait in memory.
    pub capacity: usize,
    /// Entries in one transaction.
    pub max_batch: usize,
    /// How long a batch gathers.
    pub window: Duration,
}

/// What was given by flag or environment for what else the database keeps. It wins at each boot.
#[derive(Debug, Default)]
pub struct Explicit {
    /// The API key of the user `admin`.
    pub admin_key: Option<Secret<String>>,
    /// The instance's outbound proxy; an empty text takes it away.
    pub proxy: Option<String>,
    /// Whether secrets and bodies stay out of the request records.
    pub mask_sensitive_info: Option<bool>,
    /// Whether the prompt-cache doctor watches sessions.
    pub cache_doctor: Option<bool>,
}

/// What a process is told.
#[derive(Debug)]
pub struct Config {
    /// The configuration file.
    pub path: PathBuf,
    /// What it says, where it is there.
    pub file: Option<FileConfig>,
    /// How often it is applied.
    pub file_use: FileUse,
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 lets the system choose.
    pub port: u16,
    /// Directory of the database, the journal and the secret key.
    pub data_dir: PathBuf,
    /// The database's address; it may hold a password.
    pub dsn: Secret<String>,
    /// What seals secrets at rest, where it was given. See [`database_key`].
    pub database_secret_key: Option<Secret<String>>,
    /// What wins over the database.
    pub explicit: Explicit,
    /// How the writer of records gathers its batches.
    pub write_queue: WriteQueue,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Which of them.
    pub log_level: String,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<crate::base::Network>,
    /// Origins whose pages may call data routes; `*` stands for all.
    pub cors_origins: Vec<String>,
    /// Whether `/metrics` answers.
    pub metrics: bool,
    /// Requests at once.
    pub max_in_flight: usize,
    /// Bytes of one request body.
    pub body_limit: usize,
    /// How long requests in flight may finish at shutdown.
    pub drain: Duration,
    /// What is kept of responses.
    pub keep: Keep,
    /// What is remembered of calls that carry an `Idempotency-Key`.
    pub idempotency: Idempotency,
    /// Whether answers carry `Server-Timing`.
    pub timing: Timing,
    /// How long records are kept, and how many.
    pub kept: super::retire::Kept,
    /// Where several instances count together.
    pub redis: Option<Secret<String>>,
    /// What holds while that is down.
    pub counters_down: CountersDown,
    /// Who else lets people in, where somebody does.
    pub oidc: Option<oidc::Settings>,
}

/// What holds while the counters of several instances cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountersDown {
    /// Callers with limits or budgets are refused.
    #[default]
    Closed,
    /// They are let in.
    Open,
    /// Each of so many instances grants its share.
    Share(u32),
}

impl Config {
    /// Reads everything. With the value come warnings.
    ///
    /// # Errors
    /// Every error, and the warnings too.
    pub fn read(sources: &Sources<'_>, platform: &Platform) -> Result<(Self, Vec<Finding>), Findings> {
        layers::read(sources, platform)
    }

    /// Whether the database is SQLite.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.dsn.expose().starts_with("sqlite:")
    }

    /// The file of a SQLite database that stands already.
    #[must_use]
    pub fn standing_database(&self) -> Option<PathBuf> {
        let path = self.dsn.expose().strip_prefix("sqlite:")?;
        let path = PathBuf::from(path.trim_start_matches("//").split('?').next()?);
        // An empty one is about to be made.
        std::fs::metadata(&path).is_ok_and(|data| data.is_file() && data.len() > 0).then_some(path)
    }
}

#[cfg(test)]
mod tests;
