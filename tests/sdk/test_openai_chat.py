"""The `openai` SDK on Chat Completions, against every target."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mock.openai_more import PIXEL
from targets import CITY, PERSON, Target, is_person

pytestmark = pytest.mark.sdk("chat")

TOOL: Any = {"type": "function", "function": {"name": "get_weather", "description": "The weather", "parameters": CITY}}
CLOCK: Any = {"type": "function", "function": {"name": "get_time", "description": "The time", "parameters": CITY}}
USE = "Use the tool get_weather for Paris"


def asked(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_plain(target: Target) -> None:
    answer = target.openai().chat.completions.create(model=target.model(), messages=asked("Grüße aus Köln 🌍"))
    assert "Grüße aus Köln 🌍" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage and answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("role", ["chat", "long"])
def test_stream_equals_plain(target: Target, role: str) -> None:
    client, body = target.openai(), {"model": target.model(role), "messages": asked("Tell me of the sea – ça va? 🌊")}
    plain = client.chat.completions.create(**body)
    chunks = list(client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == plain.choices[0].message.content
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == [plain.choices[0].finish_reason]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [plain.usage]
    assert chunks[-1].choices == []
    assert len({chunk.id for chunk in chunks}) == 1


def test_no_usage_chunk_unless_asked(target: Target) -> None:
    chunks = list(target.openai().chat.completions.create(model=target.model(), messages=asked("hi"), stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


def test_length(target: Target) -> None:
    answer = target.openai().chat.completions.create(model=target.model(), messages=asked("many words " * 20), max_completion_tokens=16)
    assert answer.choices[0].finish_reason == "length"


def test_forced_tool_call_and_round_trip(target: Target) -> None:
    client, messages = target.openai(), asked(USE)
    first = client.chat.completions.create(model=target.model("tools"), messages=messages, tools=[TOOL, CLOCK], tool_choice=_named("get_weather"))
    choice = first.choices[0]
    assert choice.finish_reason in ("tool_calls", "stop")
    assert [call.function.name for call in choice.message.tool_calls] == ["get_weather"]
    assert "city" in json.loads(choice.message.tool_calls[0].function.arguments)
    messages += [choice.message, {"role": "tool", "tool_call_id": choice.message.tool_calls[0].id, "content": "sunny, 21 °C"}]
    second = client.chat.completions.create(model=target.model("tools"), messages=messages, tools=[TOOL])
    assert second.choices[0].finish_reason == "stop"
    assert "sunny, 21 °C" in (second.choices[0].message.content or "")


def test_required_tool_call(target: Target) -> None:
    answer = target.openai().chat.completions.create(model=target.model("tools"), messages=asked(USE), tools=[TOOL], tool_choice="required")
    assert answer.choices[0].message.tool_calls


def test_no_tool_call_when_none_is_chosen(target: Target) -> None:
    answer = target.openai().chat.completions.create(model=target.model("tools"), messages=asked(USE), tools=[TOOL], tool_choice="none")
    assert not answer.choices[0].message.tool_calls and answer.choices[0].message.content


def test_streamed_tool_call_equals_plain(target: Target) -> None:
    client, body = target.openai(), {"model": target.model("tools"), "messages": asked(USE), "tools": [TOOL], "tool_choice": "required"}
    plain = client.chat.completions.create(**body).choices[0].message.tool_calls
    calls, reasons = gather(client.chat.completions.create(**body, stream=True))
    assert calls == [(call.function.name, json.loads(call.function.arguments)) for call in plain]
    assert reasons == ["tool_calls"]


@pytest.mark.needs("parallel")
def test_parallel_calls_and_their_round_trip(target: Target) -> None:
    client, messages = target.openai(), asked("Use both tools")
    body = {"model": target.model("tools"), "tools": [TOOL, CLOCK]}
    first = client.chat.completions.create(messages=messages, **body).choices[0].message
    assert [call.function.name for call in first.tool_calls] == ["get_weather", "get_time"]
    assert len({call.id for call in first.tool_calls}) == 2
    calls, _ = gather(client.chat.completions.create(messages=messages, stream=True, **body))
    assert calls == [(call.function.name, json.loads(call.function.arguments)) for call in first.tool_calls]
    answers = [{"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name} is fine"} for call in first.tool_calls]
    second = client.chat.completions.create(messages=[*messages, first, *answers], **body)
    assert "get_weather is fine" in second.choices[0].message.content and "get_time is fine" in second.choices[0].message.content


def test_tool_without_arguments(target: Target) -> None:
    bare: Any = {"type": "function", "function": {"name": "ping", "description": "no arguments"}}
    first = target.openai().chat.completions.create(model=target.model("tools"), messages=asked("Use the tool"), tools=[bare], tool_choice="required")
    call = first.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments or "{}") == {}


def test_many_turns(target: Target) -> None:
    messages: list[Any] = [*asked("one"), {"role": "assistant", "content": "first"}, *asked("two"), *asked("three, please")]
    answer = target.openai().chat.completions.create(model=target.model(), messages=messages)
    assert "three, please" in (answer.choices[0].message.content or "")


@pytest.mark.needs("system")
@pytest.mark.parametrize("role", ["system", "developer"])
def test_system(target: Target, role: str) -> None:
    answer = target.openai().chat.completions.create(model=target.model(), messages=[{"role": role, "content": "Speak like a pirate."}, *asked("hi")])
    assert "pirate" in (answer.choices[0].message.content or "")


@pytest.mark.needs("images")
def test_image(target: Target) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}}
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "what is this?"}, part]}]
    answer = target.openai().chat.completions.create(model=target.model(), messages=messages)
    assert "1 image" in (answer.choices[0].message.content or "")


@pytest.mark.needs("schema")
def test_json_schema(target: Target) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
    answer = target.openai().chat.completions.create(model=target.model(), messages=asked("a person"), response_format=form)
    assert is_person(json.loads(answer.choices[0].message.content or ""))


def gather(stream: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """Tool calls put together by index, and the finish reasons."""
    calls: dict[int, list[str]] = {}
    reasons = []
    for chunk in stream:
        for choice in chunk.choices:
            reasons += [choice.finish_reason] if choice.finish_reason else []
            for call in choice.delta.tool_calls or []:
                entry = calls.setdefault(call.index, ["", "", ""])
                entry[0] += call.id or ""
                entry[1] += (call.function.name if call.function else "") or ""
                entry[2] += (call.function.arguments if call.function else "") or ""
    assert all(entry[0] for entry in calls.values()), "each call has an id"
    return [(name, json.loads(arguments)) for _, (_, name, arguments) in sorted(calls.items())], reasons


def _named(name: str) -> Any:
    return {"type": "function", "function": {"name": name}}
