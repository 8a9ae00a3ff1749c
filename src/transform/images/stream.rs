//! A maker's stream as OpenAI's image events, or gathered into one answer.

use super::{
    Deed, Maker, Told, Unanswered,
    answer::{Place, look, unanswered, usage, written},
    found::{Found, Made},
};
use crate::{
    protocol::{
        frame::{FrameFault, Framing, sse::Splitter},
        json::{Node, ObjectWriter, WrongShape},
    },
    transform::generate::{Wire, frames::Frames},
};

/// Reads a maker's server-sent events.
#[derive(Debug)]
struct Reader {
    framing: Framing,
    gemini: bool,
    found: Found,
    /// The first event that could not be read.
    fault: Option<WrongShape>,
}

impl Reader {
    fn new(maker: Maker<'_>) -> Self {
        let gemini = matches!(maker, Maker::Gemini { .. });
        Self { framing: Framing::Sse(Splitter::default()), gemini, found: Found::default(), fault: None }
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), FrameFault> {
        let (gemini, found, fault) = (self.gemini, &mut self.found, &mut self.fault);
        self.framing.push(chunk, &mut |event| take(gemini, found, fault, event.data))
    }

    fn finish(&mut self) {
        let (gemini, found, fault) = (self.gemini, &mut self.found, &mut self.fault);
        self.framing.finish(&mut |event| take(gemini, found, fault, event.data));
    }
}

fn take(gemini: bool, found: &mut Found, fault: &mut Option<WrongShape>, data: &[u8]) {
    if data == b"[DONE]" || data.is_empty() {
        return;
    }
    let read = Node::parse(data).and_then(|event| if gemini { found.gemini(event) } else { found.responses_event(event) });
    if let Err(wrong) = read {
        fault.get_or_insert(wrong);
    }
}

/// A maker's stream gathered into one answer, for makers that stream only.
#[derive(Debug)]
pub struct Collect {
    reader: Reader,
    told: Told,
}

impl Collect {
    /// Begins with nothing.
    #[must_use]
    pub fn new(maker: Maker<'_>, told: Told) -> Self {
        Self { reader: Reader::new(maker), told }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// An event is too large.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), FrameFault> {
        self.reader.push(chunk)
    }

    /// The answer.
    ///
    /// # Errors
    /// The stream held no picture, or broke off.
    pub fn finish(mut self) -> Result<Vec<u8>, Unanswered> {
        self.reader.finish();
        let Reader { found, fault, .. } = self.reader;
        if found.ended && found.fault.is_none() {
            return written(found, &self.told);
        }
        Err(match fault {
            Some(fault) if found.fault.is_none() => Unanswered::Shape(fault),
            _ if found.fault.is_some() => unanswered(found),
            _ => broken_off(),
        })
    }
}

fn broken_off() -> Unanswered {
    Unanswered::Failed { code: Some("upstream_error".to_owned()), message: "the stream broke off before the picture was done".to_owned() }
}

/// A maker's stream as OpenAI's image events. Pictures that are done wait for the figures at the stream's end.
#[derive(Debug)]
pub struct Stream {
    reader: Reader,
    told: Told,
    frames: Frames,
    /// Pictures on the way that were told.
    partials: u64,
    over: bool,
}

impl Stream {
    /// Begins with nothing.
    #[must_use]
    pub fn new(maker: Maker<'_>, told: Told) -> Self {
        Self { reader: Reader::new(maker), told, frames: Frames::new(Wire::Sse), partials: 0, over: false }
    }

    /// Takes the next bytes, and gives what they become.
    ///
    /// # Errors
    /// An event is too large.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, FrameFault> {
        self.reader.push(chunk)?;
        self.tell();
        Ok(self.frames.take())
    }

    /// The maker's stream has ended: gives the rest.
    pub fn finish(&mut self) -> Vec<u8> {
        self.reader.finish();
        self.tell();
        match (self.over, self.reader.found.ended) {
            (true, _) => {}
            (false, true) => self.close(),
            (false, false) => self.fault(&broken_off()),
        }
        self.frames.take()
    }

    /// A whole answer of the maker as the events of a stream, for makers that do not stream.
    #[must_use]
    pub fn whole(body: &[u8], maker: Maker<'_>, told: Told) -> Vec<u8> {
        let mut stream = Self::new(maker, told);
        let found = &mut stream.reader.found;
        let read = Node::parse(body).and_then(|body| match maker {
            Maker::Gemini { .. } => found.gemini(body),
            Maker::Imagen => found.imagen(body),
            Maker::Responses { .. } => found.responses(body),
        });
        match read {
            Ok(()) => stream.finish(),
            Err(fault) => {
                stream.fault(&Unanswered::Shape(fault));
                stream.frames.take()
            }
        }
    }

    /// What keeps a silent stream open.
    pub fn keep_alive(&mut self) -> Vec<u8> {
        self.frames.keep_alive();
        self.frames.take()
    }

    fn tell(&mut self) {
        if self.over {
            return;
        }
        for picture in std::mem::take(&mut self.reader.found.partials) {
            let index = self.partials;
            self.partials += 1;
            self.event("partial_image", &picture, |_, o| {
                o.unsigned("partial_image_index", index);
            });
        }
        // Figures come with the last word or right behind it; without them the stream's end is waited for.
        let found = &self.reader.found;
        if found.fault.is_some() || (found.ended && found.usage.is_some()) {
            self.close();
        }
    }

    fn close(&mut self) {
        self.over = true;
        let mut found = std::mem::take(&mut self.reader.found);
        if found.fault.is_some() || found.pictures.is_empty() {
            self.fault(&unanswered(found));
            return;
        }
        let pictures = std::mem::take(&mut found.pictures);
        let last = pictures.len() - 1;
        for (at, picture) in pictures.iter().enumerate() {
            // The figures are those of all pictures together.
            let figures = found.usage.filter(|_| at == last);
            self.event("completed", picture, |told, o| usage(figures, told, Place::Event, o));
        }
    }

    fn event(&mut self, what: &str, picture: &Made, more: impl FnOnce(&Told, &mut ObjectWriter<'_>)) {
        let deed = match self.told.deed {
            Deed::Create => "image_generation",
            Deed::Edit => "image_edit",
        };
        let (name, told) = (format!("{deed}.{what}"), &self.told);
        self.frames.event(&name, |o| {
            o.text("type", &name).text("b64_json", &picture.data).some_text("url", picture.url.as_deref());
            look(picture, told, o);
            more(told, o);
        });
    }

    /// OpenAI's error event: its client raises what stands in `error`.
    fn fault(&mut self, fault: &Unanswered) {
        self.over = true;
        let (kind, code) = match fault {
            Unanswered::Refused { .. } => ("image_generation_user_error", "moderation_blocked"),
            Unanswered::Failed { code, .. } => ("server_error", code.as_deref().unwrap_or("upstream_error")),
            Unanswered::Shape(_) => ("server_error", "upstream_error"),
        };
        self.frames.event("error", |o| {
            o.text("type", "error").object("error", |o| {
                o.text("type", kind).text("code", code).text("message", &fault.to_string()).null("param");
            });
        });
    }
}
