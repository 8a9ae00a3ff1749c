"""The bytes themselves are valid: the SDKs build their types without checks, so here the checks are on and unknown members refused.

OpenAI and Anthropic answers are judged by the SDK's own types, OpenAI's by the public file besides, Gemini's by Google's protobuf types.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import wire
from anthropic.types import Message, RawMessageStreamEvent
from google.ai import generativelanguage_v1beta as api
from mock import gemini_rules, spec, typed
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from targets import CITY, CITY_GEMINI, Target

Json = dict[str, Any]

# Required by the newest types, unknown to older traffic: what an upstream does not tell is not invented.
LENIENT = {"cache_write_tokens", "lifecycle"}

CASES = ["text", "tools", "parallel", "thinking", "length"]


def words(case: str) -> str:
    return {"tools": "Use the tool", "parallel": "Use both tools"}.get(case, "many words " * 20)


def wants(target: Target, case: str) -> None:
    needed = {"parallel": "parallel", "thinking": "thinks"}.get(case)
    if needed and not target.can(needed):
        pytest.skip(f"{target.name} has no {case}")


def chat(target: Target, case: str) -> Json:
    tools = [{"type": "function", "function": {"name": name, "parameters": CITY}} for name in ("get_weather", "get_time")]
    body: Json = {"model": target.model("tools"), "messages": [{"role": "user", "content": words(case)}]}
    body |= {"tools": tools, "tool_choice": "required"} if case in ("tools", "parallel") else {}
    body |= {"max_completion_tokens": 16} if case == "length" else {"reasoning_effort": "high"} if case == "thinking" else {}
    return body


def responses(target: Target, case: str) -> Json:
    tools = [{"type": "function", "name": name, "parameters": CITY, "strict": False} for name in ("get_weather", "get_time")]
    body: Json = {"model": target.model("tools"), "input": words(case), "store": False}
    body |= {"tools": tools, "tool_choice": "required"} if case in ("tools", "parallel") else {}
    body |= {"max_output_tokens": 16} if case == "length" else {}
    body |= {"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]} if case == "thinking" else {}
    return body


def claude(target: Target, case: str) -> Json:
    tools = [{"name": name, "input_schema": CITY} for name in ("get_weather", "get_time")]
    limit = 16 if case == "length" else 4096
    body: Json = {"model": target.model("tools"), "max_tokens": limit, "messages": [{"role": "user", "content": words(case)}]}
    body |= {"tools": tools, "tool_choice": {"type": "any"}} if case in ("tools", "parallel") else {}
    return body | ({"thinking": {"type": "enabled", "budget_tokens": 2048}} if case == "thinking" else {})


def gemini(target: Target, case: str) -> Json:
    tools = [{"functionDeclarations": [{"name": name, "parameters": CITY_GEMINI} for name in ("get_weather", "get_time")]}]
    body: Json = {"contents": [{"role": "user", "parts": [{"text": words(case)}]}]}
    body |= {"tools": tools, "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}} if case in ("tools", "parallel") else {}
    thinking = {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 2048}}
    return body | {"generationConfig": {"maxOutputTokens": 16} if case == "length" else thinking if case == "thinking" else {}}


def strict(kind: Any, value: Any) -> None:
    """Judges by a type of an SDK, unknown members refused."""
    found = [fault for fault in typed.faults(kind, value) if not (fault[1] == "missing" and fault[0][-1] in LENIENT)]
    if found and isinstance(value, dict) and "type" in value:
        # A union complains for each of its branches: those of the value's own type are the ones that matter.
        found = [fault for fault in found if not (fault[1] == "literal_error" and fault[0][-1:] == ("type",))]
        wrong = {fault[0][0] for fault in typed.faults(kind, value) if fault[1] == "literal_error" and fault[0][1:] == ("type",)}
        assert not wrong or wrong != {fault[0][0] for fault in typed.faults(kind, value)}, f"no type {value['type']} in {kind}"
        found = [fault for fault in found if fault[0][0] not in wrong]
    assert not found, f"{found[:3]} in {json.dumps(value)[:600]}"


def by_file(schema: str, value: Any) -> None:
    """Judges by OpenAI's public file, where it is there."""
    judge = spec.load()
    if judge is not None:
        assert judge.fault(schema, value) is None, f"{judge.fault(schema, value)} in {json.dumps(value)[:600]}"


def post(target: Target, path: str, body: Json) -> wire.Answer:
    head = {"authorization": f"Bearer {target.key}"}
    if path.startswith("/v1/messages"):
        head = {"x-api-key": target.key, "anthropic-version": "2023-06-01"}
    if ":" in path:
        head = {"x-goog-api-key": target.key}
    answer = wire.send("POST", target.base + path, body, head)
    assert answer.status == 200, answer.text
    return answer


@pytest.mark.sdk("chat")
@pytest.mark.parametrize("case", CASES)
def test_chat(target: Target, case: str) -> None:
    wants(target, case)
    whole = post(target, "/v1/chat/completions", chat(target, case)).json()
    strict(ChatCompletion, own(whole))
    by_file("CreateChatCompletionResponse", whole)
    stream = post(target, "/v1/chat/completions", chat(target, case) | {"stream": True, "stream_options": {"include_usage": True}})
    assert stream.text.endswith("data: [DONE]\n\n")
    assert stream.headers["content-type"].startswith("text/event-stream")
    for event in stream.events():
        strict(ChatCompletionChunk, own(event))
        by_file("CreateChatCompletionStreamResponse", event)
        assert all("finish_reason" in choice for choice in event["choices"])
    finishes = [choice["finish_reason"] for event in stream.events() for choice in event["choices"] if choice["finish_reason"]]
    assert finishes == [whole["choices"][0]["finish_reason"]]
    assert [event["usage"] for event in stream.events() if event.get("usage")] == [whole["usage"]]


def own(value: Json) -> Json:
    """An answer without the extensions by which Chat carries reasoning: clients echo them, OpenAI's types do not know them."""
    value = json.loads(json.dumps(value))
    for choice in value.get("choices", []):
        for holder in (choice.get("message"), choice.get("delta")):
            for part in [holder, *((holder or {}).get("tool_calls") or [])]:
                for name in ("reasoning", "reasoning_content", "reasoning_details", "extra_content"):
                    (part or {}).pop(name, None)
    return value


@pytest.mark.sdk("openai")
@pytest.mark.parametrize("case", CASES)
def test_responses(target: Target, case: str) -> None:
    wants(target, case)
    whole = post(target, "/v1/responses", responses(target, case)).json()
    strict(Response, whole)
    events = post(target, "/v1/responses", responses(target, case) | {"stream": True}).events()
    for event in events:
        strict(ResponseStreamEvent, event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["usage"] == whole["usage"]
    assert events[-1]["response"]["status"] == whole["status"]


@pytest.mark.sdk("anthropic")
@pytest.mark.parametrize("case", CASES)
def test_messages(target: Target, case: str) -> None:
    wants(target, case)
    if case == "thinking":
        assert claude(target, case)["max_tokens"] > 2048
    whole = post(target, "/v1/messages", claude(target, case)).json()
    strict(Message, whole)
    answer = post(target, "/v1/messages", claude(target, case) | {"stream": True})
    events = answer.events()
    names = [line[7:] for line in answer.text.split("\n") if line.startswith("event: ")]
    assert names == [event["type"] for event in events]
    for event in events:
        if event["type"] != "ping":
            strict(RawMessageStreamEvent, event)
    delta = next(event for event in events if event["type"] == "message_delta")
    assert delta["delta"]["stop_reason"] == whole["stop_reason"]
    assert delta["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
    assert [event["index"] for event in events if event["type"] == "content_block_start"] == list(range(len(whole["content"])))


@pytest.mark.sdk("gemini")
@pytest.mark.parametrize("case", CASES)
def test_generate_content(target: Target, case: str) -> None:
    wants(target, case)
    path, body = f"/v1beta/models/{target.model('tools')}", gemini(target, case)
    whole = post(target, f"{path}:generateContent", body).json()
    proto(whole)
    events = post(target, f"{path}:streamGenerateContent?alt=sse", body).events()
    array = post(target, f"{path}:streamGenerateContent", body).json()
    assert isinstance(array, list)
    for event in [*events, *array]:
        proto(event)
    for chunks in (events, array):
        reasons = [found for chunk in chunks for one in chunk.get("candidates", []) if (found := one.get("finishReason"))]
        assert reasons == [whole["candidates"][0]["finishReason"]]
        assert chunks[-1]["usageMetadata"] == whole["usageMetadata"]
        assert said(chunks) == said([whole])


def said(chunks: list[Json]) -> tuple[str, list[Any]]:
    """Text and calls of an answer, in one piece or in many."""
    parts = [part for chunk in chunks for one in chunk.get("candidates", []) for part in one.get("content", {}).get("parts", [])]
    calls = [(part["functionCall"]["name"], part["functionCall"].get("args") or {}) for part in parts if "functionCall" in part]
    return "".join(part.get("text", "") for part in parts if not part.get("thought")), calls


def proto(value: Json) -> None:
    """Judges by Google's own message type, unknown members refused but those that the server is known to send."""
    gemini_rules.parse(value, api.GenerateContentResponse)


@pytest.mark.sdk("openai")
def test_model_list(target: Target) -> None:
    whole = wire.send("GET", target.base + "/v1/models", headers={"authorization": f"Bearer {target.key}"}).json()
    by_file("ListModelsResponse", whole)
    assert whole["object"] == "list"


@pytest.mark.sdk("openai")
@pytest.mark.needs("embed")
def test_embeddings(target: Target) -> None:
    by_file("CreateEmbeddingResponse", post(target, "/v1/embeddings", {"model": target.model("embed"), "input": ["a", "b"]}).json())
