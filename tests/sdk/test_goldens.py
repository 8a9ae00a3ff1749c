"""Every golden of the conversions, judged by the providers' rules and by the SDKs' own types.

`tests/transform/golden.rs` writes the goldens of `tests/fixtures/golden`: for each cell (a client's dialect on a provider's) and scenario
the request that goes up, and the answer that comes back, whole and streamed. A request goes before the strict mock's rules, an answer
before the SDK's types with unknown members refused, a stream too, event by event; then the SDK itself reads the stream, and what it
gathers must say what the whole answer says.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import readers
from anthropic.types import Message, RawMessageStreamEvent
from google.genai import types as gtypes
from mock import anthropic_rules, gemini_rules, openai_rules, spec
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from test_raw_types import by_file, own, proto, strict

Json = dict[str, Any]

FIXTURES = spec.ROOT / "tests" / "fixtures"
DIALECTS = ("chat", "responses", "claude", "gemini")
CELLS = [(client, upstream) for client in DIALECTS for upstream in DIALECTS]
_SECTIONS = re.compile(r"^## (request refused|request|answer|stream|losses)\n", re.M)
_SIGNATURES = re.compile(r'"(?:signature|data|encrypted_content|thoughtSignature|thought_signature)": ?"([^"]+)"')

# Goldens that their judge refuses: cell, scenario and judgement, the whole of its words, and why the golden stands.
EXCEPTIONS: dict[tuple[str, str, str], tuple[str, str]] = {
    ("gemini-on-gemini", "metadata", "request"): (
        "Unknown name \\\"labels\\\" at '': Cannot find field.",
        "Vertex AI takes labels, in the same dialect; AI Studio, which the mock is, does not, and the client's own bytes are not ours to mend",
    ),
}

# Google's way to cache has no form elsewhere: the request is refused, as the golden says.
REFUSED = {("gemini-on-chat", "cache"), ("gemini-on-claude", "cache"), ("gemini-on-responses", "cache")}


@dataclass(frozen=True)
class Golden:
    """One section of one golden."""

    client: str
    upstream: str
    scenario: str
    kind: str
    text: str

    @property
    def cell(self) -> str:
        """Its folder."""
        return f"{self.client}-on-{self.upstream}"

    def body(self) -> Json:
        """Its JSON; the members that nobody knows, which one scenario is about and one dialect hands on, are left out."""
        body: Json = json.loads(self.text)
        return known(body) if self.scenario == "unknown_fields" and self.client == self.upstream else body


def known(node: Any) -> Any:
    """A body without the members that nobody knows."""
    if isinstance(node, list):
        return [known(part) for part in node]
    return {name: known(part) for name, part in node.items() if name != "x_new"} if isinstance(node, dict) else node


def goldens(client: str, upstream: str) -> Iterator[Golden]:
    """All sections of a cell, but the losses."""
    for path in sorted((FIXTURES / "golden" / f"{client}-on-{upstream}").glob("*.txt")):
        head, *pieces = _SECTIONS.split(path.read_text(encoding="utf-8"))
        assert head == "", f"{path.name} begins with {head[:80]!r}"
        for kind, text in zip(pieces[::2], pieces[1::2], strict=True):
            if kind != "losses":
                yield Golden(client, upstream, path.stem, kind, text.removesuffix("\n"))


def fixtures(dialect: str, file: str) -> int:
    """How many scenarios a dialect has."""
    return len(list((FIXTURES / "generate" / dialect).glob(f"*/{file}")))


def judgements(golden: Golden, whole: Json) -> Iterator[tuple[str, Callable[[], None]]]:
    """How a golden is judged; `whole` is the cell's whole answer in that scenario."""
    if golden.kind == "request":
        yield "request", lambda: judge_request(golden.upstream, golden.body())
    elif golden.kind == "request refused":
        yield "refused", lambda: judge_refusal(golden)
    elif golden.kind == "answer":
        yield "answer", lambda: judge_answer(golden.client, golden.body())
    else:
        yield "stream", lambda: judge_stream(golden.client, golden.text)
        yield "order", lambda: judge_order(golden.client, golden.text, readers.events(golden.text))
        yield "gathered", lambda: judge_gathered(golden.client, golden.text, whole)


def judge_refusal(golden: Golden) -> None:
    """Only what is known to have no form is refused, and with a reason."""
    assert (golden.cell, golden.scenario) in REFUSED
    assert golden.text.strip()


def chunk(event: Json) -> Json:
    """A chunk without what OpenAI streams and neither its SDK's type of chunks nor its public file knows: annotations, and calls of free-text tools."""
    event = own(event)
    for delta in (choice["delta"] for choice in event["choices"]):
        delta.pop("annotations", None)
        if "tool_calls" in delta:
            delta["tool_calls"] = [call for call in delta["tool_calls"] if "custom" not in call]
    return event


def judge_order(client: str, text: str, events: list[Json]) -> None:
    """What no type of one event can say: names, numbers, and that what is opened is closed."""
    kinds = [event.get("type") for event in events]
    if client in ("claude", "responses"):
        assert [line[7:] for line in text.split("\n") if line.startswith("event: ")] == kinds
    if client == "chat":
        assert text.endswith("data: [DONE]\n\n")
    elif client == "claude":
        opened = [event["index"] for event in events if event["type"] == "content_block_start"]
        assert opened == [event["index"] for event in events if event["type"] == "content_block_stop"] == list(range(len(opened)))
        assert (kinds[0], kinds[-1], kinds.count("message_delta")) == ("message_start", "message_stop", 1)
    elif client == "responses":
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        deltas = (event["delta"] for event in events if event["type"] in ("response.output_text.delta", "response.refusal.delta"))
        assert "".join(deltas) == readers.said(client, events[-1]["response"])[0]
    else:
        reasons = [one["finishReason"] for event in events for one in event.get("candidates", []) if "finishReason" in one]
        assert reasons or events[-1]["promptFeedback"]["blockReason"]


def judge_gathered(client: str, text: str, whole: Json) -> None:
    """The SDK itself reads the stream and ends with what the whole answer says."""
    assert readers.read(client, text) == readers.said(client, whole)


def judge_request(upstream: str, body: Json) -> None:
    """Judges by the provider's rules; its signatures are those of its own fixtures."""
    signed = signatures(upstream)
    if upstream == "claude":
        anthropic_rules.judge(body, beta=False, trust=lambda _, signature: signature in signed)
    elif upstream == "gemini":
        gemini_rules.judge(body, "gemini-3-pro", trust=lambda part, _: (part.get("thoughtSignature") or part.get("thought_signature")) in signed)
    elif upstream == "chat":
        openai_rules.judge_chat(body, trust=lambda detail: detail["signature"] in signed)
    else:
        openai_rules.judge_responses(body, [], trust=lambda item: item["encrypted_content"] in signed)


@functools.cache
def signatures(dialect: str) -> frozenset[str]:
    """All that a provider of a dialect signed; what another signed comes to its clients under the gateway's tag."""
    files = [path for path in (FIXTURES / "generate" / dialect).rglob("*") if path.is_file()]
    found = (one for path in files for one in _SIGNATURES.findall(path.read_text(encoding="utf-8")))
    return frozenset(one for one in found if not one.startswith("gproxy1."))


def judge_answer(client: str, body: Json) -> None:
    """Judges by the types of the client's SDK."""
    if client == "chat":
        strict(ChatCompletion, own(body))
        by_file("CreateChatCompletionResponse", body)
    elif client == "responses":
        strict(Response, body)
    elif client == "claude":
        strict(Message, body)
    else:
        proto(body)
        # It forbids what it does not know; Google's server sends a tier, which this release has no member for.
        usage = {name: figure for name, figure in body.get("usageMetadata", {}).items() if name != "serviceTier"}
        gtypes.GenerateContentResponse.model_validate({**body, "usageMetadata": usage})


def judge_stream(client: str, text: str) -> None:
    """Judges each event by the types of the client's SDK."""
    events = readers.events(text)
    assert events
    for event in events:
        if client == "chat":
            strict(ChatCompletionChunk, chunk(event))
            by_file("CreateChatCompletionStreamResponse", chunk(event))
        elif client == "responses":
            strict(ResponseStreamEvent, event)
        elif client == "gemini":
            judge_answer(client, event)
        elif event["type"] != "ping":
            strict(RawMessageStreamEvent, event)


@pytest.mark.parametrize(("client", "upstream"), CELLS)
def test_every_golden_is_what_sdk_and_provider_take(client: str, upstream: str) -> None:
    found = list(goldens(client, upstream))
    wholes = {golden.scenario: golden.body() for golden in found if golden.kind == "answer"}
    judged: Counter[str] = Counter()
    wrong, excused = [], set()
    for golden in found:
        for name, judgement in judgements(golden, wholes.get(golden.scenario, {})):
            judged[name] += 1
            key = (golden.cell, golden.scenario, name)
            try:
                judgement()
            except Exception as fault:  # Whatever a judge or an SDK raises is a fault of the golden.
                text = f"{type(fault).__name__}: {fault}"
                if key in EXCEPTIONS and EXCEPTIONS[key][0] in text:
                    excused.add(key)
                else:
                    wrong.append(f"{key}: {text[:600]}")
    assert wrong == [], "\n".join(wrong)
    assert excused == {key for key in EXCEPTIONS if key[0] == f"{client}-on-{upstream}"}, "an exception that is none any more"
    # Nothing is passed over: each fixture has its golden, and each golden was judged.
    assert judged["request"] + judged["refused"] == fixtures(client, "request.json") >= 30
    assert judged["answer"] == fixtures(upstream, "answer.json") >= 30
    assert judged["stream"] == judged["order"] == judged["gathered"] == fixtures(upstream, "stream.sse") >= 30


def test_no_golden_is_left_out() -> None:
    folders = {path.name for path in (FIXTURES / "golden").iterdir()}
    assert folders == {f"{client}-on-{upstream}" for client, upstream in CELLS}
    sections = [golden for cell in CELLS for golden in goldens(*cell)]
    headings = sum(path.read_text(encoding="utf-8").count("\n## losses\n") for path in (FIXTURES / "golden").rglob("*") if path.is_file())
    assert len(sections) == headings + len(REFUSED)
    assert {(golden.cell, golden.scenario) for golden in sections if golden.kind == "request refused"} == REFUSED
