//! Thinking as Chat vendors write it: `reasoning_content` (DeepSeek and others), `reasoning` with `reasoning_details`
//! (OpenRouter). What a client must give back travels in `reasoning_details`.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Block, Part, Reasoning, Rest, Text},
    },
    content,
};
use crate::{
    protocol::json::{ArrayWriter, Fields, Node, ObjectWriter, array},
    transform::Seal,
};

const INDEX: &str = "index";

/// What an entry of `reasoning_details` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Summary,
    Encrypted,
}

/// One entry of `reasoning_details`.
#[derive(Clone, Debug)]
pub(super) struct Detail<'a> {
    pub(super) kind: Kind,
    pub(super) text: Text<'a>,
    pub(super) seal: Option<Seal<'a>>,
    pub(super) id: Option<Text<'a>>,
    pub(super) index: Option<u64>,
    pub(super) rest: Rest<'a>,
}

/// Reads one entry; `None` where it is of a kind that nobody knows.
pub(super) fn detail(node: Node<'_>) -> Option<Detail<'_>> {
    let mut fields = node.object()?;
    let kind = fields.text("type").ok().flatten().unwrap_or_default();
    let (kind, text, seal) = match &*kind {
        "reasoning.text" => (Kind::Text, "text", "signature"),
        "reasoning.summary" => (Kind::Summary, "summary", "signature"),
        "reasoning.encrypted" => (Kind::Encrypted, "text", "data"),
        _ => return None,
    };
    let text = fields.text(text).ok().flatten().unwrap_or_default();
    let seal = fields.text(seal).ok().flatten().filter(|seal| !seal.is_empty()).map(|seal| Seal::read(Dialect::Chat, seal));
    let id = fields.text("id").ok().flatten();
    let place = fields.take(INDEX);
    let mut rest = Rest::of(Dialect::Chat, fields);
    if let Some(place) = place {
        // Only Chat counts its entries: elsewhere their order says as much.
        rest.hint(Dialect::Chat, INDEX, Cow::Borrowed(place.raw()));
    }
    Some(Detail { kind, text, seal, id, index: place.and_then(Node::unsigned), rest })
}

impl<'a> Detail<'a> {
    /// Whether it is a further piece of the block that the last entry, of `id` and `index`, made.
    pub(super) fn continues(&self, id: Option<&str>, index: Option<u64>, block: &Reasoning<'_>) -> bool {
        let same = self.id.as_deref() == id && self.index == index && (id.is_some() || index.is_some());
        same && block.seal.is_none() && !block.redacted
    }

    fn into_block(self) -> Block<'a> {
        let redacted = self.kind == Kind::Encrypted;
        let mut reasoning = Reasoning { id: self.id, seal: self.seal, redacted, ..Reasoning::default() };
        match self.kind {
            Kind::Text if !self.text.is_empty() => reasoning.text.push(self.text),
            Kind::Summary if !self.text.is_empty() => reasoning.summary.push(self.text),
            Kind::Text | Kind::Summary | Kind::Encrypted => {}
        }
        Block { rest: self.rest, ..content::block(Part::Reasoning(reasoning), 0) }
    }

    fn join(self, reasoning: &mut Reasoning<'a>) {
        match self.kind {
            Kind::Text if !self.text.is_empty() => reasoning.text.push(self.text),
            Kind::Summary if !self.text.is_empty() => reasoning.summary.push(self.text),
            Kind::Text | Kind::Summary | Kind::Encrypted => {}
        }
        reasoning.seal = self.seal;
    }
}

/// Takes the thinking out of a message.
pub(super) fn lift<'a>(message: &mut Fields<'a>) -> Vec<Block<'a>> {
    let spoken = ["reasoning_content", "reasoning"].into_iter().filter_map(|name| take_text(message, name)).find(|text| !text.is_empty());
    let details = message.peek("reasoning_details").and_then(Node::array);
    if details.is_some() || message.peek("reasoning_details").is_some_and(Node::is_null) {
        message.take("reasoning_details");
    }
    let sealed = blocks_of(details.unwrap_or_default());
    match spoken {
        None => sealed,
        Some(spoken) => weave(spoken, sealed),
    }
}

fn take_text<'a>(message: &mut Fields<'a>, name: &str) -> Option<Text<'a>> {
    let node = message.peek(name)?;
    if node.is_null() {
        message.take(name);
    }
    let text = node.text()?;
    message.take(name);
    Some(text)
}

fn blocks_of(details: Vec<Node<'_>>) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut last: (Option<String>, Option<u64>) = (None, None);
    for detail in details.into_iter().filter_map(detail) {
        let key = (detail.id.as_deref().map(str::to_owned), detail.index);
        match blocks.last_mut() {
            Some(Block { part: Part::Reasoning(open), .. }) if detail.continues(last.0.as_deref(), last.1, open) => detail.join(open),
            _ => blocks.push(detail.into_block()),
        }
        last = key;
    }
    blocks
}

/// Puts what is said in plain words together with what the details repeat of it.
fn weave<'a>(spoken: Text<'a>, sealed: Vec<Block<'a>>) -> Vec<Block<'a>> {
    let pieces = |block: &Block<'a>| -> Vec<String> {
        let Part::Reasoning(reasoning) = &block.part else { return Vec::new() };
        reasoning.summary.iter().chain(&reasoning.text).map(ToString::to_string).collect()
    };
    if sealed.iter().all(|block| pieces(block).is_empty()) {
        let mut blocks = vec![plain_block(spoken)];
        blocks.extend(sealed);
        return blocks;
    }
    let mut blocks = Vec::new();
    let (mut rest, mut found) = (&*spoken, false);
    for block in sealed {
        for piece in pieces(&block) {
            let Some(at) = rest.find(&piece) else { continue };
            push_gap(&mut blocks, &rest[..at]);
            rest = &rest[at + piece.len()..];
            found = true;
        }
        blocks.push(block);
    }
    if found {
        push_gap(&mut blocks, rest);
    }
    blocks
}

fn push_gap(blocks: &mut Vec<Block<'_>>, gap: &str) {
    if !gap.trim().is_empty() {
        blocks.push(plain_block(Cow::Owned(gap.to_owned())));
    }
}

fn plain_block(text: Text<'_>) -> Block<'_> {
    content::block(Part::Reasoning(Reasoning { text: vec![text], ..Reasoning::default() }), 0)
}

/// The thinking of a block in plain words.
pub(super) fn plain(reasoning: &Reasoning<'_>, out: &mut String) {
    for (at, piece) in reasoning.summary.iter().enumerate() {
        if at > 0 {
            out.push_str("\n\n");
        }
        out.push_str(piece);
    }
    if !reasoning.summary.is_empty() && !reasoning.text.is_empty() {
        out.push_str("\n\n");
    }
    reasoning.text.iter().for_each(|piece| out.push_str(piece));
}

/// Writes the entries of one block: `number` counts the blocks of thinking, `seal` is what it is to give back.
pub(super) fn write_entries(reasoning: &Reasoning<'_>, rest: &Rest<'_>, number: usize, seal: Option<&str>, list: &mut ArrayWriter<'_>) {
    let mut entry = |kind: &str, member: &str, text: &str, signature: Option<&str>| {
        list.object(|entry| {
            entry.text("type", kind).text(member, text).some_text("signature", signature).some_text("id", reasoning.id.as_deref());
            let own = rest.of == Some(Dialect::Chat);
            match rest.hinted(INDEX).filter(|_| own) {
                Some(place) => _ = entry.raw(INDEX, place),
                None => _ = entry.unsigned(INDEX, number as u64),
            }
            if own {
                rest.members.iter().for_each(|(name, json)| {
                    entry.raw(name, json);
                });
            }
        });
    };
    for piece in &reasoning.summary {
        entry("reasoning.summary", "summary", piece, None);
    }
    let signature = if reasoning.summary.is_empty() { seal } else { None };
    if !reasoning.text.is_empty() {
        entry("reasoning.text", "text", &reasoning.text.concat(), signature);
    }
    if let Some(seal) = seal.filter(|_| reasoning.text.is_empty() || !reasoning.summary.is_empty()) {
        entry("reasoning.encrypted", "data", seal, None);
    }
}

/// Writes the thinking of a message: in plain words, and in details where something is to be given back.
pub(super) fn write<'b>(blocks: impl Iterator<Item = (&'b Block<'b>, &'b Reasoning<'b>)>, seal: Sealing, object: &mut ObjectWriter<'_>) {
    let mut words = String::new();
    let mut entries = Vec::new();
    array(&mut entries, |list| {
        for (number, (block, reasoning)) in blocks.enumerate() {
            if !reasoning.redacted {
                plain(reasoning, &mut words);
            }
            let seal = reasoning.seal.as_ref().and_then(|kept| seal.text(kept));
            if seal.is_some() || block.rest.of == Some(Dialect::Chat) {
                write_entries(reasoning, &block.rest, number, seal.as_deref(), list);
            }
        }
    });
    if !words.is_empty() {
        object.text("reasoning_content", &words);
    }
    if entries != b"[]" {
        object.json("reasoning_details", &String::from_utf8_lossy(&entries));
    }
}

/// Whose hands a seal goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealing {
    /// The client's, who brings it back: a foreign one is tagged.
    Client,
    /// A provider's, who must be its maker.
    Provider,
}

impl Sealing {
    /// The text of a seal for these hands.
    pub(super) fn text<'s>(self, seal: &'s Seal<'_>) -> Option<Cow<'s, str>> {
        match self {
            Self::Client => Some(seal.write(Dialect::Chat)),
            Self::Provider => seal.opened_by(Dialect::Chat).map(Cow::Borrowed),
        }
    }
}
