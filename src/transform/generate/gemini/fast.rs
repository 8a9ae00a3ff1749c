//! The frame that most of a stream is made of, read in one pass: one piece of text or of thinking, and figures.
//!
//! Whatever says more than that is none of these, and read member by member.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};

use super::super::canon::Tokens;

/// A frame that holds one piece.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Frame<'a> {
    #[serde(borrow)]
    candidates: (Candidate<'a>,),
    usage_metadata: Option<Usage<'a>>,
    #[serde(rename = "modelVersion")]
    _model: Option<IgnoredAny>,
    #[serde(rename = "responseId")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "createTime")]
    _time: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Content<'a>,
    #[serde(default)]
    index: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<'a> {
    #[serde(borrow)]
    parts: (Part<'a>,),
    #[serde(rename = "role")]
    _role: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(default)]
    thought: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Usage<'a> {
    prompt_token_count: u64,
    candidates_token_count: u64,
    thoughts_token_count: u64,
    cached_content_token_count: u64,
    tool_use_prompt_token_count: u64,
    #[serde(borrow)]
    prompt_tokens_details: Vec<Detail<'a>>,
    #[serde(borrow)]
    candidates_tokens_details: Vec<Detail<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail<'a> {
    modality: &'a str,
    token_count: u64,
}

/// One piece of a choice's text or thinking.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) choice: usize,
    pub(super) text: Cow<'a, str>,
    pub(super) thought: bool,
    pub(super) usage: Option<Tokens>,
}

/// Reads a frame that is one of these.
pub(super) fn read(data: &[u8]) -> Option<Piece<'_>> {
    let frame: Frame<'_> = serde_json::from_str(std::str::from_utf8(data).ok()?).ok()?;
    let (candidate,) = frame.candidates;
    let (part,) = candidate.content.parts;
    Some(Piece { choice: candidate.index, text: part.text, thought: part.thought, usage: frame.usage_metadata.and_then(tokens) })
}

fn tokens(usage: Usage<'_>) -> Option<Tokens> {
    let count =
        |details: &[Detail<'_>], modality: &str| details.iter().filter(|one| one.modality == modality).map(|one| one.token_count).sum();
    (usage.prompt_token_count > 0 || usage.candidates_token_count > 0).then(|| Tokens {
        input: usage.prompt_token_count.saturating_sub(usage.cached_content_token_count).saturating_add(usage.tool_use_prompt_token_count),
        cache_read: usage.cached_content_token_count,
        output: usage.candidates_token_count,
        reasoning: usage.thoughts_token_count,
        input_audio: count(&usage.prompt_tokens_details, "AUDIO"),
        input_image: count(&usage.prompt_tokens_details, "IMAGE"),
        output_audio: count(&usage.candidates_tokens_details, "AUDIO"),
        output_image: count(&usage.candidates_tokens_details, "IMAGE"),
        ..Tokens::default()
    })
}

#[cfg(test)]
mod tests {
    use super::{super::usage, read};
    use crate::protocol::json::Node;

    #[test]
    fn a_plain_piece_is_read_and_nothing_else() {
        let usage = r#"{"promptTokenCount":9,"cachedContentTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":1,"serviceTier":"x",
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":6},{"modality":"IMAGE","tokenCount":3}]}"#;
        let frame = |part: &str, more: &str| {
            format!(
                r#"{{"candidates":[{{"content":{{"parts":[{part}],"role":"model"}},"index":1{more}}}],"usageMetadata":{usage},"responseId":"r"}}"#
            )
        };
        let plain = frame(r#"{"text":"a\nb","thought":true}"#, "");
        let piece = read(plain.as_bytes()).unwrap();
        assert_eq!((piece.choice, &*piece.text, piece.thought), (1, "a\nb", true));
        assert_eq!(piece.usage, usage::lift(Node::parse(usage.as_bytes()).unwrap()).map(|(tokens, _)| tokens));
        for (part, more) in [
            (r#"{"text":"a","thoughtSignature":"x"}"#, ""),
            (r#"{"text":"a"},{"text":"b"}"#, ""),
            (r#"{"functionCall":{}}"#, ""),
            (r#"{"text":"a"}"#, r#","finishReason":"STOP""#),
            (r#"{"text":"a"}"#, r#","new":1"#),
        ] {
            assert!(read(frame(part, more).as_bytes()).is_none(), "{part}{more}");
        }
    }
}
