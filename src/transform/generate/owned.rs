//! Canonical values that outlive the body they were read from.

use std::borrow::Cow;

use super::{
    canon::{
        Block, Call, CallResult, Citation, Input, Logprob, Media, Page, Part, Raw, Reasoning, Rest, ServerCall, ServerResult, Source, Stop,
        Text,
    },
    event::{Opening, StreamFault},
};
use crate::transform::Seal;

fn text(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}

fn texts(all: Vec<Text<'_>>) -> Vec<Text<'static>> {
    all.into_iter().map(text).collect()
}

fn raw(json: Raw<'_>) -> Raw<'static> {
    Cow::Owned(json.into_owned())
}

impl Rest<'_> {
    pub(super) fn into_owned(self) -> Rest<'static> {
        Rest {
            of: self.of,
            members: self.members.into_iter().map(|(name, json)| (text(name), raw(json))).collect(),
            inner: self.inner.into_iter().map(|(place, name, json)| (place, text(name), raw(json))).collect(),
            hints: self.hints.into_iter().map(|(name, json)| (name, raw(json))).collect(),
        }
    }
}

impl Block<'_> {
    /// The same block, independent of the body it was read from.
    pub(super) fn into_owned(self) -> Block<'static> {
        Block {
            part: self.part.into_owned(),
            cache: self.cache,
            seal: self.seal.map(Seal::into_owned),
            at: self.at,
            rest: self.rest.into_owned(),
        }
    }
}

impl Part<'_> {
    fn into_owned(self) -> Part<'static> {
        match self {
            Self::Text { text: words, citations } => {
                Part::Text { text: text(words), citations: citations.into_iter().map(Citation::into_owned).collect() }
            }
            Self::Refusal(words) => Part::Refusal(text(words)),
            Self::Reasoning(reasoning) => Part::Reasoning(Reasoning {
                id: reasoning.id.map(text),
                text: texts(reasoning.text),
                summary: texts(reasoning.summary),
                seal: reasoning.seal.map(Seal::into_owned),
                redacted: reasoning.redacted,
            }),
            Self::Call(call) => Part::Call(call.into_owned()),
            Self::Result(result) => Part::Result(result.into_owned()),
            Self::Media(media) => Part::Media(media.into_owned()),
            Self::ServerCall(call) => {
                Part::ServerCall(ServerCall { id: text(call.id), tool: call.tool, queries: texts(call.queries), json: raw(call.json) })
            }
            Self::ServerResult(result) => Part::ServerResult(ServerResult {
                id: text(result.id),
                tool: result.tool,
                pages: result.pages.into_iter().map(Page::into_owned).collect(),
                output: result.output.map(text),
                media: result.media.into_iter().map(Media::into_owned).collect(),
                failed: result.failed,
                json: raw(result.json),
            }),
            Self::Opaque { of, json } => Part::Opaque { of, json: raw(json) },
        }
    }
}

impl Call<'_> {
    pub(super) fn into_owned(self) -> Call<'static> {
        Call {
            id: text(self.id),
            item_id: self.item_id.map(text),
            name: text(self.name),
            namespace: self.namespace.map(text),
            input: match self.input {
                Input::Json(json) => Input::Json(text(json)),
                Input::Free(words) => Input::Free(text(words)),
            },
        }
    }
}

impl CallResult<'_> {
    fn into_owned(self) -> CallResult<'static> {
        CallResult {
            id: text(self.id),
            name: self.name.map(text),
            item_id: self.item_id.map(text),
            content: self.content.into_iter().map(Block::into_owned).collect(),
            object: self.object.map(raw),
            failed: self.failed,
            free: self.free,
        }
    }
}

impl Media<'_> {
    fn into_owned(self) -> Media<'static> {
        let source = match self.source {
            Source::Url(url) => Source::Url(text(url)),
            Source::Base64(data) => Source::Base64(text(data)),
            Source::Plain(words) => Source::Plain(text(words)),
            Source::FileId(id) => Source::FileId(text(id)),
        };
        Media { kind: self.kind, source, mime: self.mime.map(text), name: self.name.map(text), detail: self.detail.map(text) }
    }
}

impl Page<'_> {
    fn into_owned(self) -> Page<'static> {
        Page { url: text(self.url), title: self.title.map(text) }
    }
}

impl Citation<'_> {
    pub(super) fn into_owned(self) -> Citation<'static> {
        Citation {
            url: self.url.map(text),
            title: self.title.map(text),
            quote: self.quote.map(text),
            span: self.span,
            of: self.of,
            json: raw(self.json),
        }
    }
}

impl Logprob<'_> {
    pub(super) fn into_owned(self) -> Logprob<'static> {
        Logprob {
            token: text(self.token),
            logprob: self.logprob,
            bytes: self.bytes.map(raw),
            top: self.top.into_iter().map(Logprob::into_owned).collect(),
        }
    }
}

impl Stop<'_> {
    pub(super) fn into_owned(self) -> Stop<'static> {
        match self {
            Self::End => Stop::End,
            Self::Sequence(sequence) => Stop::Sequence(sequence.map(text)),
            Self::MaxTokens => Stop::MaxTokens,
            Self::Window => Stop::Window,
            Self::Calls => Stop::Calls,
            Self::Refusal => Stop::Refusal,
            Self::Filtered(why) => Stop::Filtered(why.map(text)),
            Self::Pause => Stop::Pause,
            Self::Other(word) => Stop::Other(text(word)),
        }
    }
}

impl Opening<'_> {
    pub(super) fn into_owned(self) -> Opening<'static> {
        Opening {
            id: text(self.id),
            model: text(self.model),
            created: self.created,
            service_tier: self.service_tier.map(text),
            usage: self.usage,
        }
    }
}

impl StreamFault<'_> {
    pub(super) fn into_owned(self) -> StreamFault<'static> {
        StreamFault { status: self.status, code: self.code.map(text), message: text(self.message) }
    }
}
