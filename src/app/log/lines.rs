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
/// How much may wait before it is written out without a pause.
const FULL: usize = 64 << 10;
/// How much may wait at all. Whoever logs beyond it writes everything out: lines are never dropped.
const MOST: usize = 1 << 20;

/// The lines that wait.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    /// What is being written. Whoever has it takes what waits, so that lines stay in their order.
    written: Mutex<Vec<u8>>,
    came: Notify,
    full: Notify,
}

impl Lines {
    /// Writes out what waits, a moment after it came. Runs for as long as it is polled.
    pub async fn keep_flushed(&self, clock: &dyn Clock) {
        loop {
            self.0.came.notified().await;
            tokio::select! {
                () = clock.sleep(PAUSE) => {}
                () = self.0.full.notified() => {}
            }
            let lines = self.clone();
            // A disk, or whoever reads the other end of a pipe, may take long: not on a thread that serves. One that panics was told of.
            let _ = tokio::task::spawn_blocking(move || lines.flush()).await;
        }
    }

    /// Writes out what waits.
    pub fn flush(&self) {
        // A panic of another thread leaves whole lines, or half a line at worst.
        let mut written = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *written, &mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        // Nobody can be told that the log cannot be written.
        let mut out = io::stdout().lock();
        let _ = out.write_all(&written).and_then(|()| out.flush());
        written.clear();
        written.shrink_to(2 * FULL);
    }

    fn push(&self, line: &[u8], haste: Haste) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.len();
        waiting.extend_from_slice(line);
        let now = waiting.len();
        drop(waiting);
        if haste == Haste::Now || now >= MOST {
            self.flush();
        } else if before == 0 {
            self.0.came.notify_one();
        } else if before < FULL && now >= FULL {
            self.0.full.notify_one();
        }
    }
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
    use super::{Haste, Lines, MOST};

    #[test]
    fn a_line_waits_unless_it_is_urgent_or_the_buffer_is_full() {
        let lines = Lines::default();
        let waiting = || lines.0.waiting.lock().unwrap().len();
        lines.push(b"", Haste::Soon);
        lines.push(b"\n", Haste::Soon);
        assert_eq!(waiting(), 1);
        lines.push(b"\n", Haste::Now);
        assert_eq!(waiting(), 0);
        lines.push(&vec![b'\n'; MOST], Haste::Soon);
        assert_eq!(waiting(), 0);
    }
}
