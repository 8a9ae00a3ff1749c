//! What a dialect offers to the hub.

use std::{collections::BTreeMap, fmt};

use super::{
    Dialect, NoAnswer, Wire,
    canon::{Answer, Request},
    event::Event,
    frames::Frames,
};
use crate::{
    protocol::json::Node,
    transform::{Loss, Refused},
};

/// What is known of a request beside its body.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The upstream's id of the model. Whatever the body says of it does not count.
    pub model: &'a str,
    /// Whether a stream is wanted.
    pub streams: bool,
    /// The beginning of the answer, where it is to be gone on with.
    pub goes_on_from: Option<&'a str>,
}

/// What is known of the model that a request goes to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target {
    /// The most tokens that it answers with, where the operator or the provider says so.
    pub max_output_tokens: Option<u64>,
}

/// What an answer needs to be told in the client's dialect, beside the answer itself.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// The call's name; ids that the upstream does not give are made from it.
    pub request_id: String,
    /// Unix seconds, for answers whose upstream does not date them.
    pub now: u64,
    /// The model that was asked, for answers whose upstream does not name theirs.
    pub model: String,
    /// Whether a Chat stream shall end with usage.
    pub include_usage: bool,
    /// Tokens of the prompt by estimate, for dialects that tell them at the beginning.
    pub prompt_estimate: u64,
    /// How the client's stream is framed.
    pub wire: Wire,
    /// Where a Responses answer stands, where it is kept by the gateway and not by its provider.
    pub standing: Option<Standing>,
    /// The dialect of the provider that answers; its own conversions say it.
    pub(in crate::transform) from: Option<Dialect>,
    /// Tools that went out under another name or in another form, by the name that went out.
    pub(in crate::transform) tools: BTreeMap<String, Disguise>,
}

/// Where an answer stands among those that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is kept itself, where its client did not say that it shall not be.
    pub stores: Option<bool>,
    /// The response that it goes on from.
    pub previous: Option<String>,
    /// The conversation that it belongs to.
    pub conversation: Option<String>,
}

/// A tool as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::transform) struct Disguise {
    pub(in crate::transform) name: String,
    pub(in crate::transform) namespace: Option<String>,
    /// Whether it takes free text.
    pub(in crate::transform) free: bool,
}

/// Reads and writes one dialect. Pure, and without state but for what `lifter` and `lowerer` give.
pub(in crate::transform) trait Spoke: fmt::Debug + Sync {
    /// A request out of its body.
    ///
    /// # Errors
    /// The body is not what its dialect says.
    fn lift_request<'a>(&self, body: Node<'a>, asked: Asked<'a>) -> Result<Request<'a>, Refused>;

    /// The body of a request. Model and stream flag are written only where the dialect has them in the body.
    /// Deterministic, and a longer conversation's body begins as the shorter one's (but for its closing brackets).
    ///
    /// # Errors
    /// Something has no form here and must not be left out.
    fn lower_request(&self, request: &Request<'_>, target: Target, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused>;

    /// A whole answer out of its body.
    ///
    /// # Errors
    /// The body is not what its dialect says, or says that there is no answer.
    fn lift_answer<'a>(&self, body: Node<'a>) -> Result<Answer<'a>, NoAnswer>;

    /// The body of a whole answer.
    fn lower_answer(&self, answer: &Answer<'_>, telling: &Telling, losses: &mut Vec<Loss>) -> Vec<u8>;

    /// Reads a stream.
    fn lifter(&self) -> Box<dyn Lift>;

    /// Writes a stream.
    fn lowerer(&self, telling: &Telling) -> Box<dyn Lower>;
}

/// Reads the frames of one stream. Never fails: what it cannot read it passes over or calls [`Event::Unknown`].
pub(in crate::transform) trait Lift: fmt::Debug + Send {
    /// Reads one frame: its name where it has one, and its data.
    fn push(&mut self, name: &[u8], data: &[u8], sink: &mut dyn FnMut(Event<'_>));
    /// The upstream's stream has ended. Gives [`Event::Close`] where the terminal event was seen and `Close` was not
    /// given yet, and nothing else where it was not seen.
    fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>));
    /// Whether a frame that became one piece of text, and nothing else, left nothing behind here: one like it need not be read then.
    fn repeats(&self) -> bool {
        false
    }
}

/// Writes the frames of one stream.
pub(in crate::transform) trait Lower: fmt::Debug + Send {
    /// Writes what one event becomes; that may be nothing. `Close` and `Fault` are the last events.
    fn push(&mut self, event: &Event<'_>, frames: &mut Frames, losses: &mut Vec<Loss>);
    /// Writes what keeps a silent stream open. Nothing of its own but for dialects that have an event for it.
    fn keep_alive(&mut self, frames: &mut Frames) {
        frames.keep_alive();
    }
}

/// The spoke of a dialect.
pub(in crate::transform) fn spoke(dialect: Dialect) -> &'static dyn Spoke {
    match dialect {
        Dialect::Chat => &super::chat::Chat,
        Dialect::Responses => &super::responses::Responses,
        Dialect::Claude => &super::claude::Claude,
        Dialect::Gemini => &super::gemini::Gemini,
    }
}
