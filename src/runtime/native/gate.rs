//! Keeps a task's wakes of itself from costing it turns: work that is done in this very turn needs no other one.
//!
//! hyper wakes the two ends of a body, and of a connection, whenever something passes between them. Here both ends are
//! the same task.

use std::{
    cell::Cell,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

thread_local! {
    /// Whether this thread's wakes through a gate are held back, and the one that was.
    static HUSHED: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<Option<Arc<Wakes>>> = const { Cell::new(None) };
}

/// Does something, and holds back the wake of a gate's task that comes of it. Wakes of other threads, which may have a cause
/// of their own, pass.
pub fn hushed<T>(work: impl FnOnce() -> T) -> (T, Held) {
    let hush = Hush(HUSHED.replace(true));
    let done = work();
    drop(hush);
    (done, Held(HELD.take()))
}

/// Ends the silence, also where the work panics.
struct Hush(bool);

impl Drop for Hush {
    fn drop(&mut self) {
        HUSHED.set(self.0);
    }
}

/// A wake that was held back. Whoever goes on to poll what it would have woken lets it fall.
#[derive(Debug)]
#[must_use]
pub struct Held(Option<Arc<Wakes>>);

impl Held {
    /// Wakes after all.
    pub fn deliver(self) {
        if let Some(wakes) = self.0 {
            wakes.pass();
        }
    }
}

/// What stands between a task and those who wake it.
#[derive(Debug)]
pub struct Gate {
    wakes: Arc<Wakes>,
    /// The same as a waker, made once.
    waker: Waker,
}

// Each side writes its own flag and then reads the other's: only a total order keeps both from missing the other's word.
#[derive(Debug, Default)]
struct Wakes {
    is_polled: AtomicBool,
    woken: AtomicBool,
    task: AtomicWaker,
}

impl Default for Gate {
    fn default() -> Self {
        let wakes = Arc::<Wakes>::default();
        Self { waker: Waker::from(Arc::clone(&wakes)), wakes }
    }
}

impl Gate {
    /// Polls what only [`hushed`] keeps from waking the task.
    pub fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.wakes.task.register(cx.waker());
        future.poll(&mut Context::from_waker(&self.waker))
    }

    /// Polls until it does not wake itself any more.
    pub fn exhaust<F: Future + ?Sized>(&self, mut future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let wakes = &self.wakes;
        wakes.is_polled.store(true, Ordering::SeqCst);
        wakes.task.register(cx.waker());
        let polled = loop {
            wakes.woken.store(false, Ordering::SeqCst);
            let polled = future.as_mut().poll(&mut Context::from_waker(&self.waker));
            if polled.is_ready() || !wakes.woken.load(Ordering::SeqCst) {
                break polled;
            }
        };
        wakes.is_polled.store(false, Ordering::SeqCst);
        // A wake between the last look and the closing of the gate would be lost.
        if polled.is_pending() && wakes.woken.load(Ordering::SeqCst) {
            cx.waker().wake_by_ref();
        }
        polled
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !HUSHED.get() {
            return self.pass();
        }
        if let Some(earlier) = HELD.replace(Some(Arc::clone(self)))
            && !Arc::ptr_eq(&earlier, self)
        {
            // Only one can be held, and none may be lost.
            earlier.pass();
        }
    }
}

impl Wakes {
    fn pass(&self) {
        self.woken.store(true, Ordering::SeqCst);
        if !self.is_polled.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Context, Poll, Wake, Waker},
    };

    use super::{Gate, hushed};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(test: impl FnOnce(&Gate, &mut Context<'_>)) -> usize {
        let count = Arc::<Count>::default();
        test(&Gate::default(), &mut Context::from_waker(&Waker::from(Arc::clone(&count))));
        count.0.load(Ordering::Relaxed)
    }

    fn waking(wakes: usize) -> impl Future<Output = ()> + Unpin {
        let mut left = wakes;
        std::future::poll_fn(move |cx| {
            if left > 0 {
                left -= 1;
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
    }

    #[test]
    fn a_future_that_wakes_itself_is_polled_on_and_costs_no_turn() {
        let mut polls = 0;
        let mut inner = waking(3);
        let mut counted = std::future::poll_fn(|cx| {
            polls += 1;
            std::pin::Pin::new(&mut inner).poll(cx)
        });
        assert_eq!(count(|gate, cx| assert!(gate.exhaust(std::pin::Pin::new(&mut counted), cx).is_pending())), 0);
        assert_eq!(polls, 4);
    }

    #[test]
    fn a_wake_passes_unless_it_is_hushed() {
        let polled = |gate: &Gate, cx: &mut Context<'_>| assert!(gate.poll(std::pin::pin!(waking(1)), cx).is_pending());
        assert_eq!(count(polled), 1);
        assert_eq!(count(|gate, cx| drop(hushed(|| polled(gate, cx)))), 0);
        assert_eq!(count(|gate, cx| hushed(|| polled(gate, cx)).1.deliver()), 1);
    }

    #[test]
    fn a_wake_of_another_thread_is_not_hushed() {
        let woken = count(|gate, cx| {
            let mut kept = None;
            let keep = std::future::poll_fn(|cx| {
                kept = Some(cx.waker().clone());
                Poll::<()>::Pending
            });
            assert!(gate.poll(std::pin::pin!(keep), cx).is_pending());
            drop(hushed(|| std::thread::scope(|scope| scope.spawn(move || kept.unwrap().wake()).join().unwrap())));
        });
        assert_eq!(woken, 1);
    }
}
