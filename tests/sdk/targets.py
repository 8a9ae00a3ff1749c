"""What the SDK tests are run against: where it listens, with which key, and how its models are called.

Behind the gateway stand its offline `demo` channel and the strict mock of each provider. Three more targets are the same mocks by other
roads: `vendor` speaks Chat Completions alone, as most of the world does; `items`, `messages` and `contents` have Chat turned into their own
dialect, where `openai`, `anthropic` and `gemini` take it as it is. With `--direct` the mocks themselves are the targets,
each for its own SDK, which proves the mocks and the tests before the gateway is asked.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types as gtypes

CLIENT_KEY = "sk-gproxy-client-canary-7a41e0"
"""The client's key for the gateway. It must never reach a provider."""

NATIVE = {"chat": "openai", "openai": "openai", "anthropic": "anthropic", "gemini": "gemini"}
"""Which target speaks the dialect of which SDK."""

CHANNELS = {
    **{"demo": "demo", "openai": "openai", "anthropic": "anthropic", "gemini": "aistudio"},
    **{"vendor": "vendor", "items": "items", "messages": "messages", "contents": "contents"},
}
"""The gateway's provider of each target."""

MOCKS = {"vendor": "openai", "items": "openai", "messages": "anthropic", "contents": "gemini"}
"""Whose mock stands behind a target that is not called as its mock."""

CHAT_ONLY = frozenset({"items", "messages", "contents"})
"""Targets that differ from others for Chat alone."""

_MODELS: dict[str, dict[str, str]] = {
    "demo": {"chat": "echo", "long": "lorem", "tools": "tools", "embed": "embed"},
    "openai": {"chat": "gpt-5.5", "long": "gpt-4o", "tools": "gpt-5.5", "embed": "text-embedding-3-small"},
    "anthropic": {"chat": "claude-opus-5", "long": "claude-haiku-4-5", "tools": "claude-opus-5"},
    "gemini": {"chat": "gemini-3-pro", "long": "gemini-2.5-flash", "tools": "gemini-3-pro", "embed": "gemini-embedding-001"},
    "vendor": {"chat": "gpt-5.5", "long": "gpt-4o", "tools": "gpt-oss-120b"},
}
_MODELS |= {"items": {role: model for role, model in _MODELS["openai"].items() if role != "embed"}}
_MODELS |= {"messages": _MODELS["anthropic"], "contents": {role: model for role, model in _MODELS["gemini"].items() if role != "embed"}}
# What a target does not promise: the demo channel echoes, it does not think, look or fill schemas; some routes are OpenAI's alone.
_OPENAI_ONLY = frozenset({"media"})
_LACKS = {
    "demo": frozenset({"parallel", "schema", "images", "system", "thinks", "stops", "faults", "strict", "state"}) | _OPENAI_ONLY,
    **{name: _OPENAI_ONLY for name in ("anthropic", "gemini", "vendor", "items", "messages", "contents")},
}


@dataclass(frozen=True)
class Target:
    """One place to talk to."""

    name: str
    base: str
    key: str
    prefix: str
    models: dict[str, str] = field(default_factory=dict)

    def model(self, role: str = "chat") -> str:
        """The id of a model by its role: chat, long, tools, embed."""
        return self.prefix + self.models[role]

    @property
    def mock(self) -> str:
        """Whose mock stands behind it."""
        return MOCKS.get(self.name, self.name)

    def can(self, what: str) -> bool:
        """Whether the model behind is worth asking for it."""
        return what in self.models or (what != "embed" and what not in _LACKS.get(self.name, frozenset()))

    def openai(self, **more: Any) -> openai.OpenAI:
        """OpenAI's client."""
        return openai.OpenAI(**{"base_url": f"{self.base}/v1", "api_key": self.key, "max_retries": 0, "timeout": 20, **more})

    def anthropic(self, **more: Any) -> anthropic.Anthropic:
        """Anthropic's client."""
        return anthropic.Anthropic(**{"base_url": self.base, "api_key": self.key, "max_retries": 0, "timeout": 20, **more})

    def genai(self, key: str | None = None, version: str | None = None) -> genai.Client:
        """Google's client."""
        return _google(self.base, key or self.key, version)


@functools.cache
def _google(base: str, key: str, version: str | None) -> genai.Client:
    # Kept for the whole run: Google's client closes its connections as soon as nobody holds it, in the middle of `client.models.x()` too.
    options = gtypes.HttpOptions(base_url=base, api_version=version, timeout=20_000)
    return genai.Client(api_key=key, http_options=options, vertexai=False)


def make(name: str, base: str, key: str, *, prefix: str = "") -> Target:
    """A target by name."""
    return Target(name, base, key, prefix, _MODELS[name])


CITY = {"type": "object", "properties": {"city": {"type": "string", "description": "Where"}}, "required": ["city"], "additionalProperties": False}
"""The schema of the one tool that the tests offer."""

CITY_GEMINI = {"type": "OBJECT", "properties": {"city": {"type": "STRING", "description": "Where"}}, "required": ["city"]}
"""The same in Google's words."""

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
"""The schema of the structured answers that the tests ask for."""


def is_person(value: Any) -> bool:
    """Whether an answer satisfies `PERSON`."""
    return set(value) == {"name", "age", "tags"} and isinstance(value["age"], int) and isinstance(value["tags"], list)
