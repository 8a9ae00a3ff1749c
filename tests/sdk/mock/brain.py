"""What the mock models say: a pure function of what they are asked, the same for every dialect.

The rules, so that a test can steer the answer:
- a schema asked for: JSON that satisfies it;
- tool results at the end: a text that names them;
- a tool forced, or a user text with the word "tool" while tools are offered: a call of it, two calls with the word "both"; with "9 times"
  in it, a call after each result too, until there were nine rounds; with the word "aloud", a text beside the call;
- else: an echo of the last user text, with a note of the system text and of images seen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CREATED = 1_780_000_000
"""The hour of every answer, so that answers compare equal."""

_SECRET = b"the mock's own signing key"


@dataclass(frozen=True)
class Tool:
    """A function that the caller offers."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Ask:
    """A request with its dialect taken off."""

    model: str
    prompt: str
    last: str
    system: str = ""
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    results: tuple[str, ...] = ()
    thinks: bool = False
    schema: Mapping[str, Any] | None = None
    limit: int | None = None
    stops: tuple[str, ...] = ()
    images: int = 0


@dataclass(frozen=True)
class Call:
    """A tool call."""

    id: str
    name: str
    arguments: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The arguments as the JSON text that OpenAI and Claude stream."""
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True)
class Answer:
    """What a model says, with its dialect not yet put on. `stop` is end, length, tool or sequence."""

    thought: str
    text: str
    calls: tuple[Call, ...]
    stop: str
    sequence: str | None
    input: int
    output: int
    thinking: int
    cached: int = field(default=0)


def answer(ask: Ask) -> Answer:
    """The model's answer."""
    thought = f"They wrote {len(ask.last)} characters; a short answer will do." if ask.thinks else ""
    if thought and ask.results:
        thought += f" I have {len(ask.results)} result(s)."
    calls = _calls(ask)
    beside = f"Now step {len(ask.results) + 1}." if "aloud" in ask.last.lower() else ""
    text, stop, sequence = (beside, "tool", None) if calls else _cut(ask, _text(ask))
    thinking = count(thought) if thought else 0
    output = thinking + sum(count(call.name + call.text) for call in calls) + (count(text) if text else 0)
    asked = count(ask.prompt) + 85 * ask.images
    cached = asked // 128 * 128 if asked >= 1024 else 0
    return Answer(thought, text, calls, stop, sequence, asked, output, thinking, cached)


def count(text: str) -> int:
    """Tokens of a text: four bytes each, and never none."""
    return max(1, -(-len(text.encode()) // 4))


def pieces(text: str, size: int = 6) -> Iterator[str]:
    """A text in the pieces in which it is streamed."""
    for start in range(0, len(text), size):
        yield text[start : start + size]


def sample(schema: Mapping[str, Any], name: str = "value", number: int = 1, root: Mapping[str, Any] | None = None) -> Any:
    """A value that satisfies a schema; strings say which member they are."""
    root = root or schema
    if reference := schema.get("$ref"):
        target: Any = root
        for step in str(reference).lstrip("#/").split("/"):
            target = target[step]
        return sample(target, name, number, root)
    for choice in ("anyOf", "oneOf", "any_of"):
        if schema.get(choice):
            return sample(schema[choice][0], name, number, root)
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type") or "object"
    kind = str(kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {key: sample(part, key, number, root) for key, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [sample(schema.get("items") or {"type": "string"}, name, number, root)]
    plain: dict[str, Any] = {"integer": number, "number": number + 0.5, "boolean": True, "null": None}
    return plain.get(kind, f"{name} {number}")


def sign(owner: str, text: str) -> str:
    """A provider's signature over its own thought, in base64."""
    return base64.b64encode(hmac.digest(_SECRET, f"{owner}:{text}".encode(), hashlib.sha256) * 2).decode()


def signed(owner: str, text: str, signature: str) -> bool:
    """Whether a signature is the provider's own, over exactly this text."""
    return hmac.compare_digest(sign(owner, text).encode(), signature.encode())


def name_of(*parts: object) -> str:
    """A stable identifier of some content: 24 hexadecimal digits."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _text(ask: Ask) -> str:
    if ask.schema is not None:
        return json.dumps(sample(ask.schema), ensure_ascii=False)
    if ask.results:
        return "The tools said: " + "; ".join(ask.results)
    text = f"You said: {ask.last}"
    if ask.images:
        text += f" I see {ask.images} image(s)."
    if ask.system:
        text += f" I was told: {ask.system}"
    return text + " – voilà ✓ 🙂"


def _cut(ask: Ask, text: str) -> tuple[str, str, str | None]:
    for stop in ask.stops:
        if stop and stop in text:
            return text[: text.index(stop)], "sequence", stop
    if ask.limit is not None and count(text) > ask.limit:
        return text.encode()[: ask.limit * 4].decode("utf-8", "ignore"), "length", None
    return text, "end", None


def _calls(ask: Ask) -> tuple[Call, ...]:
    if not ask.tools or ask.choice == "none":
        return ()
    named = [tool for tool in ask.tools if tool.name == ask.choice]
    wanted = ask.choice == "any" or named or "tool" in ask.last.lower()
    amount = 2 if "both" in ask.last.lower() and ask.parallel else 1
    times = re.search(r"(\d+) times", ask.last)
    done = len(ask.results)
    if not wanted or done >= amount * (int(times[1]) if times else 1 / amount):
        return ()
    pool = named or list(ask.tools)
    return tuple(
        Call(name_of(ask.prompt, number), pool[(number - 1) % len(pool)].name, sample(pool[(number - 1) % len(pool)].schema, number=done + number))
        for number in range(1, amount + 1)
    )
