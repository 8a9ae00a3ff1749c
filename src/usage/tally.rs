//! What a whole answer says: its events' drafts, put together.

use std::borrow::Cow;

use super::{
    claude,
    draft::{Dialect, Draft, Region},
    gemini,
    meter::{Fault, Metered, Shape},
    openai, shallow,
    wire::{Field, Wire},
};
use crate::{
    base::{Bucket, Modality, Usage},
    protocol::{Operation, OperationKey, frame::walk, peek},
};

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It passes.
    Keep,
    /// It is left out.
    Cut,
}

/// Whom an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever reads the stream.
    Everybody,
    /// Whoever asked for the usage chunk; if the client did not, then only us.
    Us,
}

/// An answer so far.
#[derive(Debug)]
pub(super) struct Tally {
    key: OperationKey,
    dialect: Dialect,
    shape: Shape,
    /// Whether the Chat usage chunk is for us only.
    pub(super) hide_usage: bool,
    wire: Wire,
    /// Realtime: the responses that are finished. In a box, since each call has a tally.
    session: Option<Box<Usage>>,
    /// Realtime: responses begun and not finished.
    open: u64,
    model: Option<String>,
    tier: Option<String>,
    text: u64,
    /// Searches counted as they came, and as the answer lists them at its end.
    searches: u64,
    listed: u64,
    images: u64,
    dropped: u32,
    finished: bool,
    fault: Option<Fault>,
    /// The terminal event came since this was last asked.
    done: bool,
    /// The terminal event came.
    over: bool,
}

impl Tally {
    pub(super) fn new(key: OperationKey, shape: Shape) -> Self {
        Self {
            key,
            dialect: Dialect::of(key),
            shape,
            hide_usage: false,
            wire: Wire::default(),
            session: (key.operation() == Operation::ConnectRealtime).then(Box::default),
            open: 0,
            model: None,
            tier: None,
            text: 0,
            searches: 0,
            listed: 0,
            images: 0,
            dropped: 0,
            finished: false,
            fault: None,
            done: false,
            over: false,
        }
    }

    /// Reads one event of a stream, and says whether it passes.
    pub(super) fn judge(&mut self, data: &[u8]) -> Fate {
        match self.hear(data) {
            None => {
                self.dropped = self.dropped.saturating_add(1);
                Fate::Cut
            }
            Some(Audience::Us) if self.hide_usage => Fate::Cut,
            Some(Audience::Us | Audience::Everybody) => Fate::Keep,
        }
    }

    /// Reads one event; `None` where it is not valid.
    pub(super) fn hear(&mut self, data: &[u8]) -> Option<Audience> {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            (self.done, self.over) = (true, true);
            self.finished = true;
            return Some(Audience::Everybody);
        }
        let mut draft = self.draft();
        if !walk::walk(data, &mut draft) {
            return None;
        }
        self.absorb(&draft);
        Some(if draft.is_usage_chunk() { Audience::Us } else { Audience::Everybody })
    }

    /// Reads a whole body, without walking through the vectors in it.
    pub(super) fn body(&mut self, body: &[u8]) {
        if let Some(short) = shallow::shortened(body, self.key.operation(), self.dialect) {
            let mut draft = self.draft();
            if walk::walk(unmarked(&short), &mut draft) && draft.usage {
                return self.absorb_body(draft);
            }
        }
        self.full_body(body);
    }

    /// Reads a whole body by walking through all of it.
    pub(super) fn full_body(&mut self, body: &[u8]) {
        let mut draft = self.draft();
        if walk::walk(unmarked(body), &mut draft) {
            self.absorb_body(draft);
        } else if self.takes_other_than_json() {
            self.finished = true;
            if self.key.operation() != Operation::CreateSpeech {
                self.text += body.len() as u64;
            }
        } else {
            // Broken off: what came of it can still be guessed from.
            self.text += draft.text;
        }
    }

    fn absorb_body(&mut self, mut draft: Draft<'_>) {
        draft.finished = true;
        // A search that was answered was made, whether or not its answer says so.
        draft.searches = draft.searches.max(u64::from(self.key.operation() == Operation::WebSearch));
        self.absorb(&draft);
    }

    /// Reads the two ends of a body that was too large to keep.
    pub(super) fn ends(&mut self, head: &[u8], tail: &[u8], images: u64) {
        self.images += images;
        let ends_as_object = tail.trim_ascii_end().last() == Some(&b'}');
        self.finished = ends_as_object || self.takes_other_than_json();
        let names: [&[u8]; 2] = [b"\"usageMetadata\"", b"\"usage\""];
        for (text, name) in [tail, head].into_iter().flat_map(|text| names.map(|name| (text, name))) {
            let Some(value) = memchr::memmem::rfind(text, name).and_then(|at| value_at(text, at + name.len())) else { continue };
            let mut usage = AsUsage(self.draft());
            if walk::walk_first(value, 0, &mut usage).is_some() && usage.0.usage {
                self.absorb(&usage.0);
                break;
            }
        }
        for name in [&b"\"model\""[..], b"\"modelVersion\""] {
            let value = memchr::memmem::find(head, name).and_then(|at| value_at(head, at + name.len()));
            let mut text = FirstText(None);
            if value.is_some_and(|value| walk::walk_first(value, 0, &mut text).is_some()) {
                note(&mut self.model, text.0);
            }
        }
    }

    /// Notes that the stream cannot be read any further.
    pub(super) fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Whether the terminal event came since this was last asked.
    pub(super) fn take_done(&mut self) -> bool {
        std::mem::take(&mut self.done)
    }

    /// Whether nothing more is owed: the terminal event came, or, in dialects whose terminal word stands in a chunk, that word
    /// and the usage.
    pub(super) fn is_over(&self) -> bool {
        let by_word = matches!(self.dialect, Dialect::Chat | Dialect::Gemini) && self.finished && !self.wire.is_empty();
        !self.is_session() && self.fault.is_none() && (self.over || by_word)
    }

    /// Whether the stream's last line, `[DONE]`, is owed and did not come.
    pub(super) fn owes_done(&self) -> bool {
        self.dialect == Dialect::Chat && self.shape == Shape::Sse && self.finished && !self.over && self.fault.is_none()
    }

    /// Whether the answer has come to its own end.
    pub(super) fn ended_well(&self) -> bool {
        if self.is_session() { self.open == 0 } else { self.finished && self.fault.is_none() }
    }

    /// Everything that is known; asked once.
    pub(super) fn metered(&mut self) -> Metered {
        Metered {
            usage: self.usage(),
            ended_well: self.ended_well(),
            model: self.model.take(),
            service_tier: self.tier.take(),
            dropped_events: self.dropped,
            relayed_text_bytes: self.text,
            fault: self.fault,
        }
    }

    fn draft<'a>(&self) -> Draft<'a> {
        Draft::new(self.key, self.dialect, self.shape)
    }

    /// A session goes on when an answer has ended.
    fn is_session(&self) -> bool {
        self.session.is_some()
    }

    /// Sound, and subtitles.
    fn takes_other_than_json(&self) -> bool {
        matches!(self.key.operation(), Operation::CreateSpeech | Operation::CreateTranscription | Operation::CreateTranslation)
    }

    fn absorb(&mut self, draft: &Draft<'_>) {
        if !draft.sound {
            self.text += draft.text;
        }
        self.images += draft.images;
        self.finished |= draft.finished;
        self.done |= draft.done;
        self.over |= draft.done;
        note(&mut self.model, draft.model);
        note(&mut self.tier, draft.tier);
        if draft.error {
            self.fail(Fault::Upstream);
        }
        if self.is_session() {
            self.absorb_session(draft);
        }
        if !draft.added {
            self.absorb_searches(draft);
        }
        if draft.wire.is_empty() {
            return;
        }
        // Gemini's numbers may fall from frame to frame; its last frame has the last word.
        if self.dialect == Dialect::Gemini && draft.finished {
            self.wire = draft.wire;
        } else {
            self.wire.merge(&draft.wire);
        }
    }

    /// A stream of Responses tells each search, and lists all of them at its end; the others only list.
    fn absorb_searches(&mut self, draft: &Draft<'_>) {
        let searches = draft.searches.saturating_sub(draft.pages);
        if self.dialect == Dialect::Responses && !draft.done {
            self.searches += searches;
        } else {
            self.listed = self.listed.max(searches);
        }
    }

    /// A session's answers add up.
    fn absorb_session(&mut self, draft: &Draft<'_>) {
        self.open += u64::from(draft.begun);
        self.open = self.open.saturating_sub(u64::from(draft.done));
        self.done = draft.done;
        if let Some(session) = &mut self.session
            && !draft.wire.is_empty()
        {
            add(session, &openai::usage(&draft.wire, self.key.operation()));
            session.counts.millis += draft.wire.get(Field::Millis);
        }
    }

    fn usage(&self) -> Option<Usage> {
        let searches = self.searches.max(self.listed);
        if self.wire.is_empty() && self.images == 0 && searches == 0 {
            return None;
        }
        if let Some(session) = &self.session {
            return Some(**session);
        }
        let mut usage = match self.dialect {
            Dialect::Chat | Dialect::Responses | Dialect::Other => openai::usage(&self.wire, self.key.operation()),
            Dialect::Claude => claude::usage(&self.wire),
            Dialect::Gemini => gemini::usage(&self.wire),
        };
        let told = self.wire.has(Field::Searches);
        usage.counts.searches = if told { self.wire.get(Field::Searches) } else { searches };
        usage.counts.millis = self.wire.get(Field::Millis);
        // Pictures are charged by their tokens where these are told.
        if usage.total() == 0 {
            usage.counts.images = self.images;
        }
        Some(usage)
    }
}

/// A body without its byte order mark.
fn unmarked(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Adds the tokens of one usage to another.
fn add(sum: &mut Usage, usage: &Usage) {
    for bucket in Bucket::ALL {
        for modality in Modality::ALL {
            sum.set(bucket, modality, sum.get(bucket, modality).saturating_add(usage.get(bucket, modality)));
        }
    }
}

/// Keeps a name, without allocating where it is the one already known.
fn note(slot: &mut Option<String>, name: Option<&[u8]>) {
    let Some(name) = name else { return };
    if name.is_empty() || slot.as_ref().is_some_and(|known| known.as_bytes() == name) {
        return;
    }
    *slot = if name.contains(&b'\\') {
        peek::string(&[b"\"", name, b"\""].concat()).map(Cow::into_owned)
    } else {
        std::str::from_utf8(name).ok().map(str::to_owned)
    };
}

/// The text behind the colon that stands at `at`.
fn value_at(text: &[u8], at: usize) -> Option<&[u8]> {
    Some(text[at..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

/// Reads an object as the usage object that it was cut out of its body as.
struct AsUsage<'a>(Draft<'a>);

impl<'a> walk::Visit<'a> for AsUsage<'a> {
    fn member(&mut self, member: walk::Member<'a>) {
        match member {
            walk::Member { depth: 0, value: walk::Value::Object, .. } => self.0.enter(Region::Usage, 1),
            member => self.0.member(member),
        }
    }
}

struct FirstText<'a>(Option<&'a [u8]>);

impl<'a> walk::Visit<'a> for FirstText<'a> {
    fn member(&mut self, member: walk::Member<'a>) {
        if let (None, walk::Value::Text(text)) = (self.0, member.value) {
            self.0 = Some(text);
        }
    }
}
