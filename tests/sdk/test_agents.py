"""Agent programs get through: their headers, their odd fields, and a whole round with a tool."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import agents
import pytest
import wire
from targets import Target
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

Json = dict[str, Any]


@pytest.mark.gateway
def test_head_of_the_root(gateway: Any) -> None:
    assert wire.send("HEAD", gateway.base + "/").status == 200


def claude_answer(events: list[Json]) -> list[Json]:
    """The content blocks of a stream, put together as a client does."""
    blocks: dict[int, Json] = {}
    for event in events:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = event["content_block"] | ({"input": ""} if event["content_block"]["type"] == "tool_use" else {})
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            name = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature", "input_json_delta": "input"}[delta["type"]]
            block[name] = block.get(name, "") + delta["partial_json" if name == "input" else name]
    for block in blocks.values():
        if block["type"] == "tool_use":
            block["input"] = json.loads(block["input"] or "{}")
    return [blocks[index] for index in sorted(blocks)]


@pytest.mark.sdk("anthropic")
@pytest.mark.needs("system")
def test_claude_code_takes_a_whole_round(target: Target) -> None:
    url, head = f"{target.base}/v1/messages?beta=true", agents.claude_code_headers(target.key)
    body = agents.claude_code(target.model("tools"))
    first = wire.send("POST", url, body, head)
    assert first.status == 200, first.text
    content = claude_answer(first.events())
    uses = [block for block in content if block["type"] == "tool_use"]
    assert [use["name"] for use in uses] == ["Bash"] and "command" in uses[0]["input"]
    result = {"type": "tool_result", "tool_use_id": uses[0]["id"], "content": [{"type": "text", "text": "file.txt"}], "is_error": False}
    body["messages"] += [{"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    second = wire.send("POST", url, body, head)
    assert second.status == 200, second.text
    assert "file.txt" in "".join(block.get("text", "") for block in claude_answer(second.events()))
    assert second.events()[-1]["type"] == "message_stop"


@pytest.mark.sdk("anthropic")
def test_claude_code_on_any_target_is_not_refused(target: Target) -> None:
    answer = wire.send("POST", f"{target.base}/v1/messages?beta=true", agents.claude_code(target.model(), "hello"), agents.claude_code_headers(target.key))
    assert answer.status == 200, answer.text
    assert answer.events()[-1]["type"] == "message_stop"


@pytest.mark.sdk("anthropic")
def test_claude_code_counts(target: Target) -> None:
    body = agents.claude_code(target.model())
    kept = {name: body[name] for name in ("model", "system", "messages", "tools", "thinking")}
    answer = wire.send("POST", f"{target.base}/v1/messages/count_tokens?beta=true", kept, agents.claude_code_headers(target.key))
    assert answer.status == 200, answer.text
    assert answer.json()["input_tokens"] > 1000


@pytest.mark.sdk("openai")
@pytest.mark.needs("system")
def test_codex_takes_a_whole_round(target: Target) -> None:
    url, head, body = f"{target.base}/v1/responses", agents.codex_headers(target.key), agents.codex(target.model("tools"))
    first = wire.send("POST", url, body, head)
    assert first.status == 200, first.text
    final = first.events()[-1]
    assert final["type"] == "response.completed"
    calls = [item for item in final["response"]["output"] if item["type"] == "function_call"]
    assert [call["name"] for call in calls] == ["shell"]
    body["input"] += [*final["response"]["output"], {"type": "function_call_output", "call_id": calls[0]["call_id"], "output": "file.txt"}]
    second = wire.send("POST", url, body, head)
    assert second.status == 200, second.text
    assert "file.txt" in json.dumps(second.events()[-1]["response"]["output"])


@pytest.mark.gateway
@pytest.mark.sdk("openai")
def test_codex_dials_a_websocket_first(target: Target) -> None:
    """It is served, or refused with 426 so that the client falls back to HTTP at once."""
    url, head = target.base.replace("http", "ws", 1) + "/v1/responses", agents.codex_headers(target.key)
    agent = head.pop("user-agent")
    try:
        with connect(url, additional_headers=head, user_agent_header=agent, open_timeout=10, proxy=None) as socket:
            body = agents.codex(target.model("tools"), "hello")
            del body["stream"]
            socket.send(json.dumps({"type": "response.create", **body}))
            events = [json.loads(socket.recv(timeout=20))]
            while events[-1]["type"] not in ("response.completed", "response.incomplete", "response.failed", "error"):
                events.append(json.loads(socket.recv(timeout=20)))
            assert events[-1]["type"] == "response.completed", events[-1]
            assert "hello" in json.dumps(events[-1]["response"]["output"])
    except InvalidStatus as refused:
        assert refused.response.status_code == 426


@pytest.mark.gateway
def test_a_websocket_without_a_key_is_refused(gateway: Any) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(gateway.base.replace("http", "ws", 1) + "/v1/responses", open_timeout=10, proxy=None)
    assert refused.value.response.status_code in (401, 426)


@pytest.mark.sdk("gemini")
@pytest.mark.needs("system")
def test_gemini_cli_takes_a_whole_round(target: Target) -> None:
    url = f"{target.base}/v1beta/models/{target.model('tools')}:streamGenerateContent?alt=sse"
    head, body = {"x-goog-api-key": target.key, "user-agent": "GeminiCLI/0.30.0 (linux; x64)"}, agents.gemini_cli()
    first = wire.send("POST", url, body, head)
    assert first.status == 200, first.text
    parts = [part for chunk in first.events() for part in chunk["candidates"][0].get("content", {}).get("parts", [])]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    assert [call["name"] for call in calls] == ["run_shell_command"]
    answer = {"name": calls[0]["name"], "response": {"output": "file.txt"}} | ({"id": calls[0]["id"]} if calls[0].get("id") else {})
    kept = [part for part in parts if part.get("text") or "functionCall" in part]
    body["contents"] += [{"role": "model", "parts": kept}, {"role": "user", "parts": [{"functionResponse": answer}]}]
    second = wire.send("POST", url, body, head)
    assert second.status == 200, second.text
    spoken = [part.get("text", "") for chunk in second.events() for part in chunk["candidates"][0].get("content", {}).get("parts", [])]
    assert "file.txt" in "".join(spoken)


@pytest.mark.sdk("gemini")
def test_a_singleton_header_sent_twice_is_tolerated(target: Target) -> None:
    """As pydantic-ai sends its user agent."""
    parts, body = urlsplit(target.base), json.dumps({"contents": [{"parts": [{"text": "hi"}]}]}).encode()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.putrequest("POST", f"/v1beta/models/{target.model()}:generateContent", skip_accept_encoding=True)
    for name, value in [("user-agent", "one"), ("user-agent", "two"), ("x-goog-api-key", target.key), ("content-type", "application/json")]:
        connection.putheader(name, value)
    connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    assert connection.getresponse().status == 200
    connection.close()
