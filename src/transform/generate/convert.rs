//! The ways through the hub: a request to the target's dialect, its answer, whole or streamed, back to the client's.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    Dialect, Wire,
    canon::{Answer, Block, Format, Part, Request, Rest, Role, Thinking, Turn},
    disguise::{self, Undressing},
    event::{Event, StreamFault},
    fold::{Fold, unfold},
    frames::Frames,
    grammar::Grammar,
    likeness::Likeness,
    names::{Field, path},
    seam::{Breach, Join, Seam},
    spoke::{Asked, Disguise, Lift, Lower, Target, Telling, spoke},
};
use crate::{
    protocol::{
        frame::{FrameFault, Framing},
        json::{Node, WrongShape},
    },
    transform::{Loss, Refused, fault::status_of},
};

/// What the client is told of a stream that broke off without a word.
const CUT: &str = "the provider ended the stream before its end";
/// The same of a whole answer that says that it is none.
const UNSAID: &str = "the provider failed to answer, and did not say why";

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
    if let Some((name, _)) = request.rest.members.iter().find(|(name, _)| from == Dialect::Responses && from != to && name == "prompt") {
        let why = "the template lies with OpenAI; send its words as instructions and input";
        return Err(Refused::impossible(name.as_ref(), why));
    }
    name_json(&mut request, to, &mut losses);
    if let Some(words) = asked.goes_on_from {
        go_on(&mut request, to, words)?;
    }
    let include_usage = request.include_usage.take().unwrap_or(false);
    let tools = disguise::put_on(&mut request, to, &mut losses);
    let body = spoke(to).lower_request(&request, target, &mut losses)?;
    Ok(Converted { body, losses, memory: Memory { include_usage, tools } })
}

/// OpenAI answers in JSON only where a message names it; others do so unasked.
fn name_json(request: &mut Request<'_>, to: Dialect, losses: &mut Vec<Loss>) {
    let is_openais = |dialect: Dialect| matches!(dialect, Dialect::Chat | Dialect::Responses);
    if !matches!(request.format, Some(Format::Json)) || is_openais(request.from) || !is_openais(to) {
        return;
    }
    let names = |block: &Block<'_>| matches!(&block.part, Part::Text { text, .. } if text.to_ascii_lowercase().contains("json"));
    // The first turn stays as the conversation grows, so that a longer one begins as the shorter one.
    if request.turns.first().is_some_and(|turn| turn.blocks.iter().any(names)) {
        return;
    }
    losses.push(Loss::changed(path(request.from, Field::Format), "asked for in words too: the target wants JSON to be named"));
    let part = Part::Text { text: "Answer with a JSON object.".into(), citations: Vec::new() };
    let block = Block { part, cache: None, seal: None, at: 0, rest: Rest::default() };
    let turn = Turn { role: Role::Developer, blocks: vec![block], at: 0, id: None, name: None, rest: Rest::default() };
    request.turns.insert(0, turn);
}

/// Whether a model goes on from an answer of its own that was begun. One that is not known to is taken not to: it would
/// refuse, or answer from the beginning.
#[must_use]
pub fn continues(to: Dialect, model: &str) -> bool {
    to == Dialect::Claude && super::claude::continues(model)
}

/// Ends the conversation with the beginning of the answer.
fn go_on<'a>(request: &mut Request<'a>, to: Dialect, words: &'a str) -> Result<(), Refused> {
    let Thinking { on, effort, budget, adaptive, .. } = &request.thinking;
    let thinks = *on == Some(true) || effort.is_some() || budget.is_some() || *adaptive;
    let speaks = request.turns.last().is_some_and(|turn| turn.role == Role::Assistant);
    if thinks || speaks || request.format.is_some() || !continues(to, &request.model) {
        return Err(Refused::impossible(request.from.lists().0, "the answer that broke off cannot be gone on with here"));
    }
    let part = Part::Text { text: words.into(), citations: Vec::new() };
    let block = Block { part, cache: None, seal: None, at: 0, rest: Rest::default() };
    let at = request.turns.len();
    request.turns.push(Turn { role: Role::Assistant, blocks: vec![block], at, id: None, name: None, rest: Rest::default() });
    Ok(())
}

/// Turns a whole answer of `from` into one of `to`.
///
/// # Errors
/// The body is not what its dialect says, or says that there is no answer.
pub fn answer(from: Dialect, to: Dialect, body: &[u8], telling: &Telling) -> Result<(Vec<u8>, Vec<Loss>), NoAnswer> {
    let answer = spoke(from).lift_answer(Node::parse(body)?)?;
    Ok(told(to, answer, telling))
}

/// Turns a whole answer of `from` into a stream of `to`: for clients that stream where the upstream does not.
///
/// # Errors
/// The body is not what its dialect says, or says that there is no answer.
pub fn stream_of_answer(from: Dialect, to: Dialect, body: &[u8], telling: &Telling) -> Result<(Vec<u8>, Vec<Loss>), NoAnswer> {
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
    likeness: Likeness,
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
    /// Where another stream may take over.
    seam: Option<Box<Seam>>,
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
        let Self { undressing, lower, frames, losses, seam, .. } = self;
        match seam {
            None => undressing.push(event, &mut |event| lower.push(&event, frames, losses)),
            Some(seam) => {
                undressing.push(event, &mut |event| seam.push(event, &mut |event| lower.push(&event, frames, losses)));
            }
        }
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
            seam: None,
        };
        Self { framing, lift: spoke(from).lifter(), likeness: Likeness::default(), out }
    }

    /// Takes the next bytes of the upstream; gives what the client gets of them, perhaps nothing.
    ///
    /// # Errors
    /// A frame is larger than the cap; [`Self::finish`] then gives the stream's last words.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, FrameFault> {
        let Self { framing, lift, likeness, out } = self;
        framing.push(chunk, &mut |frame| likeness.read(&mut **lift, (frame.name, frame.data), &mut |event| out.push(event)))?;
        Ok(out.frames.take())
    }

    /// The upstream's stream has ended. Gives the last of the client's stream: an error where the upstream's end was not earned.
    pub fn finish(&mut self) -> Vec<u8> {
        let Self { framing, lift, out, .. } = self;
        framing.finish(&mut |frame| lift.push(frame.name, frame.data, &mut |event| out.push(event)));
        lift.finish(&mut |event| out.push(event));
        if !out.grammar.is_over() {
            out.push(Event::Fault(StreamFault { message: CUT.into(), ..StreamFault::default() }));
        }
        if self.breach().is_none() {
            self.out.frames.end();
        }
        self.out.frames.take()
    }

    /// Whether the client's stream is complete: nothing more will come of it but what [`Self::finish`] closes.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.out.grammar.is_over() && self.breach().is_none()
    }

    /// The same, with another stream to take over where this one breaks off: see [`Self::breach`].
    #[must_use]
    pub fn with_seam(mut self, to: Dialect) -> Self {
        self.out.seam = Some(Box::new(Seam::new(to)));
        self
    }

    /// Why the client is told nothing any more of a stream that another one may take over; it was not told that either.
    #[must_use]
    pub fn breach(&self) -> Option<Breach> {
        self.out.seam.as_ref()?.breach()
    }

    /// Whether another stream may take over, by all that the client was told.
    #[must_use]
    pub fn can_join(&self) -> bool {
        self.out.seam.as_ref().is_some_and(|seam| seam.can_join())
    }

    /// What the client was told, where it is nothing but words: a model may go on from it.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        self.out.seam.as_ref()?.words()
    }

    /// Another stream takes over; it is told what the request behind it asked for.
    pub fn join(&mut self, from: Dialect, framing: Framing, telling: &Telling, how: Join) {
        self.framing = framing;
        self.lift = spoke(from).lifter();
        self.likeness = Likeness::default();
        let Out { undressing, lower, frames, losses, grammar, seam } = &mut self.out;
        *undressing = Undressing::new(telling.tools.clone());
        *grammar = Grammar::default();
        if let Some(seam) = seam {
            seam.join(how, &mut |event| lower.push(&event, frames, losses));
        }
    }

    /// Nobody takes over: the last of the client's stream, an error.
    pub fn give_up(&mut self) -> Vec<u8> {
        let Out { lower, frames, losses, seam, .. } = &mut self.out;
        if let Some(seam) = seam {
            let fault = Event::Fault(seam.last_words());
            lower.push(&fault, frames, losses);
        }
        frames.end();
        frames.take()
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

/// Why a provider gave no answer under a status that promised one: its words, and the status that goes with them where it says one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Broken {
    /// The status that it would have had as an answer.
    pub status: Option<u16>,
    /// The provider's own word for it.
    pub code: Option<String>,
    /// In words for the caller.
    pub message: String,
}

impl Broken {
    fn of(fault: StreamFault<'_>, unsaid: &str) -> Self {
        let status = fault.status.or_else(|| fault.code.as_deref().and_then(status_of));
        let message = if fault.message.is_empty() { unsaid.to_owned() } else { fault.message.into_owned() };
        Self { status, code: fault.code.map(Cow::into_owned), message }
    }
}

/// Why a body is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It is not what its dialect says.
    #[error(transparent)]
    Shape(#[from] WrongShape),
    /// It says so itself.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<StreamFault<'_>> for NoAnswer {
    fn from(fault: StreamFault<'_>) -> Self {
        Self::Broken(Broken::of(fault, UNSAID))
    }
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
            Err(fault) => Err(Broken::of(fault, CUT)),
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
