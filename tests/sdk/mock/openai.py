"""The mock of OpenAI: its door (key, models, paths) and its routes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from . import brain, faults, openai_chat, openai_more, openai_responses
from .openai_rules import invalid, refusal
from .server import Refusal, Reply, Request

Json = dict[str, Any]

MODELS = (
    *("gpt-5.5", "gpt-5.5-mini", "gpt-oss-120b", "gpt-4o", "gpt-4o-mini", "gpt-3.5-turbo-instruct", "text-embedding-3-small", "gpt-image-1"),
    *("whisper-1", "gpt-4o-transcribe", "tts-1", "omni-moderation-latest", "rerank-1"),
)


class OpenAi:
    """Answers as api.openai.com does."""

    name = "openai"

    def __init__(self, key: str) -> None:
        self._key = key
        self._shelf = openai_responses.Shelf()
        self._cabinet = openai_more.Cabinet()

    def answer(self, request: Request) -> Reply:
        """One request."""
        self.admit(request)
        steps = request.path.strip("/").split("/")
        if steps[0] == "v1":
            reply = self._get(request, steps[1:]) if request.method != "POST" else self._post(request, steps[1:])
            if reply is not None:
                reply.headers.setdefault("x-request-id", "req_" + brain.name_of(request.path, request.body))
                reply.headers.setdefault("openai-organization", "org-mock")
                return reply
        raise refusal(404, f"Invalid URL ({request.method} {request.path})")

    def admit(self, request: Request) -> None:
        """The key travels as Bearer, and nowhere else."""
        given = request.header("authorization") or ""
        if not given.startswith("Bearer "):
            raise refusal(401, "Missing bearer or basic authentication in header")
        if given != f"Bearer {self._key}":
            raise refusal(401, "Incorrect API key provided. You can find your API key at the account page.", code="invalid_api_key")

    def _get(self, request: Request, steps: list[str]) -> Reply | None:
        match (request.method, steps):
            case ("GET", ["models"]):
                return Reply.of({"object": "list", "data": [describe(model, "openai") for model in MODELS]})
            case ("GET", ["models", *rest]):
                return Reply.of(describe(known("/".join(rest), MODELS), "openai"))
            case ("GET", ["responses", number]):
                return Reply.of(self._shelf.get(number))
            case ("DELETE", ["responses", number]):
                return Reply.of(self._shelf.drop(number))
            case (_, ["files" | "batches", *_]):
                return self._cabinet.serve(request, steps)
        return None

    def _post(self, request: Request, steps: list[str]) -> Reply | None:
        if steps[0] in ("files", "batches"):
            return self._cabinet.serve(request, steps)
        if steps == ["audio", "transcriptions"]:
            return openai_more.transcription(request)
        route = "/".join(steps)
        plain: dict[str, Callable[[Json], Reply]] = {
            "completions": openai_more.completion,
            "embeddings": openai_more.embeddings,
            "images/generations": openai_more.images,
            "audio/speech": openai_more.speech,
            "moderations": openai_more.moderation,
            "rerank": openai_more.rerank,
            "chat/completions": openai_chat.serve,
            "responses": lambda body: openai_responses.serve(body, self._shelf),
            "responses/input_tokens": lambda body: openai_responses.count(body, self._shelf),
        }
        if route not in plain:
            return None
        body = read(request)
        if isinstance(body.get("model"), str):
            known(body["model"], MODELS)
        return faults.spoil(plain[route](body), body.get("model"))


def read(request: Request) -> Json:
    """The JSON object in a body."""
    if "json" not in (request.header("content-type") or ""):
        raise invalid("Invalid content type. Expected application/json.", None)
    try:
        body = json.loads(request.body)
    except ValueError:
        raise invalid("We could not parse the JSON body of your request.", None) from None
    if not isinstance(body, dict):
        raise invalid("Invalid type for request body: expected an object.", None, "invalid_type")
    return body


def known(model: str, models: tuple[str, ...]) -> str:
    """A model that exists, or one that misbehaves."""
    faults.raise_for(model, _fault)
    if model in faults.MODELS:
        return model
    if model not in models:
        raise refusal(404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found")
    return model


def _fault(status: int, message: str) -> Refusal:
    kind, code = {429: ("requests", "rate_limit_exceeded"), 500: ("server_error", None)}.get(status, ("service_unavailable_error", None))
    return refusal(status, message, kind=kind, code=code)


def describe(model: str, owner: str) -> Json:
    """A model in OpenAI's shape."""
    return {"id": model, "object": "model", "created": brain.CREATED, "owned_by": owner}
