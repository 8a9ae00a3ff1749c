"""Judges the demo's answers by the SDKs' own types: no member missing, none too many.

    DEMO_ANSWERS=DIR cargo test --lib answers_for_the_strict_types -- --ignored
    python tests/demo/strict_types.py DIR        (needs openai, anthropic, google-genai)
"""

import json
import pathlib
import sys

import anthropic.types as a
import anthropic.types.messages as am
import openai.types as o
import openai.types.audio as audio
import openai.types.chat as chat
import openai.types.conversations as conv
import openai.types.responses as r
from anthropic.pagination import SyncPage
from google.genai import types as g
from openai.pagination import SyncPage as OpenAiPage
from pydantic import TypeAdapter

try:
    from anthropic.types import FileMetadata
except ImportError:
    from anthropic.types.beta import FileMetadata

WHOLE = {
    "chat": chat.ChatCompletion,
    "responses": r.Response,
    "claude": a.Message,
    "gemini": g.GenerateContentResponse,
    "completion": o.Completion,
    "compact": r.CompactedResponse,
    "count": r.InputTokenCountResponse,
    "claude.count": a.MessageTokensCount,
    "models": OpenAiPage[o.Model],
    "model": o.Model,
    "claude.models": SyncPage[a.ModelInfo],
    "claude.model": a.ModelInfo,
    "embeddings": o.CreateEmbeddingResponse,
    "images": o.ImagesResponse,
    "moderation": o.ModerationCreateResponse,
    "transcription": audio.Transcription,
    "translation": audio.Translation,
    "file": o.FileObject,
    "claude.file": FileMetadata,
    "batch": o.Batch,
    "claude.batch": am.MessageBatch,
    "video": o.Video,
    "conversation": conv.Conversation,
    "response.items": r.ResponseItemList,
    "conversation.items": conv.ConversationItemList,
    "claude.results": am.MessageBatchIndividualResponse,
}
EVENTS = {
    "chat.events": chat.ChatCompletionChunk,
    "responses.events": r.ResponseStreamEvent,
    "claude.events": a.RawMessageStreamEvent,
    "gemini.events": g.GenerateContentResponse,
    "completion.events": o.Completion,
    "images.events": o.ImageGenStreamEvent,
}


def judge(kind, value):
    # google-genai names its members in snake case and takes the wire's by alias; it forbids what it does not know.
    if kind.startswith("gemini"):
        g.GenerateContentResponse.model_validate(value)
    else:
        TypeAdapter({**WHOLE, **EVENTS}[kind]).validate_python(value, extra="forbid")


def values(case):
    text, kind = case["body"], case["type"]
    if kind == "claude.results":
        yield from map(json.loads, text.splitlines())
    elif kind in EVENTS:
        for line in text.splitlines():
            data = line.removeprefix("data: ")
            # The Python SDK drops pings before it types an event.
            if data != line and data != "[DONE]" and json.loads(data).get("type") != "ping":
                value = json.loads(data)
                # The service streams null here until the end; the SDK's type for it is the whole answer's.
                for choice in value["choices"] if kind == "completion.events" else []:
                    choice["finish_reason"] = choice["finish_reason"] or "stop"
                yield value
    else:
        yield json.loads(text)


def main(folder):
    judged = failed = 0
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        case = json.loads(path.read_text())
        assert case["status"] == 200, case
        for value in values(case):
            judged += 1
            try:
                judge(case["type"], value)
            except Exception as error:
                failed += 1
                print(path.name, json.dumps(value)[:300], error, sep="\n", end="\n\n")
    print(f"{judged} answers and events judged, {failed} refused")
    sys.exit(bool(failed) or not judged)


main(sys.argv[1])
