"""When the provider fails: its status and `Retry-After` reach the client as its SDK's typed error, and no stream pretends to be whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
import wire
from google.genai import errors
from mock import faults
from targets import Target

pytestmark = pytest.mark.needs("faults")

USER: Any = [{"role": "user", "content": "many words " * 20}]

# What each upstream status may be told as. Never a 200, never a 500 for an overload: SDKs and people decide by it.
TOLD = {429: {429}, 500: {500, 502, 503}, 503: {503, 529}, 529: {503, 529}}


_NUMBERS = itertools.count()


def faulty(target: Target, what: object) -> str:
    """A model that fails so, and that no test before has seen failing."""
    return f"{target.prefix}mock-{what}-{next(_NUMBERS) % faults.NUMBERS}"


def openai_call(target: Target, model: str, stream: bool) -> Any:
    made = target.openai().chat.completions.create(model=model, messages=USER, stream=stream)
    return list(made) if stream else made


def responses_call(target: Target, model: str, stream: bool) -> Any:
    made = target.openai().responses.create(model=model, input="hi", stream=stream, store=False)
    return list(made) if stream else made


def anthropic_call(target: Target, model: str, stream: bool) -> Any:
    made = target.anthropic().messages.create(model=model, max_tokens=99, messages=USER, stream=stream)
    return list(made) if stream else made


def told(call: Callable[[Target, str, bool], Any], kind: Any, target: Target, status: int, stream: bool) -> Any:
    with pytest.raises(kind) as caught:
        call(target, faulty(target, status), stream)
    assert caught.value.status_code in TOLD[status]
    if status == 429:
        assert 1 <= int(caught.value.response.headers["retry-after"]) <= 7
    return caught.value


KINDS = {429: openai.RateLimitError, 500: openai.InternalServerError, 503: openai.InternalServerError, 529: openai.InternalServerError}


@pytest.mark.sdk("chat")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", TOLD)
def test_chat_is_told(target: Target, status: int, stream: bool) -> None:
    assert told(openai_call, KINDS[status], target, status, stream).body["message"]


@pytest.mark.sdk("openai")
@pytest.mark.parametrize("status", TOLD)
def test_responses_is_told(target: Target, status: int) -> None:
    assert told(responses_call, KINDS[status], target, status, True).body["message"]


@pytest.mark.sdk("anthropic")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", TOLD)
def test_messages_is_told(target: Target, status: int, stream: bool) -> None:
    kind = anthropic.RateLimitError if status == 429 else anthropic.InternalServerError
    value = told(anthropic_call, kind, target, status, stream)
    assert value.type in {429: ("rate_limit_error",), 500: ("api_error",)}.get(status, ("overloaded_error", "api_error"))


@pytest.mark.sdk("gemini")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", TOLD)
def test_genai_is_told(target: Target, status: int, stream: bool) -> None:
    models, model = target.genai().models, faulty(target, status)
    with pytest.raises(errors.ClientError if status == 429 else errors.ServerError) as caught:
        if stream:
            list(models.generate_content_stream(model=model, contents="hi"))
        else:
            models.generate_content(model=model, contents="hi")
    assert caught.value.code in TOLD[status]
    assert caught.value.status in {429: ("RESOURCE_EXHAUSTED",), 500: ("INTERNAL", "UNAVAILABLE")}.get(status, ("UNAVAILABLE",))


@pytest.mark.gateway
@pytest.mark.parametrize("what", ["cut", "end"])
class TestBroken:
    """A stream without its terminal event ends with the dialect's own error, not as if it were whole."""

    @pytest.mark.sdk("chat")
    def test_chat(self, target: Target, what: str) -> None:
        body = {"model": faulty(target, what), "messages": USER, "stream": True}
        answer = wire.send("POST", f"{target.base}/v1/chat/completions", body, {"authorization": f"Bearer {target.key}"})
        assert "[DONE]" not in answer.text
        assert not [choice for event in answer.events() for choice in event.get("choices", []) if choice["finish_reason"]]
        assert answer.events()[-1]["error"]["message"]

    @pytest.mark.sdk("openai")
    def test_responses(self, target: Target, what: str) -> None:
        body = {"model": faulty(target, what), "input": USER[0]["content"], "stream": True, "store": False}
        events = wire.send("POST", f"{target.base}/v1/responses", body, {"authorization": f"Bearer {target.key}"}).events()
        assert "response.completed" not in [event["type"] for event in events]
        assert events[-1]["type"] in ("response.failed", "error")

    @pytest.mark.sdk("anthropic")
    def test_messages(self, target: Target, what: str) -> None:
        body = {"model": faulty(target, what), "max_tokens": 999, "messages": USER, "stream": True}
        head = {"x-api-key": target.key, "anthropic-version": "2023-06-01"}
        events = wire.send("POST", f"{target.base}/v1/messages", body, head).events()
        assert "message_stop" not in [event["type"] for event in events]
        assert events[-1]["type"] == "error" and events[-1]["error"]["message"]

    @pytest.mark.sdk("gemini")
    def test_generate_content(self, target: Target, what: str) -> None:
        url = f"{target.base}/v1beta/models/{faulty(target, what)}:streamGenerateContent?alt=sse"
        events = wire.send("POST", url, {"contents": [{"parts": [{"text": USER[0]["content"]}]}]}, {"x-goog-api-key": target.key}).events()
        assert not [one for event in events for one in event.get("candidates", []) if one.get("finishReason")]
        assert events[-1]["error"]["code"] >= 500
