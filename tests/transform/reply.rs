//! Answers out of nothing, whole and as streams in every dialect, written by hands that know nothing of the converter.

use gproxy::transform::generate::Dialect;
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::talk::{arguments, words};

/// An answer that every dialect can give.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) thinking: Option<String>,
    pub(crate) text: Option<String>,
    /// Tool and input.
    pub(crate) calls: Vec<(String, Value)>,
    /// Whether it was cut for its length.
    pub(crate) cut: bool,
    /// Prompt, read from cache, completion, thinking.
    pub(crate) usage: [u64; 4],
    /// How the stream's pieces are cut and mixed.
    pub(crate) dice: Vec<Index>,
}

pub(crate) fn reply() -> impl Strategy<Value = Reply> {
    let calls = prop::collection::vec(("[a-z_]{1,8}", arguments()), 0..4);
    let usage = (1..9000_u64, 0..9000_u64, 1..900_u64, 0..900_u64);
    let dice = prop::collection::vec(any::<Index>(), 1..24);
    (prop::option::of(words()), prop::option::of(words()), calls, prop::bool::weighted(0.1), usage, dice).prop_map(
        |(thinking, text, calls, cut, (prompt, read, completion, thoughts), dice)| {
            let text = if calls.is_empty() { text.or_else(|| Some("a".to_owned())) } else { text };
            let usage = [prompt, read.min(prompt), completion, if thinking.is_some() { thoughts.min(completion) } else { 0 }];
            Reply { thinking, text, cut: cut && calls.is_empty(), calls, usage, dice }
        },
    )
}

/// Where a stream's pieces are cut and whose turn it is: from the reply's own dice, so that a failure can be told again.
struct Dice<'a> {
    all: &'a [Index],
    next: usize,
}

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        self.next += 1;
        self.all[self.next % self.all.len()].index(sides)
    }

    /// A text in pieces, none of them empty.
    fn pieces(&mut self, text: &str) -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        let (mut at, mut out) = (0, Vec::new());
        while at < letters.len() {
            let size = 1 + self.roll(letters.len() - at);
            out.push(letters[at..at + size].iter().collect());
            at += size;
        }
        out
    }
}

fn frames(events: &[Value], named: bool) -> String {
    let mut out = String::new();
    for event in events {
        if named {
            out.push_str(&format!("event: {}\n", event["type"].as_str().unwrap()));
        }
        out.push_str(&format!("data: {event}\n\n"));
    }
    out
}

impl Reply {
    fn dice(&self) -> Dice<'_> {
        Dice { all: &self.dice, next: 0 }
    }

    fn ids(&self) -> impl Iterator<Item = (usize, String, &str, &Value)> {
        self.calls.iter().enumerate().map(|(at, (name, input))| (at, format!("call_{at}"), &**name, input))
    }

    pub(crate) fn whole(&self, dialect: Dialect) -> Value {
        match dialect {
            Dialect::Chat => {
                let mut message = json!({"role": "assistant", "content": self.text, "refusal": null});
                if let Some(thinking) = &self.thinking {
                    message["reasoning_content"] = json!(thinking);
                }
                if !self.calls.is_empty() {
                    message["tool_calls"] = self.ids().map(|(_, id, name, input)| chat_call(&id, name, &input.to_string())).collect();
                }
                let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": self.chat_stop()});
                json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_780_000_000, "model": "m", "choices": [choice], "usage": self.chat_usage()})
            }
            Dialect::Responses => self.response(),
            Dialect::Claude => {
                let mut content: Vec<Value> =
                    self.thinking.iter().map(|text| json!({"type": "thinking", "thinking": text, "signature": "c2ln"})).collect();
                content.extend(self.text.iter().map(|text| json!({"type": "text", "text": text})));
                content.extend(self.ids().map(|(_, id, name, input)| json!({"type": "tool_use", "id": id, "name": name, "input": input})));
                json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
                    "stop_reason": self.claude_stop(), "stop_sequence": null, "usage": self.claude_usage()})
            }
            Dialect::Gemini => {
                let mut parts: Vec<Value> = self.thinking.iter().map(|text| json!({"text": text, "thought": true})).collect();
                parts.extend(self.text.iter().map(|text| json!({"text": text})));
                parts.extend(self.ids().map(|(_, id, name, input)| json!({"functionCall": {"id": id, "name": name, "args": input}})));
                let candidate = json!({"content": {"parts": parts, "role": "model"}, "finishReason": self.gemini_stop(), "index": 0});
                json!({"candidates": [candidate], "usageMetadata": self.gemini_usage(), "modelVersion": "m", "responseId": "r"})
            }
        }
    }

    pub(crate) fn stream(&self, dialect: Dialect) -> String {
        match dialect {
            Dialect::Chat => self.chat_stream(Indexes::Told),
            Dialect::Responses => self.responses_stream(),
            Dialect::Claude => self.claude_stream(),
            Dialect::Gemini => self.gemini_stream(),
        }
    }

    fn chat_stop(&self) -> &'static str {
        if self.cut {
            "length"
        } else if self.calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        }
    }

    fn claude_stop(&self) -> &'static str {
        if self.cut {
            "max_tokens"
        } else if self.calls.is_empty() {
            "end_turn"
        } else {
            "tool_use"
        }
    }

    fn gemini_stop(&self) -> &'static str {
        if self.cut { "MAX_TOKENS" } else { "STOP" }
    }

    fn chat_usage(&self) -> Value {
        let [prompt, read, completion, thinking] = self.usage;
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": read}, "completion_tokens_details": {"reasoning_tokens": thinking}})
    }

    fn claude_usage(&self) -> Value {
        let [prompt, read, completion, thinking] = self.usage;
        json!({"input_tokens": prompt - read, "cache_creation_input_tokens": 0, "cache_read_input_tokens": read,
            "output_tokens": completion, "output_tokens_details": {"thinking_tokens": thinking}})
    }

    fn gemini_usage(&self) -> Value {
        let [prompt, read, completion, thinking] = self.usage;
        json!({"promptTokenCount": prompt, "cachedContentTokenCount": read, "candidatesTokenCount": completion - thinking,
            "thoughtsTokenCount": thinking, "totalTokenCount": prompt + completion})
    }

    fn items(&self) -> Vec<Value> {
        let reasoning = |text: &String| json!({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": text}]});
        let mut items: Vec<Value> = self.thinking.iter().map(reasoning).collect();
        items.extend(self.text.iter().map(|text| {
            json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
        }));
        items.extend(self.ids().map(|(at, id, name, input)| {
            json!({"id": format!("fc_{at}"), "type": "function_call", "status": "completed", "call_id": id, "name": name, "arguments": input.to_string()})
        }));
        items
    }

    fn response(&self) -> Value {
        let [prompt, read, completion, thinking] = self.usage;
        let (status, details) = if self.cut { ("incomplete", json!({"reason": "max_output_tokens"})) } else { ("completed", Value::Null) };
        json!({"id": "resp_1", "object": "response", "created_at": 1_780_000_000, "model": "m", "status": status, "error": null,
            "incomplete_details": details, "output": self.items(),
            "usage": {"input_tokens": prompt, "input_tokens_details": {"cached_tokens": read}, "output_tokens": completion,
                "output_tokens_details": {"reasoning_tokens": thinking}, "total_tokens": prompt + completion}})
    }

    /// Chat's stream, its calls' pieces mixed as its dice fall.
    pub(crate) fn chat_stream(&self, indexes: Indexes) -> String {
        let mut dice = self.dice();
        let chunk = |delta: Value, finish: Option<&str>| {
            json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_780_000_000, "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        };
        let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
        for (member, text) in [("reasoning_content", &self.thinking), ("content", &self.text)] {
            events.extend(dice.pieces(text.as_deref().unwrap_or("")).into_iter().map(|piece| chunk(json!({member: piece}), None)));
        }
        let queues: Vec<Vec<Value>> = self.ids().map(|(at, id, name, input)| indexes.pieces(&mut dice, at, (&id, name), input)).collect();
        let mut pieces = Vec::new();
        match indexes {
            Indexes::Told | Indexes::OnlyIds => mix(queues, &mut dice, &mut pieces),
            Indexes::None | Indexes::Zero => pieces.extend(queues.into_iter().flatten()),
            Indexes::Places => {
                let longest = queues.iter().map(Vec::len).max().unwrap_or(0);
                let nothing = json!({"function": {"arguments": ""}});
                let row = |at: usize| queues.iter().map(|queue| queue.get(at).unwrap_or(&nothing).clone()).collect::<Vec<_>>();
                events.extend((0..longest).map(|at| chunk(json!({"tool_calls": row(at)}), None)));
            }
        }
        events.extend(pieces.into_iter().map(|piece| chunk(json!({"tool_calls": [piece]}), None)));
        events.push(chunk(json!({}), Some(self.chat_stop())));
        let mut last = chunk(json!({}), None);
        last["choices"] = json!([]);
        last["usage"] = self.chat_usage();
        events.push(last);
        frames(&events, false) + "data: [DONE]\n\n"
    }

    fn claude_stream(&self) -> String {
        let mut dice = self.dice();
        let mut message = self.whole(Dialect::Claude);
        for (name, value) in [("content", json!([])), ("stop_reason", Value::Null)] {
            message[name] = value;
        }
        message["usage"]["output_tokens"] = json!(1);
        let mut events = vec![json!({"type": "message_start", "message": message})];
        let mut queues: Vec<Vec<Value>> = Vec::new();
        let delta = |index: usize, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        let start = |index: usize, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
        for (index, text) in self.thinking.iter().enumerate() {
            events.push(start(index, json!({"type": "thinking", "thinking": "", "signature": ""})));
            let pieces = dice.pieces(text);
            events.extend(pieces.into_iter().map(|piece| delta(index, json!({"type": "thinking_delta", "thinking": piece}))));
            events.push(delta(index, json!({"type": "signature_delta", "signature": "c2ln"})));
            events.push(json!({"type": "content_block_stop", "index": index}));
        }
        let mut index = events.iter().filter(|event| event["type"] == "content_block_start").count();
        if let Some(text) = &self.text {
            events.push(start(index, json!({"type": "text", "text": ""})));
            events.extend(dice.pieces(text).into_iter().map(|piece| delta(index, json!({"type": "text_delta", "text": piece}))));
            events.push(json!({"type": "content_block_stop", "index": index}));
            index += 1;
        }
        for (at, id, name, input) in self.ids() {
            let index = index + at;
            let mut queue = vec![start(index, json!({"type": "tool_use", "id": id, "name": name, "input": {}}))];
            let pieces = dice.pieces(&input.to_string());
            queue.extend(pieces.into_iter().map(|piece| delta(index, json!({"type": "input_json_delta", "partial_json": piece}))));
            queue.push(json!({"type": "content_block_stop", "index": index}));
            queues.push(queue);
        }
        mix(queues, &mut dice, &mut events);
        let mut usage = self.claude_usage();
        usage["input_tokens"] = json!(self.usage[0] - self.usage[1]);
        events.push(json!({"type": "message_delta", "delta": {"stop_reason": self.claude_stop(), "stop_sequence": null}, "usage": usage}));
        events.push(json!({"type": "message_stop"}));
        frames(&events, true)
    }

    fn gemini_stream(&self) -> String {
        let mut dice = self.dice();
        let mut events: Vec<Value> = Vec::new();
        let frame = |part: Value| json!({"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], "modelVersion": "m", "responseId": "r"});
        if let Some(text) = &self.thinking {
            events.extend(dice.pieces(text).into_iter().map(|piece| frame(json!({"text": piece, "thought": true}))));
        }
        if let Some(text) = &self.text {
            events.extend(dice.pieces(text).into_iter().map(|piece| frame(json!({"text": piece}))));
        }
        events.extend(self.ids().map(|(_, id, name, input)| frame(json!({"functionCall": {"id": id, "name": name, "args": input}}))));
        let mut last = frame(json!({"text": ""}));
        last["candidates"][0]["finishReason"] = json!(self.gemini_stop());
        last["usageMetadata"] = self.gemini_usage();
        events.push(last);
        frames(&events, false)
    }

    fn responses_stream(&self) -> String {
        let mut dice = self.dice();
        let mut open = self.response();
        for (name, value) in
            [("status", json!("in_progress")), ("output", json!([])), ("usage", Value::Null), ("incomplete_details", Value::Null)]
        {
            open[name] = value;
        }
        let mut events = vec![json!({"type": "response.created", "response": open})];
        let mut queues = Vec::new();
        for (index, item) in self.items().into_iter().enumerate() {
            let mut begun = item.clone();
            let mut queue = Vec::new();
            let id = item["id"].clone();
            let at = json!({"item_id": id, "output_index": index});
            let event = |kind: &str, more: Value| {
                let mut event = at.clone();
                event["type"] = json!(kind);
                event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                event
            };
            match item["type"].as_str().unwrap() {
                "reasoning" => {
                    begun["summary"] = json!([]);
                    let text = item["summary"][0]["text"].as_str().unwrap();
                    queue.push(event(
                        "response.reasoning_summary_part.added",
                        json!({"summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
                    ));
                    let delta = |piece| event("response.reasoning_summary_text.delta", json!({"summary_index": 0, "delta": piece}));
                    queue.extend(dice.pieces(text).into_iter().map(delta));
                    queue.push(event("response.reasoning_summary_text.done", json!({"summary_index": 0, "text": text})));
                    queue.push(event("response.reasoning_summary_part.done", json!({"summary_index": 0, "part": item["summary"][0]})));
                }
                "message" => {
                    begun["content"] = json!([]);
                    let part = &item["content"][0];
                    let empty = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
                    queue.push(event("response.content_part.added", json!({"content_index": 0, "part": empty})));
                    let delta = |piece| event("response.output_text.delta", json!({"content_index": 0, "delta": piece, "logprobs": []}));
                    queue.extend(dice.pieces(part["text"].as_str().unwrap()).into_iter().map(delta));
                    queue.push(event("response.output_text.done", json!({"content_index": 0, "text": part["text"], "logprobs": []})));
                    queue.push(event("response.content_part.done", json!({"content_index": 0, "part": part})));
                }
                _ => {
                    begun["arguments"] = json!("");
                    let delta = |piece| event("response.function_call_arguments.delta", json!({"delta": piece}));
                    queue.extend(dice.pieces(item["arguments"].as_str().unwrap()).into_iter().map(delta));
                    queue.push(event("response.function_call_arguments.done", json!({"arguments": item["arguments"]})));
                }
            }
            queue.insert(0, json!({"type": "response.output_item.added", "output_index": index, "item": begun}));
            queue.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
            if item["type"] == "function_call" { queues.push(queue) } else { events.extend(queue) }
        }
        mix(queues, &mut dice, &mut events);
        let kind = if self.cut { "response.incomplete" } else { "response.completed" };
        events.push(json!({"type": kind, "response": self.response()}));
        for (at, event) in events.iter_mut().enumerate() {
            event["sequence_number"] = json!(at);
        }
        frames(&events, true)
    }
}

/// Mixes calls; each begins in order.
fn mix(mut queues: Vec<Vec<Value>>, dice: &mut Dice<'_>, events: &mut Vec<Value>) {
    let mut begun = 0;
    while queues.iter().any(|queue| !queue.is_empty()) {
        let live: Vec<usize> = (0..queues.len().min(begun + 1)).filter(|at| !queues[*at].is_empty()).collect();
        let turn = live[dice.roll(live.len())];
        begun = begun.max(turn + 1);
        events.push(queues[turn].remove(0));
    }
}

fn chat_call(id: &str, name: &str, input: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": input}})
}

/// How a Chat stream tells its calls apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Indexes {
    /// By their index, and mixed.
    Told,
    /// Without an index; every piece has its call's id, and they are mixed.
    OnlyIds,
    /// Without an index; a new id begins a new call.
    None,
    /// All at index 0; a new id begins a new call.
    Zero,
    /// By their places within a chunk's list.
    Places,
}

impl Indexes {
    pub(crate) const ALL: [Self; 5] = [Self::Told, Self::OnlyIds, Self::None, Self::Zero, Self::Places];

    fn pieces(self, dice: &mut Dice<'_>, at: usize, (id, name): (&str, &str), input: &Value) -> Vec<Value> {
        let mut first = chat_call(id, name, "");
        let mut pieces: Vec<Value> =
            dice.pieces(&input.to_string()).into_iter().map(|piece| json!({"function": {"arguments": piece}})).collect();
        if matches!(self, Self::OnlyIds) {
            for piece in &mut pieces {
                piece["id"] = json!(id);
            }
        }
        first["function"]["arguments"] = json!("");
        pieces.insert(0, first);
        for piece in &mut pieces {
            match self {
                Self::Told => piece["index"] = json!(at),
                Self::Zero => piece["index"] = json!(0),
                Self::OnlyIds | Self::None | Self::Places => {}
            }
        }
        pieces
    }
}
