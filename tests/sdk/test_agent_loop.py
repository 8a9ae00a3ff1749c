"""Agents that work for long: twenty turns with tools and thinking, in each dialect over each provider.

Whatever an answer held goes back with the next turn, or is kept by the gateway and put before it. Nothing is refused, the provider's own thinking comes back to it unaltered (the mocks
check each signature), and what it is sent in turn N is the beginning of what it is sent in turn N+1, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import mock
import pytest
from loops import AGENTS, Agent
from targets import CHANNELS, CLIENT_KEY, Target, make

pytestmark = pytest.mark.gateway

Json = dict[str, Any]

TURNS = 20
# Chat reaches its converted targets by name; the others are turned by nature.
ROADS = {
    "chat": ("vendor", "items", "messages", "contents"),
    "responses": ("openai", "anthropic", "gemini", "vendor"),
    # Who keeps responses itself is sent each turn alone.
    "leaning": ("anthropic", "gemini", "vendor"),
    "claude": ("openai", "anthropic", "gemini", "vendor"),
    "gemini": ("openai", "anthropic", "gemini", "vendor"),
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize(("dialect", "name"), [(dialect, name) for dialect, names in ROADS.items() for name in names])
def test_twenty_turns(gateway: Any, upstreams: mock.Mocks, dialect: str, name: str, stream: bool) -> None:
    target = make(name, gateway.base, CLIENT_KEY, prefix=f"{CHANNELS[name]}/")
    ledger = getattr(upstreams, target.mock).ledger
    seen = len(ledger.entries)
    agent = AGENTS[dialect](target, stream=stream)
    work(agent)
    said = [path for path in agent.lost if path.startswith(("messages[", "input[", "contents[")) and not path.endswith("cache_control")]
    assert not said, f"nothing of what was said is lost: {sorted(said)}"
    sent = [entry["body"] for entry in ledger.entries[seen:]]
    assert len(sent) == TURNS
    for number, (before, after) in enumerate(zip(sent, sent[1:], strict=False), 1):
        begins(before, after, number)
    for number, body in enumerate(sent):
        assert thoughts(target, json.loads(body)) == number, f"turn {number + 1} gives back the thinking of all turns before it"


def work(agent: Agent) -> None:
    """Nine calls one by one with words beside them, an answer, nine pairs of calls, an answer."""
    agent.say("Use the tool get_weather 9 times, aloud")
    said = rounds(agent, 1)
    assert all(f"Now step {number}." in text for number, text in enumerate(said[:-1], 1)), said
    agent.say("Use both tools 9 times")
    rounds(agent, 2)


def rounds(agent: Agent, width: int) -> list[str]:
    """Ten turns: each call is answered, and the last turn speaks of all answers in their order."""
    told: list[str] = []
    texts: list[str] = []
    for _ in range(9):
        text, calls = agent.turn()
        texts.append(text)
        assert [call.name for call in calls] == ["get_weather", "get_time"][:width]
        assert [call.arguments for call in calls] == [{"city": f"city {len(told) + number}"} for number in range(1, width + 1)]
        assert len({call.id for call in calls if call.id}) in (0, width)
        results = [f"{call.arguments['city']} is sunny ☀" for call in calls]
        agent.give(calls, results)
        told += results
    text, calls = agent.turn()
    assert not calls
    places = [text.find(result) for result in told]
    assert -1 not in places and places == sorted(places), text
    return [*texts, text]


# --- what the provider was sent


def begins(before: str, after: str, number: int) -> None:
    """The turns of a body are the beginning of those of the next, and what stands beside them is the same, as bytes."""
    one, two = dict(members(before)), dict(members(after))
    name = next(name for name in ("messages", "input", "contents") if name in one)
    start = one[name].rstrip().removesuffix("]").rstrip()
    if not two[name].startswith(start):
        at = next(at for at, (left, right) in enumerate(zip(start, two[name] + " " * len(start), strict=False)) if left != right)
        pytest.fail(f"turn {number} is no beginning of turn {number + 1}, from byte {at}:\n{start[max(0, at - 200) : at + 200]}\n{two[name][max(0, at - 200) : at + 200]}")
    for beside in ("system", "instructions", "systemInstruction", "tools", "prompt_cache_key"):
        assert one.get(beside) == two.get(beside), f"{beside} of turn {number} and {number + 1}"


def members(text: str) -> Iterator[tuple[str, str]]:
    """The members of a JSON object, their values as they stand there."""
    decoder, at = json.JSONDecoder(), text.index("{") + 1
    while True:
        at = _skip(text, at, " \t\r\n,")
        if text[at] == "}":
            return
        name, at = decoder.raw_decode(text, at)
        start = _skip(text, at, " \t\r\n:")
        _, at = decoder.raw_decode(text, start)
        yield name, text[start:at]


def _skip(text: str, at: int, what: str) -> int:
    while text[at] in what:
        at += 1
    return at


def thoughts(target: Target, body: Json) -> int:
    """How many answers' own thinking a body gives back; the mock has checked each signature."""
    if target.mock == "gemini":
        return sum(any(part.get("thoughtSignature") for part in turn["parts"]) for turn in body["contents"] if turn["role"] == "model")
    if target.mock == "anthropic":
        return sum(any(block["type"] == "thinking" for block in turn["content"]) for turn in body["messages"] if turn["role"] == "assistant")
    if "input" in body:
        return sum(1 for item in body["input"] if item.get("type") == "reasoning" and item.get("encrypted_content"))
    return sum(1 for turn in body["messages"] if turn["role"] == "assistant" and turn.get("reasoning_details"))
