//! Blocks of an answer, written as parts: the pieces that whole answers and streams share.

use super::{
    super::{
        Dialect,
        canon::{Call, Input, Media, Part, Reasoning, Rest, ServerCall, ServerResult, ServerTool},
    },
    args::{self, Args},
    ground_writer::Gathered,
    lift_part, lost,
    media::{self, Written},
    nested,
};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter},
    transform::{Loss, Seal},
};

/// Thinking in one piece.
pub(super) fn thought(reasoning: &Reasoning<'_>, rest: impl FnOnce(&mut ObjectWriter<'_>), out: &mut ArrayWriter<'_>) {
    let text = args::thinking(reasoning);
    out.object(|o| {
        // No text at all says that the thinking is withheld; clients give it back so.
        if !reasoning.redacted {
            o.text("text", &text);
        }
        o.bool("thought", true);
        signature(reasoning.seal.as_ref(), o);
        rest(o);
    });
}

/// The signature of a part, another's in disguise.
pub(super) fn signature(seal: Option<&Seal<'_>>, out: &mut ObjectWriter<'_>) {
    if let Some(seal) = seal {
        out.text("thoughtSignature", &seal.write(Dialect::Gemini));
    }
}

/// The signature of a call. Google wants one back on a turn's first call, and an answer of another provider has none.
pub(super) fn call_signature(seal: Option<&Seal<'_>>, opens: Opens, out: &mut ObjectWriter<'_>) {
    match (seal, opens) {
        (None, Opens::Foreign) => _ = out.text("thoughtSignature", lost::BYTES),
        (seal, Opens::Foreign | Opens::No) => signature(seal, out),
    }
}

/// Whether a call is the first of an answer that another provider made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    Foreign,
    No,
}

/// `functionCall`. `id`: unless Google gave none; `path`: where the call stands in the sender's answer.
pub(super) fn call(
    call: &Call<'_>,
    (id, path): (Option<&str>, impl FnOnce() -> String),
    rest: &Rest<'_>,
    out: &mut ObjectWriter<'_>,
    losses: &mut Vec<Loss>,
) {
    let args = match &call.input {
        Input::Json(json) => args::object(json),
        Input::Free(text) => Args::Wrapped(args::wrapped("input", text)),
    };
    if matches!(args, Args::Wrapped(_)) {
        losses.push(Loss::changed(path(), "what the call is given is no JSON object, and wrapped into one"));
    }
    out.object("functionCall", |o| {
        o.some_text("id", id).text("name", &call.name).json("args", args.json());
        nested::within(rest, "functionCall", o);
    });
}

/// Tools of providers at work, and what only Google knows: as parts of Google's own, or gathered for the end. `true` where
/// nothing is lost.
pub(super) fn server(part: &Part<'_>, gathered: &mut Gathered, out: &mut ArrayWriter<'_>) -> bool {
    match part {
        Part::ServerCall(ServerCall { json, .. })
        | Part::ServerResult(ServerResult { json, .. })
        | Part::Opaque { of: Dialect::Gemini, json }
            if gathered.own(json) =>
        {
            true
        }
        Part::ServerCall(ServerCall { json, .. }) | Part::ServerResult(ServerResult { json, .. }) if lift_part::own(json) => {
            out.raw(json);
            true
        }
        Part::Opaque { of: Dialect::Gemini, json } => {
            out.raw(json);
            true
        }
        Part::ServerCall(call) => gathered.call(call) || foreign_call(call, out),
        Part::ServerResult(result) => gathered.result(result) || foreign_result(result, out),
        Part::Text { .. }
        | Part::Refusal(_)
        | Part::Reasoning(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::Media(_)
        | Part::Opaque { .. } => false,
    }
}

fn foreign_call(call: &ServerCall<'_>, out: &mut ArrayWriter<'_>) -> bool {
    match call.tool {
        ServerTool::CodeExecution => {
            out.object(|o| {
                o.object("executableCode", |o| {
                    o.text("language", "PYTHON").text("code", &call.queries.join("\n")).text("id", &call.id);
                });
            });
            true
        }
        // The picture that comes of it says enough.
        ServerTool::ImageGeneration => true,
        ServerTool::WebSearch
        | ServerTool::WebFetch
        | ServerTool::FileSearch
        | ServerTool::ComputerUse
        | ServerTool::Mcp
        | ServerTool::Other(_) => false,
    }
}

fn foreign_result(result: &ServerResult<'_>, out: &mut ArrayWriter<'_>) -> bool {
    let mut whole = match result.tool {
        ServerTool::CodeExecution => {
            let outcome = if result.failed { "OUTCOME_FAILED" } else { "OUTCOME_OK" };
            out.object(|o| {
                o.object("codeExecutionResult", |o| {
                    o.text("outcome", outcome).text("output", result.output.as_deref().unwrap_or("")).text("id", &result.id);
                });
            });
            true
        }
        ServerTool::ImageGeneration => !result.media.is_empty(),
        ServerTool::WebSearch
        | ServerTool::WebFetch
        | ServerTool::FileSearch
        | ServerTool::ComputerUse
        | ServerTool::Mcp
        | ServerTool::Other(_) => false,
    };
    for media in &result.media {
        whole &= self::media(media, &Rest::default(), out, &mut Vec::new());
    }
    whole
}

/// A piece of media; `false` where it lies with another provider.
pub(super) fn media(media: &Media<'_>, rest: &Rest<'_>, out: &mut ArrayWriter<'_>, losses: &mut Vec<Loss>) -> bool {
    let mut part = Vec::new();
    let mut written = Written::Whole;
    crate::protocol::json::object(&mut part, |o| {
        written = media::write(media, false, rest, o);
        nested::outer(rest, o, String::new, losses);
    });
    let whole = !matches!(written, Written::Foreign);
    if whole {
        #[expect(clippy::expect_used, reason = "the writer writes UTF-8")]
        out.json(std::str::from_utf8(&part).expect("JSON is UTF-8"));
    }
    whole
}
