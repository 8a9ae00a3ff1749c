"""Same kind in and out: the bytes pass. Only the model id is rewritten on the way in, nothing on the way back."""

from __future__ import annotations

from typing import Any

import agents
import mock
import pytest
import wire
from mock import KEYS
from targets import CLIENT_KEY

pytestmark = pytest.mark.gateway

# Odd but valid: spaces, order, escapes, numbers that a round trip would change, members that nobody types.
CHAT = rb"""{ "messages" : [ {"content":"Gr\u00fc\u00dfe \ud83c\udf0d \/ 1e2", "role":"user"} ],
  "temperature":0.70000000000000001,"seed":9007199254740993 , "model": "%s", "metadata":{"z":"1","a":"2"}  , "stream": %s%s}"""
RESPONSES = rb"""{"store":false,"client_metadata":{"b":"\u0041"},"model"
:"%s","input":[{"role":"user","content":"caf\u00e9 0.10"}],"stream":%s%s}
"""
CLAUDE = rb"""{"max_tokens":1000,"messages":[{"role":"user","content":[{"text":"\u2713 ok","type":"text"}]}],   "model":"%s","top_k":4,"stream":%s%s}"""
GEMINI = rb"""{"generationConfig":{"temperature":1.0},"contents":[ {"parts":[{"text":"h\u00e9"}]} ]}"""

COUNTED = b', "stream_options": {"include_usage": true}'

CASES: dict[str, tuple[str, str, str, bytes, bytes]] = {
    "chat": ("openai", "openai", "gpt-4o", b"/v1/chat/completions", CHAT),
    "responses": ("openai", "openai", "gpt-5.5", b"/v1/responses", RESPONSES),
    "claude": ("anthropic", "anthropic", "claude-opus-5", b"/v1/messages", CLAUDE),
}

CLIENT = {"authorization": f"Bearer {CLIENT_KEY}", "anthropic-version": "2023-06-01"}


def provider_head(name: str) -> dict[str, str]:
    keyed = {"openai": {"authorization": f"Bearer {KEYS['openai']}"}, "anthropic": {"x-api-key": KEYS["anthropic"]}, "gemini": {"x-goog-api-key": KEYS["gemini"]}}
    return keyed[name] | {"anthropic-version": "2023-06-01"}


def last(running: mock.Mock) -> dict[str, Any]:
    """What reached the provider last."""
    return running.ledger.report()["entries"][-1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("scoped", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_bytes_pass(gateway: Any, upstreams: mock.Mocks, case: str, scoped: bool, stream: bool) -> None:
    name, channel, model, path, template = CASES[case]
    running: mock.Mock = getattr(upstreams, name)
    rest = (b"true", COUNTED if case == "chat" else b"") if stream else (b"false", b"")
    plain = template % (model.encode(), *rest)
    url = gateway.base + (f"/{channel}" if scoped else "") + path.decode()
    answer = wire.send("POST", url, plain if scoped else template % (f"{channel}/{model}".encode(), *rest), CLIENT)
    assert answer.status == 200, answer.text
    assert last(running)["body"].encode() == plain
    direct = wire.send("POST", running.url + path.decode(), plain, provider_head(name))
    assert answer.body == direct.body
    assert answer.headers["content-type"] == direct.headers["content-type"]


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent?alt=sse"])
def test_gemini_bytes_pass(gateway: Any, upstreams: mock.Mocks, verb: str, version: str) -> None:
    answer = wire.send("POST", f"{gateway.base}/{version}/models/aistudio/gemini-3-pro:{verb}", GEMINI, {"x-goog-api-key": CLIENT_KEY})
    assert answer.status == 200, answer.text
    assert last(upstreams.gemini)["body"].encode() == GEMINI
    direct = wire.send("POST", f"{upstreams.gemini.url}/v1beta/models/gemini-3-pro:{verb}", GEMINI, provider_head("gemini"))
    assert answer.body == direct.body


def test_an_error_of_the_provider_passes_in_its_own_words(gateway: Any) -> None:
    body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}], "temperature": 9}
    answer = wire.send("POST", f"{gateway.base}/v1/chat/completions", body, CLIENT)
    assert answer.status == 400
    assert answer.json()["error"] | {"message": ""} == {"message": "", "type": "invalid_request_error", "param": "temperature", "code": answer.json()["error"]["code"]}


def test_the_flags_of_claude_code_reach_its_provider(gateway: Any, upstreams: mock.Mocks) -> None:
    head = agents.claude_code_headers(CLIENT_KEY)
    answer = wire.send("POST", f"{gateway.base}/v1/messages?beta=true", agents.claude_code("anthropic/claude-opus-5", "hello"), head)
    assert answer.status == 200, answer.text
    entry = last(upstreams.anthropic)
    sent = {name.lower(): value for name, value in entry["headers"]}
    assert set(agents.CLAUDE_CODE_BETAS.split(",")) <= {flag.strip() for flag in sent["anthropic-beta"].split(",")}
    assert sent["anthropic-version"] == "2023-06-01"
    assert entry["query"].get("beta") == ["true"]


def test_no_usage_chunk_is_left_over(gateway: Any, upstreams: mock.Mocks) -> None:
    """The gateway asks for usage to meter it; a client that did not ask sees what the provider would have sent it."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    answer = wire.send("POST", f"{gateway.base}/openai/v1/chat/completions", body, CLIENT)
    direct = wire.send("POST", f"{upstreams.openai.url}/v1/chat/completions", body, provider_head("openai"))
    plain = [{name: part for name, part in event.items() if name not in ("usage", "id")} for event in answer.events()]
    assert plain == [{name: part for name, part in event.items() if name != "id"} for event in direct.events()]
    assert all(event.get("usage") is None for event in answer.events())
    assert answer.text.endswith("data: [DONE]\n\n")
