//! Log lines on standard output: for people, or one JSON object each.

use std::io::{IsTerminal, stdout};

use tracing_subscriber::EnvFilter;

use super::config::{Config, LogFormat};

/// Sends log lines to standard output, in the form and from the level that was asked for. A log that stands already stays.
pub fn init(config: &Config) {
    let filter = EnvFilter::try_new(&config.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(stdout().is_terminal());
    let set = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if set.is_err() {
        tracing::debug!("a log stands already");
    }
}
