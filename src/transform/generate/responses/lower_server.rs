//! Tools of a provider's own at work, in an answer: items as they are, or such as other providers' tools come to.

use super::super::canon::{Media, MediaKind, ServerCall, ServerResult, ServerTool, Source};
use super::{
    lower_stream::Sink,
    server,
    stream_out::{Out, Spot},
};
use crate::{
    protocol::json::{ArrayWriter, ObjectWriter},
    transform::Loss,
};

/// Calls that wait for their results.
#[derive(Debug, Default)]
pub(super) struct Servers {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// The call's id in its own dialect.
    id: String,
    spot: Spot,
    form: Form,
    queries: Vec<String>,
}

/// The item that a tool's work becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Search,
    Open,
    Code,
    Files,
    Image,
}

impl Form {
    fn of(tool: &ServerTool) -> Option<Self> {
        match tool {
            ServerTool::WebSearch => Some(Self::Search),
            ServerTool::WebFetch => Some(Self::Open),
            ServerTool::CodeExecution => Some(Self::Code),
            ServerTool::FileSearch => Some(Self::Files),
            ServerTool::ImageGeneration => Some(Self::Image),
            ServerTool::ComputerUse | ServerTool::Mcp | ServerTool::Other(_) => None,
        }
    }

    /// Prefix of ids, type of the item.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Search | Self::Open => ("ws", "web_search_call"),
            Self::Code => ("ci", "code_interpreter_call"),
            Self::Files => ("fs", "file_search_call"),
            Self::Image => ("ig", "image_generation_call"),
        }
    }

    /// What it is doing between its begin and its end.
    const fn middle(self) -> &'static str {
        match self {
            Self::Search | Self::Open | Self::Files => "searching",
            Self::Code => "interpreting",
            Self::Image => "generating",
        }
    }
}

impl Servers {
    /// A call begins. The model's own tools come whole.
    pub(super) fn call(&mut self, call: &ServerCall<'_>, path: impl FnOnce() -> String, out: &mut Out, sink: &mut Sink<'_>) {
        if server::own_kind(&call.json).is_some() {
            out.whole(sink.frames, call.json.get());
            return;
        }
        let Some(form) = Form::of(&call.tool) else {
            sink.losses.push(Loss::dropped(path()));
            return;
        };
        let (prefix, kind) = form.words();
        let spot = out.place(prefix, None);
        let waiting = Waiting {
            id: call.id.as_ref().to_owned(),
            spot,
            form,
            queries: call.queries.iter().map(|query| query.as_ref().to_owned()).collect(),
        };
        out.added(sink.frames, &waiting.spot, |o| waiting.item("in_progress", None, o));
        out.about(sink.frames, &format!("response.{kind}.in_progress"), &waiting.spot, |_| {});
        waiting.code(out, sink);
        out.about(sink.frames, &format!("response.{kind}.{}", form.middle()), &waiting.spot, |_| {});
        self.waiting.push(waiting);
    }

    /// A result closes its call.
    pub(super) fn result(&mut self, result: &ServerResult<'_>, path: impl FnOnce() -> String, out: &mut Out, sink: &mut Sink<'_>) {
        match server::own_kind(&result.json) {
            Some(kind) if kind.ends_with("_output") => out.whole(sink.frames, result.json.get()),
            // Its call's item holds it.
            Some(_) => {}
            None => match self.waiting.iter().position(|waiting| waiting.id == *result.id) {
                Some(at) => self.waiting.remove(at).end(Some(result), out, sink),
                None => sink.losses.push(Loss::dropped(path())),
            },
        }
    }

    /// The choice has ended: what still waits has no result.
    pub(super) fn finish(&mut self, out: &mut Out, sink: &mut Sink<'_>) {
        for waiting in std::mem::take(&mut self.waiting) {
            waiting.end(None, out, sink);
        }
    }
}

/// A picture that the model made without a tool.
pub(super) fn media(media: &Media<'_>, path: impl FnOnce() -> String, out: &mut Out, sink: &mut Sink<'_>) {
    let (MediaKind::Image, Source::Base64(data)) = (media.kind, &media.source) else {
        sink.losses.push(Loss::dropped(path()));
        return;
    };
    let spot = out.place("ig", None);
    let item = |status: &str, result: Option<&str>, o: &mut ObjectWriter<'_>| {
        o.text("id", &spot.id).text("type", "image_generation_call").text("status", status).text_or_null("result", result);
        let format = media.mime.as_deref().and_then(|mime| mime.strip_prefix("image/"));
        o.some_text("output_format", format.filter(|format| matches!(*format, "png" | "webp" | "jpeg" | "gif")));
    };
    out.added(sink.frames, &spot, |o| item("in_progress", None, o));
    for step in ["in_progress", "generating", "completed"] {
        out.about(sink.frames, &format!("response.image_generation_call.{step}"), &spot, |_| {});
    }
    out.done(sink.frames, &spot, |o| item("completed", Some(data), o));
}

impl Waiting {
    fn code(&self, out: &mut Out, sink: &mut Sink<'_>) {
        if self.form != Form::Code {
            return;
        }
        let code = self.queries.concat();
        out.about(sink.frames, "response.code_interpreter_call_code.delta", &self.spot, |o| {
            o.text("delta", &code);
        });
        out.about(sink.frames, "response.code_interpreter_call_code.done", &self.spot, |o| {
            o.text("code", &code);
        });
    }

    fn end(self, result: Option<&ServerResult<'_>>, out: &mut Out, sink: &mut Sink<'_>) {
        let failed = result.is_some_and(|result| result.failed);
        let kind = self.form.words().1;
        if !failed {
            out.about(sink.frames, &format!("response.{kind}.completed"), &self.spot, |_| {});
        }
        out.done(sink.frames, &self.spot, |o| self.item(if failed { "failed" } else { "completed" }, result, o));
    }

    fn item(&self, status: &str, result: Option<&ServerResult<'_>>, o: &mut ObjectWriter<'_>) {
        o.text("id", &self.spot.id).text("type", self.form.words().1).text("status", status);
        match self.form {
            Form::Search => {
                o.object("action", |o| self.search(result, o));
            }
            Form::Open => {
                o.object("action", |o| {
                    o.text("type", "open_page").some_text("url", self.queries.first().map(String::as_str));
                });
            }
            Form::Code => {
                o.text("code", &self.queries.concat()).text("container_id", "");
                match result.and_then(|result| result.output.as_deref()) {
                    Some(logs) => o.array("outputs", |a| {
                        a.object(|o| {
                            o.text("type", "logs").text("logs", logs);
                        });
                    }),
                    None => o.null("outputs"),
                };
            }
            Form::Files => {
                o.array("queries", |a| each(&self.queries, a)).null("results");
            }
            Form::Image => {
                let data = result.and_then(|result| result.media.first()).and_then(|media| match &media.source {
                    Source::Base64(data) => Some(&**data),
                    Source::Url(_) | Source::Plain(_) | Source::FileId(_) => None,
                });
                o.text_or_null("result", data);
            }
        }
    }

    fn search(&self, result: Option<&ServerResult<'_>>, o: &mut ObjectWriter<'_>) {
        o.text("type", "search").text("query", self.queries.first().map_or("", String::as_str));
        o.array("queries", |a| each(&self.queries, a));
        if let Some(result) = result {
            o.array("sources", |a| {
                for page in &result.pages {
                    a.object(|o| {
                        o.text("type", "url").text("url", &page.url);
                    });
                }
            });
        }
    }
}

fn each(texts: &[String], a: &mut ArrayWriter<'_>) {
    for text in texts {
        a.text(text);
    }
}
