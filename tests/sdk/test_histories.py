"""Histories: what is sent again stays byte for byte the same, and a conversation may go on at another provider."""

from __future__ import annotations

import json
from typing import Any

import agents
import mock
import pytest
import wire
from targets import CHANNELS, CITY, CLIENT_KEY, Target, make

pytestmark = pytest.mark.gateway

Json = dict[str, Any]

USE = "Use the tool get_weather for Paris"


# --- the prefix of a conversation is stable, so that the provider's prompt cache hits


def bodies(upstreams: mock.Mocks, target: Target) -> list[Json]:
    """What reached the provider since the ledger was last cleared."""
    return [json.loads(entry["body"]) for entry in getattr(upstreams, target.mock).ledger.report()["entries"] if entry["method"] == "POST"]


def turns(body: Json) -> list[str]:
    """The turns of a body in any dialect, as text: the order of members counts."""
    return [json.dumps(turn) for name in ("messages", "input", "contents") for turn in body.get(name, [])]


def still(first: Json, second: Json) -> None:
    """The second body begins as the first one did."""
    before, after = turns(first), turns(second)
    assert before and after[: len(before)] == before
    for name in ("system", "instructions", "systemInstruction", "tools"):
        assert json.dumps(first.get(name)) == json.dumps(second.get(name))


@pytest.mark.needs("faults")
@pytest.mark.parametrize("dialect", ["chat", "responses", "claude"])
def test_the_prefix_is_stable(target: Target, upstreams: mock.Mocks, dialect: str) -> None:
    seen = len(bodies(upstreams, target))
    {"chat": chat_rounds, "responses": responses_rounds, "claude": claude_rounds}[dialect](target)
    sent = bodies(upstreams, target)[seen:]
    assert len(sent) == 2
    still(*sent)


def chat_rounds(target: Target) -> None:
    client, tool = target.openai(), {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
    messages: list[Any] = [{"role": "system", "content": "be brief"}, {"role": "user", "content": USE}]
    first = client.chat.completions.create(model=target.model("tools"), messages=messages, tools=[tool]).choices[0].message
    messages += [first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "sunny"}]
    client.chat.completions.create(model=target.model("tools"), messages=messages, tools=[tool])


def responses_rounds(target: Target) -> None:
    body = agents.codex(target.model("tools"))
    head = agents.codex_headers(target.key)
    output = wire.send("POST", f"{target.base}/v1/responses", body, head).events()[-1]["response"]["output"]
    call = next(item for item in output if item["type"] == "function_call")
    body["input"] += [*output, {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}]
    assert wire.send("POST", f"{target.base}/v1/responses", body, head).status == 200


def claude_rounds(target: Target) -> None:
    client, body = target.anthropic(), {"model": target.model("tools"), "max_tokens": 999, "system": "be brief", "tools": [_tool()]}
    messages: list[Any] = [{"role": "user", "content": USE}]
    first = client.messages.create(messages=messages, **body)
    client.messages.create(messages=[*messages, {"role": "assistant", "content": first.content}, _result(first)], **body)


def _tool() -> Any:
    return {"name": "get_weather", "input_schema": CITY}


def _result(message: Any) -> Any:
    use = next(block for block in message.content if block.type == "tool_use")
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}]}


# --- a conversation that began at one provider goes on at another: what was its own is left out, the rest stays

UPSTREAMS = [name for name in CHANNELS if name != "demo"]


def at(gateway: Any, name: str) -> Target:
    return make(name, gateway.base, CLIENT_KEY, prefix=f"{CHANNELS[name]}/")


@pytest.mark.parametrize("there", UPSTREAMS)
@pytest.mark.parametrize("here", UPSTREAMS)
def test_a_claude_history_moves(gateway: Any, here: str, there: str) -> None:
    body: Any = {"max_tokens": 8000, "tools": [_tool()], "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
    messages: list[Any] = [{"role": "user", "content": USE}]
    first = at(gateway, here).anthropic().messages.create(model=at(gateway, here).model("tools"), messages=messages, **body)
    messages += [{"role": "assistant", "content": first.content}, _result(first)]
    second = at(gateway, there).anthropic().messages.create(model=at(gateway, there).model("tools"), messages=messages, **body)
    assert "sunny" in "".join(block.text for block in second.content if block.type == "text")


@pytest.mark.parametrize("there", UPSTREAMS)
@pytest.mark.parametrize("here", UPSTREAMS)
def test_a_responses_history_moves(gateway: Any, here: str, there: str) -> None:
    tool: Any = {"type": "function", "name": "get_weather", "parameters": CITY, "strict": False}
    body: Any = {"tools": [tool], "store": False, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "high", "summary": "auto"}}
    first = at(gateway, here).openai().responses.create(model=at(gateway, here).model("tools"), input=USE, **body)
    call = next(item for item in first.output if item.type == "function_call")
    items: Any = [{"role": "user", "content": USE}, *(item.model_dump(exclude_none=True) for item in first.output)]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    second = at(gateway, there).openai().responses.create(model=at(gateway, there).model("tools"), input=items, **body)
    assert "sunny" in second.output_text


@pytest.mark.parametrize("there", UPSTREAMS)
@pytest.mark.parametrize("here", UPSTREAMS)
def test_a_chat_history_moves(gateway: Any, here: str, there: str) -> None:
    tool: Any = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
    messages: list[Any] = [{"role": "user", "content": USE}]
    client = at(gateway, here).openai()
    first = client.chat.completions.create(model=at(gateway, here).model("tools"), messages=messages, tools=[tool]).choices[0].message
    messages += [first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "sunny"}]
    second = client.chat.completions.create(model=at(gateway, there).model("tools"), messages=messages, tools=[tool])
    assert "sunny" in (second.choices[0].message.content or "")


@pytest.mark.parametrize("there", UPSTREAMS)
@pytest.mark.parametrize("here", UPSTREAMS)
def test_a_gemini_history_moves(gateway: Any, here: str, there: str) -> None:
    def ask(name: str, contents: list[Json]) -> Json:
        tools = agents.gemini_cli()["tools"]
        url = f"{gateway.base}/v1beta/models/{at(gateway, name).model('tools')}:generateContent"
        answer = wire.send("POST", url, {"contents": contents, "tools": tools}, {"x-goog-api-key": CLIENT_KEY})
        assert answer.status == 200, answer.text
        return answer.json()["candidates"][0]["content"]

    contents: list[Json] = [{"role": "user", "parts": [{"text": "Use the tool"}]}]
    made = ask(here, contents)
    call = next(part["functionCall"] for part in made["parts"] if "functionCall" in part)
    back = {"name": call["name"], "response": {"output": "sunny"}} | ({"id": call["id"]} if "id" in call else {})
    final = ask(there, [*contents, made, {"role": "user", "parts": [{"functionResponse": back}]}])
    assert "sunny" in "".join(part.get("text", "") for part in final["parts"])
