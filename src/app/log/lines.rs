//! Log lines on their way to standard output: gathered, so that a line of its own costs no system call.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tracing_subscriber::fmt::MakeWriter;

use crate::runtime::Clock;

/// How long a line may wait.
const PAUSE: Duration = Duration::from_millis(100);
/// How much may wait. Whoever logs beyond it writes everything out: lines are never dropped.
const FULL: usize = 64 << 10;

/// The lines that wait.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    came: Notify,
}

impl Lines {
    /// Writes out what waits, a moment after it came. Runs for as long as it is polled.
    pub async fn keep_flushed(&self, clock: &dyn Clock) {
        loop {
            self.0.came.notified().await;
            clock.sleep(PAUSE).await;
            self.flush();
        }
    }

    /// Writes out what waits.
    pub fn flush(&self) {
        // A panic of another thread leaves whole lines, or half a line at worst.
        write_out(&mut self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn push(&self, line: &[u8], haste: Haste) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.is_empty();
        waiting.extend_from_slice(line);
        if haste == Haste::Now || waiting.len() >= FULL {
            write_out(&mut waiting);
        } else if first {
            self.0.came.notify_one();
        }
    }
}

/// Nobody can be told that the log cannot be written.
fn write_out(waiting: &mut Vec<u8>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(waiting).and_then(|()| out.flush());
    waiting.clear();
}

/// When a line is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Haste {
    /// With those that come after it.
    Soon,
    /// At once: whoever is in trouble may not come to write it later.
    Now,
}

/// Takes one line.
#[derive(Debug)]
pub struct Line<'a> {
    lines: &'a Lines,
    haste: Haste,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.push(line, self.haste);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, haste: Haste::Soon }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Line<'a> {
        let haste = if *meta.level() <= tracing::Level::WARN { Haste::Now } else { Haste::Soon };
        Line { lines: self, haste }
    }
}

#[cfg(test)]
mod tests {
    use super::{FULL, Haste, Lines};

    #[test]
    fn a_line_waits_unless_it_is_urgent_or_the_buffer_is_full() {
        let lines = Lines::default();
        let waiting = || lines.0.waiting.lock().unwrap().len();
        lines.push(b"", Haste::Soon);
        lines.push(b"\n", Haste::Soon);
        assert_eq!(waiting(), 1);
        lines.push(b"\n", Haste::Now);
        assert_eq!(waiting(), 0);
        lines.push(&vec![b'\n'; FULL], Haste::Soon);
        assert_eq!(waiting(), 0);
    }
}
