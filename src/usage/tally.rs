//! What a whole answer says: its events' drafts, put together.

use std::borrow::Cow;

use super::{
    claude,
    draft::{Dialect, Draft, Region},
    gemini,
    meter::{Fault, Metered, Shape},
    openai,
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

/// An answer so far.
#[derive(Debug)]
pub(super) struct Tally {
    key: OperationKey,
    dialect: Dialect,
    shape: Shape,
    /// Whether the Chat usage chunk is for us only.
    pub(super) hide_usage: bool,
    wire: Wire,
    /// Realtime: the responses that are finished.
    session: Usage,
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
}

impl Tally {
    pub(super) fn new(key: OperationKey, shape: Shape) -> Self {
        Self {
            key,
            dialect: Dialect::of(key),
            shape,
            hide_usage: false,
            wire: Wire::default(),
            session: Usage::default(),
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
        }
    }

    /// Reads one event of a stream.
    pub(super) fn judge(&mut self, data: &[u8]) -> Fate {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            self.finished = true;
            return Fate::Keep;
        }
        let mut draft = self.draft();
        if !walk::walk(data, &mut draft) {
            self.dropped = self.dropped.saturating_add(1);
            return Fate::Cut;
        }
        let hidden = self.hide_usage && draft.is_usage_chunk();
        self.absorb(&draft);
        if hidden { Fate::Cut } else { Fate::Keep }
    }

    /// Reads a whole body.
    pub(super) fn body(&mut self, body: &[u8]) {
        let mut draft = self.draft();
        if walk::walk(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body), &mut draft) {
            draft.finished = true;
            self.absorb(&draft);
        } else if self.takes_other_than_json() {
            self.finished = true;
            if self.key.operation() != Operation::CreateSpeech {
                self.text += body.len() as u64;
            }
        }
    }

    /// Reads the two ends of a body that was too large to keep.
    pub(super) fn ends(&mut self, head: &[u8], tail: &[u8], images: u64) {
        self.images += images;
        let ends_as_object = tail.trim_ascii_end().last() == Some(&b'}');
        self.finished = ends_as_object || self.takes_other_than_json();
        let names: [&[u8]; 2] = [b"\"usageMetadata\"", b"\"usage\""];
        for (text, name) in [tail, head].into_iter().flat_map(|text| names.map(|name| (text, name))) {
            let Some(value) = memchr::memmem::rfind(text, name).and_then(|at| value_at(text, at + name.len())) else { continue };
            let mut draft = self.draft();
            draft.enter(Region::Usage, 1);
            if value.first() == Some(&b'{') && walk::walk_first(value, 0, &mut draft).is_some() {
                self.absorb(&draft);
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

    /// Whether the answer has come to its own end.
    pub(super) fn ended_well(&self) -> bool {
        match self.key.operation() {
            Operation::ConnectRealtime => self.open == 0,
            _ => self.finished && self.fault.is_none(),
        }
    }

    /// Everything that is known.
    pub(super) fn metered(&self) -> Metered {
        Metered {
            usage: self.usage(),
            ended_well: self.ended_well(),
            model: self.model.clone(),
            service_tier: self.tier.clone(),
            dropped_events: self.dropped,
            relayed_text_bytes: self.text,
            fault: self.fault,
        }
    }

    fn draft<'a>(&self) -> Draft<'a> {
        Draft::new(self.key, self.dialect, self.shape)
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
        note(&mut self.model, draft.model);
        note(&mut self.tier, draft.tier);
        if draft.error {
            self.fail(Fault::Upstream);
        }
        if draft.searches > 0 && !draft.added {
            let searches = draft.searches.saturating_sub(draft.pages);
            match self.dialect {
                Dialect::Responses if !draft.done => self.searches += searches,
                Dialect::Chat | Dialect::Responses | Dialect::Claude | Dialect::Gemini | Dialect::Other => {
                    self.listed = self.listed.max(searches);
                }
            }
        }
        if self.key.operation() == Operation::ConnectRealtime {
            self.open += u64::from(draft.begun);
            self.open = self.open.saturating_sub(u64::from(draft.done));
            self.done = false;
            if !draft.wire.is_empty() {
                add(&mut self.session, &openai::usage(&draft.wire, self.key.operation()));
                self.session.counts.millis += draft.wire.get(Field::Millis);
            }
        }
        if !draft.wire.is_empty() {
            // Gemini's numbers may fall from frame to frame; its last frame has the last word.
            match self.dialect {
                Dialect::Gemini if draft.finished => self.wire = draft.wire,
                Dialect::Chat | Dialect::Responses | Dialect::Claude | Dialect::Gemini | Dialect::Other => self.wire.merge(&draft.wire),
            }
        }
    }

    fn usage(&self) -> Option<Usage> {
        let searches = self.searches.max(self.listed);
        if self.wire.is_empty() && self.images == 0 && searches == 0 {
            return None;
        }
        let mut usage = match self.dialect {
            _ if self.key.operation() == Operation::ConnectRealtime => return Some(self.session),
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
    let quoted = [b"\"", name, b"\""].concat();
    *slot = peek::string(&quoted).map(Cow::into_owned);
}

/// The text behind the colon that stands at `at`.
fn value_at(text: &[u8], at: usize) -> Option<&[u8]> {
    Some(text[at..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

struct FirstText<'a>(Option<&'a [u8]>);

impl<'a> walk::Visit<'a> for FirstText<'a> {
    fn member(&mut self, member: walk::Member<'a>) {
        if let (None, walk::Value::Text(text)) = (self.0, member.value) {
            self.0 = Some(text);
        }
    }
}
