"""The mock of Anthropic: its door (key, version, models, paths), Messages whole and streamed, token counts, models, batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from . import brain, faults, openai_chat
from .anthropic_rules import invalid, judge, refusal
from .openai_rules import refusal as openai_refusal
from .server import Refusal, Reply, Request, sse

Json = dict[str, Any]

MODELS = ("claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5")
_VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
_STOPS = {"end": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "tool": "tool_use"}


class Anthropic:
    """Answers as api.anthropic.com does."""

    name = "anthropic"

    def __init__(self, key: str) -> None:
        self._key = key
        self._batches: dict[str, tuple[Json, list[Json]]] = {}

    def answer(self, request: Request) -> Reply:
        """One request."""
        if request.path == "/v1/chat/completions":
            return self._compatible(request)
        self.admit(request)
        match (request.method, request.path.strip("/").split("/")):
            case ("POST", ["v1", "messages"]):
                body = self._read(request)
                reply = faults.spoil(messages(body, beta=_beta(request)), body.get("model"))
            case ("POST", ["v1", "messages", "count_tokens"]):
                reply = count(self._read(request), beta=_beta(request))
            case ("GET", ["v1", "models"]):
                reply = models(request)
            case ("GET", ["v1", "models", model]):
                reply = Reply.of(describe(known(model)))
            case (_, ["v1", "messages", "batches", *steps]):
                reply = self._batch(request, steps)
            case _:
                raise refusal(404, "not_found_error", "Not Found")
        reply.headers.setdefault("request-id", "req_" + brain.name_of(request.path, request.body))
        reply.headers.setdefault("anthropic-organization-id", "org-mock")
        return reply

    def admit(self, request: Request) -> None:
        """The key travels as `x-api-key`, or as Bearer since SDK 2.11 (a wrong one beside a right one is refused); the version is demanded."""
        given = [one for one in (request.header("x-api-key"), _bearer(request)) if one is not None]
        if not given:
            raise refusal(401, "authentication_error", "x-api-key header is required")
        if any(one != self._key for one in given):
            raise refusal(401, "authentication_error", "invalid x-api-key")
        version = request.header("anthropic-version")
        if version is None:
            raise invalid("anthropic-version: header is required")
        if version not in _VERSIONS:
            raise invalid(f'anthropic-version: "{version}" is not a valid version')

    def _read(self, request: Request) -> Json:
        body = read(request)
        if isinstance(body.get("model"), str):
            known(body["model"])
        return body

    def _compatible(self, request: Request) -> Reply:
        """Anthropic's own OpenAI-compatible endpoint."""
        if self._key not in (request.header("x-api-key"), _bearer(request)):
            raise openai_refusal(401, "invalid x-api-key", code="authentication_error")
        body = read(request)
        model = str(body.get("model"))
        faults.raise_for(model, lambda status, message: openai_refusal(status, message, kind="api_error"))
        if model not in (*MODELS, *faults.MODELS):
            raise openai_refusal(404, f"model: {model}", code="not_found_error")
        return faults.spoil(openai_chat.serve(body), model)

    def _batch(self, request: Request, steps: list[str]) -> Reply:
        match (request.method, steps):
            case ("POST", []):
                return self._order(read(request))
            case ("GET", []):
                return Reply.of(_page([batch for batch, _ in self._batches.values()]))
            case ("GET", [number]):
                return Reply.of(self._ordered(number)[0])
            case ("GET", [number, "results"]):
                lines = b"".join(json.dumps(line).encode() + b"\n" for line in self._ordered(number)[1])
                return Reply(200, lines, content_type="application/x-jsonl")
            case ("POST", [number, "cancel"]):
                return Reply.of({**self._ordered(number)[0], "processing_status": "canceling"})
            case ("DELETE", [number]):
                self._ordered(number)
                del self._batches[number]
                return Reply.of({"id": number, "type": "message_batch_deleted"})
        raise refusal(404, "not_found_error", "Not Found")

    def _order(self, body: Json) -> Reply:
        if not body.get("requests"):
            raise invalid("requests: Field required")
        number, lines = "msgbatch_" + brain.name_of(body), []
        for one in body["requests"]:
            try:
                known(one["params"]["model"])
                result = {"type": "succeeded", "message": json.loads(messages(one["params"], beta=False).body)}
            except Refusal as wrong:
                result = {"type": "errored", "error": wrong.body}
            lines.append({"custom_id": one["custom_id"], "result": result})
        good = sum(line["result"]["type"] == "succeeded" for line in lines)
        batch: Json = {"id": number, "type": "message_batch", "processing_status": "ended", "created_at": "2026-05-28T20:26:40Z"}
        batch |= {"expires_at": "2026-05-29T20:26:40Z", "ended_at": "2026-05-28T20:27:40Z", "archived_at": None, "cancel_initiated_at": None}
        batch |= {"request_counts": {"processing": 0, "succeeded": good, "errored": len(lines) - good, "canceled": 0, "expired": 0}}
        batch |= {"results_url": f"https://api.anthropic.com/v1/messages/batches/{number}/results"}
        self._batches[number] = (batch, lines)
        return Reply.of(batch)

    def _ordered(self, number: str) -> tuple[Json, list[Json]]:
        if number not in self._batches:
            raise refusal(404, "not_found_error", f"Batch {number} not found")
        return self._batches[number]


def _bearer(request: Request) -> str | None:
    given = request.header("authorization")
    return None if given is None else given.removeprefix("Bearer ")


def read(request: Request) -> Json:
    """The JSON object in a body."""
    try:
        body = json.loads(request.body)
    except ValueError as wrong:
        raise invalid(f"The request body is not valid JSON: {wrong}") from None
    if not isinstance(body, dict):
        raise invalid("Input should be a valid dictionary or object")
    return body


def known(model: str) -> str:
    """A model that exists, or one that misbehaves."""
    faults.raise_for(model, _fault)
    if model not in (*MODELS, *faults.MODELS):
        raise refusal(404, "not_found_error", f"model: {model}")
    return model


def _fault(status: int, message: str) -> Refusal:
    return refusal(status, {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error"), message)


def describe(model: str) -> Json:
    """A model in Anthropic's shape."""
    name = " ".join(word.capitalize() for word in model.split("-"))
    limits = {"max_input_tokens": 200_000, "max_tokens": 64_000}
    return {"type": "model", "id": model, "display_name": name, "created_at": "2026-05-28T20:26:40Z", "lifecycle": "active", **limits}


def models(request: Request) -> Reply:
    """The list, a page at a time."""
    names = list(MODELS)
    if (after := request.param("after_id")) in names:
        names = names[names.index(str(after)) + 1 :]
    limit = int(request.param("limit") or 20)
    return Reply.of(_page([describe(name) for name in names[:limit]], more=len(names) > limit))


def _page(data: list[Json], more: bool = False) -> Json:
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"data": data, "has_more": more, **ends}


def _beta(request: Request) -> bool:
    return request.param("beta") == "true" or request.header("anthropic-beta") is not None


def count(body: Json, *, beta: bool) -> Reply:
    """`/v1/messages/count_tokens`."""
    judge(body, beta=beta, counting=True)
    return Reply.of({"input_tokens": brain.answer(question(body)).input}, model=body["model"])


def messages(body: Json, *, beta: bool) -> Reply:
    """`/v1/messages`: judged, answered, whole or streamed."""
    judge(body, beta=beta)
    ask = question(body)
    answer = brain.answer(ask)
    usage = (answer.input, answer.output)
    message: Json = {
        "id": "msg_" + brain.name_of(body),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": list(_content(answer)),
        "stop_reason": _STOPS[answer.stop],
        "stop_sequence": answer.sequence,
        "stop_details": None,
        "usage": tokens(body, answer),
    }
    if not body.get("stream"):
        return Reply.of(message, usage=usage, model=ask.model)
    frames = sse(_events(message), named=True)
    return Reply(200, frames=frames, content_type="text/event-stream; charset=utf-8", usage=usage, model=ask.model)


def question(body: Json) -> brain.Ask:
    """What a body asks."""
    turns = [(message["role"], _blocks(message["content"])) for message in body["messages"]]
    system = " ".join(block.get("text") or "" for block in _blocks(body.get("system") or ""))
    system += "".join(" " + _text(blocks) for role, blocks in turns if role == "system")
    users = [(index, _text(blocks)) for index, (role, blocks) in enumerate(turns) if role == "user" and _text(blocks)]
    asked, last = users[-1] if users else (-1, "")
    results = [block for role, blocks in turns[max(asked, 0) :] for block in blocks if role == "user" and block["type"] == "tool_result"]
    choice = body.get("tool_choice") or {}
    form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return brain.Ask(
        model=body["model"],
        prompt=json.dumps([body.get("system"), body["messages"], body.get("tools")], ensure_ascii=False),
        last=last,
        system=system.strip(),
        tools=tuple(brain.Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools") or [] if "input_schema" in tool),
        choice=choice.get("name") or choice.get("type") or "auto",
        parallel=not choice.get("disable_parallel_tool_use"),
        results=tuple(_text(_blocks(block.get("content") or "")) for block in results),
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        schema=form.get("schema"),
        limit=body.get("max_tokens"),
        stops=tuple(body.get("stop_sequences") or ()),
        images=sum(block["type"] == "image" for role, blocks in turns for block in blocks),
    )


def tokens(body: Json, answer: brain.Answer) -> Json:
    """Usage with the cache buckets: what stands before the last mark is written, before the one before it read."""
    marks, total = [], 0
    parts = [*(body.get("tools") or []), *_blocks(body.get("system") or "")]
    parts += [block for message in body["messages"] for block in _blocks(message["content"])]
    for part in parts:
        total += brain.count(json.dumps(part))
        if part.get("cache_control"):
            marks.append(min(total, answer.input - 1))
    read = marks[-2] if len(marks) > 1 else 0
    written = marks[-1] - read if marks else 0
    return {
        "input_tokens": answer.input - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": answer.output,
        "output_tokens_details": {"thinking_tokens": answer.thinking},
        "service_tier": "standard",
    }


def _content(answer: brain.Answer) -> Iterator[Json]:
    if answer.thought:
        yield {"type": "thinking", "thinking": answer.thought, "signature": brain.sign("anthropic", answer.thought)}
    if answer.text:
        yield {"type": "text", "text": answer.text}
    for call in answer.calls:
        yield {"type": "tool_use", "id": "toolu_" + call.id, "name": call.name, "input": dict(call.arguments)}


def _events(message: Json) -> Iterator[Json]:
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    begun["usage"].pop("output_tokens_details")
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(message["content"]):
        empty, deltas = _parts(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        if index == 0:
            yield {"type": "ping"}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}
    counted = {key: usage[key] for key in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")}
    counted["output_tokens_details"] = usage["output_tokens_details"]
    delta = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    yield {"type": "message_delta", "delta": delta, "usage": counted}
    yield {"type": "message_stop"}


def _parts(block: Json) -> tuple[Json, list[Json]]:
    """A block as it opens, and the deltas that fill it."""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in brain.pieces(block["text"])]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in brain.pieces(block["thinking"])]
        return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, {"type": "signature_delta", "signature": block["signature"]}]
    whole = json.dumps(block["input"], ensure_ascii=False)
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *brain.pieces(whole))]
    return {**block, "input": {}}, pieces


def _blocks(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _text(blocks: list[Json]) -> str:
    return " ".join(block["text"] for block in blocks if block["type"] == "text").strip()
