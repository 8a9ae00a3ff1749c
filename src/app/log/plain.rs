//! The text form of a log line, where nobody sees colours: the time, the level, the message, then each field.
//!
//! It reads as tracing's own form does, at a fifth of the cost: a line for each call is a part of each call.

use std::{
    fmt::{self, Debug, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer, time::FormatTime},
    registry::LookupSpan,
};

/// A line is seldom longer.
const USUAL: usize = 384;

/// Writes lines as text.
#[derive(Debug, Default)]
pub(super) struct Plain {
    stamp: Stamp,
}

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line { text: String::with_capacity(USUAL), result: Ok(()) };
        self.stamp.write(&mut line.text)?;
        line.text.push_str(level(*event.metadata().level()));
        event.record(&mut line);
        line.result?;
        line.text.push('\n');
        writer.write_str(&line.text)
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => " ERROR",
        Level::WARN => "  WARN",
        Level::INFO => "  INFO",
        Level::DEBUG => " DEBUG",
        Level::TRACE => " TRACE",
    }
}

/// The time in UTC; its seconds are put into words once a second.
#[derive(Debug, Default)]
struct Stamp {
    second: Mutex<(u64, String)>,
}

impl Stamp {
    #[expect(clippy::disallowed_methods, reason = "the log is a part of the program, not of what tests turn the clock for")]
    fn write(&self, line: &mut String) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.0 != now.as_secs() || second.1.is_empty() {
            *second = (now.as_secs(), in_words()?);
        }
        line.push_str(&second.1);
        // One more digit in front keeps the zeros that lead.
        let at = line.len();
        push_number(line, u64::from(1_000_000 + now.subsec_micros()));
        line.replace_range(at..=at, ".");
        line.push('Z');
        Ok(())
    }
}

/// This second, as tracing writes it.
fn in_words() -> Result<String, fmt::Error> {
    let mut text = String::new();
    tracing_subscriber::fmt::time::SystemTime.format_time(&mut Writer::new(&mut text))?;
    Ok(text.split('.').next().unwrap_or_default().to_owned())
}

/// A line in the making: the fields of an event, the message without its name.
struct Line {
    text: String,
    result: fmt::Result,
}

impl Line {
    fn name(&mut self, field: &Field) {
        self.text.push(' ');
        if field.name() != "message" {
            self.text.push_str(field.name());
            self.text.push('=');
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.name(field);
            self.text.push_str(value);
        } else if is_plain(value.as_bytes()) {
            self.name(field);
            self.text.push('"');
            self.text.push_str(value);
            self.text.push('"');
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        push_number(&mut self.text, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.name(field);
        if value < 0 {
            self.text.push('-');
        }
        push_number(&mut self.text, value.unsigned_abs());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field);
        self.result = self.result.and_then(|()| write!(self.text, "{value:?}"));
    }
}

/// Whether a text stands between quotes as it is. All of it is looked at, which goes many bytes at a time.
fn is_plain(text: &[u8]) -> bool {
    let odd = |byte: &u8| u8::from(!(b' '..=b'~').contains(byte)) | u8::from(matches!(byte, b'"' | b'\\'));
    text.iter().fold(0, |all, byte| all | odd(byte)) == 0
}

/// Writes a number without the machinery of formats, which costs ten times as much.
fn push_number(text: &mut String, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    // Digits are text.
    text.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;
    use tracing_subscriber::fmt::{MakeWriter, writer::MutexGuardWriter};

    use super::Plain;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl<'a> MakeWriter<'a> for Page {
        type Writer = MutexGuardWriter<'a, Vec<u8>>;

        fn make_writer(&'a self) -> Self::Writer {
            self.0.make_writer()
        }
    }

    impl Page {
        /// What was written, without the times, which are as long as those of a line of tracing's.
        fn read(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| line[27..].to_owned()).collect()
        }
    }

    fn log() {
        tracing::info!(name = "a b", odd = "\"\\\n\u{e4}", id = %7, list = ?[1], some = Some(2_u64), none = None::<u64>, yes = true, "request");
        tracing::warn!("{} of {}", 1, 2);
        tracing::error!(message = "a text", ms = 0.5, least = i64::MIN, most = u64::MAX, none = 0);
    }

    #[test]
    fn a_line_reads_as_tracings_own() {
        let (ours, theirs) = (Page::default(), Page::default());
        let lines = || tracing_subscriber::fmt().with_target(false).with_ansi(false);
        with_default(lines().event_format(Plain::default()).with_writer(ours.clone()).finish(), log);
        with_default(lines().with_writer(theirs.clone()).finish(), log);
        assert_eq!(ours.read(), theirs.read());
        assert_eq!(ours.read().len(), 3);
    }
}
