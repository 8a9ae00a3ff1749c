"""What goes wrong is told in the SDK's own typed errors, with the status that the SDK expects and a message that names the fault."""

from __future__ import annotations

import http.client
import json
from typing import Any

import anthropic
import openai
import pytest
import wire
from google.genai import errors, types
from targets import CLIENT_KEY, Target

USER: Any = [{"role": "user", "content": "hi"}]
WRONG = "sk-nobody-knows-this-key"


# --- OpenAI


@pytest.mark.sdk("openai")
def test_openai_wrong_key(target: Target) -> None:
    client = target.openai(api_key=WRONG)
    for call in (lambda: client.models.list(), lambda: client.chat.completions.create(model=target.model(), messages=USER)):
        with pytest.raises(openai.AuthenticationError) as caught:
            call()
        assert caught.value.status_code == 401
        assert WRONG not in str(caught.value)


@pytest.mark.sdk("openai")
@pytest.mark.parametrize("dialect", ["chat", "responses", "embeddings"])
def test_openai_wrong_model(target: Target, dialect: str) -> None:
    client, model = target.openai(), "no-such-model-9"
    with pytest.raises(openai.NotFoundError) as caught:
        if dialect == "chat":
            client.chat.completions.create(model=model, messages=USER)
        elif dialect == "responses":
            client.responses.create(model=model, input="hi")
        else:
            client.embeddings.create(model=model, input="hi")
    assert model in caught.value.message
    assert caught.value.code == "model_not_found"


@pytest.mark.sdk("openai")
@pytest.mark.gateway
def test_openai_wrong_model_of_a_known_channel(target: Target) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        target.openai().chat.completions.create(model=target.prefix + "no-such-model-9", messages=USER)
    assert "no-such-model-9" in caught.value.message


@pytest.mark.sdk("chat")
@pytest.mark.parametrize("stream", [False, True])
def test_openai_chat_bad_messages(target: Target, stream: bool) -> None:
    openai_chat_refused(target, "messages", stream)


@pytest.mark.sdk("chat")
@pytest.mark.needs("strict")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("field", ["temperature", "tools"])
def test_openai_chat_bad_field(target: Target, field: str, stream: bool) -> None:
    openai_chat_refused(target, field, stream)


def openai_chat_refused(target: Target, field: str, stream: bool) -> None:
    body: dict[str, Any] = {"model": target.model("long"), "messages": USER, field: {"messages": "no list", "temperature": "hot", "tools": "none"}[field]}
    with pytest.raises(openai.BadRequestError) as caught:
        target.openai().chat.completions.create(stream=stream, **body)
    assert caught.value.type == "invalid_request_error"
    assert field in caught.value.message + str(caught.value.param)


@pytest.mark.sdk("openai")
def test_openai_responses_bad_input(target: Target) -> None:
    openai_responses_refused(target, "input")


@pytest.mark.sdk("openai")
@pytest.mark.needs("strict")
@pytest.mark.parametrize("field", ["max_output_tokens", "tools"])
def test_openai_responses_bad_field(target: Target, field: str) -> None:
    openai_responses_refused(target, field)


def openai_responses_refused(target: Target, field: str) -> None:
    body: dict[str, Any] = {"model": target.model(), "input": "hi", field: {"input": 7, "max_output_tokens": "many", "tools": "none"}[field]}
    with pytest.raises(openai.BadRequestError) as caught:
        target.openai().responses.create(**body)
    assert field in caught.value.message + str(caught.value.param)


@pytest.mark.sdk("chat")
@pytest.mark.needs("strict")
def test_openai_unpaired_call(target: Target) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages: Any = [*USER, {"role": "assistant", "content": None, "tool_calls": [call]}, *USER]
    with pytest.raises(openai.BadRequestError) as caught:
        target.openai().chat.completions.create(model=target.model(), messages=messages)
    assert caught.value.message


@pytest.mark.sdk("openai")
def test_openai_unknown_path(target: Target) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        target.openai().get("/no/such/path", cast_to=object)
    assert caught.value.body and caught.value.status_code == 404


# --- Anthropic


@pytest.mark.sdk("anthropic")
def test_anthropic_wrong_key(target: Target) -> None:
    client = target.anthropic(api_key=WRONG)
    for call in (lambda: client.models.list(), lambda: client.messages.create(model=target.model(), max_tokens=9, messages=USER)):
        with pytest.raises(anthropic.AuthenticationError) as caught:
            call()
        assert caught.value.type == "authentication_error"
        assert WRONG not in str(caught.value)


@pytest.mark.sdk("anthropic")
def test_anthropic_wrong_model(target: Target) -> None:
    client = target.anthropic()
    for verb in (client.messages.create, client.messages.count_tokens):
        limit: dict[str, Any] = {"max_tokens": 9} if verb == client.messages.create else {}
        with pytest.raises(anthropic.NotFoundError) as caught:
            verb(model="no-such-model-9", messages=USER, **limit)
        assert caught.value.type == "not_found_error"
        assert "no-such-model-9" in str(caught.value.body)


@pytest.mark.sdk("anthropic")
@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_bad_messages(target: Target, stream: bool) -> None:
    anthropic_refused(target, "messages", stream)


@pytest.mark.sdk("anthropic")
@pytest.mark.needs("strict")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("field", ["max_tokens", "tools"])
def test_anthropic_bad_field(target: Target, field: str, stream: bool) -> None:
    anthropic_refused(target, field, stream)


def anthropic_refused(target: Target, field: str, stream: bool) -> None:
    wrong: dict[str, Any] = {"max_tokens": "many", "messages": "no list", "tools": "none"}
    body: dict[str, Any] = {"model": target.model(), "max_tokens": 9, "messages": USER, field: wrong[field]}
    with pytest.raises(anthropic.BadRequestError) as caught:
        target.anthropic().messages.create(stream=stream, **body)
    assert caught.value.type == "invalid_request_error"
    assert field in str(caught.value.body)


@pytest.mark.sdk("anthropic")
def test_anthropic_missing_max_tokens(target: Target) -> None:
    head = {"x-api-key": target.key, "anthropic-version": "2023-06-01"}
    answer = wire.send("POST", f"{target.base}/v1/messages", {"model": target.model(), "messages": USER}, head)
    assert answer.status == 400 and answer.json()["type"] == "error"
    assert "max_tokens" in answer.json()["error"]["message"]


@pytest.mark.sdk("anthropic")
def test_anthropic_unknown_path(target: Target) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        target.anthropic().get("/v1/messages/no/such/path", cast_to=object)
    assert caught.value.type == "not_found_error"


# --- Google


@pytest.mark.sdk("gemini")
def test_genai_wrong_key(target: Target) -> None:
    with pytest.raises(errors.ClientError) as caught:
        target.genai(key=WRONG).models.generate_content(model=target.model(), contents="hi")
    # Google itself answers 400 with API_KEY_INVALID; a gateway may say 401.
    assert (caught.value.code, caught.value.status) in [(400, "INVALID_ARGUMENT"), (401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED")]
    assert "key" in caught.value.message.lower() and WRONG not in str(caught.value)


@pytest.mark.sdk("gemini")
@pytest.mark.parametrize("verb", ["generate_content", "count_tokens", "embed_content", "get"])
def test_genai_wrong_model(target: Target, verb: str) -> None:
    client = target.genai()
    more: dict[str, Any] = {} if verb == "get" else {"contents": "hi"}
    with pytest.raises(errors.ClientError) as caught:
        getattr(client.models, verb)(model="no-such-model-9", **more)
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    assert "no-such-model-9" in caught.value.message


@pytest.mark.sdk("gemini")
@pytest.mark.parametrize("stream", [False, True])
def test_genai_bad_contents(target: Target, stream: bool) -> None:
    genai_refused(target, {"contents": 7}, stream)


@pytest.mark.sdk("gemini")
@pytest.mark.needs("strict")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("extra", [{"generationConfig": {"maxOutputTokens": "many"}}, {"tools": "none"}], ids=lambda extra: next(iter(extra)))
def test_genai_bad_field(target: Target, extra: dict[str, Any], stream: bool) -> None:
    genai_refused(target, extra, stream)


def genai_refused(target: Target, extra: dict[str, Any], stream: bool) -> None:
    models, config = target.genai().models, types.GenerateContentConfig(http_options=types.HttpOptions(extra_body=extra))
    with pytest.raises(errors.ClientError) as caught:
        if stream:
            list(models.generate_content_stream(model=target.model(), contents="hi", config=config))
        else:
            models.generate_content(model=target.model(), contents="hi", config=config)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert any(name.lower() in str(caught.value).lower() for name in (next(iter(extra)), "maxOutputTokens", "max_output_tokens"))


@pytest.mark.sdk("gemini")
@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_genai_unknown_path(target: Target, version: str) -> None:
    answer = wire.send("POST", f"{target.base}/{version}/models/{target.model()}:noSuchVerb", {}, {"x-goog-api-key": target.key})
    assert answer.status == 404
    assert answer.json()["error"]["code"] == 404


# --- the gateway's own


@pytest.mark.gateway
@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/models", {"authorization": f"Bearer {CLIENT_KEY}"}, 200),
        ("GET", "/v1/models", {}, 401),
        ("GET", "/v1/no/such/path", {"authorization": f"Bearer {CLIENT_KEY}"}, 404),
        ("POST", "/v1/messages", {"x-api-key": CLIENT_KEY}, 400),
        ("POST", "/v1beta/models/x:generateContent", {}, 401),
    ],
)
def test_each_answer_has_a_request_id(gateway: Any, method: str, path: str, headers: dict[str, str], status: int) -> None:
    answer = wire.send(method, gateway.base + path, b"{}" if method == "POST" else None, headers)
    assert answer.status == status, answer.text
    assert answer.headers.get("x-gproxy-request-id")


@pytest.mark.gateway
def test_request_ids_differ(gateway: Any) -> None:
    numbers = {wire.send("GET", gateway.base + "/v1/models").headers.get("x-gproxy-request-id") for _ in range(5)}
    assert len(numbers) == 5 and None not in numbers


@pytest.mark.gateway
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b'{"model": 7}', b"\xff\xfe", b"null"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"])
def test_a_body_that_is_no_request_is_a_400(gateway: Any, path: str, body: bytes) -> None:
    head = {"authorization": f"Bearer {CLIENT_KEY}", "anthropic-version": "2023-06-01", "content-type": "application/json"}
    answer = wire.send("POST", gateway.base + path, body, head)
    assert answer.status == 400, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.gateway
@pytest.mark.parametrize("size", [20, 200_000])
def test_a_refusal_leaves_the_connection_usable_or_says_that_it_ends(gateway: Any, size: int) -> None:
    """A server that answers before it has read the body, and hangs up in silence, fails the next call of a client that pools."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    body = json.dumps({"contents": [{"parts": [{"text": "x" * size}]}]}).encode()
    for number in range(40):
        try:
            connection.request("POST", "/v1beta/models/x:generateContent", body, {"x-goog-api-key": WRONG, "content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except ConnectionError as error:
            pytest.fail(f"call {number}: the connection was gone without notice ({error!r})")
        assert answer.status == 401
        if answer.getheader("connection") == "close":
            connection.close()
    connection.close()
