"""The `anthropic` SDK on Messages, against every target."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mock.openai_more import PIXEL
from targets import CITY, PERSON, Target, is_person

pytestmark = pytest.mark.sdk("anthropic")

TOOL: Any = {"name": "get_weather", "description": "The weather", "input_schema": CITY}
CLOCK: Any = {"name": "get_time", "description": "The time", "input_schema": CITY}
USE = "Use the tool get_weather for Paris"


def asked(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def uses(message: Any) -> list[Any]:
    return [block for block in message.content if block.type == "tool_use"]


def test_plain(target: Target) -> None:
    message = target.anthropic().messages.create(model=target.model(), max_tokens=1024, messages=asked("Grüße aus Köln 🌍"))
    assert "Grüße aus Köln 🌍" in text_of(message)
    assert (message.stop_reason, message.role, message.type) == ("end_turn", "assistant", "message")
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0


@pytest.mark.parametrize("role", ["chat", "long"])
def test_stream_equals_plain(target: Target, role: str) -> None:
    client = target.anthropic()
    body: dict[str, Any] = {"model": target.model(role), "max_tokens": 1024, "messages": asked("Tell me of the sea – ça va? 🌊")}
    plain = client.messages.create(**body)
    with client.messages.stream(**body) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == text_of(plain) == text_of(final)
    assert final.stop_reason == plain.stop_reason
    assert counted(final.usage) == counted(plain.usage)


def counted(usage: Any) -> list[int]:
    """The figures that a plain answer and a stream both carry."""
    cache = [usage.cache_creation_input_tokens or 0, usage.cache_read_input_tokens or 0]
    return [usage.input_tokens, usage.output_tokens, *cache]


def test_the_order_of_events(target: Target) -> None:
    events = list(target.anthropic().messages.create(model=target.model(), max_tokens=1024, messages=asked("hi"), stream=True))
    kinds = [event.type for event in events if event.type != "ping"]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert events[0].message.usage.input_tokens > 0
    starts = [event.index for event in events if event.type == "content_block_start"]
    stops = [event.index for event in events if event.type == "content_block_stop"]
    assert starts == stops == list(range(len(starts)))


def test_length(target: Target) -> None:
    message = target.anthropic().messages.create(model=target.model(), max_tokens=16, messages=asked("many words " * 20))
    assert message.stop_reason == "max_tokens"


def test_forced_tool_use_and_round_trip(target: Target) -> None:
    client, messages = target.anthropic(), asked(USE)
    body: dict[str, Any] = {"model": target.model("tools"), "max_tokens": 1024, "tools": [TOOL, CLOCK]}
    first = client.messages.create(messages=messages, tool_choice={"type": "tool", "name": "get_weather"}, **body)
    assert first.stop_reason == "tool_use"
    assert [use.name for use in uses(first)] == ["get_weather"] and "city" in uses(first)[0].input
    messages += [{"role": "assistant", "content": first.content}, results(first, "sunny, 21 °C")]
    second = client.messages.create(messages=messages, **body)
    assert second.stop_reason == "end_turn" and "sunny, 21 °C" in text_of(second)


def results(message: Any, *texts: str) -> dict[str, Any]:
    """The user turn that answers a message's tool uses."""
    pairs = zip(uses(message), texts, strict=True)
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": text} for use, text in pairs]}


def test_a_failed_tool_is_told(target: Target) -> None:
    client, messages = target.anthropic(), asked(USE)
    body: dict[str, Any] = {"model": target.model("tools"), "max_tokens": 1024, "tools": [TOOL]}
    first = client.messages.create(messages=messages, tool_choice={"type": "any"}, **body)
    answer = results(first, "no such city")
    answer["content"][0] |= {"is_error": True, "content": [{"type": "text", "text": "no such city"}]}
    second = client.messages.create(messages=[*messages, {"role": "assistant", "content": first.content}, answer], **body)
    assert "no such city" in text_of(second)


def test_streamed_tool_use_equals_plain(target: Target) -> None:
    client = target.anthropic()
    body: dict[str, Any] = {"model": target.model("tools"), "max_tokens": 1024, "messages": asked(USE), "tools": [TOOL], "tool_choice": {"type": "any"}}
    plain = client.messages.create(**body)
    with client.messages.stream(**body) as stream:
        final = stream.get_final_message()
    assert [(use.name, use.input) for use in uses(final)] == [(use.name, use.input) for use in uses(plain)] != []
    assert final.stop_reason == "tool_use"


@pytest.mark.needs("parallel")
def test_parallel_uses_and_their_round_trip(target: Target) -> None:
    client, messages = target.anthropic(), asked("Use both tools")
    body: dict[str, Any] = {"model": target.model("tools"), "max_tokens": 1024, "tools": [TOOL, CLOCK]}
    first = client.messages.create(messages=messages, **body)
    assert [use.name for use in uses(first)] == ["get_weather", "get_time"]
    assert len({use.id for use in uses(first)}) == 2
    with client.messages.stream(messages=messages, **body) as stream:
        assert [(use.name, use.input) for use in uses(stream.get_final_message())] == [(use.name, use.input) for use in uses(first)]
    answer = results(first, "get_weather is fine", "get_time is fine")
    second = client.messages.create(messages=[*messages, {"role": "assistant", "content": first.content}, answer], **body)
    assert "get_weather is fine" in text_of(second) and "get_time is fine" in text_of(second)


@pytest.mark.needs("thinks")
@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 2048}], ids=["adaptive", "enabled"])
def test_thinking_comes_back_and_is_taken_again(target: Target, thinking: Any) -> None:
    client, messages = target.anthropic(), asked(USE)
    body: dict[str, Any] = {"model": target.model("tools"), "max_tokens": 8000, "tools": [TOOL], "thinking": thinking}
    with client.messages.stream(messages=messages, **body) as stream:
        first = stream.get_final_message()
    assert uses(first)
    if target.name == "anthropic":
        assert first.content[0].type == "thinking" and first.content[0].signature
    second = client.messages.create(messages=[*messages, {"role": "assistant", "content": first.content}, results(first, "sunny")], **body)
    assert "sunny" in text_of(second)


def test_many_turns(target: Target) -> None:
    messages = [*asked("one"), {"role": "assistant", "content": "first"}, *asked("two"), *asked("three, please")]
    message = target.anthropic().messages.create(model=target.model(), max_tokens=1024, messages=messages)
    assert "three, please" in text_of(message)


@pytest.mark.needs("system")
@pytest.mark.parametrize("system", ["Speak like a pirate.", [{"type": "text", "text": "Speak like a pirate.", "cache_control": {"type": "ephemeral"}}]])
def test_system(target: Target, system: Any) -> None:
    message = target.anthropic().messages.create(model=target.model(), max_tokens=1024, system=system, messages=asked("hi"))
    assert "pirate" in text_of(message)
    if target.name == "anthropic" and not isinstance(system, str):
        assert message.usage.cache_creation_input_tokens


@pytest.mark.needs("images")
def test_image(target: Target) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    messages: Any = [{"role": "user", "content": [image, {"type": "text", "text": "what is this?"}]}]
    assert "1 image" in text_of(target.anthropic().messages.create(model=target.model(), max_tokens=1024, messages=messages))


@pytest.mark.needs("schema")
def test_json_schema(target: Target) -> None:
    output: Any = {"format": {"type": "json_schema", "schema": PERSON}}
    message = target.anthropic().messages.create(model=target.model(), max_tokens=1024, messages=asked("a person"), output_config=output)
    assert is_person(json.loads(text_of(message)))


@pytest.mark.needs("stops")
def test_stop_sequence(target: Target) -> None:
    body: dict[str, Any] = {"model": target.model(), "max_tokens": 1024, "messages": asked("alpha beta gamma")}
    if target.mock == "openai":
        body["model"] = target.model("long")
    message = target.anthropic().messages.create(stop_sequences=["gamma"], **body)
    assert "alpha beta" in text_of(message)
    if target.name == "anthropic":
        assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "gamma")


def test_sampling_that_the_sdk_no_longer_types(target: Target) -> None:
    message = target.anthropic().messages.create(model=target.model("long"), max_tokens=64, messages=asked("hi"), extra_body={"temperature": 0.2})
    assert message.stop_reason in ("end_turn", "max_tokens")


def test_count_tokens(target: Target) -> None:
    client = target.anthropic()
    few = client.messages.count_tokens(model=target.model(), messages=asked("hi"))
    many = client.messages.count_tokens(model=target.model(), messages=asked("hi " * 400), system="be brief", tools=[TOOL])
    assert 0 < few.input_tokens < many.input_tokens


def test_models(target: Target) -> None:
    client = target.anthropic()
    listed = list(client.models.list(limit=1000))
    assert target.model() in [model.id for model in listed]
    one = client.models.retrieve(target.model())
    assert (one.id, one.type) == (target.model(), "model") and one.display_name


def test_key_as_bearer_and_as_header(target: Target) -> None:
    bearer = target.anthropic(api_key=None, auth_token=target.key)
    header = target.anthropic(api_key=None, auth_token=None, default_headers={"x-api-key": target.key})
    for client in (bearer, header):
        assert client.messages.create(model=target.model(), max_tokens=64, messages=asked("hi")).type == "message"
