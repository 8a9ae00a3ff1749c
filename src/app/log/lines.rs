//! Log lines on their way out: gathered, so that a line of its own costs no system call.

use std::{
    fmt,
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
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Vec<u8>>,
    out: Mutex<Out>,
    came: Notify,
    full: Notify,
}

/// Where lines go, and those that are being written. Whoever has it takes what waits, so that lines stay in their order.
struct Out {
    to: Box<dyn Write + Send>,
    lines: Vec<u8>,
}

impl Lines {
    /// Lines that go to `out`.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        let out = Mutex::new(Out { to: Box::new(out), lines: Vec::new() });
        Self(Arc::new(Shared { waiting: Mutex::default(), out, came: Notify::new(), full: Notify::new() }))
    }

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
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Out { to, lines } = &mut *out;
        std::mem::swap(lines, &mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        // Nobody can be told that the log cannot be written.
        let _ = to.write_all(lines).and_then(|()| to.flush());
        lines.clear();
        lines.shrink_to(2 * FULL);
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

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
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
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::{Haste, Lines, MOST};

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_waits_unless_it_is_urgent_or_the_buffer_is_full() {
        let kept = Kept::default();
        let lines = Lines::to(kept.clone());
        let took = || String::from_utf8(std::mem::take(&mut *kept.0.lock().unwrap())).unwrap();
        lines.push(b"", Haste::Soon);
        lines.push(b"one\n", Haste::Soon);
        assert_eq!(took(), "");
        lines.push(b"two\n", Haste::Now);
        assert_eq!(took(), "one\ntwo\n");
        let full = "x".repeat(MOST - 1);
        lines.push(full.as_bytes(), Haste::Soon);
        assert_eq!(took(), "");
        lines.push(b"\n", Haste::Soon);
        assert_eq!(took(), full + "\n");
    }
}
