//! Log lines on standard output: for people, or one JSON object each.

mod lines;
mod plain;

use std::{
    io::{IsTerminal, stdout},
    panic,
};

use tracing_subscriber::EnvFilter;

pub use lines::Lines;

use super::config::{Config, LogFormat};

/// Sends log lines to standard output, in the form and from the level that was asked for. A log that stands already stays.
///
/// Lines for a terminal are written at once. Others are gathered: [`Lines::keep_flushed`] must be polled, and
/// [`Lines::flush`] called at the end.
#[must_use]
pub fn init(config: &Config) -> Lines {
    let read = EnvFilter::try_new(&config.log_level);
    let unreadable = read.as_ref().err().map(ToString::to_string);
    let filter = read.unwrap_or_else(|_| EnvFilter::new("info"));
    let form = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let lines = Lines::to(stdout());
    let set = match config.log_format {
        LogFormat::Text if stdout().is_terminal() => form.try_init(),
        LogFormat::Text => form.with_ansi(false).event_format(plain::Plain::default()).with_writer(lines.clone()).try_init(),
        LogFormat::Json => form.json().flatten_event(true).with_writer(lines.clone()).try_init(),
    };
    if set.is_err() {
        tracing::debug!("a log stands already");
    }
    if let Some(error) = unreadable {
        tracing::warn!(log_level = config.log_level, error, "the log's filter cannot be used; it is info");
    }
    flush_on_panic(lines.clone());
    lines
}

/// A panic may be the last thing that happens.
fn flush_on_panic(lines: Lines) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        lines.flush();
        before(info);
    }));
}
