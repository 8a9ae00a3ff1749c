"""The `openai` SDK beyond generation: models, embeddings, and what only an OpenAI upstream offers."""

from __future__ import annotations

import io
import math

import pytest
from targets import Target

pytestmark = pytest.mark.sdk("openai")


def test_models(target: Target) -> None:
    client = target.openai()
    listed = list(client.models.list())
    assert target.model() in [model.id for model in listed]
    one = client.models.retrieve(target.model())
    assert (one.id, one.object) == (target.model(), "model") and one.owned_by


@pytest.mark.needs("embed")
@pytest.mark.parametrize("form", ["float", "base64"])
def test_embeddings(target: Target, form: str) -> None:
    answer = target.openai().embeddings.create(model=target.model("embed"), input=["sea", "mountain", "sea"], encoding_format=form)
    vectors = [one.embedding for one in answer.data]
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens > 0
    assert vectors[0] == vectors[2] != vectors[1]


@pytest.mark.needs("embed")
def test_both_encodings_are_the_same_vector(target: Target) -> None:
    client, model = target.openai(), target.model("embed")
    plain = client.embeddings.create(model=model, input="sea", encoding_format="float").data[0].embedding
    # Without a format the SDK asks for base64 and decodes it itself.
    packed = client.embeddings.create(model=model, input="sea").data[0].embedding
    assert all(math.isclose(one, other, abs_tol=1e-6) for one, other in zip(plain, packed, strict=True))


@pytest.mark.needs("media")
def test_completions(target: Target) -> None:
    client, model = target.openai(), target.prefix + "gpt-3.5-turbo-instruct"
    plain = client.completions.create(model=model, prompt="Once upon", max_tokens=64).choices[0].text
    chunks = client.completions.create(model=model, prompt="Once upon", max_tokens=64, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == plain != ""


@pytest.mark.needs("media")
def test_images(target: Target) -> None:
    answer = target.openai().images.generate(model=target.prefix + "gpt-image-1", prompt="a dot")
    assert answer.data and answer.data[0].b64_json and answer.usage


@pytest.mark.needs("media")
def test_speech_is_binary_and_whole(target: Target) -> None:
    sound = target.openai().audio.speech.create(model=target.prefix + "tts-1", voice="alloy", input="hello ✓").read()
    assert sound == b"ID3\x04" + "hello ✓".encode()


@pytest.mark.needs("media")
def test_transcription_is_multipart(target: Target) -> None:
    sound = io.BytesIO(bytes(range(256)) * 9)
    sound.name = "sound.wav"
    answer = target.openai().audio.transcriptions.create(model=target.prefix + "whisper-1", file=sound)
    assert answer.text == f"I heard {256 * 9} bytes"


@pytest.mark.needs("media")
def test_moderation(target: Target) -> None:
    answer = target.openai().moderations.create(model=target.prefix + "omni-moderation-latest", input=["flowers", "violence"])
    assert [result.flagged for result in answer.results] == [False, True]
