"""The `openai` SDK on Responses, against every target."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from mock.openai_more import PIXEL
from targets import CHANNELS, CITY, CLIENT_KEY, PERSON, Target, is_person, make

pytestmark = pytest.mark.sdk("openai")

TOOL: Any = {"type": "function", "name": "get_weather", "description": "The weather", "parameters": CITY, "strict": False}
CLOCK: Any = {"type": "function", "name": "get_time", "description": "The time", "parameters": CITY, "strict": False}
USE = "Use the tool get_weather for Paris"


def test_plain(target: Target) -> None:
    answer = target.openai().responses.create(model=target.model(), input="Grüße aus Köln 🌍", store=False)
    assert "Grüße aus Köln 🌍" in answer.output_text
    assert answer.status == "completed"
    assert answer.usage and answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


@pytest.mark.parametrize("role", ["chat", "long"])
def test_stream_equals_plain(target: Target, role: str) -> None:
    client, body = target.openai(), {"model": target.model(role), "input": "Tell me of the sea – ça va? 🌊", "store": False}
    plain = client.responses.create(**body)
    events = list(client.responses.create(**body, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == plain.output_text
    assert [event.text for event in events if event.type == "response.output_text.done"] == [plain.output_text]
    final = events[-1]
    assert final.type == f"response.{plain.status}"
    assert final.response.output_text == plain.output_text
    assert final.response.usage == plain.usage
    in_order(events)


def in_order(events: list[Any]) -> None:
    """The sequence that clients rely on."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    added = [event.output_index for event in events if event.type == "response.output_item.added"]
    done = [event.output_index for event in events if event.type == "response.output_item.done"]
    assert sorted(added) == sorted(done) == list(range(len(added)))
    assert kinds.count("response.content_part.added") == kinds.count("response.content_part.done")
    assert events[-1].response.output == [event.item for event in sorted(_done(events), key=lambda event: event.output_index)]


def _done(events: list[Any]) -> list[Any]:
    return [event for event in events if event.type == "response.output_item.done"]


def test_stream_helper(target: Target) -> None:
    with target.openai().responses.stream(model=target.model(), input="hi there", store=False) as stream:
        for _ in stream:
            pass
        assert "hi there" in stream.get_final_response().output_text


def test_length(target: Target) -> None:
    answer = target.openai().responses.create(model=target.model(), input="many words " * 20, max_output_tokens=16, store=False)
    assert answer.status == "incomplete"
    assert answer.incomplete_details and answer.incomplete_details.reason == "max_output_tokens"


def test_forced_tool_call_and_round_trip(target: Target) -> None:
    client = target.openai()
    body: dict[str, Any] = {"model": target.model("tools"), "tools": [TOOL, CLOCK], "store": False, "include": ["reasoning.encrypted_content"]}
    first = client.responses.create(input=USE, tool_choice={"type": "function", "name": "get_weather"}, **body)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather"]
    assert "city" in json.loads(calls[0].arguments)
    output = {"type": "function_call_output", "call_id": calls[0].call_id, "output": "sunny, 21 °C"}
    second = client.responses.create(input=[{"role": "user", "content": USE}, *replayed(first), output], **body)
    assert "sunny, 21 °C" in second.output_text


def replayed(response: Any) -> list[Any]:
    """Output items as a client sends them back."""
    return [item.model_dump(exclude_none=True) for item in response.output]


def test_streamed_tool_call_equals_plain(target: Target) -> None:
    client = target.openai()
    body: dict[str, Any] = {"model": target.model("tools"), "input": USE, "tools": [TOOL], "tool_choice": "required", "store": False}
    plain = [(item.name, json.loads(item.arguments)) for item in client.responses.create(**body).output if item.type == "function_call"]
    events = list(client.responses.create(**body, stream=True))
    deltas: dict[str, str] = {}
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            deltas[event.item_id] = deltas.get(event.item_id, "") + event.delta
    done = [event.item for event in _done(events) if event.item.type == "function_call"]
    assert [(item.name, json.loads(item.arguments)) for item in done] == plain
    assert [json.loads(deltas[item.id]) for item in done] == [arguments for _, arguments in plain]
    in_order(events)


@pytest.mark.needs("parallel")
def test_parallel_calls_and_their_round_trip(target: Target) -> None:
    client = target.openai()
    body: dict[str, Any] = {"model": target.model("tools"), "tools": [TOOL, CLOCK], "store": False, "include": ["reasoning.encrypted_content"]}
    first = client.responses.create(input="Use both tools", **body)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    assert len({call.call_id for call in calls}) == 2
    streamed = list(client.responses.create(input="Use both tools", stream=True, **body))
    assert [event.item.name for event in _done(streamed) if event.item.type == "function_call"] == ["get_weather", "get_time"]
    outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": f"{call.name} is fine"} for call in calls]
    second = client.responses.create(input=[{"role": "user", "content": "Use both tools"}, *replayed(first), *outputs], **body)
    assert "get_weather is fine" in second.output_text and "get_time is fine" in second.output_text


def test_many_turns(target: Target) -> None:
    turns: Any = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "first"},
        {"role": "user", "content": [{"type": "input_text", "text": "three, please"}]},
    ]
    assert "three, please" in target.openai().responses.create(model=target.model(), input=turns, store=False).output_text


@pytest.mark.needs("system")
def test_instructions_and_developer_turns(target: Target) -> None:
    turns: Any = [{"role": "developer", "content": "Mention parrots."}, {"role": "user", "content": "hi"}]
    answer = target.openai().responses.create(model=target.model(), instructions="Speak like a pirate.", input=turns, store=False)
    assert "pirate" in answer.output_text and "parrots" in answer.output_text


@pytest.mark.needs("images")
def test_image(target: Target) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64," + PIXEL, "detail": "auto"}
    turns: Any = [{"role": "user", "content": [{"type": "input_text", "text": "what is this?"}, image]}]
    assert "1 image" in target.openai().responses.create(model=target.model(), input=turns, store=False).output_text


@pytest.mark.needs("schema")
def test_json_schema(target: Target) -> None:
    form: Any = {"format": {"type": "json_schema", "name": "person", "strict": True, "schema": PERSON}}
    answer = target.openai().responses.create(model=target.model(), input="a person", text=form, store=False)
    assert is_person(json.loads(answer.output_text))


@pytest.mark.needs("thinks")
def test_reasoning_comes_back_and_is_taken_again(target: Target) -> None:
    client = target.openai()
    body: dict[str, Any] = {
        "model": target.model("tools"),
        "tools": [TOOL],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"},
        "max_output_tokens": 32000,
    }
    first = client.responses.create(input=USE, **body)
    assert first.output[0].type == "reasoning"
    calls = [item for item in first.output if item.type == "function_call"]
    outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
    second = client.responses.create(input=[{"role": "user", "content": USE}, *replayed(first), *outputs], **body)
    assert "sunny" in second.output_text
    events = list(client.responses.create(input=USE, stream=True, **body))
    assert events[-1].response.output[0].type == "reasoning"
    in_order(events)


def test_count_tokens(target: Target) -> None:
    few = target.openai().responses.input_tokens.count(model=target.model(), input="hi")
    many = target.openai().responses.input_tokens.count(model=target.model(), input="hi " * 400)
    assert few.object == "response.input_tokens"
    assert 0 < few.input_tokens < many.input_tokens


@pytest.mark.needs("state")
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
def test_previous_response_id(target: Target, stream: bool) -> None:
    """Five turns with a tool and thinking, of which each brings only what is new."""
    client = target.openai()
    body: Any = {"model": target.model("tools"), "tools": [TOOL], "reasoning": {"effort": "high", "summary": "auto"}, "max_output_tokens": 32000}

    def ask(given: Any, **more: Any) -> Any:
        made = client.responses.create(input=given, stream=stream, **body, **more)
        return list(made)[-1].response if stream else made

    answer = ask("Use the tool get_weather 4 times")
    assert answer.output[0].type == "reasoning"
    for number in range(1, 5):
        call = next(item for item in answer.output if item.type == "function_call")
        result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": f"answer {number} is sunny"}]
        answer = ask(result, previous_response_id=answer.id)
    places = [answer.output_text.find(f"answer {number} is sunny") for number in range(1, 5)]
    assert -1 not in places and places == sorted(places), answer.output_text
    # Who keeps responses itself is asked under its own path.
    scoped = target.openai(base_url="/".join(part for part in (target.base, target.prefix.rstrip("/"), "v1") if part))
    assert scoped.responses.retrieve(answer.id).output_text == answer.output_text
    if target.name != "openai":
        listed = client.responses.input_items.list(answer.id)
        assert [item.type for item in listed.data] == ["function_call_output"]
    scoped.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError):
        scoped.responses.retrieve(answer.id)


@pytest.mark.gateway
@pytest.mark.needs("state")
def test_a_response_that_is_not_kept(target: Target) -> None:
    client = target.openai()
    unkept = client.responses.create(model=target.model(), input="hi", store=False)
    for id in ("resp_nobody", unkept.id):
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=target.model(), input="x", previous_response_id=id)
        assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")


@pytest.mark.gateway
@pytest.mark.parametrize("name", ["anthropic", "gemini", "vendor"])
def test_a_conversation(gateway: Any, name: str) -> None:
    target = make(name, gateway.base, CLIENT_KEY, prefix=f"{CHANNELS[name]}/")
    client = target.openai()
    first: Any = {"type": "message", "role": "user", "content": "My name is Ann."}
    made = client.conversations.create(metadata={"topic": "names"}, items=[first])
    answer = client.responses.create(model=target.model(), input="three, please", conversation=made.id)
    assert answer.conversation and answer.conversation.id == made.id
    listed = list(client.conversations.items.list(made.id, order="asc"))
    assert [item.type for item in listed[:2]] == ["message", "message"] and listed[-1].type == "message"
    assert listed[0].content[0].text == "My name is Ann." and listed[-1].content[0].text == answer.output_text
    paged = list(client.conversations.items.list(made.id, order="asc", limit=1))
    assert [item.id for item in paged] == [item.id for item in listed]
    added = client.conversations.items.create(made.id, items=[{"type": "message", "role": "user", "content": "more"}])
    one = client.conversations.items.retrieve(added.data[0].id, conversation_id=made.id)
    assert one.content[0].text == "more"
    client.conversations.items.delete(one.id, conversation_id=made.id)
    assert client.conversations.update(made.id, metadata={"a": "b"}).metadata == {"a": "b"}
    assert client.conversations.retrieve(made.id).metadata == {"a": "b"}
    assert client.conversations.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model=target.model(), input="x", conversation=made.id)
