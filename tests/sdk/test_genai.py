"""The `google-genai` SDK, against every target. It speaks `/v1`; the older `/v1beta` is asked for where it says so."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.genai import types
from mock.openai_more import PIXEL
from targets import CITY, CITY_GEMINI, PERSON, Target, is_person

pytestmark = pytest.mark.sdk("gemini")

USE = "Use the tool get_weather for Paris"


def declared(*names: str, json_schema: bool = False) -> list[types.Tool]:
    """Tools, in Google's schema or in JSON schema."""
    schema: dict[str, Any] = {"parameters_json_schema": CITY} if json_schema else {"parameters": types.Schema.model_validate(CITY_GEMINI)}
    return [types.Tool(function_declarations=[types.FunctionDeclaration(name=name, description=name, **schema) for name in names])]


def config(**more: Any) -> types.GenerateContentConfig:
    off = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig(automatic_function_calling=off, **more)


def mode(name: str, *allowed: str) -> types.ToolConfig:
    calling = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode(name), allowed_function_names=list(allowed) or None)
    return types.ToolConfig(function_calling_config=calling)


def user(*parts: types.Part) -> types.Content:
    return types.Content(role="user", parts=list(parts))


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_plain(target: Target, version: str) -> None:
    answer = target.genai(version=version).models.generate_content(model=target.model(), contents="Grüße aus Köln 🌍")
    assert "Grüße aus Köln 🌍" in (answer.text or "")
    assert answer.candidates and answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage and (usage.prompt_token_count or 0) > 0 and (usage.candidates_token_count or 0) > 0
    assert (usage.total_token_count or 0) >= (usage.prompt_token_count or 0) + (usage.candidates_token_count or 0)


@pytest.mark.parametrize("role", ["chat", "long"])
def test_stream_equals_plain(target: Target, role: str) -> None:
    client, body = target.genai(), {"model": target.model(role), "contents": "Tell me of the sea – ça va? 🌊"}
    plain = client.models.generate_content(**body)
    chunks = list(client.models.generate_content_stream(**body))
    assert "".join(chunk.text or "" for chunk in chunks) == plain.text
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates and chunk.candidates[0].finish_reason]
    assert reasons == [plain.candidates[0].finish_reason]
    assert counted(chunks[-1].usage_metadata) == counted(plain.usage_metadata)


def counted(usage: Any) -> list[int]:
    names = ("prompt_token_count", "candidates_token_count", "total_token_count", "thoughts_token_count", "cached_content_token_count")
    return [getattr(usage, name) or 0 for name in names]


def test_length(target: Target) -> None:
    answer = target.genai().models.generate_content(model=target.model(), contents="many words " * 20, config=config(max_output_tokens=16))
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


@pytest.mark.parametrize("json_schema", [False, True], ids=["schema", "json-schema"])
def test_forced_call_and_round_trip(target: Target, json_schema: bool) -> None:
    client, model, asked = target.genai(), target.model("tools"), user(types.Part(text=USE))
    tools = declared("get_weather", "get_time", json_schema=json_schema)
    first = client.models.generate_content(model=model, contents=[asked], config=config(tools=tools, tool_config=mode("ANY", "get_weather")))
    assert [call.name for call in first.function_calls or []] == ["get_weather"]
    assert "city" in (first.function_calls[0].args or {})
    history = [asked, first.candidates[0].content, answered(first, "sunny, 21 °C")]
    second = client.models.generate_content(model=model, contents=history, config=config(tools=tools))
    assert "sunny, 21 °C" in (second.text or "")


def answered(answer: types.GenerateContentResponse, *texts: str) -> types.Content:
    """The turn that answers an answer's function calls."""
    pairs = zip(answer.function_calls or [], texts, strict=True)
    made = [types.FunctionResponse(id=call.id, name=call.name, response={"result": text}) for call, text in pairs]
    return user(*(types.Part(function_response=one) for one in made))


def test_no_call_when_none_is_chosen(target: Target) -> None:
    body = config(tools=declared("get_weather"), tool_config=mode("NONE"))
    answer = target.genai().models.generate_content(model=target.model("tools"), contents=USE, config=body)
    assert not answer.function_calls and answer.text


def test_streamed_call_equals_plain(target: Target) -> None:
    client, body = target.genai(), config(tools=declared("get_weather"), tool_config=mode("ANY"))
    plain = client.models.generate_content(model=target.model("tools"), contents=USE, config=body)
    chunks = list(client.models.generate_content_stream(model=target.model("tools"), contents=USE, config=body))
    streamed = [(call.name, call.args) for chunk in chunks for call in chunk.function_calls or []]
    assert streamed == [(call.name, call.args) for call in plain.function_calls or []] != []


@pytest.mark.needs("parallel")
def test_parallel_calls_and_their_round_trip(target: Target) -> None:
    client, model, asked = target.genai(), target.model("tools"), user(types.Part(text="Use both tools"))
    body = config(tools=declared("get_weather", "get_time"))
    first = client.models.generate_content(model=model, contents=[asked], config=body)
    assert [call.name for call in first.function_calls or []] == ["get_weather", "get_time"]
    ids = [call.id for call in first.function_calls or [] if call.id]
    assert len(ids) == len(set(ids))
    chunks = list(client.models.generate_content_stream(model=model, contents=[asked], config=body))
    streamed = [(call.name, call.args) for chunk in chunks for call in chunk.function_calls or []]
    assert streamed == [(call.name, call.args) for call in first.function_calls or []]
    history = [asked, first.candidates[0].content, answered(first, "get_weather is fine", "get_time is fine")]
    second = client.models.generate_content(model=model, contents=history, config=body)
    assert "get_weather is fine" in (second.text or "") and "get_time is fine" in (second.text or "")


@pytest.mark.needs("thinks")
def test_thoughts_are_shown_and_signatures_taken_again(target: Target) -> None:
    client, model, asked = target.genai(), target.model("tools"), user(types.Part(text=USE))
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
    body = config(tools=declared("get_weather"), thinking_config=thinking)
    first = client.models.generate_content(model=model, contents=[asked], config=body)
    parts = first.candidates[0].content.parts
    if target.name == "gemini":
        assert parts[0].thought and any(part.thought_signature for part in parts)
    second = client.models.generate_content(model=model, contents=[asked, first.candidates[0].content, answered(first, "sunny")], config=body)
    assert "sunny" in (second.text or "")


def test_a_chat_of_many_turns(target: Target) -> None:
    chat = target.genai().chats.create(model=target.model())
    chat.send_message("one")
    assert "three, please" in (chat.send_message("three, please").text or "")
    assert len(chat.get_history()) == 4


@pytest.mark.needs("system")
def test_system(target: Target) -> None:
    body = config(system_instruction="Speak like a pirate.")
    assert "pirate" in (target.genai().models.generate_content(model=target.model(), contents="hi", config=body).text or "")


@pytest.mark.needs("images")
def test_image(target: Target) -> None:
    parts = user(types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png"), types.Part(text="what is this?"))
    assert "1 image" in (target.genai().models.generate_content(model=target.model(), contents=[parts]).text or "")


@pytest.mark.needs("schema")
@pytest.mark.parametrize("name", ["response_schema", "response_json_schema"])
def test_json_schema(target: Target, name: str) -> None:
    google = {"type": "OBJECT", "properties": {"name": {"type": "STRING"}, "age": {"type": "INTEGER"}}, "required": ["name", "age"]}
    google["properties"] |= {"tags": {"type": "ARRAY", "items": {"type": "STRING"}}}
    schema: Any = google if name == "response_schema" else PERSON
    body = config(response_mime_type="application/json", **{name: schema})
    assert is_person(json.loads(target.genai().models.generate_content(model=target.model(), contents="a person", config=body).text or ""))


def test_count_tokens(target: Target) -> None:
    client = target.genai()
    few = client.models.count_tokens(model=target.model(), contents="hi").total_tokens or 0
    many = client.models.count_tokens(model=target.model(), contents="hi " * 400).total_tokens or 0
    assert 0 < few < many


@pytest.mark.needs("embed")
def test_embeddings(target: Target) -> None:
    answer = target.genai().models.embed_content(model=target.model("embed"), contents=["sea", "mountain", "sea"])
    vectors = [one.values for one in answer.embeddings or []]
    assert len(vectors) == 3 and vectors[0] == vectors[2] != vectors[1]
    assert all(isinstance(value, float) for value in vectors[0] or [])


def test_models(target: Target) -> None:
    client = target.genai()
    names = [model.name for model in client.models.list(config={"page_size": 1000})]
    assert f"models/{target.model()}" in names
    assert client.models.get(model=target.model()).name == f"models/{target.model()}"
