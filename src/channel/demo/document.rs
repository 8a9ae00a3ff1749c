//! From an order to its answer: which operation, and what it carries.

use bytes::Bytes;
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::Value;

use super::{
    answer::{Answer, Refusal, refused},
    chat, claude, form, gemini,
    kept::{self, Visit},
    legacy, media, models, responses,
    script::Seed,
    vectors,
};
use crate::{
    channel::{Order, Payload},
    protocol::{Family, Operation, OperationGroup, OperationKey, OperationKind},
};

/// A body that is larger than this is not read.
const LIMIT: u64 = 64 << 20;

/// A call with its body at hand.
struct Asked {
    key: OperationKey,
    path: String,
    query: String,
    model: String,
    content_type: String,
    body: Bytes,
}

/// Answers an order; one whose body is still on its way is answered when that is here.
pub(super) fn answer(order: Order) -> Result<Answer, Refusal> {
    let (key, draft, _) = order.into_parts();
    let content_type = draft.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("").to_owned();
    let mut asked = Asked {
        key,
        path: draft.path,
        query: draft.query.unwrap_or_default(),
        model: draft.model.to_string(),
        content_type,
        body: draft.payload.json(),
    };
    let Payload::Opaque(body) = draft.payload else { return asked.answer() };
    match body.into_pieces() {
        Ok(mut pieces) if pieces.len() == 1 => asked.body = pieces.pop_front().unwrap_or_default(),
        Ok(pieces) => asked.body = pieces.into_iter().collect::<Vec<_>>().concat().into(),
        Err(stream) => {
            return Ok(Answer::later(Box::pin(async move {
                asked.body = stream.collect(LIMIT).await?;
                let family = asked.key.kind().family();
                Ok(asked.answer().unwrap_or_else(|refusal| refused(family, &refusal)).whole())
            })));
        }
    }
    asked.answer()
}

impl Asked {
    fn json(&self) -> Result<Value, Refusal> {
        let value: Value =
            serde_json::from_slice(&self.body).map_err(|error| Refusal::field("body", format!("is not valid JSON: {error}")))?;
        if value.is_object() { Ok(value) } else { Err(Refusal::field("body", "must be a JSON object")) }
    }

    fn answer(&self) -> Result<Answer, Refusal> {
        use Operation as O;
        let kind = self.key.kind();
        match self.key.operation() {
            O::ListModels | O::GetModel => self.models(),
            O::CountTokens => match kind.family() {
                Family::OpenAi => responses::count(&self.json()?),
                Family::Claude => claude::count(&self.json()?),
                Family::Gemini => gemini::count(&self.model, &self.json()?),
            },
            O::GenerateContent | O::StreamGenerateContent => self.generate(),
            O::CreateCompletion => legacy::answer(&self.json()?),
            O::CompactContent => responses::compact(&self.json()?),
            O::CreateEmbedding if kind.family() == Family::Gemini => vectors::gemini(&self.model, &self.json()?),
            O::CreateEmbedding => vectors::openai(&self.json()?),
            O::BatchCreateEmbedding => vectors::gemini_batch(&self.model, &self.json()?),
            O::Predict => media::predict(&self.model, &self.json()?),
            O::PredictLongRunning => media::predict_later(&self.model, &self.json()?),
            O::CreateImage => media::images(&self.json()?, "image_generation"),
            O::EditImage => media::images(&self.members(), "image_edit"),
            O::CreateSpeech => media::speech(&self.json()?),
            O::CreateTranscription => media::transcription(&self.members()),
            O::CreateTranslation => media::translation(&self.members()),
            O::Rerank => media::rerank(&self.json()?),
            O::CreateModeration => media::moderation(&self.json()?),
            O::WebSearch => media::search(&self.json()?),
            O::CreateRealtimeCall | O::ConnectRealtime => {
                Err(Refusal::status(StatusCode::NOT_IMPLEMENTED, "the demo has no voice sessions"))
            }
            operation => self.kept(operation),
        }
    }

    fn models(&self) -> Result<Answer, Refusal> {
        let list = self.key.operation() == Operation::ListModels;
        let value = match self.key.kind().family() {
            Family::OpenAi if list => models::openai_list(),
            Family::Claude if list => models::claude_list(&self.query)?,
            Family::Gemini if list => models::gemini_list(&self.query)?,
            Family::OpenAi => models::openai(models::known(&self.model)?),
            Family::Claude => models::claude(models::known(&self.model)?),
            Family::Gemini => models::gemini(models::known(&self.model)?),
        };
        Ok(Answer::json(&value))
    }

    fn generate(&self) -> Result<Answer, Refusal> {
        match self.key.kind() {
            OperationKind::OpenAiChatCompletions => chat::answer(&self.json()?),
            OperationKind::OpenAiResponses => responses::answer(&self.json()?),
            // The handshake has no body; a message of the socket is a request like any other, and always streams.
            OperationKind::OpenAiResponsesWebSocket if self.body.is_empty() => {
                Err(Refusal::status(StatusCode::UPGRADE_REQUIRED, "the demo takes no sockets; post the request"))
            }
            OperationKind::OpenAiResponsesWebSocket => {
                let mut body = self.json()?;
                body["stream"] = true.into();
                responses::answer(&body)
            }
            OperationKind::ClaudeMessages => claude::answer(&self.json()?),
            OperationKind::GeminiGenerateContent if self.key.operation() == Operation::StreamGenerateContent => {
                gemini::stream(&self.model, &self.json()?, &self.query)
            }
            OperationKind::GeminiGenerateContent => gemini::whole(&self.model, &self.json()?),
            OperationKind::OpenAi | OperationKind::Claude | OperationKind::Gemini => {
                Err(Refusal::status(StatusCode::NOT_IMPLEMENTED, "this is no dialect to answer in"))
            }
        }
    }

    fn members(&self) -> Value {
        form::members(&self.content_type, &self.body)
    }

    fn kept(&self, operation: Operation) -> Result<Answer, Refusal> {
        let members = self.members();
        let path = self.path.trim_start_matches("/v1/").split('/').collect();
        let seed = Seed::of(&[self.path.as_bytes(), &self.body]);
        let visit = Visit { family: self.key.kind().family(), operation, path, members: &members, seed };
        match operation.group() {
            OperationGroup::Conversations if self.path.starts_with("/v1/responses") => kept::response(&visit),
            OperationGroup::Conversations => kept::conversation(&visit),
            OperationGroup::Files => kept::file(&visit),
            OperationGroup::Batches => kept::batch(&visit),
            OperationGroup::Video => kept::video(&visit),
            group => Err(Refusal::status(StatusCode::NOT_IMPLEMENTED, &format!("the demo has no {group}"))),
        }
    }
}
