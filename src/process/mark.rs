//! Marks where a provider is to cache the prompt. What the client marked itself stays, and counts.

use super::{filter::Dialect, tree::Tree};
use crate::protocol::{
    cache_mark::{CacheFrom, CacheMark, CachePick, CacheTarget, CacheTtl, MOST_MARKS},
    rule::CacheBreakpoint,
};

mod block;
mod place;
pub(super) mod trigger;

use block::Shape;
use place::Place;

/// A mark that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    target: CacheTarget,
    pick: CachePick,
    /// Which block of the message that `pick` means.
    within: Option<CachePick>,
    ttl: CacheTtl,
}

impl From<CacheBreakpoint> for Mark {
    fn from(rule: CacheBreakpoint) -> Self {
        Self { target: rule.target, pick: rule.pick, within: None, ttl: rule.ttl }
    }
}

impl From<CacheMark> for Mark {
    fn from(mark: CacheMark) -> Self {
        Self { target: mark.target, pick: mark.pick, within: mark.within, ttl: mark.ttl }
    }
}

/// The marks of a request.
#[derive(Debug)]
pub(super) struct Marks {
    shape: Shape,
    taken: Vec<(Place, CacheTtl)>,
}

impl Marks {
    /// Counts what the client marked; `None` where the dialect has no marks.
    pub(super) fn read(tree: &mut Tree<'_>, dialect: Dialect) -> Option<Self> {
        let shape = Shape::of(dialect)?;
        let taken = place::marked(tree, shape);
        Some(Self { shape, taken })
    }

    /// Puts a mark where there is a place for it and one is free.
    pub(super) fn place(&mut self, tree: &mut Tree<'_>, mark: &Mark) -> bool {
        if !self.shape.keeps_for(mark.ttl) {
            return false;
        }
        if mark.target == CacheTarget::TopLevel {
            return match self.shape {
                Shape::Claude => self.put(tree, Place::Root, mark.ttl),
                Shape::Chat | Shape::Responses => options(tree, Some("implicit"), mark.ttl),
            };
        }
        self.find(tree, mark).is_some_and(|place| self.put(tree, place, mark.ttl))
    }

    /// The place that a mark means. Blocks are looked into only as far as they are counted.
    fn find(&self, tree: &mut Tree<'_>, mark: &Mark) -> Option<Place> {
        let mut places = place::candidates(tree, self.shape, mark.target);
        if let Some(within) = mark.within {
            places.retain(|place| place.is_cacheable(tree, self.shape));
            let messages: Vec<&[Place]> = places.chunk_by(Place::same_message).collect();
            return mark.pick.of(&messages).and_then(|blocks| within.of(blocks)).copied();
        }
        if mark.pick.from == CacheFrom::End {
            places.reverse();
        }
        places.into_iter().filter(|place| place.is_cacheable(tree, self.shape)).nth(mark.pick.nth.checked_sub(1)?)
    }

    /// Takes trigger texts out of the prompt, and marks the blocks that they stood in.
    pub(super) fn take_triggers(&mut self, tree: &mut Tree<'_>) -> bool {
        let mut changed = false;
        let mut blank = Vec::new();
        let mut places = place::all(tree, self.shape);
        if self.shape == Shape::Responses {
            // What carries the mark of the instructions goes before the conversation, and moves it on by one.
            places.sort_by_key(|place| *place == Place::System(None));
        }
        for place in places {
            let Some(ttl) = place.take_trigger(tree, self.shape) else { continue };
            changed = true;
            let mut place = place;
            if place.is_blank(tree, self.shape) {
                blank.push(place);
                // A block of nothing but a trigger stood behind what was meant.
                let Some(before) = place.before() else { continue };
                place = before;
            }
            if self.is_free() && place.is_cacheable(tree, self.shape) {
                self.put(tree, place, self.shape.ttl_of(ttl));
            }
        }
        blank.iter().rev().for_each(|place| place.remove(tree, self.shape));
        changed
    }

    fn is_free(&self) -> bool {
        self.taken.len() < MOST_MARKS
    }

    fn put(&mut self, tree: &mut Tree<'_>, place: Place, ttl: CacheTtl) -> bool {
        let carried = place == Place::System(None) && self.taken.iter().any(|(taken, _)| *taken == place);
        if !self.is_free() || carried || !self.keeps_order(place, ttl) || place.has_mark(tree, self.shape) {
            return false;
        }
        let put = place.mark(tree, self.shape, ttl);
        if put {
            self.taken.push((place, ttl));
            if self.shape != Shape::Claude {
                options(tree, None, ttl);
            }
        }
        put
    }

    /// Claude refuses a request where a mark of an hour stands behind one of five minutes.
    fn keeps_order(&self, place: Place, ttl: CacheTtl) -> bool {
        let long = |ttl: CacheTtl| ttl == CacheTtl::Hour1;
        let collides = |(other, kept): &(Place, CacheTtl)| {
            (*other < place && !long(*kept) && long(ttl)) || (*other > place && long(*kept) && !long(ttl))
        };
        self.shape != Shape::Claude || !self.taken.iter().any(collides)
    }
}

/// Says in OpenAI's `prompt_cache_options` what the client left open.
fn options(tree: &mut Tree<'_>, mode: Option<&'static str>, ttl: CacheTtl) -> bool {
    let wanted = [("mode", mode), ("ttl", ttl.word())];
    if wanted.iter().all(|(_, value)| value.is_none()) {
        return false;
    }
    let Some(body) = tree.object() else { return false };
    if body.named("prompt_cache_options").is_none_or(|there| there.is_null()) {
        body.remove_named("prompt_cache_options");
        body.push_named("prompt_cache_options", Tree::closed("{}"));
    }
    let Some(options) = body.named("prompt_cache_options").and_then(Tree::object) else { return false };
    let mut changed = false;
    for (name, value) in wanted {
        let Some(value) = value else { continue };
        if options.named(name).is_none_or(|there| there.is_null()) {
            options.remove_named(name);
            options.push_named(name, Tree::string(value));
            changed = true;
        }
    }
    changed
}
