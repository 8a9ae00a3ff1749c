"""The mocks refuse what the real providers refuse, natively, and take what the real ones took."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mock
import pytest
import wire
from mock import anthropic_rules, brain, gemini_rules, openai_rules, spec
from mock.openai_more import PIXEL
from mock.server import Refusal

Json = dict[str, Any]

RECORDED = Path(os.environ.get("GPROXY_RECORDED", spec.ROOT.parent / "shared" / "recorded"))


@pytest.fixture(scope="module")
def mocks() -> Iterator[mock.Mocks]:
    running = mock.start()
    yield running
    running.close()


# --- Anthropic ---------------------------------------------------------------------------------------------------------------

USER: Json = {"role": "user", "content": "hi"}
USE: Json = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT: Json = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "found"}
LOOK: Json = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
THOUGHT: Json = {"type": "thinking", "thinking": "Hm.", "signature": brain.sign("anthropic", "Hm.")}
THINKING: Json = {"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000}}


def claude(*messages: Json, **more: Any) -> Json:
    return {"model": "claude-opus-5", "max_tokens": 100, "messages": list(messages), **more}


def said(role: str, *blocks: Json) -> Json:
    return {"role": role, "content": list(blocks)}


def picture(data: str, kind: str = "image/png") -> Json:
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


CLAUDE_BAD: dict[str, tuple[Json, str]] = {
    "max_tokens missing": ({"model": "claude-opus-5", "messages": [USER]}, "max_tokens: Field required"),
    "unknown top member": (claude(USER, foo=1), "foo: Extra inputs are not permitted"),
    "unknown block member": (claude(said("user", {"type": "text", "text": "a", "foo": 1})), "messages.0.content.0.foo: Extra inputs"),
    "foreign block": (claude(said("user", {"type": "input_text", "text": "a"})), "messages.0.content.0"),
    "openai image block": (claude(said("user", {"type": "image_url", "image_url": {"url": "x"}})), "messages.0.content.0"),
    "empty text block": (claude(said("user", {"type": "text", "text": ""})), "text content blocks must be non-empty"),
    "blank text block": (claude(said("user", {"type": "text", "text": " \n"})), "non-whitespace"),
    "empty system block": (claude(USER, system=[{"type": "text", "text": ""}]), "system.0.text: text content blocks must be non-empty"),
    "empty text in a result": (claude(USER, said("assistant", USE), said("user", {**RESULT, "content": [{"type": "text", "text": ""}]})), "non-empty"),
    "empty message": (claude(said("user"), said("assistant", {"type": "text", "text": "x"}), USER), "non-empty content"),
    "bad base64": (claude(said("user", picture("!!!"))), "invalid base64"),
    "a data url for base64": (claude(said("user", picture("data:image/png;base64," + PIXEL))), "invalid base64"),
    "picture of another kind": (claude(said("user", picture(PIXEL, "image/jpeg"))), "media type"),
    "use without a result": (claude(USER, said("assistant", USE), USER), "`tool_use` ids were found without `tool_result`"),
    "use at the end": (claude(USER, said("assistant", USE)), "without `tool_result` blocks"),
    "one of two unanswered": (claude(USER, said("assistant", USE, {**USE, "id": "toolu_2"}), said("user", RESULT)), "toolu_2"),
    "result without a use": (claude(said("user", RESULT)), "unexpected `tool_use_id`"),
    "result of a wrong id": (claude(USER, said("assistant", USE), said("user", {**RESULT, "tool_use_id": "toolu_9"})), "unexpected `tool_use_id`"),
    "result too late": (
        claude(USER, said("assistant", USE), said("user", RESULT), said("assistant", {"type": "text", "text": "x"}), said("user", RESULT)),
        "unexpected `tool_use_id`",
    ),
    "two results of one use": (claude(USER, said("assistant", USE), said("user", RESULT, RESULT)), "single result"),
    "one id twice": (claude(USER, said("assistant", USE, USE), said("user", RESULT)), "must be unique"),
    "id of a foreign form": (claude(USER, said("assistant", {**USE, "id": "a.b"}), said("user", {**RESULT, "tool_use_id": "a.b"})), "match pattern"),
    "input as a string": (claude(USER, said("assistant", {**USE, "input": "{}"}), said("user", RESULT)), "input"),
    "foreign signature": (claude(USER, said("assistant", {**THOUGHT, "signature": base64.b64encode(b"x" * 64).decode()}), USER), "Invalid `signature`"),
    "altered thinking": (claude(USER, said("assistant", {**THOUGHT, "thinking": "Ha."}), USER), "Invalid `signature`"),
    "empty signature": (claude(USER, said("assistant", {**THOUGHT, "signature": ""}), USER), "Invalid `signature`"),
    "signature missing": (claude(USER, said("assistant", {"type": "thinking", "thinking": "Hm."}), USER), "signature: Field required"),
    "thinking missing": (claude(USER, said("assistant", USE), said("user", RESULT), tools=[LOOK], **THINKING), "Expected `thinking`"),
    "budget over max_tokens": (claude(USER, **{**THINKING, "max_tokens": 1500}), "must be greater than `thinking.budget_tokens`"),
    "forced tool with thinking": (claude(USER, tools=[LOOK], tool_choice={"type": "any"}, **THINKING), "tool_choice forces tool use"),
    "schema without type": (claude(USER, tools=[{"name": "look", "input_schema": {"properties": {}}}]), "input_schema.type: Field required"),
    "schema with anyOf on top": (claude(USER, tools=[{"name": "look", "input_schema": {"type": "object", "anyOf": []}}]), "oneOf, allOf, or anyOf"),
    "two tools of one name": (claude(USER, tools=[LOOK, LOOK]), "unique"),
    "tool name of a foreign form": (claude(USER, tools=[{**LOOK, "name": "a b"}]), "match pattern"),
    "openai tool": (claude(USER, tools=[{"type": "function", "function": {"name": "look"}}]), "tools.0"),
    "choice of no tool": (claude(USER, tools=[LOOK], tool_choice={"type": "tool", "name": "seek"}), "not found"),
    "openai choice": (claude(USER, tools=[LOOK], tool_choice="auto"), "tool_choice"),
    "open output schema": (
        claude(USER, output_config={"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}),
        "'additionalProperties' must be explicitly set to false",
    ),
    "five cache marks": (claude(*[said("user", {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}})] * 5), "maximum of 4"),
    "trailing blank": (claude(USER, {"role": "assistant", "content": "so "}), "trailing whitespace"),
    "temperature over one": (claude(USER, temperature=1.5), "temperature"),
    "role of a foreign form": (claude({"role": "tool", "content": "x"}), "messages.0.role"),
}


@pytest.mark.parametrize("name", CLAUDE_BAD)
def test_claude_refuses(name: str, mocks: mock.Mocks) -> None:
    body, words = CLAUDE_BAD[name]
    answer = wire.send("POST", mocks.anthropic.url + "/v1/messages", body, CLAUDE_HEAD)
    assert answer.status == 400, answer.text
    error = answer.json()
    assert error["type"] == "error" and error["error"]["type"] == "invalid_request_error"
    assert words in error["error"]["message"], error["error"]["message"]


CLAUDE_HEAD = {"x-api-key": mock.KEYS["anthropic"], "anthropic-version": "2023-06-01"}

CLAUDE_GOOD: dict[str, Json] = {
    "tool round": claude(USER, said("assistant", USE), said("user", RESULT), tools=[LOOK]),
    "parallel round": claude(USER, said("assistant", USE, {**USE, "id": "b"}), said("user", RESULT, {**RESULT, "tool_use_id": "b"}), tools=[LOOK]),
    "results in two turns of one role": claude(
        USER, said("assistant", USE, {**USE, "id": "b"}), said("user", RESULT), said("user", {**RESULT, "tool_use_id": "b"}), tools=[LOOK]
    ),
    "own thinking": claude(USER, said("assistant", THOUGHT, USE), said("user", RESULT), tools=[LOOK], **THINKING),
    "two turns of one role": claude(USER, USER),
    "system in the middle": claude(USER, {"role": "system", "content": "be brief"}, USER),
    "sampling": claude(USER, temperature=0.3, top_k=5),
    "prefill": claude(USER, {"role": "assistant", "content": "{"}),
    "schema words of Claude Code": claude(
        USER, tools=[{**LOOK, "input_schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": False}}]
    ),
}


@pytest.mark.parametrize("name", CLAUDE_GOOD)
def test_claude_takes(name: str, mocks: mock.Mocks) -> None:
    answer = wire.send("POST", mocks.anthropic.url + "/v1/messages", CLAUDE_GOOD[name], CLAUDE_HEAD)
    assert answer.status == 200, answer.text


# --- Gemini ------------------------------------------------------------------------------------------------------------------

ASK: Json = {"role": "user", "parts": [{"text": "hi"}]}
CALL: Json = {"functionCall": {"name": "look", "args": {}, "id": "c1"}}
SIGNED: Json = {**CALL, "thoughtSignature": gemini_rules.sign(CALL)}
BACK: Json = {"functionResponse": {"name": "look", "response": {"ok": True}, "id": "c1"}}


def gemini(*contents: Json, **more: Any) -> Json:
    return {"contents": list(contents), **more}


def turn(role: str, *parts: Json) -> Json:
    return {"role": role, "parts": list(parts)}


def function(parameters: Json) -> Json:
    return {"tools": [{"functionDeclarations": [{"name": "look", "parameters": parameters}]}]}


GEMINI_BAD: dict[str, tuple[Json, str]] = {
    "no contents": ({}, "contents is not specified"),
    "unknown top member": (gemini(ASK, messages=[]), 'Unknown name "messages"'),
    "unknown part member": (gemini(turn("user", {"text": "a", "cache_control": {}})), "at 'contents[0].parts[0]': Cannot find field."),
    "unknown config member": (gemini(ASK, generationConfig={"max_tokens": 5}), 'Unknown name "max_tokens"'),
    "text as a number": (gemini(turn("user", {"text": 3})), "Invalid value at"),
    "no parts": (gemini({"role": "user", "parts": []}), "must not be empty"),
    "a part without data": (gemini(turn("user", {})), "required oneof field 'data'"),
    "two data in one part": (gemini(turn("user", {"text": "a", "inlineData": {"mimeType": "image/png", "data": PIXEL}})), "multiple"),
    "role of a foreign form": (gemini({"role": "assistant", "parts": [{"text": "a"}]}), "valid role"),
    "bad base64": (gemini(turn("user", {"inlineData": {"mimeType": "image/png", "data": "!!!"}})), "Base64 decoding failed"),
    "call without a response": (gemini(ASK, turn("model", SIGNED), ASK), "number of function response parts"),
    "call at the end": (gemini(ASK, turn("model", SIGNED)), "number of function response parts"),
    "one of two unanswered": (gemini(ASK, turn("model", SIGNED, CALL), turn("user", BACK)), "number of function response parts"),
    "response without a call": (gemini(turn("user", BACK)), "function response turn comes immediately after"),
    "response too late": (gemini(ASK, turn("model", SIGNED), turn("user", BACK), turn("model", {"text": "x"}), turn("user", BACK)), "immediately after"),
    "call first": (gemini(turn("model", SIGNED), turn("user", BACK)), "function call turn comes immediately after"),
    "response of a wrong name": (gemini(ASK, turn("model", SIGNED), turn("user", {"functionResponse": {"name": "seek", "response": {}}})), "seek"),
    "response of a wrong id": (
        gemini(ASK, turn("model", SIGNED), turn("user", {"functionResponse": {"name": "look", "response": {}, "id": "c9"}})),
        "c9",
    ),
    "response without a name": (gemini(ASK, turn("model", SIGNED), turn("user", {"functionResponse": {"response": {}}})), "Name cannot be empty"),
    "signature missing": (gemini(ASK, turn("model", CALL), turn("user", BACK)), "missing a thought_signature"),
    "signature foreign": (gemini(ASK, turn("model", {**CALL, "thoughtSignature": "AAAA"}), turn("user", BACK)), "Corrupted thought signature"),
    "signature of another call": (
        gemini(ASK, turn("model", {"functionCall": {"name": "look", "args": {"a": 1}}, "thoughtSignature": SIGNED["thoughtSignature"]}), turn("user", BACK)),
        "Corrupted thought signature",
    ),
    "schema with $ref": (gemini(ASK, **function({"type": "OBJECT", "$ref": "#/x"})), 'Unknown name "$ref"'),
    "schema with additionalProperties": (gemini(ASK, **function({"type": "OBJECT", "additionalProperties": False})), 'Unknown name "additionalProperties"'),
    "schema with $schema": (gemini(ASK, **function({"type": "OBJECT", "$schema": "x"})), 'Unknown name "$schema"'),
    "schema with const": (gemini(ASK, **function({"type": "OBJECT", "properties": {"a": {"type": "STRING", "const": "x"}}})), 'Unknown name "const"'),
    "schema with a list of types": (gemini(ASK, **function({"type": "OBJECT", "properties": {"a": {"type": ["STRING", "NULL"]}}})), "Invalid value"),
    "array without items": (gemini(ASK, **function({"type": "OBJECT", "properties": {"a": {"type": "ARRAY"}}})), "items: missing field"),
    "required but unknown": (gemini(ASK, **function({"type": "OBJECT", "properties": {}, "required": ["a"]})), "property is not defined"),
    "enum of numbers": (gemini(ASK, **function({"type": "OBJECT", "properties": {"a": {"type": "INTEGER", "enum": ["1"]}}})), "only allowed for STRING"),
    "tool name of a foreign form": (gemini(ASK, tools=[{"functionDeclarations": [{"name": "a b"}]}]), "Invalid function name"),
    "schema without its mime type": (gemini(ASK, generationConfig={"responseSchema": {"type": "OBJECT"}}), "application/json"),
}


@pytest.mark.parametrize("name", GEMINI_BAD)
def test_gemini_refuses(name: str, mocks: mock.Mocks) -> None:
    body, words = GEMINI_BAD[name]
    answer = wire.send("POST", mocks.gemini.url + "/v1beta/models/gemini-3-pro:generateContent", body, GEMINI_HEAD)
    assert answer.status == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert words in error["message"], error["message"]


GEMINI_HEAD = {"x-goog-api-key": mock.KEYS["gemini"]}
SKIP = "skip_thought_signature_validator"

GEMINI_GOOD: dict[str, Json] = {
    "tool round": gemini(ASK, turn("model", SIGNED), turn("user", BACK)),
    "parallel round, the first call signed": gemini(ASK, turn("model", SIGNED, {"functionCall": {"name": "look"}}), turn("user", BACK, BACK | {
        "functionResponse": {"name": "look", "response": {}}
    })),
    "skipped signature, bare": gemini(ASK, turn("model", {**CALL, "thoughtSignature": SKIP}), turn("user", BACK)),
    "skipped signature, in base64": gemini(ASK, turn("model", {**CALL, "thoughtSignature": base64.b64encode(SKIP.encode()).decode()}), turn("user", BACK)),
    "an old turn without a signature": gemini(ASK, turn("model", CALL), turn("user", BACK), turn("model", {"text": "so"}), ASK),
    "two turns of one role": gemini(ASK, ASK),
    "empty properties": gemini(ASK, **function({"type": "object", "properties": {}})),
    "the other base64 alphabet": gemini(turn("user", {"inlineData": {"mimeType": "image/png", "data": "_-8"}})),
    "json schema": gemini(ASK, tools=[{"functionDeclarations": [{"name": "look", "parametersJsonSchema": {"type": "object", "additionalProperties": False}}]}]),
    "snake case": gemini(ASK, generation_config={"max_output_tokens": 50}),
}


@pytest.mark.parametrize("name", GEMINI_GOOD)
def test_gemini_takes(name: str, mocks: mock.Mocks) -> None:
    answer = wire.send("POST", mocks.gemini.url + "/v1/models/gemini-3-pro:generateContent", GEMINI_GOOD[name], GEMINI_HEAD)
    assert answer.status == 200, answer.text


# --- OpenAI ------------------------------------------------------------------------------------------------------------------

TOOL: Json = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
MADE: Json = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]}
GOT: Json = {"role": "tool", "tool_call_id": "c1", "content": "found"}


def chat(*messages: Json, **more: Any) -> Json:
    return {"model": "gpt-4o", "messages": list(messages), **more}


def image(url: str) -> Json:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


SO: Json = {"role": "assistant", "content": "so"}
HELD: Json = {"type": "reasoning.text", "text": "Hm.", "signature": brain.sign("vendor", "Hm."), "format": "unknown", "index": 0}

CHAT_BAD: dict[str, tuple[Json, str]] = {
    "no messages": (chat(), "empty array"),
    "messages missing": ({"model": "gpt-4o"}, "'messages'"),
    "call unanswered": (chat(USER, MADE, USER), "did not have response messages: c1"),
    "call at the end": (chat(USER, MADE), "did not have response messages: c1"),
    "answer without a call": (chat(USER, GOT), "must be a response to a preceeding message"),
    "answer of a wrong id": (chat(USER, MADE, {**GOT, "tool_call_id": "c9"}), "must be a response"),
    "answer too late": (chat(USER, MADE, GOT, {"role": "assistant", "content": "so"}, GOT), "must be a response"),
    "altered reasoning": (chat(USER, {**SO, "reasoning_details": [{**HELD, "text": "Hm!"}]}, USER), "could not be verified"),
    "foreign reasoning": (chat(USER, {**SO, "reasoning_details": [{**HELD, "signature": "gAAAA"}]}, USER), "could not be verified"),
    "bad base64": (chat(image("data:image/png;base64,!!!")), "base64"),
    "bad url": (chat(image("ftp:x")), "image_url"),
    "max_tokens of a reasoner": ({**chat(USER), "model": "gpt-5.5", "max_tokens": 5}, "max_completion_tokens"),
    "temperature of a reasoner": ({**chat(USER), "model": "gpt-5.5", "temperature": 0.5}, "Only the default (1)"),
    "temperature over two": (chat(USER, temperature=3), "temperature"),
    "stream options without a stream": (chat(USER, stream_options={"include_usage": True}), "stream_options"),
    "tool name of a foreign form": (chat(USER, tools=[{"type": "function", "function": {"name": "a.b"}}]), "name"),
    "open strict tool": (chat(USER, tools=[{"type": "function", "function": {**TOOL["function"], "strict": True}}]), "additionalProperties"),
    "open strict format": (
        chat(USER, response_format={"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}}),
        "additionalProperties",
    ),
    "choice without tools": (chat(USER, tool_choice="required"), "tool_choice"),
    "choice of no tool": (chat(USER, tools=[TOOL], tool_choice={"type": "function", "function": {"name": "seek"}}), "tool_choice"),
}

CHAT_BAD_BY_FILE: dict[str, tuple[Json, str]] = {
    "claude tool": (chat(USER, tools=[LOOK]), "tools"),
    "claude image": (chat(said("user", picture(PIXEL))), "messages[0]"),
    "claude role": (chat({"role": "model", "content": "x"}), "messages[0]"),
    "unknown top member": (chat(USER, thinking={"type": "enabled"}), "Unknown parameter: 'thinking'"),
    "stream as a word": (chat(USER, stream="yes"), "stream"),
}


def openai_refuses(url: str, body: Json, words: str) -> None:
    answer = wire.send("POST", url, body, OPENAI_HEAD)
    assert answer.status == 400, answer.text
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error" and {"message", "param", "code"} <= set(error)
    assert words in error["message"] + str(error["param"]), error


OPENAI_HEAD = {"authorization": f"Bearer {mock.KEYS['openai']}"}


@pytest.mark.parametrize("name", CHAT_BAD)
def test_chat_refuses(name: str, mocks: mock.Mocks) -> None:
    openai_refuses(mocks.openai.url + "/v1/chat/completions", *CHAT_BAD[name])


@pytest.mark.skipif(spec.load() is None, reason=spec.ABSENT)
@pytest.mark.parametrize("name", CHAT_BAD_BY_FILE)
def test_chat_refuses_by_the_public_file(name: str, mocks: mock.Mocks) -> None:
    openai_refuses(mocks.openai.url + "/v1/chat/completions", *CHAT_BAD_BY_FILE[name])


def responses(*items: Json, **more: Any) -> Json:
    return {"model": "gpt-5.5", "input": list(items), **more}


SENT: Json = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
CAME: Json = {"type": "function_call_output", "call_id": "c1", "output": "found"}
SEALED: Json = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": openai_rules.seal("rs_1")}

RESPONSES_BAD: dict[str, tuple[Json, str]] = {
    "call unanswered": (responses(USER, SENT, USER), "No tool output found for function call c1"),
    "output without a call": (responses(USER, CAME), "No tool call found for function call output with call_id c1"),
    "output of a wrong id": (responses(USER, SENT, {**CAME, "call_id": "c9"}), "c9"),
    "output before its call": (responses(USER, CAME, SENT), "No tool call found"),
    "output of another kind": (responses(USER, SENT, {**CAME, "type": "custom_tool_call_output"}), "No tool call found"),
    "one call twice": (responses(USER, SENT, SENT, CAME), "Duplicate call_id"),
    "item id of a foreign form": (responses(USER, {**SENT, "id": "toolu_1"}, CAME), "begins with 'fc'"),
    "foreign encrypted content": (responses(USER, {**SEALED, "encrypted_content": "gAAAA"}, SENT, CAME), "could not be verified"),
    "words in a reasoning item": (responses(USER, {**SEALED, "content": [{"type": "reasoning_text", "text": "hm"}]}, SENT, CAME), "array too long"),
    "encrypted content of another item": (responses(USER, {**SEALED, "id": "rs_2"}, SENT, CAME), "could not be verified"),
    "reasoning that led to nothing": (responses(USER, SEALED), "without its required following item"),
    "unknown previous response": (responses(USER, previous_response_id="resp_x"), "not found"),
    "bad base64": (responses(said("user", {"type": "input_image", "image_url": "data:image/png;base64,!!!", "detail": "auto"})), "base64"),
    "tool name of a foreign form": (responses(USER, tools=[{"type": "function", "name": "a b", "parameters": {"type": "object"}}]), "name"),
    "max_output_tokens of nothing": (responses(USER, max_output_tokens=0), "max_output_tokens"),
}


def test_own_thinking_is_taken_again(mocks: mock.Mocks) -> None:
    kept = chat(USER, {**SO, "reasoning_details": [HELD]}, USER)
    assert wire.send("POST", mocks.openai.url + "/v1/chat/completions", kept, OPENAI_HEAD).status == 200
    nameless = {name: part for name, part in SEALED.items() if name != "id"}
    for item in (SEALED, nameless):
        assert wire.send("POST", mocks.openai.url + "/v1/responses", responses(USER, item, SENT, CAME), OPENAI_HEAD).status == 200


@pytest.mark.parametrize("name", RESPONSES_BAD)
def test_responses_refuses(name: str, mocks: mock.Mocks) -> None:
    openai_refuses(mocks.openai.url + "/v1/responses", *RESPONSES_BAD[name])


# --- the list itself

LINES: dict[str, list[tuple[dict[str, Any], str]]] = {
    "unpaired tool calls or results": [
        *((CLAUDE_BAD, name) for name in ("use without a result", "use at the end", "one of two unanswered", "result without a use")),
        *((GEMINI_BAD, name) for name in ("call without a response", "call at the end", "one of two unanswered", "response without a call")),
        *((CHAT_BAD, name) for name in ("call unanswered", "call at the end", "answer without a call")),
        *((RESPONSES_BAD, name) for name in ("call unanswered", "output without a call")),
    ],
    "wrong ids": [
        *((CLAUDE_BAD, name) for name in ("result of a wrong id", "id of a foreign form", "one id twice")),
        *((GEMINI_BAD, name) for name in ("response of a wrong id", "response of a wrong name")),
        *((CHAT_BAD, name) for name in ("answer of a wrong id",)),
        *((RESPONSES_BAD, name) for name in ("output of a wrong id", "item id of a foreign form", "one call twice")),
    ],
    "missing max_tokens (Claude)": [(CLAUDE_BAD, "max_tokens missing")],
    "unknown fields (Claude, Gemini)": [
        *((CLAUDE_BAD, name) for name in ("unknown top member", "unknown block member")),
        *((GEMINI_BAD, name) for name in ("unknown top member", "unknown part member", "unknown config member")),
    ],
    "foreign, altered or missing thinking signatures": [
        *((CLAUDE_BAD, name) for name in ("foreign signature", "altered thinking", "empty signature", "signature missing", "thinking missing")),
        *((GEMINI_BAD, name) for name in ("signature missing", "signature foreign", "signature of another call")),
        *((RESPONSES_BAD, name) for name in ("foreign encrypted content", "encrypted content of another item")),
    ],
    "schemas that Gemini does not take": [
        (GEMINI_BAD, f"schema with {what}") for what in ("$ref", "additionalProperties", "$schema", "const", "a list of types")
    ],
    "empty text blocks": [(CLAUDE_BAD, name) for name in ("empty text block", "empty system block", "empty text in a result")],
    "a tool result that does not follow its call": [
        *((CLAUDE_BAD, name) for name in ("result too late",)),
        *((GEMINI_BAD, name) for name in ("response too late",)),
        *((CHAT_BAD, name) for name in ("answer too late",)),
        *((RESPONSES_BAD, name) for name in ("output before its call",)),
    ],
    "bad base64": [(table, "bad base64") for table in (CLAUDE_BAD, GEMINI_BAD, CHAT_BAD, RESPONSES_BAD)],
}
"""What a strict mock refuses, each line with the cases that prove it."""


@pytest.mark.parametrize("line", LINES)
def test_each_line_has_its_proof(line: str) -> None:
    assert LINES[line]
    for table, name in LINES[line]:
        assert name in table, f"{line}: no case {name!r}"


# --- doors, ledger, recorded traffic -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "path", "headers", "status"),
    [
        ("openai", "/v1/models", {}, 401),
        ("openai", "/v1/models", {"authorization": "Bearer client-key"}, 401),
        ("openai", "/v1/models", {"x-api-key": mock.KEYS["openai"]}, 401),
        ("openai", "/v1/nothing", OPENAI_HEAD, 404),
        ("openai", "/v1/models/gpt-9", OPENAI_HEAD, 404),
        ("anthropic", "/v1/models", {"anthropic-version": "2023-06-01"}, 401),
        ("anthropic", "/v1/models", {**CLAUDE_HEAD, "x-api-key": "client-key"}, 401),
        ("anthropic", "/v1/models", {**CLAUDE_HEAD, "authorization": "Bearer client-key"}, 401),
        ("anthropic", "/v1/models", {"x-api-key": mock.KEYS["anthropic"]}, 400),
        ("anthropic", "/v1/models/claude-9", CLAUDE_HEAD, 404),
        ("gemini", "/v1beta/models", {}, 403),
        ("gemini", "/v1beta/models", {"x-goog-api-key": "client-key"}, 400),
        ("gemini", "/v1beta/models?key=client-key", {}, 400),
        ("gemini", "/v1beta/models/gemini-9", GEMINI_HEAD, 404),
        ("gemini", "/v2/models", GEMINI_HEAD, 404),
    ],
)
def test_the_door_is_shut(provider: str, path: str, headers: dict[str, str], status: int, mocks: mock.Mocks) -> None:
    running: mock.Mock = getattr(mocks, provider)
    assert wire.send("GET", running.url + path, headers=headers).status == status


def test_the_ledger_counts_what_was_served(mocks: mock.Mocks) -> None:
    wire.send("DELETE", mocks.openai.url + "/__ledger")
    good = wire.send("POST", mocks.openai.url + "/v1/chat/completions", chat(USER), OPENAI_HEAD).json()["usage"]
    wire.send("POST", mocks.openai.url + "/v1/chat/completions", chat(), OPENAI_HEAD)
    ledger = wire.send("GET", mocks.openai.url + "/__ledger").json()
    assert (ledger["served"], ledger["refused"]) == (1, 1)
    assert (ledger["input_tokens"], ledger["output_tokens"]) == (good["prompt_tokens"], good["completion_tokens"])


@pytest.mark.parametrize("seed", range(5))
def test_a_split_stream_has_the_same_bytes(seed: int, mocks: mock.Mocks) -> None:
    url = mocks.gemini.url + "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"
    whole = wire.send("POST", url, gemini(ASK), GEMINI_HEAD).body
    wire.send("POST", f"{mocks.gemini.url}/__seed?seed={seed}")
    cut = wire.send("POST", url, gemini(ASK), GEMINI_HEAD).body
    wire.send("POST", f"{mocks.gemini.url}/__seed")
    assert cut == whole


def recorded(dialect: str) -> Iterator[Json]:
    for path in sorted((RECORDED / dialect).glob("*.json")):
        exchange = json.loads(path.read_text())
        if exchange["status"] == 200:
            yield exchange | {"name": path.name}


def judge(dialect: str, exchange: Json) -> None:
    body = exchange["request"]
    if dialect == "anthropic":
        anthropic_rules.judge(body, beta="beta" in exchange["uri"], trust=lambda thinking, signature: True)
    elif dialect == "gemini":
        gemini_rules.judge(body, exchange["uri"].split("/models/")[1].split(":")[0], trust=lambda part, signature: True)
    elif dialect == "chat":
        openai_rules.judge_chat(body)
    elif not body.get("previous_response_id") and not body.get("conversation"):
        openai_rules.judge_responses(body, [], trust=lambda item: True)


@pytest.mark.skipif(not RECORDED.exists(), reason=f"no recorded traffic at {RECORDED}")
@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "chat", "responses"])
def test_what_the_real_provider_took_is_taken(dialect: str) -> None:
    wrong = []
    for exchange in recorded(dialect):
        try:
            judge(dialect, exchange)
        except Refusal as refusal:
            wrong.append((exchange["name"], refusal.body))
    assert wrong == []
