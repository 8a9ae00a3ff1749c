//! A block of a request, written as a part.

use super::{
    super::{
        Dialect,
        alphabet::fitted,
        canon::{Block, Call, CallResult, Input, Media, Part, Reasoning, Rest, ServerResult},
    },
    args::{self, Args},
    ids, lift_part, lost,
    lower_turns::Speech,
    media::{self, Written},
    nested,
};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter},
    transform::{Loss, Seal},
};

impl<'r> Speech<'r, '_> {
    /// Writes a block; some become several parts, some none.
    pub(super) fn part(&mut self, block: &'r Block<'r>, path: &str, out: &mut ArrayWriter<'_>) {
        match &block.part {
            Part::Text { text, citations } => {
                if !citations.is_empty() {
                    self.losses.push(Loss::dropped(format!("{path}.{}", self.citations())));
                }
                self.text(text, block, path, out);
            }
            Part::Refusal(text) => {
                self.losses.push(Loss::changed(path, "a refusal is told as the model's words"));
                self.text(text, block, path, out);
            }
            Part::Reasoning(reasoning) => self.reasoning(reasoning, block, path, out),
            Part::Call(call) => self.call(call, block, path, out),
            Part::Result(result) => self.result(result, block, path, out),
            Part::Media(media) => self.media(media, &block.rest, path, out),
            Part::ServerCall(call) => {
                if lift_part::own(&call.json) {
                    out.raw(&call.json);
                } else {
                    self.losses.push(Loss::dropped_because(path, "a call of another provider's own tool"));
                }
            }
            Part::ServerResult(result) => self.found(result, path, out),
            Part::Opaque { of: Dialect::Gemini, json } => _ = out.raw(json),
            Part::Opaque { .. } => self.losses.push(Loss::dropped(path)),
        }
    }

    const fn citations(&self) -> &'static str {
        match self.scene.request.from {
            Dialect::Chat | Dialect::Responses => "annotations",
            Dialect::Claude | Dialect::Gemini => "citations",
        }
    }

    /// The signature that goes out with a part: its own, or that of the thinking before it.
    fn seal(&mut self, own: Option<&'r Seal<'r>>, path: &str) -> Option<&'r str> {
        let opened = own.and_then(|seal| seal.opened_by(Dialect::Gemini));
        if own.is_some() && opened.is_none() {
            self.losses.push(Loss::dropped_because(path, "a signature that only another provider can read"));
        }
        opened.or_else(|| self.carried.take())
    }

    fn text(&mut self, text: &str, block: &'r Block<'r>, path: &str, out: &mut ArrayWriter<'_>) {
        let seal = self.seal(block.seal.as_ref(), path);
        if text.is_empty() && seal.is_none() && !self.scene.own {
            block.rest.lose(|| path.to_owned(), self.losses);
            return;
        }
        out.object(|o| {
            signature(seal, &block.rest, o.text("text", text));
            nested::outer(&block.rest, o, || path.to_owned(), self.losses);
        });
    }

    fn reasoning(&mut self, reasoning: &'r Reasoning<'r>, block: &Block<'_>, path: &str, out: &mut ArrayWriter<'_>) {
        let opened = reasoning.seal.as_ref().and_then(|seal| seal.opened_by(Dialect::Gemini));
        if opened.is_none() && (!self.scene.own || reasoning.seal.is_some()) {
            // Thoughts that were shown and that nobody signed mean nothing to any provider.
            match &reasoning.seal {
                Some(_) => self.losses.push(Loss::dropped_because(path, "thinking that is not this provider's own")),
                None => block.rest.lose(|| path.to_owned(), self.losses),
            }
            return;
        }
        let text = args::thinking(reasoning);
        // Google signs the part behind a thought; other dialects have kept the signature with the thought.
        let here = opened.filter(|_| self.scene.own);
        if !self.scene.own {
            self.carried = opened;
        }
        if text.is_empty() && here.is_none() && !self.scene.own {
            block.rest.lose(|| path.to_owned(), self.losses);
            return;
        }
        out.object(|o| {
            signature(here, &block.rest, o.text("text", &text).bool("thought", true));
            nested::outer(&block.rest, o, || path.to_owned(), self.losses);
        });
    }

    fn call(&mut self, call: &'r Call<'r>, block: &'r Block<'r>, path: &str, out: &mut ArrayWriter<'_>) {
        let mut seal = self.seal(block.seal.as_ref(), path);
        let said = self.scene.own && block.rest.hinted(lost::HINT).is_some();
        if seal.is_none() && !said && !self.stepped && self.scene.family.third {
            self.losses.push(Loss::changed(path, "no thought signature that this model can read; Google's word for a lost one stands in"));
            seal = Some(lost::WORD);
        }
        self.stepped = true;
        if call.namespace.is_some() {
            self.losses.push(Loss::dropped(format!("{path}.namespace")));
        }
        let (args, free) = match &call.input {
            Input::Json(json) => (args::object(json), false),
            Input::Free(text) => (Args::Wrapped(args::wrapped("input", text)), true),
        };
        if free || matches!(args, Args::Wrapped(_)) {
            self.losses.push(Loss::changed(path, "what the call is given is no JSON object, and wrapped into one"));
        }
        out.object(|o| {
            o.object("functionCall", |o| {
                o.some_text("id", self.id(&call.id)).text("name", &call.name).json("args", args.json());
                nested::within(&block.rest, "functionCall", o);
            });
            signature(seal, &block.rest, o);
            nested::outer(&block.rest, o, || path.to_owned(), self.losses);
        });
    }

    /// An id, unless it was made here for one that Google's client did not give.
    fn id<'i>(&self, id: &'i str) -> Option<&'i str> {
        (!self.scene.own || !ids::is_of_place(id)).then_some(id)
    }

    fn result(&mut self, result: &'r CallResult<'r>, block: &'r Block<'r>, path: &str, out: &mut ArrayWriter<'_>) {
        let name = result.name.as_deref().or_else(|| self.called.get(&*result.id).copied());
        if name.is_none() {
            self.losses.push(Loss::changed(path, "the result of a call that was never made is named after its id"));
        }
        let named = name.is_none().then(|| fitted(&result.id, Dialect::Gemini)).flatten();
        let name = named.as_deref().or(name).unwrap_or(&result.id);
        let media = |block: &&'r Block<'r>| !matches!(block.part, Part::Text { .. } | Part::Refusal(_));
        let (inner, beside) = (self.scene.family.third || self.scene.own, result.content.iter().filter(media));
        let beside: Vec<_> = beside.collect();
        out.object(|o| {
            o.object("functionResponse", |o| {
                o.some_text("id", self.id(&result.id)).text("name", name);
                match &result.object {
                    Some(object) => _ = o.raw("response", object),
                    None => _ = o.object("response", |o| args::outcome(result, o)),
                }
                if inner && !beside.is_empty() {
                    o.array("parts", |a| beside.iter().for_each(|block| self.part(block, path, a)));
                }
                nested::within(&block.rest, "functionResponse", o);
            });
            nested::outer(&block.rest, o, || path.to_owned(), self.losses);
        });
        if !inner && !beside.is_empty() {
            self.losses.push(Loss::changed(path, "media of the result stand beside it: within, this model takes words only"));
            for block in &beside {
                self.part(block, path, out);
            }
        }
        // What stands on the words within has no place of its own.
        for block in result.content.iter().filter(|block| !media(block)) {
            block.rest.lose(|| path.to_owned(), self.losses);
            if block.cache.is_some() {
                self.losses.push(Loss::dropped(format!("{path}.cache_control")));
            }
        }
    }

    fn media(&mut self, media: &Media<'_>, rest: &Rest<'_>, path: &str, out: &mut ArrayWriter<'_>) {
        let own = self.scene.own;
        let mut part = Vec::new();
        let mut written = Written::Whole;
        crate::protocol::json::object(&mut part, |o: &mut ObjectWriter<'_>| {
            written = media::write(media, own, rest, o);
            nested::outer(rest, o, || path.to_owned(), self.losses);
        });
        match written {
            Written::Foreign => {
                self.losses.push(Loss::dropped_because(path, "the file lies with another provider"));
                return;
            }
            Written::Guessed => self.losses.push(Loss::changed(path, "its media type is not told, and guessed")),
            Written::Whole => {}
        }
        if media.name.is_some() && !own {
            let word = if self.scene.request.from == Dialect::Claude { "title" } else { "filename" };
            self.losses.push(Loss::dropped(format!("{path}.{word}")));
        }
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.losses.push(Loss::dropped(format!("{path}.detail")));
        }
        #[expect(clippy::expect_used, reason = "the writer writes UTF-8")]
        out.json(std::str::from_utf8(&part).expect("JSON is UTF-8"));
    }

    fn found(&mut self, result: &ServerResult<'_>, path: &str, out: &mut ArrayWriter<'_>) {
        if lift_part::own(&result.json) {
            out.raw(&result.json);
            return;
        }
        match result.output.as_deref().filter(|output| !output.is_empty()) {
            Some(output) => {
                self.losses.push(Loss::changed(path, "what another provider's own tool gave is told as words"));
                out.object(|o| {
                    o.text("text", output);
                });
            }
            None => self.losses.push(Loss::dropped_because(path, "the result of another provider's own tool")),
        }
    }
}

/// The signature of a part; none also where Google's own client says in Google's word that it was lost.
fn signature(seal: Option<&str>, rest: &Rest<'_>, out: &mut ObjectWriter<'_>) {
    match (seal, rest.hinted(lost::HINT)) {
        (None, Some(word)) => _ = out.raw("thoughtSignature", word),
        (seal, _) => _ = out.some_text("thoughtSignature", seal),
    }
}
