//! Where the content of a streamed answer begins: what stands before it commits nobody to anything.
//!
//! Sources: the event types of `OpenAI`'s Responses and Anthropic's Messages streams; the chunks of Chat Completions
//! (the first one often says the role alone); Google's `GenerateContentResponse`.

use super::{
    OperationKind,
    json::{Fields, Node, Shape},
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

/// Whether an answer, or the first event of one that says anything, says nothing but that a policy kept it back.
#[must_use]
pub fn is_blocked(kind: OperationKind, data: &[u8]) -> bool {
    let Some(answer) = Node::parse(data).ok().and_then(Node::object) else { return false };
    match kind {
        OperationKind::OpenAiChatCompletions => answer
            .peek("choices")
            .and_then(Node::array)
            .is_some_and(|all| !all.is_empty() && all.into_iter().all(|choice| choice.object().is_some_and(|choice| is_filtered(&choice)))),
        OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => {
            let whole = if answer.peek_text("type").as_deref() == Some("response.incomplete") {
                answer.peek("response").and_then(Node::object).unwrap_or_default()
            } else {
                answer
            };
            let why = whole.peek("incomplete_details").and_then(Node::object);
            let says = whole.peek("output").is_some_and(is_something);
            !says && why.and_then(|why| why.peek_text("reason")).as_deref() == Some("content_filter")
        }
        OperationKind::ClaudeMessages => {
            let delta = answer.peek("delta").and_then(Node::object);
            let is_refused = |part: &Fields<'_>| part.peek_text("stop_reason").as_deref() == Some("refusal");
            is_refused(&answer) && !answer.peek("content").is_some_and(is_something) || delta.as_ref().is_some_and(is_refused)
        }
        OperationKind::GeminiGenerateContent => {
            let feedback = answer.peek("promptFeedback").and_then(Node::object);
            let is_blocked = feedback.is_some_and(|feedback| feedback.peek("blockReason").is_some_and(is_something));
            is_blocked && !answer.peek("candidates").is_some_and(is_something)
        }
        OperationKind::OpenAi | OperationKind::Claude | OperationKind::Gemini => false,
    }
}

/// Whether a choice of Chat was filtered before it said anything.
fn is_filtered(choice: &Fields<'_>) -> bool {
    let said = choice.peek("message").or_else(|| choice.peek("delta")).and_then(Node::object).unwrap_or_default();
    choice.peek_text("finish_reason").as_deref() == Some("content_filter")
        && !said.rest().into_iter().any(|(name, value)| name != "role" && is_something(value))
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
        is_blocked, opening,
    };

    #[test]
    fn an_answer_that_was_kept_back_says_so_and_nothing_else() {
        let cases = [
            (
                OpenAiChatCompletions,
                r#"{"choices":[{"message":{"role":"assistant","content":null},"finish_reason":"content_filter"}]}"#,
                true,
            ),
            (OpenAiChatCompletions, r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#, true),
            (OpenAiChatCompletions, r#"{"choices":[{"message":{"content":"half"},"finish_reason":"content_filter"}]}"#, false),
            (OpenAiChatCompletions, r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#, false),
            (OpenAiChatCompletions, r#"{"choices":[]}"#, false),
            (OpenAiResponses, r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}"#, true),
            (
                OpenAiResponses,
                r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"},"output":[]}}"#,
                true,
            ),
            (OpenAiResponses, r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}"#, false),
            (OpenAiResponses, r#"{"incomplete_details":{"reason":"content_filter"},"output":[{"type":"message"}]}"#, false),
            (ClaudeMessages, r#"{"type":"message","content":[],"stop_reason":"refusal"}"#, true),
            (ClaudeMessages, r#"{"type":"message","content":[{"type":"text","text":"no"}],"stop_reason":"refusal"}"#, false),
            (ClaudeMessages, r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#, true),
            (ClaudeMessages, r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#, false),
            (GeminiGenerateContent, r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#, true),
            (GeminiGenerateContent, r#"{"promptFeedback":{"blockReason":"SAFETY"},"candidates":[{"content":{}}]}"#, false),
            (GeminiGenerateContent, r#"{"promptFeedback":{},"candidates":[]}"#, false),
            (GeminiGenerateContent, "[]", false),
        ];
        for (kind, answer, expected) in cases {
            assert_eq!(is_blocked(kind, answer.as_bytes()), expected, "{answer}");
        }
    }

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
