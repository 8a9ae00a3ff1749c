//! The ways through the hub: a request to the target's dialect, its answer, whole or streamed, back to the client's.

use std::collections::BTreeMap;

use super::{
    Dialect, Wire,
    canon::Answer,
    disguise::{self, Undressing},
    event::{Event, StreamFault},
    fold::{Fold, unfold},
    frames::Frames,
    grammar::Grammar,
    spoke::{Asked, Disguise, Lift, Lower, Target, Telling, spoke},
};
use crate::{
    protocol::{
        frame::{FrameFault, Framing},
        json::{Node, WrongShape},
    },
    transform::{Loss, Refused},
};

/// What the client is told of a stream that broke off without a word.
const CUT: &str = "the provider ended the stream before its end";

/// A request in the target's dialect.
#[derive(Debug)]
pub struct Converted {
    /// Its body.
    pub body: Vec<u8>,
    /// What it could not carry.
    pub losses: Vec<Loss>,
    /// What its answer must know of it.
    pub memory: Memory,
}

/// What an answer must know of the request that it answers.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    include_usage: bool,
    tools: BTreeMap<String, Disguise>,
}

impl Memory {
    /// Completes what an answer needs to be told.
    #[must_use]
    pub fn telling(self, telling: Telling) -> Telling {
        Telling { include_usage: self.include_usage, tools: self.tools, ..telling }
    }
}

/// Turns a request from one dialect into another.
///
/// # Errors
/// The body is not what its dialect says, or has no form in the other.
pub fn request(from: Dialect, to: Dialect, body: &[u8], asked: Asked<'_>, target: Target) -> Result<Converted, Refused> {
    let mut losses = Vec::new();
    let mut request = spoke(from).lift_request(Node::parse(body)?, asked)?;
    // Counts of tokens are lifted by the same reader, and need none.
    if from == Dialect::Claude && request.max_tokens.is_none() {
        return Err(WrongShape::missing("max_tokens", "a whole number").into());
    }
    if let Some(at) = request.state.named.filter(|_| from != to) {
        let why = "an item_reference names what this target does not keep; send the items themselves, as clients do with `store: false`";
        return Err(Refused::impossible(format!("{}[{at}]", from.lists().0), why));
    }
    let include_usage = request.include_usage.take().unwrap_or(false);
    let tools = disguise::put_on(&mut request, to, &mut losses);
    let body = spoke(to).lower_request(&request, target, &mut losses)?;
    Ok(Converted { body, losses, memory: Memory { include_usage, tools } })
}

/// Turns a whole answer of `from` into one of `to`.
///
/// # Errors
/// The body is not what its dialect says.
pub fn answer(from: Dialect, to: Dialect, body: &[u8], telling: &Telling) -> Result<(Vec<u8>, Vec<Loss>), WrongShape> {
    let answer = spoke(from).lift_answer(Node::parse(body)?)?;
    Ok(told(to, answer, telling))
}

/// Turns a whole answer of `from` into a stream of `to`: for clients that stream where the upstream does not.
///
/// # Errors
/// The body is not what its dialect says.
pub fn stream_of_answer(from: Dialect, to: Dialect, body: &[u8], telling: &Telling) -> Result<(Vec<u8>, Vec<Loss>), WrongShape> {
    let mut answer = spoke(from).lift_answer(Node::parse(body)?)?;
    for choice in &mut answer.choices {
        disguise::take_off(&mut choice.blocks, &telling.tools);
    }
    let (mut frames, mut losses) = (Frames::new(telling.wire), Vec::new());
    let mut lower = lowerer(from, to, telling);
    unfold(&answer, &mut |event| lower.push(&event, &mut frames, &mut losses));
    frames.end();
    Ok((frames.take(), losses))
}

/// A stream of `to` that says what went wrong, and nothing else.
#[must_use]
pub fn stream_of_fault(to: Dialect, message: &str, telling: &Telling) -> Vec<u8> {
    let (mut frames, mut losses) = (Frames::new(telling.wire), Vec::new());
    let fault = StreamFault { message: message.into(), ..StreamFault::default() };
    spoke(to).lowerer(telling).push(&Event::Fault(fault), &mut frames, &mut losses);
    frames.end();
    frames.take()
}

fn told(to: Dialect, mut answer: Answer<'_>, telling: &Telling) -> (Vec<u8>, Vec<Loss>) {
    let mut losses = Vec::new();
    for choice in &mut answer.choices {
        disguise::take_off(&mut choice.blocks, &telling.tools);
    }
    let body = spoke(to).lower_answer(&answer, telling, &mut losses);
    (body, losses)
}

fn lowerer(from: Dialect, to: Dialect, telling: &Telling) -> Box<dyn Lower> {
    spoke(to).lowerer(&Telling { from: Some(from), ..telling.clone() })
}

/// Turns a stream of one dialect into a stream of another, as it comes.
#[derive(Debug)]
pub struct StreamConverter {
    framing: Framing,
    lift: Box<dyn Lift>,
    out: Out,
}

/// What stands behind the lift.
#[derive(Debug)]
struct Out {
    undressing: Undressing,
    lower: Box<dyn Lower>,
    frames: Frames,
    losses: Vec<Loss>,
    grammar: Grammar,
}

impl Out {
    fn push(&mut self, event: Event<'_>) {
        // An upstream that goes on behind its end is not heard, and a lift that breaks the grammar ends the stream: half an
        // answer in disorder is worse than an error.
        if self.grammar.is_over() {
            return;
        }
        let event = match self.grammar.check(&event) {
            Ok(()) => event,
            Err(fault) => {
                debug_assert!(false, "{fault}: {event:?}");
                let fault = Event::Fault(StreamFault { message: CUT.into(), ..StreamFault::default() });
                let _over = self.grammar.check(&fault);
                fault
            }
        };
        let Self { undressing, lower, frames, losses, .. } = self;
        undressing.push(event, &mut |event| lower.push(&event, frames, losses));
    }
}

impl StreamConverter {
    /// Reads `from` in its framing, writes `to` as `telling` says.
    #[must_use]
    pub fn new(from: Dialect, framing: Framing, to: Dialect, telling: &Telling) -> Self {
        let out = Out {
            undressing: Undressing::new(telling.tools.clone()),
            lower: lowerer(from, to, telling),
            frames: Frames::new(telling.wire),
            losses: Vec::new(),
            grammar: Grammar::default(),
        };
        Self { framing, lift: spoke(from).lifter(), out }
    }

    /// Takes the next bytes of the upstream; gives what the client gets of them, perhaps nothing.
    ///
    /// # Errors
    /// A frame is larger than the cap; [`Self::finish`] then gives the stream's last words.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, FrameFault> {
        let Self { framing, lift, out } = self;
        framing.push(chunk, &mut |frame| lift.push(frame.name, frame.data, &mut |event| out.push(event)))?;
        Ok(out.frames.take())
    }

    /// The upstream's stream has ended. Gives the last of the client's stream: an error where the upstream's end was not earned.
    pub fn finish(&mut self) -> Vec<u8> {
        let Self { framing, lift, out } = self;
        framing.finish(&mut |frame| lift.push(frame.name, frame.data, &mut |event| out.push(event)));
        lift.finish(&mut |event| out.push(event));
        if !out.grammar.is_over() {
            out.push(Event::Fault(StreamFault { message: CUT.into(), ..StreamFault::default() }));
        }
        out.frames.end();
        out.frames.take()
    }

    /// Whether the client's stream is complete: nothing more will come of it but what [`Self::finish`] closes.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.out.grammar.is_over()
    }

    /// What keeps a silent stream open.
    pub fn keep_alive(&mut self) -> Vec<u8> {
        self.out.lower.keep_alive(&mut self.out.frames);
        self.out.frames.take()
    }

    /// What could not be carried so far.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.out.losses
    }
}

/// Gathers a stream of one dialect into a whole answer: for clients that do not stream where the upstream only streams.
#[derive(Debug)]
pub struct Collector {
    framing: Framing,
    lift: Box<dyn Lift>,
    fold: Fold,
}

/// Why a stream made no answer: the provider's words, and the status that goes with them where it says one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Broken {
    /// The status that it would have had as an answer.
    pub status: Option<u16>,
    /// In words for the caller.
    pub message: String,
}

impl Collector {
    /// Reads `from` in its framing.
    #[must_use]
    pub fn new(from: Dialect, framing: Framing) -> Self {
        Self { framing, lift: spoke(from).lifter(), fold: Fold::new(from) }
    }

    /// Takes the next bytes of the upstream.
    ///
    /// # Errors
    /// A frame is larger than the cap.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), FrameFault> {
        let Self { framing, lift, fold } = self;
        framing.push(chunk, &mut |frame| lift.push(frame.name, frame.data, &mut |event| fold.push(event)))
    }

    /// The whole answer in `to`.
    ///
    /// # Errors
    /// The stream broke off.
    pub fn finish(mut self, to: Dialect, telling: &Telling) -> Result<(Vec<u8>, Vec<Loss>), Broken> {
        let Self { framing, lift, fold } = &mut self;
        framing.finish(&mut |frame| lift.push(frame.name, frame.data, &mut |event| fold.push(event)));
        lift.finish(&mut |event| fold.push(event));
        match self.fold.finish() {
            Ok(answer) => Ok(told(to, answer, telling)),
            Err(fault) => {
                let message = if fault.message.is_empty() { CUT.to_owned() } else { fault.message.into_owned() };
                Err(Broken { status: fault.status, message })
            }
        }
    }
}

impl Telling {
    /// What every answer needs; the request's [`Memory`] adds the rest.
    #[must_use]
    pub fn new(request_id: String, now: u64, model: String, prompt_estimate: u64, wire: Wire) -> Self {
        Self { request_id, now, model, prompt_estimate, wire, ..Self::default() }
    }
}
