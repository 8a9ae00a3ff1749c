//! Items as they are written: messages with their parts, reasoning, calls.

use super::super::{
    canon::{Block, Citation, Logprob, Part, Rest},
    frames::Frames,
};
use super::{
    OWN,
    lift_items::{MESSAGE_ID, MESSAGE_PHASE},
    lower_parts,
    stream_out::{Out, Spot},
};
use crate::protocol::json::{ArrayWriter, Node, ObjectWriter, array, object};

/// A message that is being written.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) spot: Spot,
    /// Its own members beyond id and content, as JSON.
    phase: Option<String>,
    rest: Rest<'static>,
    /// Finished parts by their place; an open one is empty.
    parts: Vec<Vec<u8>>,
    /// How many parts are open.
    pub(super) open: usize,
}

impl Message {
    /// Begins a message; `head` is its first block.
    pub(super) fn begin(head: &Rest<'_>, out: &mut Out, frames: &mut Frames) -> Self {
        let id = head.hinted(MESSAGE_ID).and_then(|json| Node::parse(json.get().as_bytes()).ok()?.text().map(std::borrow::Cow::into_owned));
        let phase = head.hinted(MESSAGE_PHASE).map(|json| json.get().to_owned());
        let message = Self { spot: out.place("msg", id.as_deref()), phase, rest: head.clone().into_owned(), parts: Vec::new(), open: 0 };
        let spot = message.spot.clone();
        out.added(frames, &spot, |o| message.write("in_progress", o));
        message
    }

    fn write(&self, status: &str, o: &mut ObjectWriter<'_>) {
        o.text("id", &self.spot.id).text("type", "message").text("status", status).text("role", "assistant");
        if let Some(phase) = &self.phase {
            o.json("phase", phase);
        }
        lower_parts::message_rest(&self.rest, o);
        o.array("content", |a| {
            for part in self.parts.iter().filter(|part| !part.is_empty()) {
                a.json(&String::from_utf8_lossy(part));
            }
        });
    }

    /// Ends it.
    pub(super) fn end(self, status: &str, out: &mut Out, frames: &mut Frames) {
        out.done(frames, &self.spot, |o| self.write(status, o));
    }
}

/// A part of a message that is being written.
#[derive(Debug)]
pub(super) struct Words {
    refusal: bool,
    head: Rest<'static>,
    /// Its message and its place in it; `None` until it has something to say.
    at: Option<(Spot, usize)>,
    text: String,
    annotations: Vec<u8>,
    cited: u64,
    logprobs: Vec<Logprob<'static>>,
}

impl Words {
    pub(super) fn new(head: &Block<'_>) -> Self {
        Self {
            refusal: matches!(head.part, Part::Refusal(_)),
            head: head.rest.clone().into_owned(),
            at: None,
            text: String::new(),
            annotations: Vec::new(),
            cited: 0,
            logprobs: Vec::new(),
        }
    }

    pub(super) fn head(&self) -> &Rest<'static> {
        &self.head
    }

    pub(super) fn started(&self) -> bool {
        self.at.is_some()
    }

    /// The place of its message.
    pub(super) fn message(&self) -> Option<usize> {
        self.at.as_ref().map(|(spot, _)| spot.index)
    }

    /// Takes the next place in a message.
    pub(super) fn start(&mut self, message: &mut Message, out: &mut Out, frames: &mut Frames) {
        let content = message.parts.len();
        message.parts.push(Vec::new());
        message.open += 1;
        self.at = Some((message.spot.clone(), content));
        self.event("response.content_part.added", out, frames, |words, o| {
            o.object("part", |o| words.part(o));
        });
    }

    fn event(&self, kind: &str, out: &mut Out, frames: &mut Frames, fill: impl FnOnce(&Self, &mut ObjectWriter<'_>)) {
        let Some((spot, content)) = &self.at else { return };
        out.about(frames, kind, spot, |o| {
            o.unsigned("content_index", *content as u64);
            fill(self, o);
        });
    }

    pub(super) fn say(&mut self, words: &str, out: &mut Out, frames: &mut Frames) {
        self.text.push_str(words);
        let kind = if self.refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        self.event(kind, out, frames, |this, o| {
            o.text("delta", words);
            if !this.refusal {
                o.array("logprobs", |_| {});
            }
        });
    }

    /// Log probabilities come behind their words, with none of their own.
    pub(super) fn weigh(&mut self, logprobs: Vec<Logprob<'_>>, out: &mut Out, frames: &mut Frames) {
        self.event("response.output_text.delta", out, frames, |_, o| {
            o.text("delta", "").array("logprobs", |a| brief(&logprobs, a));
        });
        self.logprobs.extend(logprobs.into_iter().map(Logprob::into_owned));
    }

    /// `false`: the citation has no form here.
    pub(super) fn cite(&mut self, citation: &Citation<'_>, out: &mut Out, frames: &mut Frames) -> bool {
        let mut json = Vec::new();
        let mut written = false;
        array(&mut json, |a| written = lower_parts::annotation(citation, &self.text, a));
        if !written {
            return false;
        }
        let json = json.get(1..json.len() - 1).unwrap_or_default();
        let number = self.cited;
        self.event("response.output_text.annotation.added", out, frames, |_, o| {
            o.unsigned("annotation_index", number).json("annotation", &String::from_utf8_lossy(json));
        });
        self.cited += 1;
        if !self.annotations.is_empty() {
            self.annotations.push(b',');
        }
        self.annotations.extend_from_slice(json);
        true
    }

    /// Ends it and puts it into its message.
    pub(super) fn end(&self, message: &mut Message, out: &mut Out, frames: &mut Frames) {
        let kind = if self.refusal { "response.refusal.done" } else { "response.output_text.done" };
        self.event(kind, out, frames, |words, o| {
            o.text(if words.refusal { "refusal" } else { "text" }, &words.text);
            if !words.refusal {
                o.array("logprobs", |a| brief(&words.logprobs, a));
            }
        });
        self.event("response.content_part.done", out, frames, |words, o| {
            o.object("part", |o| words.part(o));
        });
        message.open -= 1;
        let Some(slot) = self.at.as_ref().and_then(|(_, content)| message.parts.get_mut(*content)) else { return };
        object(slot, |o| {
            self.part(o);
            if self.head.of == Some(OWN) {
                let own = self.head.members.iter().filter(|(name, _)| lower_parts::of_message(name).is_none());
                for (name, json) in own {
                    o.raw(name, json);
                }
            }
        });
    }

    fn part(&self, o: &mut ObjectWriter<'_>) {
        if self.refusal {
            o.text("type", "refusal").text("refusal", &self.text);
            return;
        }
        o.text("type", "output_text").text("text", &self.text);
        o.json("annotations", &format!("[{}]", String::from_utf8_lossy(&self.annotations)));
        o.array("logprobs", |a| lower_parts::logprobs(&self.logprobs, a));
    }
}

/// Log probabilities as events have them.
fn brief(list: &[Logprob<'_>], a: &mut ArrayWriter<'_>) {
    let pair = |one: &Logprob<'_>, o: &mut ObjectWriter<'_>| {
        o.text("token", &one.token).number("logprob", one.logprob);
    };
    for one in list {
        a.object(|o| {
            pair(one, o);
            o.array("top_logprobs", |a| {
                for other in &one.top {
                    a.object(|o| pair(other, o));
                }
            });
        });
    }
}

/// Reasoning that is being written.
#[derive(Debug)]
pub(super) struct Thought {
    spot: Option<Spot>,
    prefix: &'static str,
    id: Option<String>,
    /// Whether this dialect made it, so that its words are `content`.
    own: bool,
    rest: Rest<'static>,
    summary: Vec<String>,
    content: Option<String>,
    seal: Option<String>,
}

impl Thought {
    pub(super) fn new(prefix: &'static str, id: Option<&str>, own: bool, rest: &Rest<'_>) -> Self {
        let (id, rest) = (id.map(str::to_owned), rest.clone().into_owned());
        Self { spot: None, prefix, id, own, rest, summary: Vec::new(), content: None, seal: None }
    }

    pub(super) fn started(&self) -> bool {
        self.spot.is_some()
    }

    pub(super) fn own(&self) -> bool {
        self.own
    }

    pub(super) fn start(&mut self, out: &mut Out, frames: &mut Frames) {
        let spot = out.place(self.prefix, self.id.as_deref());
        out.added(frames, &spot, |o| {
            o.text("id", &spot.id).text("type", "reasoning").array("summary", |_| {});
        });
        self.spot = Some(spot);
    }

    fn event(&self, kind: &str, out: &mut Out, frames: &mut Frames, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        if let Some(spot) = &self.spot {
            out.about(frames, kind, spot, fill);
        }
    }

    /// Words of a summary; `fresh` begins a new piece.
    pub(super) fn summarise(&mut self, words: &str, fresh: bool, out: &mut Out, frames: &mut Frames) {
        if fresh || self.summary.is_empty() {
            self.end_summary(out, frames);
            self.summary.push(String::new());
            self.summary_part("response.reasoning_summary_part.added", out, frames);
        }
        let index = self.summary.len() - 1;
        self.event("response.reasoning_summary_text.delta", out, frames, |o| {
            o.unsigned("summary_index", index as u64).text("delta", words);
        });
        if let Some(last) = self.summary.last_mut() {
            last.push_str(words);
        }
    }

    fn summary_part(&self, kind: &str, out: &mut Out, frames: &mut Frames) {
        let Some(text) = self.summary.last() else { return };
        self.event(kind, out, frames, |o| {
            o.unsigned("summary_index", self.summary.len() as u64 - 1).object("part", |o| {
                o.text("type", "summary_text").text("text", text);
            });
        });
    }

    fn end_summary(&self, out: &mut Out, frames: &mut Frames) {
        let Some(text) = self.summary.last() else { return };
        self.event("response.reasoning_summary_text.done", out, frames, |o| {
            o.unsigned("summary_index", self.summary.len() as u64 - 1).text("text", text);
        });
        self.summary_part("response.reasoning_summary_part.done", out, frames);
    }

    /// Words of the thinking itself.
    pub(super) fn think(&mut self, words: &str, out: &mut Out, frames: &mut Frames) {
        if self.content.is_none() {
            self.content = Some(String::new());
            self.content_part("response.content_part.added", out, frames);
        }
        self.event("response.reasoning_text.delta", out, frames, |o| {
            o.unsigned("content_index", 0).text("delta", words);
        });
        if let Some(content) = &mut self.content {
            content.push_str(words);
        }
    }

    fn content_part(&self, kind: &str, out: &mut Out, frames: &mut Frames) {
        let Some(text) = &self.content else { return };
        self.event(kind, out, frames, |o| {
            o.unsigned("content_index", 0).object("part", |o| {
                o.text("type", "reasoning_text").text("text", text);
            });
        });
    }

    pub(super) fn seal(&mut self, data: &str) {
        self.seal = Some(data.to_owned());
    }

    pub(super) fn end(&self, out: &mut Out, frames: &mut Frames) {
        let Some(spot) = &self.spot else { return };
        self.end_summary(out, frames);
        if let Some(text) = &self.content {
            self.event("response.reasoning_text.done", out, frames, |o| {
                o.unsigned("content_index", 0).text("text", text);
            });
            self.content_part("response.content_part.done", out, frames);
        }
        out.done(frames, spot, |o| {
            o.text("id", &spot.id).text("type", "reasoning");
            o.array("summary", |a| self.summary.iter().for_each(|text| piece("summary_text", text, a)));
            if let Some(text) = &self.content {
                o.array("content", |a| piece("reasoning_text", text, a));
            }
            o.some_text("encrypted_content", self.seal.as_deref());
            self.rest.write(OWN, o, String::new, &mut Vec::new());
        });
    }
}

fn piece(kind: &str, text: &str, a: &mut ArrayWriter<'_>) {
    a.object(|o| {
        o.text("type", kind).text("text", text);
    });
}
