//! Where one stream breaks off and another one takes over: what the client was told of the answer, and what of the second
//! stream is told behind it, so that both make one.
//!
//! Words are matched byte for byte: what the second stream repeats is dropped, and where it says something else it has
//! diverged, and is told no further. Thoughts are not matched: those of the first stream stand, the second one's stay behind.
//! A call of a tool is told once it is whole, so that one in flight was never told, and is restarted whole.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    Dialect,
    canon::{Block, Call, Input, Part, Stop, Text},
    event::{Delta, Event, StreamFault},
};
use crate::transform::Seal;

/// So much of an answer is remembered, in bytes; a longer one cannot be taken over.
const MEMORY: usize = 4 << 20;

/// How the second stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// It was asked the same again: what was told is expected first.
    Repeats,
    /// It was given what was told, and goes on behind it.
    GoesOn,
}

/// Why a stream is told no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It broke off, or said that it failed.
    Cut,
    /// It says something else than what was told.
    Diverged,
}

/// Which words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Said,
    Refused,
}

/// What the client was told of one choice, in order.
#[derive(Debug, PartialEq)]
enum Item {
    Words(Kind, String),
    /// A tool's name, its name space, its input.
    Call(String, Option<String>, String),
    /// Something that cannot be told apart from its like: a picture, a search.
    Other,
}

/// One choice of the answer.
#[derive(Debug, Default)]
struct Told {
    items: Vec<Item>,
    /// What the stream of now has repeated: so many items, and so many bytes of the next one.
    repeated: (usize, usize),
    /// A block of words that the client has open, and nobody fills.
    orphan: Option<(usize, Kind)>,
    has_thoughts: bool,
    stopped: bool,
}

impl Told {
    /// Whether everything that was told has been repeated.
    fn is_caught_up(&self) -> bool {
        let (at, bytes) = self.repeated;
        match self.items.get(at) {
            None => true,
            Some(Item::Words(_, words)) => at + 1 == self.items.len() && bytes == words.len(),
            Some(Item::Call(..) | Item::Other) => false,
        }
    }

    /// From now on what comes is new.
    fn catch_up(&mut self) {
        self.repeated = match self.items.last() {
            Some(Item::Words(_, words)) => (self.items.len() - 1, words.len()),
            Some(Item::Call(..) | Item::Other) | None => (self.items.len(), 0),
        };
    }

    fn add(&mut self, item: Item) {
        match (self.items.last_mut(), item) {
            (Some(Item::Words(kind, words)), Item::Words(more, text)) if *kind == more => words.push_str(&text),
            (_, item) => self.items.push(item),
        }
        self.catch_up();
    }

    /// How much of these words only repeats what was told; `None` where they are others.
    fn repeats(&mut self, kind: Kind, words: &str) -> Option<usize> {
        let mut rest = words;
        while !rest.is_empty() && !self.is_caught_up() {
            let (at, bytes) = self.repeated;
            let Some(Item::Words(_, told)) = self.items.get(at).filter(|item| matches!(item, Item::Words(of, _) if *of == kind)) else {
                return None;
            };
            let left = &told[bytes..];
            let step = left.len().min(rest.len());
            if left.as_bytes()[..step] != rest.as_bytes()[..step] {
                return None;
            }
            self.repeated = if step == left.len() && at + 1 < self.items.len() { (at + 1, 0) } else { (at, bytes + step) };
            rest = &rest[step..];
        }
        Some(words.len() - rest.len())
    }
}

/// A block of the stream of now.
#[derive(Debug)]
enum Way {
    /// Told under this number.
    Passes(usize),
    /// Words: with the client's number, once there is something to tell; else as they began.
    Words { choice: usize, kind: Kind, told: Result<usize, Box<Block<'static>>> },
    /// A call that is not whole yet.
    Call { choice: usize, held: Box<Block<'static>> },
    /// Not told.
    Dropped,
}

/// What keeps two streams together.
#[derive(Debug)]
pub(super) struct Seam {
    /// The client's dialect.
    to: Dialect,
    opened: bool,
    over: bool,
    joined: bool,
    choices: BTreeMap<usize, Told>,
    /// How many blocks the client knows, and those of thoughts or others that are open.
    blocks: usize,
    open: Vec<usize>,
    remembered: usize,
    /// The blocks of the stream of now, by its own numbers.
    ways: Vec<Way>,
    goes_on: bool,
    fault: Option<StreamFault<'static>>,
    diverged: bool,
}

type Sink<'s> = dyn FnMut(Event<'_>) + 's;

impl Seam {
    pub(super) fn new(to: Dialect) -> Self {
        Self {
            to,
            opened: false,
            over: false,
            joined: false,
            choices: BTreeMap::new(),
            blocks: 0,
            open: Vec::new(),
            remembered: 0,
            ways: Vec::new(),
            goes_on: false,
            fault: None,
            diverged: false,
        }
    }

    /// Why the stream of now is told no further.
    pub(super) fn breach(&self) -> Option<Breach> {
        if self.diverged { Some(Breach::Diverged) } else { self.fault.as_ref().map(|_| Breach::Cut) }
    }

    /// Whether another stream could take over.
    ///
    /// It could not where something was told that is no words and no call, where the client has an open thought of Claude's
    /// (its signature would have to come from whoever began it), or where the answer is longer than what is remembered.
    pub(super) fn can_join(&self) -> bool {
        let is_other = self.choices.values().flat_map(|told| &told.items).any(|item| *item == Item::Other);
        let is_unsigned = self.to == Dialect::Claude && !self.open.is_empty();
        !self.over && !is_other && !is_unsigned && self.remembered <= MEMORY
    }

    /// What was told, where it is nothing but words of one choice.
    pub(super) fn words(&self) -> Option<&str> {
        let told = self.choices.get(&0).filter(|_| self.choices.len() == 1)?;
        match told.items.as_slice() {
            [Item::Words(Kind::Said, words)] if !told.stopped => Some(words.trim_end()).filter(|words| !words.is_empty()),
            _ => None,
        }
    }

    /// Another stream takes over.
    pub(super) fn join(&mut self, how: Join, sink: &mut Sink<'_>) {
        self.fault = None;
        self.diverged = false;
        self.joined = true;
        self.goes_on = how == Join::GoesOn;
        for way in std::mem::take(&mut self.ways) {
            if let Way::Words { choice, kind, told: Ok(number) } = way
                && let Some(told) = self.choices.get_mut(&choice)
            {
                told.orphan = Some((number, kind));
            }
        }
        for block in std::mem::take(&mut self.open) {
            sink(Event::BlockClose { block });
        }
        for told in self.choices.values_mut() {
            told.repeated = (0, 0);
            if let (Join::GoesOn, [Item::Words(_, words)]) = (how, told.items.as_slice()) {
                told.repeated.1 = words.trim_end().len();
            }
        }
    }

    /// What the client is told where nobody goes on.
    pub(super) fn last_words(&mut self) -> StreamFault<'static> {
        self.over = true;
        let diverged = "the provider ended the stream before its end, and another one's answer was a different one";
        let fault = self.fault.take().filter(|_| !self.diverged);
        fault.unwrap_or_else(|| StreamFault { message: Cow::Borrowed(diverged), ..StreamFault::default() })
    }

    /// Takes the next event of the stream of now; gives those that the client is told.
    pub(super) fn push(&mut self, event: Event<'_>, sink: &mut Sink<'_>) {
        if self.over || self.breach().is_some() {
            return;
        }
        match event {
            Event::Open(opening) => {
                if !std::mem::replace(&mut self.opened, true) {
                    sink(Event::Open(opening));
                }
            }
            Event::BlockOpen { block: _, choice, head } => self.begin(choice, head, sink),
            Event::Delta { block, delta } => self.more(block, delta, sink),
            Event::BlockClose { block } => self.close(block, sink),
            Event::Stop { choice, stop } => self.stop(choice, stop, sink),
            Event::Usage(_) | Event::Unknown { .. } => sink(event),
            Event::Close if self.choices.values().all(|told| told.stopped) => {
                self.over = true;
                sink(Event::Close);
            }
            Event::Close => self.diverged = true,
            Event::Fault(fault) => self.fault = Some(fault.into_owned()),
        }
    }

    fn begin(&mut self, choice: usize, mut head: Block<'_>, sink: &mut Sink<'_>) {
        let joined = self.joined;
        let told = self.choices.entry(choice).or_default();
        match &mut head.part {
            Part::Text { text, .. } => {
                let words = std::mem::take(text);
                self.begin_words((choice, Kind::Said), head, &words, sink);
            }
            Part::Refusal(text) => {
                let words = std::mem::take(text);
                self.begin_words((choice, Kind::Refused), head, &words, sink);
            }
            Part::Call(_) => self.ways.push(Way::Call { choice, held: Box::new(head.into_owned()) }),
            Part::Reasoning(_) if joined && (told.has_thoughts || !told.items.is_empty()) => self.ways.push(Way::Dropped),
            Part::Reasoning(_) => {
                told.has_thoughts = true;
                self.pass(choice, head, sink);
            }
            Part::Result(_) | Part::Media(_) | Part::ServerCall(_) | Part::ServerResult(_) | Part::Opaque { .. } => {
                if told.is_caught_up() {
                    told.add(Item::Other);
                    self.pass(choice, head, sink);
                } else {
                    self.diverged = true;
                }
            }
        }
    }

    /// Tells a block that is no words and no call.
    fn pass(&mut self, choice: usize, head: Block<'_>, sink: &mut Sink<'_>) {
        let block = self.number();
        self.open.push(block);
        self.ways.push(Way::Passes(block));
        sink(Event::BlockOpen { block, choice, head });
    }

    fn number(&mut self) -> usize {
        self.blocks += 1;
        self.blocks - 1
    }

    fn begin_words(&mut self, (choice, kind): (usize, Kind), head: Block<'_>, words: &str, sink: &mut Sink<'_>) {
        let block = self.ways.len();
        self.ways.push(Way::Words { choice, kind, told: Err(Box::new(head.into_owned())) });
        if self.choices.get(&choice).is_some_and(Told::is_caught_up) {
            self.tell(block, sink);
        }
        self.say(block, words, sink);
    }

    /// The client's number of a block of words; it is opened, or one that stands open is gone on with.
    fn tell(&mut self, block: usize, sink: &mut Sink<'_>) -> Option<usize> {
        let Some(Way::Words { choice, kind, told }) = self.ways.get_mut(block) else { return None };
        if let Ok(number) = told {
            return Some(*number);
        }
        let choice = *choice;
        let known = self.choices.entry(choice).or_default();
        if let Some((number, _)) = known.orphan.take_if(|(_, of)| of == kind) {
            *told = Ok(number);
            return Some(number);
        }
        if let Some((orphan, _)) = known.orphan.take() {
            sink(Event::BlockClose { block: orphan });
        }
        let number = self.blocks;
        self.blocks += 1;
        if let Err(head) = std::mem::replace(told, Ok(number)) {
            sink(Event::BlockOpen { block: number, choice, head: *head });
        }
        Some(number)
    }

    /// Words of a block: what of them was told already is dropped.
    fn say(&mut self, block: usize, words: &str, sink: &mut Sink<'_>) {
        let Some(Way::Words { choice, kind, .. }) = self.ways.get(block) else { return };
        let (choice, kind, goes_on) = (*choice, *kind, self.goes_on);
        let told = self.choices.entry(choice).or_default();
        let fresh = match told.repeats(kind, words) {
            Some(repeated) => &words[repeated..],
            // The white space that stood at the end of what it was given need not come again.
            None if goes_on => {
                told.catch_up();
                words
            }
            None => {
                self.diverged = true;
                return;
            }
        };
        if fresh.is_empty() {
            return;
        }
        told.add(Item::Words(kind, fresh.to_owned()));
        self.remembered += fresh.len();
        if let Some(number) = self.tell(block, sink) {
            sink(Event::Delta { block: number, delta: Delta::Text(Cow::Borrowed(fresh)) });
        }
    }

    fn more(&mut self, block: usize, delta: Delta<'_>, sink: &mut Sink<'_>) {
        match (self.ways.get_mut(block), delta) {
            (Some(Way::Words { .. }), Delta::Text(words)) => self.say(block, &words, sink),
            (Some(Way::Words { told: Ok(number), .. } | Way::Passes(number)), delta) => sink(Event::Delta { block: *number, delta }),
            (Some(Way::Call { held, .. }), delta) => fill(held, delta),
            (Some(Way::Words { told: Err(_), .. } | Way::Dropped) | None, _) => {}
        }
    }

    fn close(&mut self, block: usize, sink: &mut Sink<'_>) {
        let Some(way) = self.ways.get_mut(block) else { return };
        match std::mem::replace(way, Way::Dropped) {
            Way::Passes(number) => {
                self.open.retain(|open| *open != number);
                sink(Event::BlockClose { block: number });
            }
            Way::Words { told: Ok(number), .. } => sink(Event::BlockClose { block: number }),
            Way::Call { choice, held } => self.call(choice, *held, sink),
            Way::Words { told: Err(_), .. } | Way::Dropped => {}
        }
    }

    /// A call that is whole: told, or told already.
    fn call(&mut self, choice: usize, mut held: Block<'static>, sink: &mut Sink<'_>) {
        let Part::Call(Call { name, namespace, input: Input::Json(input) | Input::Free(input), .. }) = &mut held.part else { return };
        let told = self.choices.entry(choice).or_default();
        if !told.is_caught_up() {
            let (at, _) = told.repeated;
            let is_same = matches!(told.items.get(at), Some(Item::Call(of, space, given))
                if **of == **name && space.as_deref() == namespace.as_deref() && is_same(given, input));
            if is_same {
                told.repeated = (at + 1, 0);
            } else {
                self.diverged = true;
            }
            return;
        }
        if let Some((orphan, _)) = told.orphan.take() {
            sink(Event::BlockClose { block: orphan });
        }
        let input = std::mem::take(input);
        told.add(Item::Call(name.to_string(), namespace.as_deref().map(str::to_owned), input.to_string()));
        self.remembered += input.len();
        let block = self.number();
        sink(Event::BlockOpen { block, choice, head: held });
        sink(Event::Delta { block, delta: Delta::Input(input) });
        sink(Event::BlockClose { block });
    }

    fn stop(&mut self, choice: usize, stop: Stop<'_>, sink: &mut Sink<'_>) {
        let told = self.choices.entry(choice).or_default();
        if self.goes_on {
            told.catch_up();
        }
        if !told.is_caught_up() {
            self.diverged = true;
            return;
        }
        if let Some((orphan, _)) = told.orphan.take() {
            sink(Event::BlockClose { block: orphan });
        }
        if !std::mem::replace(&mut told.stopped, true) {
            sink(Event::Stop { choice, stop });
        }
    }
}

/// Adds a piece to a call that is held.
fn fill(held: &mut Block<'static>, delta: Delta<'_>) {
    match (delta, &mut held.part) {
        (Delta::Input(more), Part::Call(Call { input: Input::Json(input) | Input::Free(input), .. })) => input.to_mut().push_str(&more),
        (Delta::Seal(seal), _) => held.seal = Some(Seal::into_owned(seal)),
        (Delta::Text(_) | Delta::Reasoning(_) | Delta::Summary(..) | Delta::Cite(_) | Delta::Logprobs(_) | Delta::Input(_), _) => {}
    }
}

/// Whether two inputs say the same: the same JSON, or the same text.
fn is_same(one: &str, other: &Text<'_>) -> bool {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    *one == **other || json(one).is_some_and(|value| json(other).as_ref() == Some(&value))
}
