"""Agents of each dialect, as bare as can be: they ask, put the answer together as the dialect's programs do, and send all of it back."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

import agents
import wire
from targets import CITY, Target

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A tool call as the agent sees it."""

    id: str
    name: str
    arguments: Any


NAMES = ("get_weather", "get_time")


class Agent:
    """A conversation in one dialect. `turn` asks and keeps the answer; `say` and `give` are what comes next."""

    def __init__(self, target: Target, *, stream: bool) -> None:
        self.target, self.stream = target, stream
        self.turns: list[Json] = []
        self.lost: set[str] = set()

    def say(self, text: str) -> None:
        """A user's words."""
        self.turns.append({"role": "user", "content": text})

    def give(self, calls: list[Call], texts: list[str]) -> None:
        """What the tools said."""
        raise NotImplementedError

    def turn(self) -> tuple[str, list[Call]]:
        """Asks, keeps the whole answer, and tells its text and its calls."""
        raise NotImplementedError

    def _post(self, path: str, body: Json, head: dict[str, str]) -> wire.Answer:
        answer = wire.send("POST", self.target.base + path, body, head)
        assert answer.status == 200, f"turn {len(self.turns)}: {answer.status} {answer.text}"
        self.lost |= {path.strip() for path in answer.headers.get("x-gproxy-lossy", "").split(",") if path}
        return answer


class Chat(Agent):
    """Chat Completions, with the extensions that carry thinking."""

    def give(self, calls: list[Call], texts: list[str]) -> None:
        self.turns += [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in zip(calls, texts, strict=True)]

    def turn(self) -> tuple[str, list[Call]]:
        tools = [{"type": "function", "function": {"name": name, "description": name, "parameters": CITY}} for name in NAMES]
        system = {"role": "system", "content": "Be brief."}
        body: Json = {"model": self.target.model("tools"), "messages": [system, *self.turns], "tools": tools, "reasoning_effort": "high"}
        body |= {"stream": True, "stream_options": {"include_usage": True}} if self.stream else {}
        answer = self._post("/v1/chat/completions", body, {"authorization": f"Bearer {self.target.key}"})
        message = whole_message(answer.events()) if self.stream else answer.json()["choices"][0]["message"]
        self.turns.append(message)
        calls = message.get("tool_calls") or []
        return message.get("content") or "", [Call(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]


def whole_message(events: list[Json]) -> Json:
    """A Chat stream put together: texts joined, calls by index, thinking by its place, and whatever else stood in a delta."""
    message: Json = {"role": "assistant", "content": None}
    for delta in (choice["delta"] for event in events for choice in event["choices"]):
        for name, part in delta.items():
            if name in ("content", "reasoning", "reasoning_content") and part is not None:
                message[name] = (message.get(name) or "") + part
            elif name == "tool_calls":
                _calls(message.setdefault(name, []), part)
            elif name == "reasoning_details":
                _details(message.setdefault(name, []), part)
            elif name != "role" and part is not None:
                message[name] = part
    return message


def _calls(calls: list[Json], deltas: list[Json]) -> None:
    for delta in copy.deepcopy(deltas):
        index = delta.pop("index")
        if index == len(calls):
            calls.append({"function": {"name": "", "arguments": ""}})
        function = delta.pop("function", {})
        for name in ("name", "arguments"):
            calls[index]["function"][name] += function.get(name) or ""
        calls[index] |= delta


def _details(details: list[Json], deltas: list[Json]) -> None:
    for delta in deltas:
        last = details[-1] if details else {}
        if last and last.get("index") == delta.get("index") and last.get("type") == delta.get("type") != "reasoning.encrypted":
            for name, part in delta.items():
                last[name] = (last.get(name) or "") + part if name in ("text", "summary") else part
        else:
            details.append(dict(delta))


class Responses(Agent):
    """Responses as Codex speaks it: nothing kept on the server, items sent back as they came."""

    def give(self, calls: list[Call], texts: list[str]) -> None:
        self.turns += [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in zip(calls, texts, strict=True)]

    def turn(self) -> tuple[str, list[Call]]:
        tools = [{"type": "function", "name": name, "description": name, "parameters": CITY, "strict": False} for name in NAMES]
        body = agents.codex(self.target.model("tools")) | {"input": self.turns, "tools": tools, "stream": self.stream, "parallel_tool_calls": True}
        body["reasoning"] = {"effort": "high", "summary": "auto"}
        answer = self._post("/v1/responses", body, agents.codex_headers(self.target.key))
        if self.stream:
            assert answer.events()[-1]["type"] == "response.completed", answer.events()[-1]
            items = [event["item"] for event in answer.events() if event["type"] == "response.output_item.done"]
        else:
            items = answer.json()["output"]
        self.turns += items
        text = "".join(part["text"] for item in items if item["type"] == "message" for part in item["content"])
        return text, [Call(item["call_id"], item["name"], json.loads(item["arguments"])) for item in items if item["type"] == "function_call"]


class Leaning(Agent):
    """Responses as OpenAI's own agents speak it: all is kept on the server, and a turn names the one before it."""

    def __init__(self, target: Target, *, stream: bool) -> None:
        super().__init__(target, stream=stream)
        self.previous: str | None = None

    def give(self, calls: list[Call], texts: list[str]) -> None:
        self.turns += [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in zip(calls, texts, strict=True)]

    def turn(self) -> tuple[str, list[Call]]:
        tools: Any = [{"type": "function", "name": name, "description": name, "parameters": CITY, "strict": False} for name in NAMES]
        body: Any = {"model": self.target.model("tools"), "instructions": "Be brief.", "input": self.turns, "tools": tools}
        body |= {"reasoning": {"effort": "high", "summary": "auto"}, "max_output_tokens": 32000}
        if self.previous:
            body["previous_response_id"] = self.previous
        client = self.target.openai()
        response = list(client.responses.create(stream=True, **body))[-1].response if self.stream else client.responses.create(**body)
        assert response.status == "completed" and response.previous_response_id == self.previous
        self.previous, self.turns = response.id, []
        calls = [Call(item.call_id, item.name, json.loads(item.arguments)) for item in response.output if item.type == "function_call"]
        return response.output_text, calls


class Claude(Agent):
    """Messages as Claude Code speaks it: thinking on, the last two user turns marked for the cache."""

    def give(self, calls: list[Call], texts: list[str]) -> None:
        pairs = zip(calls, texts, strict=True)
        self.turns.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in pairs]})

    def turn(self) -> tuple[str, list[Call]]:
        tools = [{"name": name, "description": name, "input_schema": agents.SCHEMA | CITY} for name in NAMES]
        body = agents.claude_code(self.target.model("tools")) | {"messages": self._marked(), "tools": tools, "stream": self.stream}
        answer = self._post("/v1/messages?beta=true", body, agents.claude_code_headers(self.target.key))
        content = whole_blocks(answer.events()) if self.stream else answer.json()["content"]
        self.turns.append({"role": "assistant", "content": content})
        text = "".join(block["text"] for block in content if block["type"] == "text")
        return text, [Call(block["id"], block["name"], block["input"]) for block in content if block["type"] == "tool_use"]

    def _marked(self) -> list[Json]:
        turns = copy.deepcopy(self.turns)
        # Its own provider gets the bytes as they are, marks that move too: there they would part the prefixes.
        if self.target.name != "anthropic":
            for turn in [turn for turn in turns if turn["role"] == "user"][-2:]:
                if isinstance(turn["content"], str):
                    turn["content"] = [{"type": "text", "text": turn["content"]}]
                turn["content"][-1]["cache_control"] = {"type": "ephemeral"}
        return turns


def whole_blocks(events: list[Json]) -> list[Json]:
    """The content blocks of a Messages stream."""
    assert events[-1]["type"] == "message_stop", events[-1]
    blocks: dict[int, Json] = {}
    for event in events:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = event["content_block"] | ({"input": ""} if event["content_block"]["type"] == "tool_use" else {})
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            name = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature", "input_json_delta": "input"}[delta["type"]]
            block[name] = (block.get(name) or "") + delta["partial_json" if name == "input" else name]
    for block in blocks.values():
        if block["type"] == "tool_use":
            block["input"] = json.loads(block["input"] or "{}")
    return [blocks[index] for index in sorted(blocks)]


class Gemini(Agent):
    """generateContent as Google's programs speak it: every part goes back in its place, with its signature."""

    def say(self, text: str) -> None:
        self.turns.append({"role": "user", "parts": [{"text": text}]})

    def give(self, calls: list[Call], texts: list[str]) -> None:
        answers = [{"name": call.name, "response": {"output": text}} | ({"id": call.id} if call.id else {}) for call, text in zip(calls, texts, strict=True)]
        self.turns.append({"role": "user", "parts": [{"functionResponse": answer} for answer in answers]})

    def turn(self) -> tuple[str, list[Call]]:
        declarations = [{"name": name, "description": name, "parametersJsonSchema": CITY} for name in NAMES]
        body = agents.gemini_cli() | {"contents": self.turns, "tools": [{"functionDeclarations": declarations}]}
        verb = "streamGenerateContent?alt=sse" if self.stream else "generateContent"
        answer = self._post(f"/v1beta/models/{self.target.model('tools')}:{verb}", body, {"x-goog-api-key": self.target.key})
        chunks = answer.events() if self.stream else [answer.json()]
        assert chunks[-1]["candidates"][0]["finishReason"] == "STOP", chunks[-1]
        parts = whole_parts([part for chunk in chunks for part in chunk["candidates"][0].get("content", {}).get("parts", [])])
        self.turns.append({"role": "model", "parts": parts})
        text = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        return text, [Call(call.get("id", ""), call["name"], call.get("args") or {}) for call in calls]


def whole_parts(parts: list[Json]) -> list[Json]:
    """The parts of a stream: words of one kind in a row are one part, up to and with a signature."""
    made: list[Json] = []
    for part in parts:
        last = made[-1] if made else {}
        joins = "text" in part and "text" in last and last.get("thought") == part.get("thought") and "thoughtSignature" not in last
        if joins:
            made[-1] = last | part | {"text": last["text"] + part["text"]}
        else:
            made.append(dict(part))
    return made


AGENTS: dict[str, type[Agent]] = {"chat": Chat, "responses": Responses, "leaning": Leaning, "claude": Claude, "gemini": Gemini}
