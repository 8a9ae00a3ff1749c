//! Points up to which the prompt is cached: read off a block, and at most four of them written.

use super::OWN;
use crate::{
    protocol::json::{Fields, Node, ObjectWriter},
    transform::{
        Loss,
        generate::{
            Dialect,
            canon::{Block, CacheLife, CacheMark, Part, Request, Rest},
            names::{Field, path},
        },
    },
};

const MEMBER: &str = "cache_control";
const MOST: usize = 4;

/// Takes the mark of an object. One that says more than the canonical form can stays behind among the leftovers too,
/// and is written back from there.
pub(super) fn lift(fields: &mut Fields<'_>) -> Option<CacheMark> {
    let Some(mut mark) = fields.peek(MEMBER)?.object() else {
        fields.some(MEMBER);
        return None;
    };
    mark.take("type");
    let ttl = mark.take("ttl").and_then(Node::text);
    let (life, known) = match ttl.as_deref() {
        None => (CacheLife::Default, true),
        Some("5m") => (CacheLife::Minutes5, true),
        Some("1h") => (CacheLife::Hour, true),
        Some(_) => (CacheLife::Default, false),
    };
    if known && mark.is_empty() {
        fields.take(MEMBER);
    }
    Some(CacheMark(life))
}

/// Which marks go out: all of a Claude client's own, the last four of any other's.
#[derive(Debug)]
pub(super) struct Marks {
    from: Dialect,
    surplus: usize,
}

impl Marks {
    /// Counts the marks of a request.
    pub(super) fn new(request: &Request<'_>) -> Self {
        if request.from == OWN {
            return Self { from: OWN, surplus: 0 };
        }
        let blocks = request.turns.iter().flat_map(|turn| &turn.blocks).chain(&request.instructions);
        let tools = request.tools.iter().filter(|tool| tool.cache.is_some()).count();
        let all = usize::from(request.cache.mark.is_some()) + tools + blocks.map(marked).sum::<usize>();
        Self { from: request.from, surplus: all.saturating_sub(MOST) }
    }

    /// Writes the mark of an object that stands at `place`.
    pub(super) fn write(
        &mut self,
        (mark, rest): (Option<CacheMark>, &Rest<'_>),
        object: &mut ObjectWriter<'_>,
        place: impl Fn() -> String,
        losses: &mut Vec<Loss>,
    ) {
        let Some(CacheMark(life)) = mark else { return };
        if rest.of == Some(OWN) && rest.members.iter().any(|(name, _)| name == MEMBER) {
            return;
        }
        let at = || {
            let (place, member) = (place(), path(self.from, Field::CacheMark));
            if place.is_empty() { member.to_owned() } else { format!("{place}.{member}") }
        };
        if self.surplus > 0 {
            self.surplus -= 1;
            losses.push(Loss::dropped_because(at(), "the target takes four cache marks; the last ones are kept"));
            return;
        }
        let ttl = match life {
            CacheLife::Default => None,
            CacheLife::Minutes5 => Some("5m"),
            CacheLife::Hour => Some("1h"),
            CacheLife::Minutes30 => {
                losses.push(Loss::changed(at(), "the target's prompt cache lives 5 minutes or an hour; it is 5 minutes"));
                None
            }
        };
        object.object(MEMBER, |mark| {
            mark.text("type", "ephemeral").some_text("ttl", ttl);
        });
    }
}

fn marked(block: &Block<'_>) -> usize {
    let within = match &block.part {
        Part::Result(result) => result.content.iter().filter(|inner| inner.cache.is_some()).count(),
        Part::Text { .. }
        | Part::Refusal(_)
        | Part::Reasoning(_)
        | Part::Call(_)
        | Part::Media(_)
        | Part::ServerCall(_)
        | Part::ServerResult(_)
        | Part::Opaque { .. } => 0,
    };
    within + usize::from(block.cache.is_some())
}
