//! Calls out of the pieces of a stream.
//!
//! Pieces are told apart by their index, by a new id at the same index, or by their place where there is no index. A call
//! opens once its name is known; what came before waits.

use std::borrow::Cow;

use super::{
    super::{
        canon::{Block, Call, Input, Part, Rest},
        event::Delta,
    },
    calls::seal_of,
    chunk::{self, CallChunk, Function},
    lift_answer::made_id,
    lift_stream::Out,
};
use crate::transform::Seal;

/// The index of the older `function_call`, which has none.
const LEGACY: u64 = u64::MAX;

/// The calls of one choice.
#[derive(Debug, Default)]
pub(super) struct Calls {
    slots: Vec<Slot>,
    /// Which slot an index means at present.
    current: Vec<(u64, usize)>,
}

#[derive(Debug, Default)]
struct Slot {
    id: Option<String>,
    name: Option<String>,
    free: bool,
    state: State,
    /// What came before the name.
    waiting: String,
    seal: Option<Seal<'static>>,
    json: Json,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    Open(usize),
    Closed,
}

/// A piece, read.
#[derive(Debug)]
struct Piece<'a> {
    index: Option<u64>,
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    input: Option<Cow<'a, str>>,
    free: bool,
    seal: Option<Seal<'a>>,
}

impl Calls {
    /// Whether any call was opened.
    pub(super) fn any(&self) -> bool {
        self.slots.iter().any(|slot| slot.state != State::Waiting)
    }

    /// Takes the pieces of one chunk.
    pub(super) fn push(&mut self, pieces: &[CallChunk<'_>], out: &mut Out<'_, '_>) {
        for (place, piece) in pieces.iter().enumerate() {
            let free = piece.custom.is_some();
            let function = piece.custom.as_ref().or(piece.function.as_ref());
            let seal = chunk::node(piece.extra_content).and_then(seal_of);
            let piece = Piece { index: chunk::unsigned(piece.index), id: chunk::text(piece.id), free, seal, ..Piece::of(function) };
            self.take(piece, place as u64, out);
        }
    }

    /// Takes a piece of the older `function_call`.
    pub(super) fn push_legacy(&mut self, function: &Function<'_>, out: &mut Out<'_, '_>) {
        self.take(Piece { index: Some(LEGACY), ..Piece::of(Some(function)) }, LEGACY, out);
    }

    fn take(&mut self, piece: Piece<'_>, place: u64, out: &mut Out<'_, '_>) {
        let at = self.slot(&piece, place, out);
        let slot = &mut self.slots[at];
        if slot.id.is_none() {
            slot.id = piece.id.map(Cow::into_owned);
        }
        if slot.name.is_none() {
            slot.name = piece.name.map(Cow::into_owned);
            slot.free = piece.free;
        }
        if slot.state == State::Waiting {
            slot.seal = piece.seal.map(Seal::into_owned).or(slot.seal.take());
            if slot.name.is_none() {
                slot.waiting.push_str(&piece.input.unwrap_or_default());
                return;
            }
            self.open(at, out);
        } else if let (State::Open(block), Some(seal)) = (&slot.state, piece.seal) {
            out.delta(*block, Delta::Seal(seal));
        }
        let slot = &mut self.slots[at];
        if let (State::Open(block), Some(input)) = (&slot.state, piece.input) {
            slot.json.read(&input);
            out.delta(*block, Delta::Input(input));
        }
    }

    /// The slot that a piece belongs to.
    fn slot(&mut self, piece: &Piece<'_>, place: u64, out: &mut Out<'_, '_>) -> usize {
        let key = piece.index.unwrap_or(place);
        // Without an index a known id tells more than the place.
        let by_id = piece
            .id
            .as_deref()
            .filter(|_| piece.index.is_none())
            .and_then(|id| self.slots.iter().rposition(|slot| slot.id.as_deref() == Some(id)));
        let known = by_id.or_else(|| self.current.iter().find(|(index, _)| *index == key).map(|(_, slot)| *slot));
        if let Some(at) = known {
            if !self.slots[at].ends_before(piece) {
                return at;
            }
            // Without an index its id may come again.
            if piece.index.is_some() {
                self.close(at, out);
            }
        }
        self.slots.push(Slot::default());
        let at = self.slots.len() - 1;
        self.current.retain(|(index, _)| *index != key);
        self.current.push((key, at));
        at
    }

    fn open(&mut self, at: usize, out: &mut Out<'_, '_>) {
        // A call whose input is whole takes no further piece: it need not stay open beside the next.
        for other in 0..self.slots.len() {
            if self.slots[other].json.is_whole() {
                self.close(other, out);
            }
        }
        let slot = &mut self.slots[at];
        let id = slot.id.clone().unwrap_or_else(|| made_id(out.answer, out.choice, at));
        let input = if slot.free { Input::Free("".into()) } else { Input::Json("".into()) };
        let call = Call { id: id.into(), item_id: None, name: slot.name.clone().unwrap_or_default().into(), namespace: None, input };
        let head = Block { part: Part::Call(call), cache: None, seal: slot.seal.take(), at, rest: Rest::default() };
        let block = out.open(head);
        slot.state = State::Open(block);
        let waiting = std::mem::take(&mut slot.waiting);
        if !waiting.is_empty() {
            slot.json.read(&waiting);
            out.delta(block, Delta::Input(waiting.into()));
        }
    }

    fn close(&mut self, at: usize, out: &mut Out<'_, '_>) {
        let slot = &mut self.slots[at];
        if let State::Open(block) = slot.state {
            out.close(block);
            slot.state = State::Closed;
        }
    }

    /// Closes every call: the choice ends.
    pub(super) fn finish(&mut self, out: &mut Out<'_, '_>) {
        for at in 0..self.slots.len() {
            self.close(at, out);
            if self.slots[at].state == State::Waiting {
                out.unknown("a tool call without a name");
            }
        }
    }
}

impl<'a> Piece<'a> {
    fn of(function: Option<&Function<'a>>) -> Self {
        let name = function.and_then(|function| chunk::text(function.name));
        let input = function.and_then(|function| {
            // Some vendors give the arguments as an object.
            let object = || chunk::node(function.arguments).filter(|node| node.text().is_none());
            chunk::text(function.arguments).or_else(|| object().map(|node| node.json().into()))
        });
        Self { index: None, id: None, name, input, free: false, seal: None }
    }
}

impl Slot {
    /// Whether a piece at this slot's index begins another call.
    fn ends_before(&self, piece: &Piece<'_>) -> bool {
        match (&self.id, piece.id.as_deref()) {
            (Some(known), Some(id)) => known != id,
            // An id that comes late, or not at all: only a fresh name and input begin another call.
            (_, None) | (None, Some(_)) => {
                let Some(name) = piece.name.as_deref() else { return false };
                let fresh = piece.input.as_deref().is_some_and(|input| !input.trim().is_empty());
                self.name.as_deref().is_some_and(|known| known != name || self.json.is_whole() && fresh)
            }
        }
    }
}

/// Follows JSON text as it comes, to tell when it is whole.
#[derive(Debug, Default)]
struct Json {
    depth: u32,
    begun: bool,
    text: bool,
    escape: bool,
}

impl Json {
    fn read(&mut self, more: &str) {
        for byte in more.bytes() {
            match byte {
                _ if self.escape => self.escape = false,
                b'\\' if self.text => self.escape = true,
                b'"' => self.text = !self.text,
                _ if self.text => {}
                b'{' | b'[' => {
                    self.begun = true;
                    self.depth += 1;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.begun && self.depth == 0 && !self.text
    }
}
