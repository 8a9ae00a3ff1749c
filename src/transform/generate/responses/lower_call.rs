//! A call as it is written.

use super::super::{
    canon::{Call, Input, Rest},
    frames::Frames,
};
use super::{
    OWN, ids,
    stream_out::{Out, Spot},
};
use crate::protocol::json::{Node, ObjectWriter};

/// A call that is being written.
#[derive(Debug)]
pub(super) struct Calling {
    spot: Spot,
    id: String,
    name: String,
    namespace: Option<String>,
    /// Whether it takes free text.
    free: bool,
    input: String,
    rest: Rest<'static>,
}

impl Calling {
    pub(super) fn begin(call: &Call<'_>, rest: &Rest<'_>, out: &mut Out, frames: &mut Frames) -> Self {
        let free = matches!(call.input, Input::Free(_));
        let calling = Self {
            spot: out.place(if free { "ctc" } else { "fc" }, call.item_id.as_deref()),
            id: ids::call(&call.id).into_owned(),
            name: call.name.as_ref().to_owned(),
            namespace: call.namespace.as_deref().map(str::to_owned),
            free,
            input: String::new(),
            rest: rest.clone().into_owned(),
        };
        out.added(frames, &calling.spot, |o| calling.write("in_progress", o));
        calling
    }

    fn write(&self, status: &str, o: &mut ObjectWriter<'_>) {
        o.text("id", &self.spot.id).text("type", if self.free { "custom_tool_call" } else { "function_call" });
        // A free call has no status in the provider's own types.
        if !self.free {
            o.text("status", status);
        }
        o.text("call_id", &self.id).text("name", &self.name).some_text("namespace", self.namespace.as_deref());
        o.text(if self.free { "input" } else { "arguments" }, &self.input);
    }

    /// A piece of its input.
    pub(super) fn add(&mut self, piece: &str, out: &mut Out, frames: &mut Frames) {
        self.input.push_str(piece);
        let kind = if self.free { "response.custom_tool_call_input.delta" } else { "response.function_call_arguments.delta" };
        out.about(frames, kind, &self.spot, |o| {
            o.text("delta", piece);
        });
    }

    /// Ends it. No arguments are an empty object.
    pub(super) fn end(mut self, out: &mut Out, frames: &mut Frames) {
        if !self.free && self.input.trim().is_empty() {
            self.input.clear();
            self.add("{}", out, frames);
        }
        let (kind, member) = if self.free {
            ("response.custom_tool_call_input.done", "input")
        } else {
            ("response.function_call_arguments.done", "arguments")
        };
        out.about(frames, kind, &self.spot, |o| {
            o.text(member, &self.input);
        });
        out.done(frames, &self.spot, |o| {
            // What is no JSON was cut off.
            let whole = self.free || Node::parse(self.input.as_bytes()).is_ok();
            self.write(if whole { "completed" } else { "incomplete" }, o);
            self.rest.write(OWN, o, String::new, &mut Vec::new());
        });
    }
}
