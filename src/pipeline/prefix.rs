//! The beginnings of a call's prompt, by which the credential is found that knows them.
//!
//! A prompt is a row of blocks in the order in which its provider caches them: tools, system, then what was said, part by
//! part. The digest of a beginning is made of the one before it and the next block, so that a conversation's next turn
//! begins with all that its last one was. A session that the client names comes first.
//!
//! Sources: `OpenAI`'s guide to prompt caching (1,024 tokens at least, `prompt_cache_key`, `prompt_cache_retention`), Anthropic's
//! (tools, system, messages; `cache_control` with a `ttl`), Google's `cachedContent`.

use http::HeaderMap;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::resolve::Resolved;
use crate::{credentials::Digest, protocol::OperationKind};

/// Shorter prompts are cached by no provider, in bytes.
const SHORTEST: u64 = 4096;
/// The most beginnings that are looked for: so many of the first, and the last ones.
const FIRST: usize = 8;
const LAST: usize = 56;
const MINUTE: u64 = 60_000;
/// Headers by which clients name their session: our own, Claude Code's, Codex's, and what else is in use.
const SESSION_HEADERS: [&str; 7] = [
    "x-gproxy-session-id",
    "x-claude-code-session-id",
    "session_id",
    "session-id",
    "x-session-id",
    "x-session-affinity",
    "conversation_id",
];

/// How a call finds who knows its prompt.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    /// What is looked for, the most telling first.
    pub(super) known_by: Vec<Digest>,
    /// What is remembered of the call.
    pub(super) binds: Vec<Digest>,
    /// For how long, in milliseconds.
    pub(super) ttl_ms: u64,
}

impl Prefix {
    /// The beginnings of a call's prompt; `None` where no provider would cache it.
    pub(super) fn of(call: &Resolved) -> Option<Self> {
        if call.prompt_bytes >= SHORTEST { Self::read(call) } else { None }
    }

    /// The same of a prompt of any length.
    pub(super) fn read(call: &Resolved) -> Option<Self> {
        let document = call.content.json()?;
        let kind = call.key.kind();
        let body: Value = serde_json::from_slice(document.body()).ok()?;
        let session = in_headers(&call.call.call.inbound.headers).or_else(|| session_of(&body));
        let whose = (kind, call.call.caller.user().0);
        let session = session.map(|session| seeded(whose, "session", session.as_bytes()));
        if let Some(cached) = body.get("cachedContent").and_then(Value::as_str) {
            let digest = seeded(whose, "cached", cached.as_bytes());
            return Some(Self { known_by: vec![digest], binds: vec![digest], ttl_ms: 60 * MINUTE });
        }
        let chain = chain(seeded(whose, "blocks", b""), &blocks(kind, &body));
        let binds: Vec<Digest> = session.into_iter().chain(chain.last().copied()).collect();
        if binds.is_empty() {
            return None;
        }
        let (early, late) = chain.split_at(chain.len().saturating_sub(LAST));
        let early = &early[..early.len().min(FIRST)];
        let known_by = session.into_iter().chain(late.iter().rev().copied()).chain(early.iter().rev().copied()).collect();
        Some(Self { known_by, binds, ttl_ms: ttl(&body, document.body()) })
    }

    /// What all calls of an API key begin with.
    pub(super) fn of_key(call: &Resolved) -> Self {
        let digest = seeded((call.key.kind(), call.call.caller.key().0), "key", b"");
        Self { known_by: vec![digest], binds: vec![digest], ttl_ms: 60 * MINUTE }
    }

    /// The same for one model: another one knows nothing of it.
    pub(super) fn of_model(&self, model: &str) -> Self {
        let mix = |digests: &[Digest]| digests.iter().map(|digest| linked(*digest, model.as_bytes())).collect();
        Self { known_by: mix(&self.known_by), binds: mix(&self.binds), ttl_ms: self.ttl_ms }
    }
}

/// What a call's session is known by, where its client names it.
pub(super) fn session(call: &Resolved) -> Option<Digest> {
    let headers = &call.call.call.inbound.headers;
    let document = call.content.json()?;
    let member = |name: &str| Some((name.to_owned(), serde_json::from_slice(document.value(name)?).ok()?));
    let naming = || Value::Object(["prompt_cache_key", "conversation", "metadata"].into_iter().filter_map(member).collect());
    let seed = |session: &str| seeded((call.key.kind(), call.call.caller.user().0), "session", session.as_bytes());
    in_headers(headers).map(seed).or_else(|| session_of(&naming()).map(seed))
}

/// The session that headers name.
fn in_headers(headers: &HeaderMap) -> Option<&str> {
    SESSION_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok())
}

/// The session that a body names: `OpenAI`'s cache key, the id of a conversation, the user that Claude Code sends.
fn session_of(body: &Value) -> Option<&str> {
    let conversation = body.get("conversation");
    let named = [body.get("prompt_cache_key"), conversation, conversation.and_then(|value| value.get("id"))];
    let claude =
        body.get("metadata").and_then(|metadata| metadata.get("user_id")).filter(|id| id.as_str().is_some_and(|id| id.contains("session")));
    named.into_iter().flatten().chain(claude).find_map(Value::as_str).filter(|name| !name.is_empty())
}

/// How long a provider remembers, in milliseconds.
fn ttl(body: &Value, text: &[u8]) -> u64 {
    if body.get("prompt_cache_retention").and_then(Value::as_str) == Some("24h") {
        24 * 60 * MINUTE
    } else if memchr::memmem::find(text, b"\"ttl\"").is_some() && memchr::memmem::find(text, b"\"1h\"").is_some() {
        60 * MINUTE
    } else {
        5 * MINUTE
    }
}

fn seeded((kind, user): (OperationKind, i64), what: &str, text: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    for part in [kind.id().as_bytes(), &user.to_le_bytes(), what.as_bytes(), text] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    short(&hash.finalize())
}

/// The digest of a beginning and the next block.
fn linked(before: Digest, block: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update((block.len() as u64).to_le_bytes());
    hash.update(block);
    short(&hash.finalize())
}

fn short(digest: &[u8]) -> Digest {
    let mut out = Digest::default();
    out.copy_from_slice(&digest[..16]);
    out
}

fn chain(seed: Digest, blocks: &[String]) -> Vec<Digest> {
    let next = |before: &mut Digest, block: &String| {
        *before = linked(*before, block.as_bytes());
        Some(*before)
    };
    blocks.iter().scan(seed, next).collect()
}

/// A prompt's blocks in the order in which providers cache them, each as its canonical text.
fn blocks(kind: OperationKind, body: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let mut part = |role: &str, value: &Value| out.push(format!("{role}:{}", canonical(value)));
    let all = |name: &str| body.get(name).and_then(Value::as_array).into_iter().flatten();
    match kind {
        OperationKind::OpenAiChatCompletions => {
            all("tools").for_each(|tool| part("tool", tool));
            body.get("response_format").into_iter().for_each(|format| part("format", format));
            for message in all("messages") {
                turn(&mut part, message, "content");
            }
        }
        OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => {
            all("tools").for_each(|tool| part("tool", tool));
            for name in ["prompt", "instructions"] {
                body.get(name).into_iter().for_each(|value| part(name, value));
            }
            match body.get("input") {
                Some(Value::String(text)) => part("user", &Value::from(text.as_str())),
                _ => all("input").for_each(|item| part("item", item)),
            }
        }
        OperationKind::ClaudeMessages | OperationKind::Claude => {
            all("tools").for_each(|tool| part("tool", tool));
            each(&mut part, "system", body.get("system"));
            for message in all("messages") {
                turn(&mut part, message, "content");
            }
        }
        OperationKind::GeminiGenerateContent | OperationKind::Gemini => {
            for name in ["systemInstruction", "system_instruction", "tools", "toolConfig"] {
                body.get(name).into_iter().for_each(|value| part(name, value));
            }
            for content in all("contents") {
                turn(&mut part, content, "parts");
            }
        }
        OperationKind::OpenAi => {}
    }
    out
}

/// What one speaker says, part by part, and what stands beside it.
fn turn(part: &mut impl FnMut(&str, &Value), message: &Value, content: &str) {
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    each(part, role, message.get(content));
    let beside: serde_json::Map<String, Value> = message
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != content && *name != "role")
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if !beside.is_empty() {
        part(role, &Value::Object(beside));
    }
}

/// The parts of a content; a bare text is one part.
fn each(part: &mut impl FnMut(&str, &Value), role: &str, content: Option<&Value>) {
    match content {
        None | Some(Value::Null) => {}
        Some(Value::Array(parts)) => parts.iter().for_each(|value| part(role, value)),
        Some(value) => part(role, value),
    }
}

/// A value's text whatever the order of its members: marks of what is cached and members without a value left out, a text
/// part as its text.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut kept: Vec<(&String, &Value)> =
                members.iter().filter(|(name, value)| *name != "cache_control" && !value.is_null()).collect();
            if let [(a, first), (b, second)] = kept[..]
                && let (("text", text), ("type", kind)) | (("type", kind), ("text", text)) = ((a.as_str(), first), (b.as_str(), second))
                && kind.as_str().is_some_and(|kind| kind.ends_with("text"))
            {
                return canonical(text);
            }
            kept.sort_unstable_by_key(|(name, _)| *name);
            let texts: Vec<String> =
                kept.into_iter().map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value))).collect();
            format!("{{{}}}", texts.join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{OperationKind, blocks, chain, session_of, ttl};

    fn digests(kind: OperationKind, body: &Value) -> Vec<super::Digest> {
        chain(super::seeded((kind, 1), "blocks", b""), &blocks(kind, body))
    }

    /// A turn in each dialect, and the next one: the same with what was answered and said since.
    fn turns() -> [(OperationKind, Value, Value); 4] {
        [
            (
                OperationKind::OpenAiChatCompletions,
                json!({"tools": [{"a": 1, "b": null}], "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}),
                json!({"tools": [{"a": 1}], "messages": [{"content": [{"type": "text", "text": "s"}], "role": "system"},
                    {"role": "user", "content": "u"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}]}),
            ),
            (
                OperationKind::OpenAiResponses,
                json!({"instructions": "s", "input": [{"role": "user", "content": "u"}]}),
                json!({"input": [{"content": "u", "role": "user"}, {"type": "function_call"}], "instructions": "s"}),
            ),
            (
                OperationKind::ClaudeMessages,
                json!({"system": "s", "messages": [{"role": "user", "content": [{"type": "text", "text": "u", "cache_control": {"type": "ephemeral"}}]}]}),
                json!({"system": [{"type": "text", "text": "s"}], "messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}),
            ),
            (
                OperationKind::GeminiGenerateContent,
                json!({"systemInstruction": {"parts": [{"text": "s"}]}, "contents": [{"role": "user", "parts": [{"text": "u"}]}]}),
                json!({"contents": [{"role": "user", "parts": [{"text": "u"}]}, {"role": "model", "parts": [{"text": "a"}]}],
                    "systemInstruction": {"parts": [{"text": "s"}]}}),
            ),
        ]
    }

    #[test]
    fn the_next_turn_begins_with_all_that_the_last_one_was() {
        for (kind, first, next) in turns() {
            let (first, next) = (digests(kind, &first), digests(kind, &next));
            assert!(next.len() > first.len() && next.starts_with(&first), "{kind:?}: {} {}", first.len(), next.len());
        }
    }

    #[test]
    fn another_conversation_shares_what_it_shares_and_no_more() {
        let say = |text: &str| json!({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": text}]});
        let [one, two] = ["u", "v"].map(|text| digests(OperationKind::OpenAiChatCompletions, &say(text)));
        assert_eq!((one[0] == two[0], one[1] == two[1]), (true, false));
        let other = chain(
            super::seeded((OperationKind::OpenAiChatCompletions, 2), "blocks", b""),
            &blocks(OperationKind::OpenAiChatCompletions, &say("u")),
        );
        assert_ne!(one[0], other[0], "another user's");
    }

    #[test]
    fn sessions_and_spans_are_read() {
        let cases = [
            (json!({"prompt_cache_key": "k"}), Some("k"), 5),
            (json!({"conversation": {"id": "c"}, "prompt_cache_retention": "24h"}), Some("c"), 24 * 60),
            (
                json!({"metadata": {"user_id": "user_1_session_2"}, "system": [{"cache_control": {"ttl": "1h"}}]}),
                Some("user_1_session_2"),
                60,
            ),
            (json!({"metadata": {"user_id": "somebody"}}), None, 5),
        ];
        for (body, session, minutes) in cases {
            assert_eq!((session_of(&body), ttl(&body, body.to_string().as_bytes())), (session, minutes * 60_000), "{body}");
        }
    }
}
