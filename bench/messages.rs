//! The mock provider's second dialect: Anthropic Messages, with the same token figures.

use crate::answers::{Template, Tokens, chunk, put, whole};

/// Writes a whole answer with its head.
pub(crate) fn plain(out: &mut Vec<u8>, n: u64, tokens: Tokens) {
    let mut body = Vec::with_capacity(768);
    put(
        &mut body,
        format_args!(
            r#"{{"id":"msg_bench{n:012}","type":"message","role":"assistant","model":"bench-plain","content":[{{"type":"text","text":"All is well, and here is a sentence of about the length that a short answer has."}}],"stop_reason":"end_turn","stop_sequence":null,"#
        ),
    );
    usage(&mut body, tokens);
    body.push(b'}');
    whole(out, "200 OK", &body);
}

fn usage(out: &mut Vec<u8>, tokens: Tokens) {
    let Tokens { prompt, cached, completion, reasoning } = tokens;
    let fresh = prompt - cached;
    put(
        out,
        format_args!(
            r#""usage":{{"input_tokens":{fresh},"cache_creation_input_tokens":0,"cache_read_input_tokens":{cached},"output_tokens":{completion},"output_tokens_details":{{"thinking_tokens":{reasoning}}}}}"#
        ),
    );
}

/// A stream's head, its beginning and `events` pieces of text, ready but for their stamps.
pub(crate) fn template(events: u32) -> Template {
    let mut template = Template::headed();
    let start = r#"{"type":"message_start","message":{"id":"msg_bench000000000000","type":"message","role":"assistant","model":"bench","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#;
    chunk(&mut template.bytes, &event("message_start", start));
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    chunk(&mut template.bytes, &event("content_block_start", block));
    for _ in 0..events {
        let delta = format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"@{:020} "}}}}"#, 0);
        template.piece(&event("content_block_delta", &delta));
    }
    template
}

/// Writes the end of a stream: the block's, the reason with the usage, and the end of the body.
pub(crate) fn tail(out: &mut Vec<u8>, tokens: Tokens) {
    chunk(out, &event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#));
    let mut last = Vec::from(
        &b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"[..],
    );
    usage(&mut last, tokens);
    last.extend_from_slice(b"}\n\n");
    chunk(out, &last);
    chunk(out, &event("message_stop", r#"{"type":"message_stop"}"#));
    out.extend_from_slice(b"0\r\n\r\n");
}

fn event(name: &str, data: &str) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}
