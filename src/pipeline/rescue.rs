//! Going on with an answer that broke off after its first content, where its route says so: somebody else is asked, and the
//! client hears one answer.
//!
//! Each attempt that the client has seen words of is a row of its own, with a reservation of its own: what breaks off is
//! settled before the next one is asked, and who has no room for a second one gets the error event.

use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    attempt::{Attempted, Failure},
    attempts::{Course, Left},
    authorize::Admitted,
    bill::Bill,
    engine::Engine,
    error::GatewayError,
    failover::{Outcome, Step},
    hold, renew, settle,
    target::Target,
    trail::{Fact, Trail},
    translate::{Translation, same},
};
use crate::{
    protocol::{Operation, fault::FaultKind},
    route::OnStreamFault,
    runtime::{Body, BoxFuture, Reply},
    transform::generate::{Breach, Dialect, Join},
    usage::Shape,
};

/// How long a client hears nothing while somebody else is asked, before it is told that the line is open.
const SILENCE: Duration = Duration::from_secs(15);

/// What it takes to ask somebody else for the rest of an answer.
#[derive(Debug)]
pub(super) struct Rescue {
    engine: Engine,
    admitted: Box<Admitted>,
    targets: Vec<Target>,
    left: Left,
    /// The prompt as the client sent it.
    prompt_bytes: u64,
}

/// Whether a call's answer may be gone on with by somebody else: its route says so, and it is a stream of content that can be
/// asked for a second time.
pub(super) fn is_wanted(admitted: &Admitted, attempted: &Attempted) -> bool {
    let call = &admitted.call;
    call.on_stream_fault == OnStreamFault::Rescue
        && call.streams
        && call.key.operation() == Operation::StreamGenerateContent
        && Dialect::of(call.key.kind()).is_some_and(|dialect| dialect.kind() == call.key.kind())
        && call.content.is_in_hand()
        && is_stream(attempted)
}

fn is_stream(attempted: &Attempted) -> bool {
    attempted.reply.status.is_success() && settle::shape(&attempted.reply.headers, attempted.key) != Shape::Whole
}

/// The stream that goes on with an answer.
pub(super) struct Taken {
    pub(super) body: Body,
    pub(super) shape: Shape,
    pub(super) translation: Box<Translation>,
    pub(super) how: Join,
}

/// What came of asking.
pub(super) struct Answered {
    pub(super) rescue: Box<Rescue>,
    pub(super) bill: Bill,
    /// `None` where nobody goes on.
    pub(super) taken: Option<Taken>,
}

impl Rescue {
    pub(super) fn new(engine: &Engine, admitted: Admitted, (targets, left): (Vec<Target>, Left)) -> Self {
        let prompt_bytes = admitted.call.prompt_bytes;
        Self { engine: engine.clone(), admitted: Box::new(admitted), targets, left, prompt_bytes }
    }

    /// How the provider's stream is turned: in its own dialect it is written anew.
    pub(super) fn translation(&self, attempted: &mut Attempted) -> Option<Box<Translation>> {
        let model = self.left.answers().map_or("", |member| &self.targets[member].model);
        attempted.translation.take().or_else(|| same(&self.admitted.call, attempted.key, model, attempted.hides_usage))
    }

    /// The answer of now is told no further. Tells whether anybody can be asked to go on.
    fn broke(&mut self, breach: Breach) -> bool {
        let outcome = match breach {
            Breach::Cut => Outcome::Cut,
            Breach::Diverged => Outcome::Diverged,
        };
        self.left.broke(outcome);
        let course = Course::resume(&self.engine, &self.targets, std::mem::take(&mut self.left));
        let step = course.next();
        self.left = course.leave();
        matches!(step, Step::Rescue { .. })
    }

    /// Asks one after the other to go on, until somebody does.
    async fn ask(mut self: Box<Self>, mut bill: Bill, words: Option<String>) -> Answered {
        bill.hand_over();
        let taken = match self.hold(&mut bill, words.as_deref()).await {
            Ok(()) => self.next(&mut bill, words).await,
            Err(error) => {
                tracing::warn!(%error, "nobody else is asked to go on with a broken stream");
                None
            }
        };
        Answered { rescue: self, bill, taken }
    }

    /// Reserves what one more attempt may take.
    async fn hold(&mut self, bill: &mut Bill, words: Option<&str>) -> Result<(), GatewayError> {
        let Some(open) = bill.as_mut() else { return Ok(()) };
        let call = &mut self.admitted.call;
        call.prompt_bytes = self.prompt_bytes + words.map_or(0, |words| words.len() as u64);
        call.targets = std::mem::take(&mut self.targets);
        let asked = hold::ask_again(call, &self.engine.snapshot.load(), (open.trail.row_id(), self.engine.platform.clock.unix_ms()));
        self.targets = std::mem::take(&mut call.targets);
        if let Some(asked) = asked? {
            let hold::Held { hold, left: _ } = hold::hold(&self.engine, asked).await?;
            open.trail.note(Fact::Held(hold));
        }
        Ok(())
    }

    async fn next(&mut self, bill: &mut Bill, words: Option<String>) -> Option<Taken> {
        let Self { engine, admitted, targets, left, prompt_bytes } = self;
        let mut course = Course::resume(engine, targets, std::mem::take(left));
        let mut asking = Asking { engine, admitted, words, prompt_bytes: *prompt_bytes };
        let taken = loop {
            let Step::Rescue { at, after } = course.next() else { break None };
            if !after.is_zero() {
                engine.platform.clock.sleep(after).await;
            }
            let Some(open) = bill.as_mut() else { break None };
            match asking.ask((&mut course, at), &mut open.trail).await {
                Ok(taken) => {
                    course.answered(at);
                    break Some(taken);
                }
                Err(failure) => course.failed(at, failure, &mut open.trail),
            }
        };
        *left = course.leave();
        let (attempted, how) = taken?;
        self.take(attempted, how, bill)
    }

    fn take(&self, mut attempted: Box<Attempted>, how: Join, bill: &mut Bill) -> Option<Taken> {
        let translation = self.translation(&mut attempted)?;
        let shape = settle::shape(&attempted.reply.headers, attempted.key);
        let Reply { body, .. } = bill.go_on(*attempted, shape)?;
        Some(Taken { body, shape, translation, how })
    }
}

/// One who is asked.
struct Asking<'a> {
    engine: &'a Engine,
    admitted: &'a mut Admitted,
    /// What the client was told, as far as a model can go on from it.
    words: Option<String>,
    prompt_bytes: u64,
}

impl Asking<'_> {
    async fn ask(&mut self, (course, at): (&mut Course<'_>, usize), trail: &mut Trail) -> Result<(Box<Attempted>, Join), Failure> {
        let (target, credential) = course.begin(at, trail);
        let begun = self.words.clone().filter(|_| course.continues(at));
        if begun.is_some() {
            match self.attempt((target, credential), begun, trail).await {
                Err(Failure { judged: (Outcome::Unfit, _), .. }) => self.words = None,
                told => return told.map(|attempted| (attempted, Join::GoesOn)),
            }
        }
        self.attempt((target, credential), None, trail).await.map(|attempted| (attempted, Join::Repeats))
    }

    async fn attempt(
        &mut self,
        (target, credential): (&Target, Option<&crate::snapshot::Credential>),
        begun: Option<String>,
        trail: &mut Trail,
    ) -> Result<Box<Attempted>, Failure> {
        let call = &mut self.admitted.call;
        call.prompt_bytes = self.prompt_bytes + begun.as_ref().map_or(0, |words| words.len() as u64);
        call.goes_on_from = begun;
        let attempted = renew::attempt(self.engine, (self.admitted, target), credential, trail).await?;
        if is_stream(&attempted) {
            Ok(attempted)
        } else {
            Err(Failure::unfit(GatewayError::new(FaultKind::Upstream, "the provider does not stream")))
        }
    }
}

/// Who goes on where a provider breaks off.
pub(super) enum Relay {
    /// Nobody yet.
    Waiting(Box<Rescue>),
    /// Somebody is being asked.
    Asking { answer: BoxFuture<'static, Answered>, engine: Engine, silence: BoxFuture<'static, ()> },
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("asks", &self.asks()).finish_non_exhaustive()
    }
}

impl Relay {
    pub(super) fn new(rescue: Rescue) -> Self {
        Self::Waiting(Box::new(rescue))
    }

    pub(super) const fn asks(&self) -> bool {
        matches!(self, Self::Asking { .. })
    }

    /// Asks somebody to go on; `None`, and the bill as it was, where nobody can be asked.
    pub(super) fn ask(self, breach: Breach, words: Option<String>, bill: &mut Bill) -> Option<Self> {
        let Self::Waiting(mut rescue) = self else { return None };
        if !rescue.broke(breach) {
            return None;
        }
        let engine = rescue.engine.clone();
        let silence = engine.platform.clock.sleep(SILENCE);
        let answer = Box::pin(rescue.ask(bill.take(), words));
        Some(Self::Asking { answer, engine, silence })
    }

    /// What came of it; `None` where the client has to hear that the line is open.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answered>> {
        let Self::Asking { answer, engine, silence } = self else { return Poll::Pending };
        if let Poll::Ready(answered) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answered));
        }
        std::task::ready!(silence.as_mut().poll(cx));
        *silence = engine.platform.clock.sleep(SILENCE);
        // The next wait has to be known to the timer.
        cx.waker().wake_by_ref();
        Poll::Ready(None)
    }
}
