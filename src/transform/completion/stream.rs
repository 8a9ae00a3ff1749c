//! A dialect's stream as the chunks of a text completion.

use std::collections::BTreeMap;

use super::{
    Told,
    chunk::{Head, logprobs, name, reason, usage, words},
};
use crate::{
    protocol::frame::{FrameFault, Framing, sse::Splitter},
    transform::{
        Loss,
        fault::openai_type,
        generate::{
            Dialect, Wire,
            canon::{Logprob, Part, Tokens},
            event::{Delta, Event, StreamFault},
            frames::Frames,
            spoke::{Lift, Lower, spoke},
        },
    },
};

/// A dialect's stream as the chunks of a text completion.
#[derive(Debug)]
pub struct Stream {
    framing: Framing,
    lift: Box<dyn Lift>,
    lower: Chunks,
    frames: Frames,
    losses: Vec<Loss>,
    over: bool,
}

impl Stream {
    /// Begins with nothing. Upstreams are asked for server-sent events.
    #[must_use]
    pub fn new(from: Dialect, told: Told) -> Self {
        Self {
            framing: Framing::Sse(Splitter::default()),
            lift: spoke(from).lifter(),
            lower: Chunks::new(told),
            frames: Frames::new(Wire::Sse),
            losses: Vec::new(),
            over: false,
        }
    }

    /// Takes the next bytes, and gives what they become.
    ///
    /// # Errors
    /// An event is too large.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, FrameFault> {
        let Self { framing, lift, lower, frames, losses, over } = self;
        framing.push(chunk, &mut |frame| lift.push(frame.name, frame.data, &mut |event| pass(lower, frames, losses, over, &event)))?;
        Ok(self.frames.take())
    }

    /// The upstream's stream has ended: gives the rest. A stream that did not come to its end is told as broken off.
    pub fn finish(&mut self) -> Vec<u8> {
        let Self { framing, lift, lower, frames, losses, over } = self;
        framing.finish(&mut |frame| lift.push(frame.name, frame.data, &mut |event| pass(lower, frames, losses, over, &event)));
        lift.finish(&mut |event| pass(lower, frames, losses, over, &event));
        if !*over {
            let fault =
                StreamFault { status: None, code: Some("upstream_error".into()), message: "the stream broke off before its end".into() };
            pass(lower, frames, losses, over, &Event::Fault(fault));
        }
        self.frames.take()
    }

    /// What keeps a silent stream open.
    pub fn keep_alive(&mut self) -> Vec<u8> {
        self.frames.keep_alive();
        self.frames.take()
    }

    /// What was lost so far.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }
}

fn pass(lower: &mut Chunks, frames: &mut Frames, losses: &mut Vec<Loss>, over: &mut bool, event: &Event<'_>) {
    if !*over {
        *over = matches!(event, Event::Close | Event::Fault(_));
        lower.push(event, frames, losses);
    }
}

/// Writes the chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    told: Told,
    head: Head,
    /// Blocks by number: their choice, and whether they are words.
    blocks: Vec<(usize, bool)>,
    /// Characters told of each choice so far, which its log probabilities count from.
    spoken: BTreeMap<usize, usize>,
    usage: Option<Tokens>,
}

/// What one chunk tells.
struct Piece<'p> {
    choice: usize,
    text: &'p str,
    probable: &'p [Logprob<'p>],
    stop: Option<&'static str>,
}

impl<'p> Piece<'p> {
    const fn text(choice: usize, text: &'p str) -> Self {
        Self { choice, text, probable: &[], stop: None }
    }
}

impl Chunks {
    /// Begins with nothing.
    pub(super) fn new(told: Told) -> Self {
        let head = Head::new("", None, "", &told);
        Self { told, head, blocks: Vec::new(), spoken: BTreeMap::new(), usage: None }
    }

    /// A piece of a choice. The first of a choice comes behind the prompt, where that is wanted.
    fn tell(&mut self, piece: Piece<'_>, frames: &mut Frames) {
        if !self.spoken.contains_key(&piece.choice)
            && let Some(echo) = self.told.echo.clone()
        {
            self.chunk(Piece::text(piece.choice, &echo), frames);
        }
        self.chunk(piece, frames);
    }

    fn chunk(&mut self, piece: Piece<'_>, frames: &mut Frames) {
        let Piece { choice, text, probable, stop } = piece;
        let spoken = self.spoken.entry(choice).or_default();
        // Log probabilities come behind the words that they are of.
        let offset = spoken.saturating_sub(probable.iter().map(|one| one.token.chars().count()).sum());
        *spoken += text.chars().count();
        let (head, told) = (&self.head, &self.told);
        frames.event("", |o| {
            head.write(o);
            o.array("choices", |a| {
                a.object(|o| {
                    o.text("text", text).unsigned("index", choice as u64);
                    logprobs(probable, offset, o);
                    o.text_or_null("finish_reason", stop);
                });
            });
            if told.telling.include_usage {
                o.null("usage");
            }
        });
    }

    fn open(&mut self, choice: usize, part: &Part<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        let text = words(part);
        self.blocks.push((choice, text.is_some()));
        match text {
            Some("") => {}
            Some(text) => self.tell(Piece::text(choice, text), frames),
            None => lose(Loss::dropped_because(name(part), "a text completion is text only"), losses),
        }
    }

    fn close(&mut self, frames: &mut Frames) {
        let head = &self.head;
        if let (true, Some(tokens)) = (self.told.telling.include_usage, self.usage) {
            frames.event("", |o| {
                head.write(o);
                o.array("choices", |_| {});
                usage(tokens, o);
            });
        }
        frames.done();
        frames.end();
    }
}

/// A loss is told once, however often it comes.
fn lose(loss: Loss, losses: &mut Vec<Loss>) {
    if !losses.contains(&loss) {
        losses.push(loss);
    }
}

impl Lower for Chunks {
    fn push(&mut self, event: &Event<'_>, frames: &mut Frames, losses: &mut Vec<Loss>) {
        match event {
            Event::Open(opening) => {
                self.head = Head::new(&opening.id, opening.created, &opening.model, &self.told);
                self.usage = opening.usage;
            }
            Event::BlockOpen { choice, head, .. } => self.open(*choice, &head.part, frames, losses),
            Event::Delta { block, delta } => match (self.blocks.get(*block).copied(), delta) {
                (Some((choice, true)), Delta::Text(text)) => self.tell(Piece::text(choice, text), frames),
                (Some((choice, _)), Delta::Logprobs(all)) => self.tell(Piece { probable: all, ..Piece::text(choice, "") }, frames),
                (_, Delta::Cite(_)) => lose(Loss::dropped("citations"), losses),
                // What belongs to a block that is lost as a whole, or is no words.
                (_, Delta::Text(_) | Delta::Reasoning(_) | Delta::Summary(..) | Delta::Seal(_) | Delta::Input(_) | Delta::Logprobs(_)) => {}
            },
            Event::BlockClose { .. } => {}
            Event::Stop { choice, stop } => self.tell(Piece { stop: Some(reason(stop)), ..Piece::text(*choice, "") }, frames),
            Event::Usage(tokens) => self.usage = Some(*tokens),
            Event::Close => self.close(frames),
            Event::Fault(fault) => {
                frames.event("", |o| {
                    o.object("error", |o| {
                        o.text("message", &fault.message).text("type", openai_type(fault.problem().status));
                        o.null("param").text_or_null("code", fault.code.as_deref());
                    });
                });
                frames.end();
            }
            Event::Unknown { name } => lose(Loss::dropped(name.as_ref()), losses),
        }
    }
}
