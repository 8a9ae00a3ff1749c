"""The SDKs as readers of streams that are at hand: their own clients over a transport that answers with the text, no socket between."""

from __future__ import annotations

import functools
import json
from typing import Any

import anthropic
import httpx2
import openai
from google import genai
from google.genai import types as gtypes

Json = dict[str, Any]
Said = tuple[str, list[tuple[str, Any]]]
"""Words, and calls with their names and inputs."""


def events(text: str) -> list[Json]:
    """The data of an SSE text; `[DONE]` is left out."""
    data = ["\n".join(line[5:].strip() for line in frame.split("\n") if line.startswith("data:")) for frame in text.replace("\r\n", "\n").split("\n\n")]
    return [json.loads(one) for one in data if one and one != "[DONE]"]


class Script(httpx2.BaseTransport):
    """Answers whatever is asked with the stream that it holds."""

    text = ""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The stream."""
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=self.text.encode(), request=request)


_SCRIPT = Script()
_HTTP = httpx2.Client(transport=_SCRIPT)


def read(dialect: str, text: str) -> Said:
    """What the SDK of a dialect gathers from a stream."""
    _SCRIPT.text = text
    return said(dialect, *_GATHER[dialect]())


def _gather_chat() -> list[Json]:
    with openai.OpenAI(api_key="k", http_client=_HTTP).chat.completions.stream(model="m", messages=[]) as stream:
        stream.until_done()
        # The final completion is this, unless the answer was cut or filtered: that the SDK raises.
        return [stream.current_completion_snapshot.to_dict()]


def _gather_responses() -> list[Json]:
    with openai.OpenAI(api_key="k", http_client=_HTTP).responses.stream(model="m", input="") as stream:
        # An answer that was cut ends with another event, which the SDK's `get_final_response` does not wait for.
        return [event.response.to_dict() for event in stream if event.type in ("response.completed", "response.incomplete")]


def _gather_claude() -> list[Json]:
    with anthropic.Anthropic(api_key="k", http_client=_HTTP).messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        return [stream.get_final_message().to_dict()]


def _gather_gemini() -> list[Json]:
    chunks = _gemini_client().models.generate_content_stream(model="m", contents="x")
    return [chunk.model_dump(mode="json", by_alias=True, exclude_none=True) for chunk in chunks]


@functools.cache
def _gemini_client() -> genai.Client:
    """Made once: each reads the system's certificates anew."""
    return genai.Client(api_key="k", http_options=gtypes.HttpOptions(httpx_client=_HTTP))


def said(dialect: str, *bodies: Json) -> Said:
    """Words and calls of an answer, in one piece or in many."""
    words: list[str] = []
    calls: list[tuple[str, Any]] = []
    for body in bodies:
        _READ[dialect](body, words, calls)
    return "".join(words), calls


def _chat(body: Json, words: list[str], calls: list[tuple[str, Any]]) -> None:
    for choice in body["choices"]:
        message = choice["message"]
        words.append((message.get("content") or "") + (message.get("refusal") or ""))
        for call in message.get("tool_calls") or []:
            function = call.get("function") or {}
            calls.append((function["name"], _input(function["arguments"])) if function else (call["custom"]["name"], call["custom"]["input"]))


def _responses(body: Json, words: list[str], calls: list[tuple[str, Any]]) -> None:
    for item in body["output"]:
        if item["type"] == "message":
            words += [part.get("text") or part.get("refusal") or "" for part in item["content"]]
        elif item["type"] == "function_call":
            calls.append((item["name"], _input(item["arguments"])))
        elif item["type"] == "custom_tool_call":
            calls.append((item["name"], item["input"]))


def _claude(body: Json, words: list[str], calls: list[tuple[str, Any]]) -> None:
    for block in body["content"]:
        if block["type"] == "text":
            words.append(block["text"])
        elif block["type"] == "tool_use":
            calls.append((block["name"], block["input"]))


def _gemini(body: Json, words: list[str], calls: list[tuple[str, Any]]) -> None:
    for candidate in body.get("candidates") or []:
        for part in (candidate.get("content") or {}).get("parts") or []:
            if not part.get("thought"):
                words.append(part.get("text") or "")
            if call := part.get("functionCall"):
                calls.append((call["name"], call.get("args") or {}))


def _input(text: str) -> Any:
    return json.loads(text) if text.strip() else {}


_READ = {"chat": _chat, "responses": _responses, "claude": _claude, "gemini": _gemini}
_GATHER = {"chat": _gather_chat, "responses": _gather_responses, "claude": _gather_claude, "gemini": _gather_gemini}
