"""Responses of the mock: items in, items out, the whole event sequence, and what the server keeps between turns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from . import brain
from .openai_rules import invalid, judge_responses, refusal, seal
from .server import Reply, sse

Json = dict[str, Any]


class Shelf:
    """The responses that the server keeps: their items, and the answer itself."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[list[Json], Json]] = {}
        self._items: dict[str, Json] = {}

    def items(self, number: str | None) -> list[Json]:
        """All items up to and with a kept response."""
        if number is None:
            return []
        if number not in self._kept:
            raise invalid(f"Previous response with id '{number}' not found.", "previous_response_id", "previous_response_not_found")
        return self._kept[number][0]

    def get(self, number: str) -> Json:
        """A kept response."""
        if number not in self._kept:
            raise refusal(404, f"Response with id '{number}' not found.")
        return self._kept[number][1]

    def drop(self, number: str) -> Json:
        """Forgets one."""
        self.get(number)
        del self._kept[number]
        return {"id": number, "object": "response", "deleted": True}

    def keep(self, items: list[Json], response: Json) -> None:
        """Keeps one."""
        self._kept[response["id"]] = (items, response)
        self._items |= {item["id"]: item for item in response["output"]}

    def whole(self, body: Json) -> Json:
        """The body with kept items in the place of those that are only named."""
        if not isinstance(body.get("input"), list):
            return body
        return {**body, "input": [self._named(item) for item in body["input"]]}

    def _named(self, item: Any) -> Any:
        if not isinstance(item, dict) or item.get("type") != "item_reference":
            return item
        if item.get("id") not in self._items:
            raise refusal(404, f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false.", param="input")
        return self._items[item["id"]]


def serve(body: Json, shelf: Shelf) -> Reply:
    """Answers a body that already passed the door, or refuses it."""
    known, body = shelf.items(body.get("previous_response_id")), shelf.whole(body)
    judge_responses(body, known)
    items = [*known, *given(body)]
    ask = question(body, items)
    answer = brain.answer(ask)
    response = _response(body, answer)
    if body.get("store") is not False:
        shelf.keep([*items, *response["output"]], response)
    usage = (answer.input, answer.output)
    if not body.get("stream"):
        return Reply.of(response, usage=usage, model=ask.model)
    frames = sse(_numbered(_events(response)), named=True)
    return Reply(200, frames=frames, content_type="text/event-stream; charset=utf-8", usage=usage, model=ask.model)


def count(body: Json, shelf: Shelf) -> Reply:
    """`/v1/responses/input_tokens`."""
    known = shelf.items(body.get("previous_response_id"))
    judge_responses(body, known, counting=True)
    ask = question(body, [*known, *given(body)])
    return Reply.of({"object": "response.input_tokens", "input_tokens": brain.answer(ask).input}, model=ask.model)


def given(body: Json) -> list[Json]:
    """The input as items."""
    given = body.get("input") or []
    return [{"type": "message", "role": "user", "content": given}] if isinstance(given, str) else list(given)


def question(body: Json, items: list[Json]) -> brain.Ask:
    """What a body asks, with what came before it."""
    messages = [(index, item) for index, item in enumerate(items) if (item.get("type") or "message") == "message"]
    users = [index for index, item in messages if item["role"] == "user"]
    asked = users[-1] if users else -1
    results = tuple(_text(item["output"]) for item in items[asked + 1 :] if item.get("type", "").endswith("_call_output"))
    system = [body.get("instructions") or "", *(_text(item["content"]) for _, item in messages if item["role"] in ("system", "developer"))]
    form = (body.get("text") or {}).get("format") or {}
    schema = form["schema"] if form.get("type") == "json_schema" else {} if form.get("type") == "json_object" else None
    texts = [body.get("instructions") or "", *(_text(item.get("content") or item.get("output") or item.get("arguments")) for item in items)]
    return brain.Ask(
        model=body["model"],
        prompt="\n".join(texts) + (json.dumps(body["tools"]) if body.get("tools") else ""),
        last=_text(items[asked]["content"]) if users else "",
        system=" ".join(part for part in system if part),
        tools=tuple(brain.Tool(tool["name"], tool.get("parameters") or {}) for tool in body.get("tools") or [] if tool["type"] == "function"),
        choice=_choice(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls") is not False,
        results=results,
        thinks=bool(body.get("reasoning")) and (body["reasoning"] or {}).get("effort") != "none",
        schema=schema,
        limit=body.get("max_output_tokens"),
        images=sum(part.get("type") == "input_image" for _, item in messages if isinstance(item["content"], list) for part in item["content"]),
    )


def _response(body: Json, answer: brain.Answer) -> Json:
    number = brain.name_of(body)
    cut = answer.stop == "length"
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": brain.CREATED,
        "status": "incomplete" if cut else "completed",
        "background": False,
        "completed_at": None if cut else brain.CREATED + 1,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "model": body["model"],
        "output": list(_output(body, answer, number)),
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": (body.get("reasoning") or {}).get("summary")},
        "safety_identifier": None,
        "service_tier": "default",
        "temperature": body.get("temperature", 1.0),
        "text": {"format": (body.get("text") or {}).get("format") or {"type": "text"}, "verbosity": "medium"},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": [{"strict": True, "description": None, **tool} if tool["type"] == "function" else tool for tool in body.get("tools") or []],
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": tokens(answer),
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def tokens(answer: brain.Answer) -> Json:
    """Usage in the names of Responses."""
    return {
        "input_tokens": answer.input,
        "input_tokens_details": {"cached_tokens": answer.cached, "cache_write_tokens": 0},
        "output_tokens": answer.output,
        "output_tokens_details": {"reasoning_tokens": answer.thinking},
        "total_tokens": answer.input + answer.output,
    }


def _output(body: Json, answer: brain.Answer, number: str) -> Iterator[Json]:
    if answer.thought:
        item: Json = {"id": f"rs_{number}", "type": "reasoning", "summary": []}
        if (body["reasoning"] or {}).get("summary"):
            item["summary"] = [{"type": "summary_text", "text": answer.thought}]
        if "reasoning.encrypted_content" in (body.get("include") or []):
            item["encrypted_content"] = seal(item["id"])
        yield item
    if answer.text or not answer.calls:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
        state = "incomplete" if answer.stop == "length" else "completed"
        yield {"id": f"msg_{number}", "type": "message", "status": state, "content": [part], "role": "assistant"}
    for call in answer.calls:
        base = {"id": f"fc_{call.id}", "type": "function_call", "status": "completed", "arguments": call.text}
        yield {**base, "call_id": f"call_{call.id}", "name": call.name}


def _numbered(events: Iterator[Json]) -> Iterator[Json]:
    return ({**event, "sequence_number": number} for number, event in enumerate(events))


def _events(response: Json) -> Iterator[Json]:
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "completed_at": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(response["output"]):
        where = {"output_index": index, "item_id": item["id"]}
        yield {"type": "response.output_item.added", "output_index": index, "item": _opened(item)}
        kind = item["type"]
        if kind == "message":
            yield from _message(where, item)
        elif kind == "function_call":
            yield from ({"type": "response.function_call_arguments.delta", **where, "delta": piece} for piece in brain.pieces(item["arguments"]))
            yield {"type": "response.function_call_arguments.done", **where, "arguments": item["arguments"]}
        else:
            yield from _summary(where, item)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{response['status']}", "response": response}


def _opened(item: Json) -> Json:
    empty: dict[str, Json] = {
        "message": {"content": [], "status": "in_progress"},
        "function_call": {"arguments": "", "status": "in_progress"},
        "reasoning": {"summary": []},
    }
    return {**item, **empty[item["type"]]}


def _message(where: Json, item: Json) -> Iterator[Json]:
    part = item["content"][0]
    place = {**where, "content_index": 0}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for piece in brain.pieces(part["text"]):
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}


def _summary(where: Json, item: Json) -> Iterator[Json]:
    for index, part in enumerate(item["summary"]):
        place = {**where, "summary_index": index}
        yield {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}}
        for piece in brain.pieces(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **place, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _choice(choice: Any) -> str:
    if isinstance(choice, dict):
        return choice.get("name") or "any"
    return "any" if choice == "required" else str(choice or "auto")


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text") or "" for part in content if isinstance(part, dict)).strip()
    return content if isinstance(content, str) else ""
