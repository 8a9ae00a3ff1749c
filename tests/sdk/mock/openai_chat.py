"""Chat Completions of the mock: the question read out of a body, the answer put into one piece or a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from . import brain
from .openai_rules import judge_chat
from .server import Reply, sse

Json = dict[str, Any]

THINKER = "gpt-oss-120b"
"""A model that thinks as OpenRouter and other vendors of Chat write it: in `reasoning`, and in `reasoning_details` to be sent back."""

_REASONS = {"end": "stop", "sequence": "stop", "length": "length", "tool": "tool_calls"}


def serve(body: Json) -> Reply:
    """Answers a body that already passed the door, or refuses it."""
    judge_chat(body)
    ask = question(body)
    answer = brain.answer(ask)
    head: Json = {"id": "chatcmpl-" + brain.name_of(body), "created": brain.CREATED, "model": ask.model, "service_tier": "default"}
    usage = (answer.input, answer.output)
    if body.get("stream"):
        frames = _frames(head, answer, body)
        return Reply(200, frames=frames, content_type="text/event-stream; charset=utf-8", usage=usage, model=ask.model)
    message: Json = {"role": "assistant", "content": answer.text if answer.text or not answer.calls else None, "refusal": None, "annotations": []}
    if answer.thought:
        message |= {"reasoning": answer.thought, "reasoning_details": [_detail(text=answer.thought, signature=brain.sign("vendor", answer.thought))]}
    if answer.calls:
        message["tool_calls"] = [_call(call) for call in answer.calls]
    count = body.get("n") or 1
    choices = [{"index": index, "message": message, "logprobs": None, "finish_reason": _REASONS[answer.stop]} for index in range(count)]
    whole = {**head, "object": "chat.completion", "choices": choices, "usage": tokens(answer), "system_fingerprint": "fp_mock"}
    return Reply.of(whole, usage=usage, model=ask.model)


def question(body: Json) -> brain.Ask:
    """What a body asks."""
    messages = body["messages"]
    asked = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=-1)
    texts = [_text(message.get("content")) for message in messages]
    later = messages[asked + 1 :]
    results = tuple(_text(message.get("content")) for message in later if message["role"] == "tool")
    form = body.get("response_format") or {}
    schema = form["json_schema"]["schema"] if form.get("type") == "json_schema" else {} if form.get("type") == "json_object" else None
    stops = body.get("stop") or []
    return brain.Ask(
        model=body["model"],
        prompt="\n".join(texts) + (json.dumps(body["tools"]) if body.get("tools") else ""),
        last=texts[asked] if asked >= 0 else "",
        system=" ".join(text for text, message in zip(texts, messages, strict=True) if message["role"] in ("system", "developer")),
        tools=tuple(_tool(tool) for tool in body.get("tools") or [] if tool["type"] == "function"),
        choice=_choice(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls") is not False,
        results=results,
        thinks=body["model"] == THINKER and body.get("reasoning_effort") not in (None, "none"),
        schema=schema,
        limit=body.get("max_completion_tokens") or body.get("max_tokens"),
        stops=(stops,) if isinstance(stops, str) else tuple(stops),
        images=sum(_images(message.get("content")) for message in messages),
    )


def tokens(answer: brain.Answer) -> Json:
    """Usage in Chat's names."""
    return {
        "prompt_tokens": answer.input,
        "completion_tokens": answer.output,
        "total_tokens": answer.input + answer.output,
        "prompt_tokens_details": {"cached_tokens": answer.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": answer.thinking,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _frames(head: Json, answer: brain.Answer, body: Json) -> Iterator[bytes]:
    yield from sse(_chunks(head, answer, body))
    yield b"data: [DONE]\n\n"


def _chunks(head: Json, answer: brain.Answer, body: Json) -> Iterator[Json]:
    counted = bool((body.get("stream_options") or {}).get("include_usage"))
    base: Json = {**head, "object": "chat.completion.chunk", "system_fingerprint": "fp_mock"}
    if counted:
        base["usage"] = None
    for index in range(body.get("n") or 1):
        for delta in _deltas(answer):
            yield {**base, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": None}]}
        yield {**base, "choices": [{"index": index, "delta": {}, "logprobs": None, "finish_reason": _REASONS[answer.stop]}]}
    if counted:
        yield {**base, "choices": [], "usage": tokens(answer)}


def _deltas(answer: brain.Answer) -> Iterator[Json]:
    yield {"role": "assistant", "content": None if answer.calls else "", "refusal": None}
    if answer.thought:
        yield from ({"reasoning": piece, "reasoning_details": [_detail(text=piece)]} for piece in brain.pieces(answer.thought))
        yield {"reasoning_details": [_detail(signature=brain.sign("vendor", answer.thought))]}
    yield from ({"content": piece} for piece in brain.pieces(answer.text))
    if not answer.calls:
        return
    for index, call in enumerate(answer.calls):
        yield {"tool_calls": [{"index": index, "id": "call_" + call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}]}
    # Parallel calls come interleaved: only the index tells them apart.
    streams = [list(brain.pieces(call.text)) for call in answer.calls]
    for step in range(max(map(len, streams))):
        for index, stream in enumerate(streams):
            if step < len(stream):
                yield {"tool_calls": [{"index": index, "function": {"arguments": stream[step]}}]}


def _detail(**more: str) -> Json:
    return {"type": "reasoning.text", **more, "format": "unknown", "index": 0}


def _call(call: brain.Call) -> Json:
    return {"id": "call_" + call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}


def _tool(tool: Json) -> brain.Tool:
    return brain.Tool(tool["function"]["name"], tool["function"].get("parameters") or {})


def _choice(choice: Any) -> str:
    if isinstance(choice, dict):
        return (choice.get("function") or {}).get("name") or "any"
    return "any" if choice == "required" else str(choice or "auto")


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text") or "" for part in content).strip()
    return content or ""


def _images(content: Any) -> int:
    return sum(part["type"] == "image_url" for part in content) if isinstance(content, list) else 0
