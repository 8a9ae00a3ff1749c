//! What an answer of this dialect is made of: numbered events, items in their places, and the object around them.

use super::super::{
    canon::Tokens,
    event::Opening,
    frames::Frames,
    spoke::{Standing, Telling},
};
use super::{ids, usage};
use crate::protocol::json::{ObjectWriter, object};

/// The answer so far.
#[derive(Debug)]
pub(super) struct Out {
    /// Whether events are written at all, or only the answer is gathered.
    events: bool,
    sequence: u64,
    id: String,
    /// What the ids of items are made from.
    base: String,
    model: String,
    created: u64,
    tier: Option<String>,
    standing: Option<Standing>,
    /// Finished items by their place; an open one is empty.
    items: Vec<Vec<u8>>,
}

/// Where an item stands: its place and its id.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) index: usize,
    pub(super) id: String,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending<'e> {
    pub(super) status: &'static str,
    pub(super) reason: Option<&'e str>,
    /// Why there is none: a word and a sentence.
    pub(super) fault: Option<(&'e str, &'e str)>,
}

impl<'e> Ending<'e> {
    pub(super) fn of((status, reason): (&'static str, Option<&'e str>)) -> Self {
        Self { status, reason, fault: None }
    }
}

impl Out {
    pub(super) fn new(telling: &Telling, events: bool) -> Self {
        Self {
            events,
            sequence: 0,
            id: ids::answer("", &telling.request_id),
            base: String::new(),
            model: telling.model.clone(),
            created: telling.now,
            tier: None,
            standing: telling.standing.clone(),
            items: Vec::new(),
        }
    }

    /// Whether anything was told.
    pub(super) fn has_begun(&self) -> bool {
        self.sequence > 0
    }

    /// Takes what is known at the beginning.
    pub(super) fn open(&mut self, opening: &Opening<'_>) {
        // What is kept here needs a name that no provider gives twice.
        if !opening.id.is_empty() && self.standing.is_none() {
            self.id = ids::answer(&opening.id, "");
        }
        self.base = ids::base(&self.id);
        if !opening.model.is_empty() {
            opening.model.as_ref().clone_into(&mut self.model);
        }
        self.created = opening.created.unwrap_or(self.created);
        self.tier = opening.service_tier.as_deref().and_then(tier).map(str::to_owned);
    }

    /// One event, with its number.
    pub(super) fn event(&mut self, frames: &mut Frames, kind: &str, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        let number = self.sequence;
        if self.events {
            self.sequence += 1;
            frames.event(kind, |o| {
                o.text("type", kind).unsigned("sequence_number", number);
                fill(o);
            });
        }
    }

    /// One event about an item.
    pub(super) fn about(&mut self, frames: &mut Frames, kind: &str, spot: &Spot, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.event(frames, kind, |o| {
            o.text("item_id", &spot.id).unsigned("output_index", spot.index as u64);
            fill(o);
        });
    }

    /// How many items there are, open ones included.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// A place for a new item. `id` is its own where it has one.
    pub(super) fn place(&mut self, prefix: &str, id: Option<&str>) -> Spot {
        let index = self.items.len();
        self.items.push(Vec::new());
        Spot { index, id: id.map_or_else(|| ids::item(prefix, &self.base, index), str::to_owned) }
    }

    /// An item begins.
    pub(super) fn added(&mut self, frames: &mut Frames, spot: &Spot, item: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.event(frames, "response.output_item.added", |o| {
            o.unsigned("output_index", spot.index as u64).object("item", item);
        });
    }

    /// An item is complete.
    pub(super) fn done(&mut self, frames: &mut Frames, spot: &Spot, item: impl FnOnce(&mut ObjectWriter<'_>)) {
        let mut json = Vec::new();
        object(&mut json, item);
        self.event(frames, "response.output_item.done", |o| {
            o.unsigned("output_index", spot.index as u64).json("item", &String::from_utf8_lossy(&json));
        });
        if let Some(slot) = self.items.get_mut(spot.index) {
            *slot = json;
        }
    }

    /// An item that comes as it is.
    pub(super) fn whole(&mut self, frames: &mut Frames, json: &str) {
        let spot = self.place("item", Some(""));
        for kind in ["response.output_item.added", "response.output_item.done"] {
            self.event(frames, kind, |o| {
                o.unsigned("output_index", spot.index as u64).json("item", json);
            });
        }
        if let Some(slot) = self.items.get_mut(spot.index) {
            json.as_bytes().clone_into(slot);
        }
    }

    /// One event that carries the answer as it stands.
    pub(super) fn snapshot(&mut self, frames: &mut Frames, kind: &str, ending: Ending<'_>, tokens: Option<&Tokens>) {
        if !self.events {
            return;
        }
        let mut json = Vec::new();
        object(&mut json, |o| self.response(ending, tokens, o));
        self.event(frames, kind, |o| {
            o.json("response", &String::from_utf8_lossy(&json));
        });
    }

    /// The answer as an object. What echoes the request is at its defaults: the request is not here.
    pub(super) fn response(&self, ending: Ending<'_>, tokens: Option<&Tokens>, o: &mut ObjectWriter<'_>) {
        o.text("id", &self.id).text("object", "response").unsigned("created_at", self.created).text("status", ending.status);
        o.bool("background", false);
        match ending.fault {
            Some((code, message)) => o.object("error", |o| {
                o.text("code", code).text("message", message);
            }),
            None => o.null("error"),
        };
        match ending.reason {
            Some(reason) => o.object("incomplete_details", |o| {
                o.text("reason", reason);
            }),
            None => o.null("incomplete_details"),
        };
        o.null("instructions").null("max_output_tokens").null("max_tool_calls").text("model", &self.model);
        o.array("output", |a| {
            for item in self.items.iter().filter(|item| !item.is_empty()) {
                a.json(&String::from_utf8_lossy(item));
            }
        });
        let standing = self.standing.as_ref();
        o.bool("parallel_tool_calls", true);
        o.text_or_null("previous_response_id", standing.and_then(|standing| standing.previous.as_deref())).null("prompt_cache_key");
        o.object("reasoning", |o| {
            o.null("effort").null("summary");
        });
        o.null("safety_identifier").text_or_null("service_tier", self.tier.as_deref()).null("temperature");
        o.object("text", |o| {
            o.object("format", |o| {
                o.text("type", "text");
            });
        });
        o.text("tool_choice", "auto").array("tools", |_| {}).unsigned("top_logprobs", 0).null("top_p").text("truncation", "disabled");
        match tokens {
            Some(tokens) => o.object("usage", |o| usage::write(tokens, o)),
            None => o.null("usage"),
        };
        o.null("user").object("metadata", |_| {});
        if let Some(standing) = standing {
            if let Some(stores) = standing.stores {
                o.bool("store", stores);
            }
            if let Some(id) = &standing.conversation {
                o.object("conversation", |o| {
                    o.text("id", id);
                });
            }
        }
    }
}

/// A service tier in this dialect's words.
fn tier(word: &str) -> Option<&str> {
    match word {
        "auto" | "default" | "flex" | "scale" | "priority" | "fast" | "ultrafast" => Some(word),
        "standard" => Some("default"),
        _ => None,
    }
}
