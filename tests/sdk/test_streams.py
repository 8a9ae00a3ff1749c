"""Streams cut at any byte, clients that leave early, and scoped base URLs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mock
import pytest
import wire
from targets import CHANNELS, CITY, CITY_GEMINI, Target

Json = dict[str, Any]


@pytest.fixture(params=[1, 2, 3])
def cut(request: pytest.FixtureRequest, upstreams: mock.Mocks) -> Iterator[int]:
    """The mocks cut their streams at random bytes while this holds."""
    for running in upstreams.all():
        running.seed = request.param
    yield request.param
    for running in upstreams.all():
        running.seed = None


USER: Any = [{"role": "user", "content": "Grüße 🌍, use both tools"}]


@pytest.mark.sdk("chat")
def test_chat_survives_any_cut(target: Target, cut: int) -> None:
    client = target.openai()
    tools: Any = [{"type": "function", "function": {"name": "look", "parameters": CITY}}]
    body: Any = {"model": target.model("tools"), "messages": USER, "tools": tools}
    plain = client.chat.completions.create(**body).choices[0].message
    calls: dict[int, str] = {}
    text = ""
    for chunk in client.chat.completions.create(**body, stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                calls[call.index] = calls.get(call.index, "") + (call.function.arguments or "")
    assert text == (plain.content or "")
    assert [calls[index] for index in sorted(calls)] == [call.function.arguments for call in plain.tool_calls or []]


@pytest.mark.sdk("openai")
def test_responses_survives_any_cut(target: Target, cut: int) -> None:
    body: Any = {"model": target.model(), "input": "Grüße 🌍", "store": False}
    client = target.openai()
    plain = client.responses.create(**body)
    assert list(client.responses.create(**body, stream=True))[-1].response.output_text == plain.output_text


@pytest.mark.sdk("anthropic")
def test_messages_survives_any_cut(target: Target, cut: int) -> None:
    client = target.anthropic()
    body: Any = {"model": target.model("tools"), "max_tokens": 999, "messages": USER, "tools": [{"name": "look", "input_schema": CITY}]}
    plain = client.messages.create(**body)
    with client.messages.stream(**body) as stream:
        final = stream.get_final_message()
    assert [shown(block) for block in final.content] == [shown(block) for block in plain.content]


def shown(block: Any) -> Any:
    return (block.name, block.input) if block.type == "tool_use" else (block.type, getattr(block, "text", ""))


@pytest.mark.sdk("gemini")
@pytest.mark.parametrize("alt", ["?alt=sse", ""], ids=["sse", "array"])
def test_generate_content_survives_any_cut(target: Target, cut: int, alt: str) -> None:
    tools = [{"functionDeclarations": [{"name": "look", "parameters": CITY_GEMINI}]}]
    body = {"contents": [{"role": "user", "parts": [{"text": USER[0]["content"]}]}], "tools": tools}
    url, head = f"{target.base}/v1beta/models/{target.model('tools')}", {"x-goog-api-key": target.key}
    plain = wire.send("POST", f"{url}:generateContent", body, head).json()
    answer = wire.send("POST", f"{url}:streamGenerateContent{alt}", body, head)
    chunks = answer.events() if alt else answer.json()
    assert said(chunks) == said([plain])


def said(chunks: list[Json]) -> tuple[str, list[Any]]:
    parts = [part for chunk in chunks for part in chunk["candidates"][0].get("content", {}).get("parts", [])]
    calls = [(part["functionCall"]["name"], part["functionCall"].get("args") or {}) for part in parts if "functionCall" in part]
    return "".join(part.get("text", "") for part in parts), calls


@pytest.mark.sdk("chat")
def test_a_client_that_leaves_does_not_hurt_the_next(target: Target) -> None:
    client = target.openai()
    for _ in range(3):
        stream = client.chat.completions.create(model=target.model("long"), messages=USER, stream=True)
        next(iter(stream))
        stream.close()
    assert client.chat.completions.create(model=target.model("long"), messages=USER).choices


@pytest.mark.gateway
class TestScoped:
    """`B/{channel}` as the base URL: models without their prefix."""

    def scoped(self, target: Target) -> Target:
        return replace(target, base=f"{target.base}/{CHANNELS[target.name]}", prefix="")

    @pytest.mark.sdk("openai")
    def test_openai(self, target: Target) -> None:
        here = self.scoped(target)
        answer = here.openai().chat.completions.create(model=here.model("long"), messages=[{"role": "user", "content": "hello"}])
        assert "hello" in (answer.choices[0].message.content or "") or target.name == "demo"
        assert here.model() in [model.id.removeprefix("models/") for model in here.openai().models.list()]

    @pytest.mark.sdk("openai")
    def test_responses(self, target: Target) -> None:
        here = self.scoped(target)
        assert "hello" in here.openai().responses.create(model=here.model(), input="hello", store=False).output_text

    @pytest.mark.sdk("anthropic")
    def test_anthropic(self, target: Target) -> None:
        here = self.scoped(target)
        message = here.anthropic().messages.create(model=here.model(), max_tokens=99, messages=[{"role": "user", "content": "hello"}])
        assert "hello" in message.content[0].text

    @pytest.mark.sdk("gemini")
    def test_genai(self, target: Target) -> None:
        here = self.scoped(target)
        client = here.genai()
        assert "hello" in (client.models.generate_content(model=here.model(), contents="hello").text or "")
        assert f"models/{here.model()}" in [model.name for model in client.models.list()]
