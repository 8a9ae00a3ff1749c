"""The mock of Google AI Studio: its door, generateContent whole and streamed (SSE and JSON array), counts, embeddings, models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.ai import generativelanguage_v1beta as api

from . import brain, faults, openai, openai_chat, openai_more
from .gemini_rules import camel, invalid, judge, parse, refusal, sign
from .server import Reply, Request

Json = dict[str, Any]

MODELS = ("gemini-3-pro", "gemini-2.5-flash", "gemini-embedding-001")


class Gemini:
    """Answers as generativelanguage.googleapis.com does."""

    name = "gemini"

    def __init__(self, key: str) -> None:
        self._key = key

    def answer(self, request: Request) -> Reply:
        """One request."""
        steps = request.path.strip("/").split("/")
        if steps[:2] == ["v1beta", "openai"]:
            return self._compatible(request, steps[2:])
        self.admit(request)
        if steps[0] not in ("v1", "v1beta"):
            raise refusal(404, f"The requested URL {request.path} was not found on this server.")
        match (request.method, steps[1:]):
            case ("GET", ["models"]):
                return models(request)
            case ("GET", ["models", model]):
                return Reply.of(describe(known(model, steps[0], "getModel")))
            case ("POST", ["models", target]) if ":" in target:
                return self._call(request, steps[0], *target.split(":", 1))
        raise refusal(404, f"The requested URL {request.path} was not found on this server.")

    def admit(self, request: Request) -> None:
        """The key travels in `x-goog-api-key` or `?key=`."""
        given = request.header("x-goog-api-key") or request.param("key")
        if given is None:
            raise refusal(403, "Method doesn't allow unregistered callers (callers without established identity).")
        if given != self._key:
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
            raise refusal(400, "API key not valid. Please pass a valid API key.", [reason])

    def _compatible(self, request: Request, steps: list[str]) -> Reply:
        """Google's own OpenAI-compatible endpoint."""
        openai.OpenAi(self._key).admit(request)
        match (request.method, steps):
            case ("POST", ["chat", "completions"]):
                body = openai.read(request)
                model = openai.known(str(body.get("model")).removeprefix("models/"), MODELS)
                return faults.spoil(openai_chat.serve(body), model)
            case ("GET", ["models"]):
                return Reply.of({"object": "list", "data": [openai.describe(f"models/{model}", "google") for model in MODELS]})
            case ("GET", ["models", *rest]):
                model = openai.known(rest[-1], MODELS)
                return Reply.of(openai.describe(f"models/{model}", "google"))
        raise refusal(404, f"The requested URL {request.path} was not found on this server.")

    def _call(self, request: Request, version: str, model: str, verb: str) -> Reply:
        known(model, version, verb)
        try:
            body = json.loads(request.body)
        except ValueError:
            raise invalid("Invalid JSON payload received. Unexpected token.") from None
        match verb:
            case "generateContent":
                return generate(body, model)
            case "streamGenerateContent":
                return faults.spoil(stream(body, model, request.param("alt")), model)
            case "countTokens":
                return count(body, model)
            case "embedContent":
                return embed(body, model)
            case "batchEmbedContents":
                return embed_all(body, model)
        raise refusal(404, f"models/{model} is not found for API version {version}, or is not supported for {verb}.")


def known(model: str, version: str, verb: str) -> str:
    """A model that exists, or one that misbehaves."""
    # Google knows no 529: an overload is its 503.
    faults.raise_for(model, lambda status, message: refusal(min(status, 503), message))
    if model not in (*MODELS, *faults.MODELS):
        message = f"models/{model} is not found for API version {version}, or is not supported for {verb}. Call ListModels to see the list of "
        raise refusal(404, message + "available models and their supported methods.")
    return model


def describe(model: str) -> Json:
    """A model in Google's shape."""
    embeds = "embedding" in model
    verbs = ["embedContent", "countTokens"] if embeds else ["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"]
    name = " ".join(word.capitalize() for word in model.split("-"))
    more: Json = {} if embeds else {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2, "thinking": True}
    limits = {"inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536, "supportedGenerationMethods": verbs}
    return {"name": f"models/{model}", "version": "001", "displayName": name, "description": f"The mock of {name}", **limits, **more}


def models(request: Request) -> Reply:
    """The list, a page at a time."""
    start, size = int(request.param("pageToken") or 0), int(request.param("pageSize") or 50)
    page: Json = {"models": [describe(model) for model in MODELS[start : start + size]]}
    if start + size < len(MODELS):
        page["nextPageToken"] = str(start + size)
    return Reply.of(page)


def generate(body: Json, model: str) -> Reply:
    """`:generateContent`."""
    judge(body, model)
    answer, shown = _think(body, model)
    parts = list(_parts(answer, model, shown))
    whole = _response(body, model, parts, answer, _reason(answer))
    return Reply.of(whole, usage=(answer.input, answer.output), model=model)


def stream(body: Json, model: str, alt: str | None) -> Reply:
    """`:streamGenerateContent`, as SSE or as one JSON array that grows."""
    judge(body, model)
    answer, shown = _think(body, model)
    chunks = _chunks(body, model, answer, shown)
    usage = (answer.input, answer.output)
    if alt == "sse":
        frames = (b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\r\n\r\n" for chunk in chunks)
        return Reply(200, frames=frames, content_type="text/event-stream", usage=usage, model=model)
    return Reply(200, frames=_array(chunks), content_type="application/json; charset=UTF-8", usage=usage, model=model)


def _array(chunks: Iterator[Json]) -> Iterator[bytes]:
    opening = b"["
    for chunk in chunks:
        yield opening + json.dumps(chunk, ensure_ascii=False, indent=2).encode()
        opening = b",\r\n"
    yield b"]"


def count(body: Json, model: str) -> Reply:
    """`:countTokens`, of contents or of a whole request."""
    parse(body, api.CountTokensRequest)
    inner = body.get("generateContentRequest") or {"contents": body.get("contents")}
    judge({key: part for key, part in inner.items() if key != "model"}, model)
    answer, _ = _think(inner, model)
    details = [{"modality": "TEXT", "tokenCount": answer.input}]
    return Reply.of({"totalTokens": answer.input, "promptTokensDetails": details}, model=model)


def embed(body: Json, model: str) -> Reply:
    """`:embedContent`."""
    parse({key: part for key, part in body.items() if key != "embedContentConfig"}, api.EmbedContentRequest)
    return Reply.of({"embedding": {"values": _vector(body)}}, usage=(_size(body), 0), model=model)


def embed_all(body: Json, model: str) -> Reply:
    """`:batchEmbedContents`."""
    requests = body.get("requests") or []
    parse(body, api.BatchEmbedContentsRequest)
    for index, one in enumerate(requests):
        if one.get("model") != f"models/{model}":
            raise invalid("* BatchEmbedContentsRequest.requests: all requests must have the model of the path\n", f"requests[{index}].model")
    return Reply.of({"embeddings": [{"values": _vector(one)} for one in requests]}, usage=(sum(map(_size, requests)), 0), model=model)


def _vector(body: Json) -> list[float]:
    if not _words(body):
        raise invalid("* EmbedContentRequest.content: contents is not specified\n", "content")
    config = body.get("embedContentConfig") or {}
    return openai_more.vector(_words(body), body.get("outputDimensionality") or config.get("outputDimensionality") or 8)


def _words(body: Json) -> str:
    return " ".join(part.get("text", "") for part in (body.get("content") or {}).get("parts") or [])


def _size(body: Json) -> int:
    return brain.count(_words(body))


def _think(body: Json, model: str) -> tuple[brain.Answer, bool]:
    body = camel(body)
    config = body.get("generationConfig") or {}
    thinking = config.get("thinkingConfig") or {}
    answer = brain.answer(question(body, model, bool(thinking) and thinking.get("thinkingBudget") != 0))
    return answer, bool(thinking.get("includeThoughts"))


def question(body: Json, model: str, thinks: bool) -> brain.Ask:
    """What a body asks."""
    contents, config = body["contents"], body.get("generationConfig") or {}
    contents = contents if isinstance(contents, list) else [contents]
    users = [(index, _said(content)) for index, content in enumerate(contents) if content.get("role") != "model" and _said(content)]
    asked, last = users[-1] if users else (-1, "")
    after = [part for content in contents[max(asked, 0) :] for part in content["parts"]]
    results = [part["functionResponse"] for part in after if "functionResponse" in part]
    mode = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema is None and config.get("responseMimeType") == "application/json":
        schema = {}
    return brain.Ask(
        model=model,
        prompt=json.dumps([body.get("systemInstruction"), contents, body.get("tools")], ensure_ascii=False),
        last=last,
        system=_said(body.get("systemInstruction") or {"parts": []}),
        tools=tuple(_tools(body, mode.get("allowedFunctionNames"))),
        choice={"ANY": "any", "NONE": "none"}.get(str(mode.get("mode") or "AUTO").upper(), "auto"),
        results=tuple(json.dumps(result.get("response"), ensure_ascii=False) for result in results),
        thinks=thinks,
        schema=schema,
        limit=config.get("maxOutputTokens"),
        stops=tuple(config.get("stopSequences") or ()),
        images=sum("inlineData" in part or "fileData" in part for content in contents for part in content["parts"]),
    )


def _tools(body: Json, allowed: list[str] | None) -> Iterator[brain.Tool]:
    for tool in body.get("tools") or []:
        for function in tool.get("functionDeclarations") or []:
            if not allowed or function["name"] in allowed:
                yield brain.Tool(function["name"], function.get("parametersJsonSchema") or function.get("parameters") or {})


def _said(content: Json) -> str:
    return " ".join(part["text"] for part in content.get("parts") or [] if part.get("text") and not part.get("thought")).strip()


def _reason(answer: brain.Answer) -> str:
    return "MAX_TOKENS" if answer.stop == "length" else "STOP"


def _parts(answer: brain.Answer, model: str, shown: bool) -> Iterator[Json]:
    if answer.thought and shown:
        yield {"text": answer.thought, "thought": True}
    if answer.text:
        part: Json = {"text": answer.text}
        # Beside calls it is the first call that is signed.
        if answer.thought and "gemini-3" in model and not answer.calls:
            part["thoughtSignature"] = sign(part)
        yield part
    for index, call in enumerate(answer.calls):
        part = {"functionCall": {"name": call.name, "args": dict(call.arguments)}}
        if "gemini-3" in model:
            part["functionCall"]["id"] = call.id[:8]
            # Of parallel calls only the first is signed.
            part |= {"thoughtSignature": sign(part)} if index == 0 else {}
        yield part


def _chunks(body: Json, model: str, answer: brain.Answer, shown: bool) -> Iterator[Json]:
    """Text in pieces, its signature on an empty last part; all function calls in one chunk."""
    calls: list[Json] = []
    last: Json = {"text": ""}
    for part in _parts(answer, model, shown):
        if "functionCall" in part:
            calls.append(part)
            continue
        last |= {key: part[key] for key in ("thoughtSignature",) if key in part}
        for piece in brain.pieces(part["text"], 11):
            yield _response(body, model, [{"text": piece} | ({"thought": True} if part.get("thought") else {})], answer, None)
    if calls:
        yield _response(body, model, calls, answer, None)
    yield _response(body, model, [last], answer, _reason(answer))


def _response(body: Json, model: str, parts: list[Json], answer: brain.Answer, reason: str | None) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    usage = _usage(answer) if reason else {"promptTokenCount": answer.input, "totalTokenCount": answer.input}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": brain.name_of(body)}


def _usage(answer: brain.Answer) -> Json:
    usage: Json = {
        "promptTokenCount": answer.input,
        "candidatesTokenCount": answer.output - answer.thinking,
        "totalTokenCount": answer.input + answer.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input}],
    }
    if answer.thinking:
        usage["thoughtsTokenCount"] = answer.thinking
    if answer.cached:
        usage["cachedContentTokenCount"] = answer.cached
    return usage
