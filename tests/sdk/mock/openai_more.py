"""The rest of OpenAI's routes: completions, embeddings, images, audio, moderations, rerank, files, batches."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

from . import brain
from .openai_rules import invalid, refusal, shape
from .server import Reply, Request, sse

Json = dict[str, Any]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A picture of one pixel, as PNG in base64."""


def completion(body: Json) -> Reply:
    """The legacy text completion."""
    shape("CreateCompletionRequest", body, {"model": str, "prompt": (str, list)})
    prompt = body["prompt"] if isinstance(body["prompt"], str) else " ".join(map(str, body["prompt"]))
    answer = brain.answer(brain.Ask(body["model"], prompt, prompt, limit=body.get("max_tokens") or 4096))
    head: Json = {"id": "cmpl-" + brain.name_of(body), "object": "text_completion", "created": brain.CREATED, "model": body["model"]}
    usage = {"prompt_tokens": answer.input, "completion_tokens": answer.output, "total_tokens": answer.input + answer.output}
    reason = "length" if answer.stop == "length" else "stop"
    counted = (answer.input, answer.output)
    if body.get("stream"):
        chunks: list[Json] = [
            *({**head, "choices": [_choice(piece, None)]} for piece in brain.pieces(answer.text)),
            {**head, "choices": [_choice("", reason)]},
        ]
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append({**head, "choices": [], "usage": usage})
        frames = [*sse(chunks), b"data: [DONE]\n\n"]
        return Reply(200, frames=frames, content_type="text/event-stream", usage=counted, model=body["model"])
    return Reply.of({**head, "choices": [_choice(answer.text, reason)], "usage": usage}, usage=counted, model=body["model"])


def _choice(text: str, reason: str | None) -> Json:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}


def vector(text: str, size: int) -> list[float]:
    """A unit vector that depends on the text only; its figures are exact in 32 bits."""
    raw = b"".join(hashlib.sha256(f"{number}:{text}".encode()).digest() for number in range(size // 8 + 1))
    plain = [value / 2**32 - 0.5 for value in struct.unpack(f">{len(raw) // 4}I", raw)][:size]
    length = sum(value * value for value in plain) ** 0.5
    return list(struct.unpack(f"<{size}f", struct.pack(f"<{size}f", *(value / length for value in plain))))


def embeddings(body: Json) -> Reply:
    """Vectors, as numbers or as base64 of 32-bit floats."""
    shape("CreateEmbeddingRequest", body, {"model": str, "input": (str, list)})
    texts = body["input"] if isinstance(body["input"], list) and not isinstance(body["input"][0], int) else [body["input"]]
    if "" in texts:
        raise invalid("Invalid 'input': input cannot be an empty string.", "input", "invalid_value")
    data: list[Json] = []
    for index, text in enumerate(texts):
        numbers = vector(str(text), body.get("dimensions") or 8)
        packed = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        data.append({"object": "embedding", "index": index, "embedding": packed if body.get("encoding_format") == "base64" else numbers})
    used = sum(brain.count(str(text)) for text in texts)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return Reply.of({"object": "list", "data": data, "model": body["model"], "usage": usage}, usage=(used, 0), model=body["model"])


def images(body: Json) -> Reply:
    """A picture."""
    shape("CreateImageRequest", body, {"prompt": str})
    used = brain.count(body["prompt"])
    details = {"text_tokens": used, "image_tokens": 0}
    usage = {"input_tokens": used, "input_tokens_details": details, "output_tokens": 272, "total_tokens": used + 272}
    data = [{"b64_json": PIXEL} for _ in range(body.get("n") or 1)]
    return Reply.of({"created": brain.CREATED, "data": data, "usage": usage}, usage=(used, 272), model=body.get("model"))


def speech(body: Json) -> Reply:
    """Sound: bytes that name the text."""
    shape("CreateSpeechRequest", body, {"model": str, "input": str, "voice": (str, dict)})
    sound = b"ID3\x04" + body["input"].encode()
    return Reply(200, frames=iter([sound[:4], sound[4:]]), content_type="audio/mpeg", model=body["model"])


def transcription(request: Request) -> Reply:
    """Words: the size of the sound."""
    form = multipart(request)
    if "file" not in form or not form["file"][1]:
        raise invalid("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    if "model" not in form:
        raise invalid("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    model = form["model"][1].decode()
    text = f"I heard {len(form['file'][1])} bytes"
    if form.get("response_format", ("", b""))[1] == b"text":
        return Reply(200, (text + "\n").encode(), content_type="text/plain; charset=utf-8", model=model)
    usage = {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14}, "output_tokens": 6, "total_tokens": 20}
    if form.get("stream", ("", b""))[1] == b"true":
        events: list[Json] = [{"type": "transcript.text.delta", "delta": piece} for piece in brain.pieces(text)]
        events.append({"type": "transcript.text.done", "text": text, "usage": usage})
        return Reply(200, frames=sse(events), content_type="text/event-stream", usage=(14, 6), model=model)
    return Reply.of({"text": text, "usage": usage}, usage=(14, 6), model=model)


def moderation(body: Json) -> Reply:
    """Everything is harmless but the word "violence"."""
    shape("CreateModerationRequest", body, {"input": (str, list)})
    texts = [body["input"]] if isinstance(body["input"], str) else [part if isinstance(part, str) else part.get("text", "") for part in body["input"]]
    names = [
        *("sexual", "sexual/minors", "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
        *("self-harm", "self-harm/intent", "self-harm/instructions", "violence", "violence/graphic"),
    ]
    results = []
    for text in texts:
        bad = "violence" in text
        results.append(
            {
                "flagged": bad,
                "categories": {name: bad and name == "violence" for name in names},
                "category_scores": {name: 0.9 if bad and name == "violence" else 0.01 for name in names},
                "category_applied_input_types": {name: ["text"] for name in names},
            }
        )
    model = body.get("model") or "omni-moderation-latest"
    return Reply.of({"id": "modr-" + brain.name_of(body), "model": model, "results": results}, model=model)


def rerank(body: Json) -> Reply:
    """Documents by how many of the query's words they hold."""
    for name, kind in {"model": str, "query": str, "documents": list}.items():
        if not isinstance(body.get(name), kind):
            raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    words = set(body["query"].lower().split())
    texts = [part if isinstance(part, str) else part.get("text", "") for part in body["documents"]]
    scores = [len(words & set(text.lower().split())) / max(1, len(words)) for text in texts]
    order = sorted(range(len(texts)), key=lambda index: -scores[index])[: body.get("top_n") or len(texts)]
    results = [{"index": index, "relevance_score": scores[index]} for index in order]
    used = sum(map(brain.count, [body["query"], *texts]))
    whole = {"id": "rerank-" + brain.name_of(body), "model": body["model"], "results": results, "usage": {"total_tokens": used}}
    return Reply.of(whole, usage=(used, 0), model=body["model"])


class Cabinet:
    """Files and batches that the server keeps."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[Json, bytes]] = {}
        self._batches: dict[str, Json] = {}

    def serve(self, request: Request, steps: list[str]) -> Reply | None:
        """Answers `/v1/files…` and `/v1/batches…`."""
        if steps[0] == "files":
            return self._file(request, steps[1:])
        return self._batch(request, steps[1:])

    def _file(self, request: Request, steps: list[str]) -> Reply | None:
        match (request.method, steps):
            case ("POST", []):
                return self._store(request)
            case ("GET", []):
                return Reply.of(_list([file for file, _ in self._files.values()]))
            case ("GET", [number]):
                return Reply.of(self._find(number)[0])
            case ("GET", [number, "content"]):
                return Reply(200, self._find(number)[1], content_type="application/octet-stream")
            case ("DELETE", [number]):
                self._find(number)
                del self._files[number]
                return Reply.of({"id": number, "object": "file", "deleted": True})
        return None

    def _store(self, request: Request) -> Reply:
        form = multipart(request)
        for name in ("file", "purpose"):
            if name not in form:
                raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
        filename, data = form["file"]
        number = "file-" + brain.name_of(filename, data)
        file = {"id": number, "object": "file", "bytes": len(data), "created_at": brain.CREATED, "filename": filename}
        file |= {"purpose": form["purpose"][1].decode(), "status": "processed"}
        self._files[number] = (file, data)
        return Reply.of(file)

    def _find(self, number: str) -> tuple[Json, bytes]:
        if number not in self._files:
            raise refusal(404, f"No such File object: {number}", param="id")
        return self._files[number]

    def _batch(self, request: Request, steps: list[str]) -> Reply | None:
        match (request.method, steps):
            case ("POST", []):
                return self._order(json.loads(request.body))
            case ("GET", []):
                return Reply.of(_list(list(self._batches.values())))
            case ("GET", [number]):
                return Reply.of(self._ordered(number))
            case ("POST", [number, "cancel"]):
                self._ordered(number)["status"] = "cancelling"
                return Reply.of(self._ordered(number))
        return None

    def _order(self, body: Json) -> Reply:
        shape("CreateBatchRequest", body, {"input_file_id": str, "endpoint": str, "completion_window": str})
        self._find(body["input_file_id"])
        number = "batch_" + brain.name_of(body)
        batch = {"id": number, "object": "batch", "endpoint": body["endpoint"], "input_file_id": body["input_file_id"], "status": "validating"}
        batch |= {"completion_window": "24h", "created_at": brain.CREATED, "request_counts": {"total": 0, "completed": 0, "failed": 0}}
        self._batches[number] = batch
        return Reply.of(batch)

    def _ordered(self, number: str) -> Json:
        if number not in self._batches:
            raise refusal(404, f"No batch found with id '{number}'.")
        return self._batches[number]


def _list(data: list[Json]) -> Json:
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, "has_more": False, **ends}


def multipart(request: Request) -> dict[str, tuple[str, bytes]]:
    """The fields of a form: file name and bytes."""
    kind = request.header("content-type") or ""
    if not kind.startswith("multipart/form-data"):
        raise invalid("Content-Type must be multipart/form-data.", None)
    parsed = email.message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + request.body, policy=email.policy.HTTP)
    return dict(_fields(parsed))


def _fields(parsed: Any) -> Iterator[tuple[str, tuple[str, bytes]]]:
    for part in parsed.iter_parts():
        name = part.get_param("name", header="content-disposition")
        yield str(name), (part.get_filename() or "", part.get_payload(decode=True) or b"")
