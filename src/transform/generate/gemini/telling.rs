//! What stands on every frame of a stream, and what a choice keeps for its last.

use super::{
    super::canon::{Logprob, Stop},
    ground_writer::Gathered,
    logprobs, stop,
};
use crate::{
    protocol::json::ObjectWriter,
    transform::{Loss, time},
};

/// What stands on every frame, ready to be written.
#[derive(Debug)]
pub(super) struct Head {
    id: String,
    model: String,
    created: Option<String>,
}

impl Head {
    pub(super) fn new(id: &str, model: &str, created: Option<u64>) -> Self {
        Self { id: quoted(id), model: quoted(model), created: created.map(|created| quoted(&time::written(created))) }
    }

    pub(super) fn write(&self, out: &mut ObjectWriter<'_>) {
        out.json("modelVersion", &self.model);
        if let Some(created) = &self.created {
            out.json("createTime", created);
        }
        out.json("responseId", &self.id);
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    crate::protocol::json::text(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// What a choice keeps for its last frame.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) index: usize,
    /// Parts that wait for the next frame.
    pub(super) waiting: Vec<String>,
    pub(super) gathered: Gathered,
    pub(super) logprobs: Vec<Logprob<'static>>,
    pub(super) stop: Option<Stop<'static>>,
    /// Whether it had a call.
    pub(super) called: bool,
    parts: usize,
}

impl Ending {
    pub(super) fn new(index: usize) -> Self {
        Self { index, waiting: Vec::new(), gathered: Gathered::default(), logprobs: Vec::new(), stop: None, called: false, parts: 0 }
    }

    /// The number of the next part.
    pub(super) fn next(&mut self) -> usize {
        self.parts += 1;
        self.parts - 1
    }

    /// Writes the choice's last share.
    pub(super) fn write(&self, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
        let silent = self.parts == 0 && self.waiting.is_empty();
        // A filter leaves nothing, not even an empty turn.
        if !silent || !matches!(self.stop, Some(Stop::Filtered(_))) {
            out.object("content", |o| {
                if !silent {
                    o.array("parts", |a| {
                        self.waiting.iter().for_each(|json| _ = a.json(json));
                        if self.waiting.is_empty() {
                            a.object(|o| _ = o.text("text", ""));
                        }
                    });
                }
                o.text("role", "model");
            });
        }
        let end = self.stop.as_ref().unwrap_or(&Stop::End);
        out.text("finishReason", &stop::lower(end, losses)).unsigned("index", self.index as u64);
        self.gathered.write(out);
        logprobs::lower(&self.logprobs, out);
    }
}
