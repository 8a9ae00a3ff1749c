//! Places of a prompt that can be marked: found, counted from either end, and marked.

use super::{
    block::{Shape, Speaker, is_deferred},
    trigger,
};
use crate::{
    process::tree::{Entries, Tree},
    protocol::cache_mark::{CacheTarget, CacheTtl},
};

/// What carries the mark of Responses' `instructions`, which cannot be marked itself.
const CARRIER: &str = "The instructions end here.";

/// A place, in the order in which a provider reads the prompt. A `None` is a string that stands where blocks could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Tool(usize),
    System(Option<usize>),
    Message(usize, Option<usize>),
    Root,
}

/// The places that a client marked, and for how long.
pub(super) fn marked(tree: &mut Tree<'_>, shape: Shape) -> Vec<(Place, CacheTtl)> {
    let mut found = Vec::new();
    if !tree.may_hold(shape.mark()) {
        return Vec::new();
    }
    if shape == Shape::Claude {
        let tools = tree.member("tools").and_then(Tree::array).map_or(0, |tools| tools.len());
        found.extend((0..tools).map(Place::Tool));
    }
    found.extend(all(tree, shape));
    found.push(Place::Root);
    let mut marks = Vec::new();
    for place in found {
        let Some(node) = place.node(tree, shape) else { continue };
        marks.extend(mark_of(node, shape).map(|ttl| (place, ttl)));
        // A tool's result holds blocks of its own.
        for inner in node.member("content").and_then(Tree::array).into_iter().flat_map(Entries::values) {
            marks.extend(mark_of(inner, shape).map(|ttl| (place, ttl)));
        }
    }
    marks
}

fn mark_of(node: &mut Tree<'_>, shape: Shape) -> Option<CacheTtl> {
    let mark = node.member(shape.mark()).filter(|mark| !mark.is_null())?;
    Some(if mark.member_text("ttl").is_some_and(|ttl| ttl == "1h") { CacheTtl::Hour1 } else { CacheTtl::Auto })
}

/// All places of text, whether they can be marked or not.
pub(super) fn all(tree: &mut Tree<'_>, shape: Shape) -> Vec<Place> {
    let mut places = system(tree, shape);
    places.extend(messages(tree, shape, |_| true));
    places
}

/// The places in one part of the prompt, whether they can be marked or not.
pub(super) fn candidates(tree: &mut Tree<'_>, shape: Shape, target: CacheTarget) -> Vec<Place> {
    match (target, shape) {
        (CacheTarget::TopLevel, _) | (CacheTarget::Tools, Shape::Chat | Shape::Responses) => Vec::new(),
        (CacheTarget::Tools, Shape::Claude) => {
            let tools = tree.member("tools").and_then(Tree::array).map_or(0, |tools| tools.len());
            (0..tools).map(Place::Tool).collect()
        }
        (CacheTarget::System, Shape::Claude) => system(tree, shape),
        (CacheTarget::System, Shape::Chat | Shape::Responses) => {
            let mut places = system(tree, shape);
            places.extend(messages(tree, shape, |speaker| speaker == Speaker::System));
            places
        }
        (CacheTarget::Message, Shape::Claude) => messages(tree, shape, |_| true),
        (CacheTarget::Message, Shape::Chat | Shape::Responses) => messages(tree, shape, |speaker| speaker != Speaker::System),
    }
}

fn system(tree: &mut Tree<'_>, shape: Shape) -> Vec<Place> {
    if shape == Shape::Chat {
        return Vec::new();
    }
    let Some(system) = tree.member(shape.system()) else { return Vec::new() };
    if system.text().is_some() {
        return vec![Place::System(None)];
    }
    let blocks = system.array().map_or(0, |blocks| blocks.len());
    (0..blocks).map(|at| Place::System(Some(at))).collect()
}

fn messages(tree: &mut Tree<'_>, shape: Shape, wanted: impl Fn(Speaker) -> bool) -> Vec<Place> {
    let mut places = Vec::new();
    let Some(messages) = tree.member(shape.messages()) else { return places };
    if shape == Shape::Responses && messages.text().is_some() && wanted(Speaker::Other) {
        return vec![Place::Message(0, None)];
    }
    for (at, message) in messages.array().into_iter().flat_map(Entries::values).enumerate() {
        if !wanted(Speaker::of(message)) {
            continue;
        }
        let Some(content) = message.member("content") else { continue };
        if content.text().is_some() {
            places.push(Place::Message(at, None));
        } else {
            let blocks = content.array().map_or(0, |blocks| blocks.len());
            places.extend((0..blocks).map(|block| Place::Message(at, Some(block))));
        }
    }
    places
}

impl Place {
    pub(super) fn same_message(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Message(a, _), Self::Message(b, _)) => a == b,
            (Self::Tool(_) | Self::System(_) | Self::Message(..) | Self::Root, _) => false,
        }
    }

    /// The block before this one in the same list.
    pub(super) fn before(self) -> Option<Self> {
        match self {
            Self::System(Some(at)) => Some(Self::System(Some(at.checked_sub(1)?))),
            Self::Message(message, Some(at)) => Some(Self::Message(message, Some(at.checked_sub(1)?))),
            Self::Tool(_) | Self::System(None) | Self::Message(_, None) | Self::Root => None,
        }
    }

    /// What stands here: a block, or a string.
    fn node<'t, 'a>(self, tree: &'t mut Tree<'a>, shape: Shape) -> Option<&'t mut Tree<'a>> {
        match self {
            Self::Root => Some(tree),
            Self::Tool(at) => tree.member("tools")?.element(at),
            Self::System(None) => tree.member(shape.system()),
            Self::System(Some(at)) => tree.member(shape.system())?.element(at),
            Self::Message(at, block) => {
                let messages = tree.member(shape.messages())?;
                if messages.text().is_some() {
                    return Some(messages);
                }
                let content = messages.element(at)?.member("content")?;
                match block {
                    None => Some(content),
                    Some(block) => content.element(block),
                }
            }
        }
    }

    /// Whether a mark can stand here.
    pub(super) fn is_cacheable(self, tree: &mut Tree<'_>, shape: Shape) -> bool {
        let spoken = self.is_spoken(tree, shape);
        let Some(node) = self.node(tree, shape) else { return false };
        match self {
            Self::Root => true,
            Self::Tool(_) => node.object().is_some() && !is_deferred(node),
            Self::System(Some(_)) | Self::Message(_, Some(_)) => shape.takes_mark(node),
            // Responses gives an assistant's string as output, and output has no marks.
            Self::System(None) | Self::Message(_, None) => !spoken && node.text().is_some_and(|text| !text.trim().is_empty()),
        }
    }

    fn is_spoken(self, tree: &mut Tree<'_>, shape: Shape) -> bool {
        let Self::Message(at, None) = self else { return false };
        shape == Shape::Responses
            && tree.member(shape.messages()).and_then(|list| list.element(at)).is_some_and(|item| Speaker::of(item) == Speaker::Assistant)
    }

    pub(super) fn has_mark(self, tree: &mut Tree<'_>, shape: Shape) -> bool {
        self.node(tree, shape).is_some_and(|node| node.member(shape.mark()).is_some_and(|mark| !mark.is_null()))
    }

    /// Whether what stands here is a text without anything in it.
    pub(super) fn is_blank(self, tree: &mut Tree<'_>, shape: Shape) -> bool {
        let blank = |text: &str| text.trim().is_empty();
        self.node(tree, shape)
            .is_some_and(|node| node.text().is_some_and(|text| blank(&text)) || node.member_text("text").is_some_and(|text| blank(&text)))
    }

    /// Puts a mark; a string becomes a list of one block for it.
    pub(super) fn mark(self, tree: &mut Tree<'_>, shape: Shape, ttl: CacheTtl) -> bool {
        let block = match self {
            Self::System(None) if shape == Shape::Responses => carrier(tree, shape),
            Self::System(None) | Self::Message(_, None) => self.opened(tree, shape),
            Self::Root | Self::Tool(_) | Self::System(Some(_)) | Self::Message(_, Some(_)) => self.node(tree, shape),
        };
        let Some(block) = block.and_then(Tree::object) else { return false };
        block.remove_named(shape.mark());
        block.push_named(shape.mark(), Tree::closed(shape.mark_json(ttl)));
        true
    }

    /// Makes a block of a string.
    fn opened<'t, 'a>(self, tree: &'t mut Tree<'a>, shape: Shape) -> Option<&'t mut Tree<'a>> {
        conversation(tree, shape);
        let node = self.node(tree, shape)?;
        let mut string = String::new();
        node.write(&mut string);
        node.set(shape.list_of(&string).into());
        node.element(0)
    }

    /// Takes a trigger text out; tells what it asked for.
    pub(super) fn take_trigger(self, tree: &mut Tree<'_>, shape: Shape) -> Option<CacheTtl> {
        let node = self.node(tree, shape)?;
        if node.text().is_none() {
            let kind = node.member_text("type")?;
            let speaks = matches!(kind.as_ref(), "text" | "input_text" | "output_text" | "tool_result");
            if !speaks {
                return None;
            }
        }
        let mut json = String::new();
        node.write(&mut json);
        let (json, ttl) = trigger::strip(&json)?;
        node.set(json.into());
        Some(ttl)
    }

    /// Takes a block out of its list, but never the last one.
    pub(super) fn remove(self, tree: &mut Tree<'_>, shape: Shape) {
        let (list, at) = match self {
            Self::System(Some(at)) => (tree.member(shape.system()), at),
            Self::Message(message, Some(at)) => {
                let message = tree.member(shape.messages()).and_then(|list| list.element(message));
                (message.and_then(|message| message.member("content")), at)
            }
            Self::Tool(_) | Self::System(None) | Self::Message(_, None) | Self::Root => return,
        };
        if let Some(list) = list.and_then(Tree::array)
            && list.len() > 1
        {
            list.remove_at(at);
        }
    }
}

/// Makes a list of Responses' `input` where it is a string.
fn conversation(tree: &mut Tree<'_>, shape: Shape) {
    if shape != Shape::Responses {
        return;
    }
    let Some(input) = tree.member(shape.messages()).filter(|input| input.text().is_some()) else { return };
    let mut string = String::new();
    input.write(&mut string);
    input.set(format!(r#"[{{"role":"user","content":{string}}}]"#).into());
}

/// Puts a small developer message before the conversation, for the mark of `instructions`.
fn carrier<'t, 'a>(tree: &'t mut Tree<'a>, shape: Shape) -> Option<&'t mut Tree<'a>> {
    conversation(tree, shape);
    let input = tree.member(shape.messages())?.array()?;
    let content = shape.list_of(&crate::process::tree::quoted(CARRIER));
    input.insert(0, Tree::closed(format!(r#"{{"role":"developer","content":{content}}}"#)));
    input.at(0)?.member("content")?.element(0)
}
