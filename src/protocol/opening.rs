//! Where the content of a streamed answer begins: what stands before it commits nobody to anything.
//!
//! Sources: the event types of `OpenAI`'s Responses and Anthropic's Messages streams; the chunks of Chat Completions
//! (the first one often says the role alone); Google's `GenerateContentResponse`.

use super::{
    OperationKind,
    json::{Node, Shape},
};

/// What an event at the beginning of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Nothing that a reader could see yet.
    Preamble,
    /// Content, or the answer's end.
    Content,
    /// The provider says that it failed.
    Failed,
}

/// Events of Responses that only announce what is to come.
const RESPONSES_PREAMBLE: [&str; 6] = [
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.reasoning_summary_part.added",
];
/// The same of Messages.
const MESSAGES_PREAMBLE: [&str; 3] = ["message_start", "content_block_start", "ping"];

/// Tells what an event is. One that is no JSON object is nothing that a reader could see.
#[must_use]
pub fn opening(kind: OperationKind, data: &[u8]) -> Opening {
    if data.trim_ascii() == b"[DONE]" {
        return Opening::Content;
    }
    let Some(event) = Node::parse(data).ok().and_then(Node::object) else { return Opening::Preamble };
    let word = event.peek_text("type");
    let is_type = |known: &[&str]| word.as_deref().is_some_and(|word| known.contains(&word));
    if event.peek("error").is_some_and(|error| !error.is_null()) || is_type(&["error", "response.failed"]) {
        return Opening::Failed;
    }
    let is_content = match kind {
        OperationKind::OpenAiChatCompletions => event.peek("choices").and_then(Node::array).is_some_and(|all| all.into_iter().any(says)),
        OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => !is_type(&RESPONSES_PREAMBLE),
        OperationKind::ClaudeMessages => !is_type(&MESSAGES_PREAMBLE),
        OperationKind::GeminiGenerateContent => {
            event.peek("promptFeedback").is_some()
                || event.peek("candidates").and_then(Node::array).is_some_and(|all| all.into_iter().any(shows))
        }
        OperationKind::OpenAi | OperationKind::Claude | OperationKind::Gemini => true,
    };
    if is_content { Opening::Content } else { Opening::Preamble }
}

/// Whether a choice of a Chat chunk says more than who speaks.
fn says(choice: Node<'_>) -> bool {
    let Some(choice) = choice.object() else { return false };
    if choice.peek("finish_reason").is_some_and(|reason| !reason.is_null()) || choice.peek("text").is_some() {
        return true;
    }
    let delta = choice.peek("delta").and_then(Node::object).unwrap_or_default();
    delta.rest().into_iter().any(|(name, value)| name != "role" && is_something(value))
}

/// Whether a candidate of Google's holds a part, or its end.
fn shows(candidate: Node<'_>) -> bool {
    let Some(candidate) = candidate.object() else { return false };
    let parts = candidate.peek("content").and_then(Node::object).and_then(|content| content.peek("parts"));
    candidate.peek("finishReason").is_some_and(|reason| !reason.is_null()) || parts.is_some_and(is_something)
}

fn is_something(value: Node<'_>) -> bool {
    match value.shape() {
        Shape::Null => false,
        Shape::Text => value.json() != "\"\"",
        Shape::Array => value.array().is_some_and(|all| !all.is_empty()),
        Shape::Bool | Shape::Number | Shape::Object => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Opening::{self, Content, Failed, Preamble},
        OperationKind::{self, ClaudeMessages, GeminiGenerateContent, OpenAiChatCompletions, OpenAiResponses},
        opening,
    };

    #[test]
    fn content_begins_where_a_reader_sees_something() {
        let cases: [(OperationKind, &str, Opening); 25] = [
            (OpenAiChatCompletions, r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#, Preamble),
            (OpenAiChatCompletions, r#"{"choices":[],"prompt_filter_results":[]}"#, Preamble),
            (OpenAiChatCompletions, r#"{"choices":[{"delta":{"content":"a"}}]}"#, Content),
            (OpenAiChatCompletions, r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, Content),
            (OpenAiChatCompletions, r#"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#, Content),
            (OpenAiChatCompletions, r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, Content),
            (OpenAiChatCompletions, "[DONE]", Content),
            (OpenAiChatCompletions, r#"{"error":{"message":"no"}}"#, Failed),
            (OpenAiChatCompletions, r#"{"error":null,"choices":[{"delta":{"content":"a"}}]}"#, Content),
            (OpenAiChatCompletions, r#"{"choices":[{"del"#, Preamble),
            (OpenAiResponses, r#"{"type":"response.created"}"#, Preamble),
            (OpenAiResponses, r#"{"type":"response.output_item.added"}"#, Preamble),
            (OpenAiResponses, r#"{"type":"response.output_text.delta","delta":"a"}"#, Content),
            (OpenAiResponses, r#"{"type":"response.completed"}"#, Content),
            (OpenAiResponses, r#"{"type":"response.failed"}"#, Failed),
            (OpenAiResponses, r#"{"type":"error","code":"x"}"#, Failed),
            (ClaudeMessages, r#"{"type":"message_start"}"#, Preamble),
            (ClaudeMessages, r#"{"type":"ping"}"#, Preamble),
            (ClaudeMessages, r#"{"type":"content_block_delta"}"#, Content),
            (ClaudeMessages, r#"{"type":"message_stop"}"#, Content),
            (ClaudeMessages, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, Failed),
            (GeminiGenerateContent, r#"{"candidates":[{"content":{"parts":[]}}]}"#, Preamble),
            (GeminiGenerateContent, r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#, Content),
            (GeminiGenerateContent, r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, Content),
            (GeminiGenerateContent, r#"{"error":{"code":503}}"#, Failed),
        ];
        for (kind, event, expected) in cases {
            assert_eq!(opening(kind, event.as_bytes()), expected, "{event}");
        }
    }
}
