"""The Vercel `ai` package with its providers, against every target: what it is told, and what it makes of it.

One run of node answers everything that the selected tests ask for (see `vercel/driver.mjs`).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import names_for
from mock import KEYS
from mock.openai_more import PIXEL
from targets import CHANNELS, CLIENT_KEY, Target, is_person, make

Json = dict[str, Any]
Ran = Callable[[str], Json]

HERE = Path(__file__).resolve().parent
SPEAKS = {"openai-chat": "chat", "openai-responses": "openai", "anthropic": "anthropic", "google": "gemini", "compatible": "chat"}
WRONG = "sk-nobody-knows-this-key"
SEA = "Tell me of the sea – ça va? 🌊"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "ran" not in metafunc.fixturenames:
        return
    needs = [str(mark.args[0]) for mark in metafunc.definition.iter_markers("needs")]
    only = [str(name) for mark in metafunc.definition.iter_markers("speaks") for name in mark.args]
    pairs = [
        pytest.param((provider, target), id=f"{provider}-{target}")
        for provider, spoken in SPEAKS.items()
        for target in names_for(metafunc.config, spoken)
        if all(make(target, "", "").can(what) for what in needs) and (not only or provider in only)
    ]
    metafunc.parametrize("ran", pairs, indirect=True)


def asks(*scenarios: str) -> Any:
    """What a test wants to have run."""
    return pytest.mark.asks(*scenarios)


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest) -> dict[tuple[str, str], Json]:
    """All that the selected tests ask for, by provider and target."""
    made = subprocess.run([HERE.parents[1] / "scripts" / "node.sh"], capture_output=True, text=True)
    if made.returncode:
        pytest.fail(made.stderr.strip(), pytrace=False)
    wanted: dict[tuple[str, str], list[str]] = {}
    for item in request.session.items:
        pair = getattr(getattr(item, "callspec", None), "params", {}).get("ran")
        for mark in item.iter_markers("asks"):
            known = wanted.setdefault(pair, [])
            known += [name for name in mark.args if name not in known]
    jobs = [job(request, provider, target, scenarios) for (provider, target), scenarios in wanted.items()]
    home = made.stdout.strip()
    environment = {**os.environ, "GPROXY_NODE_HOME": home}
    run = subprocess.run([f"{home}/node", HERE / "vercel" / "driver.mjs"], input=json.dumps(jobs), capture_output=True, text=True, timeout=120, env=environment)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0 and len(lines) == len(jobs), run.stderr[-3000:]
    return {(line["provider"], line["target"]): line["results"] for line in lines}


def job(request: pytest.FixtureRequest, provider: str, name: str, scenarios: list[str]) -> Json:
    """One job of the driver. Scoped base URLs let the package see the models' own names; the compatible one takes prefixed ones."""
    if request.config.getoption("--direct"):
        target = make(name, getattr(request.getfixturevalue("upstreams"), name).url, KEYS[name])
    elif provider == "compatible":
        target = make(name, request.getfixturevalue("gateway").base, CLIENT_KEY, prefix=f"{CHANNELS[name]}/")
    else:
        target = make(name, f"{request.getfixturevalue('gateway').base}/{CHANNELS[name]}", CLIENT_KEY)
    models = {role: target.model(role) for role in ("chat", "long", "tools")}
    if provider == "compatible" and target.mock == "openai":
        models["chat"] = models["long"]
    more = {"base": target.base, "key": target.key, "prefix": target.prefix, "models": models}
    return {"provider": provider, "target": name, "scenarios": scenarios, "wrong": WRONG, "pixel": PIXEL, **more}


@pytest.fixture
def ran(request: pytest.FixtureRequest, answers: dict[tuple[str, str], Json]) -> Ran:
    """What a scenario gave with one provider at one target. Fails where it gave an error that nobody asked for."""

    def value(scenario: str) -> Json:
        found = answers[request.param][scenario]
        assert "error" not in found, f"{found['error']['status']} {found['error']['message']}: {found['error']['body']}"
        if errors := found["value"].get("errors"):
            pytest.fail(f"{errors[0]['status']} {errors[0]['message']}: {errors[0]['body']}", pytrace=False)
        return {**found["value"], "ran": found["ran"]}

    value.pair = request.param  # type: ignore[attr-defined]
    value.fault = lambda scenario: fault(answers[request.param][scenario])  # type: ignore[attr-defined]
    return value


def fault(found: Json) -> Json:
    """The error of a scenario, thrown or told by the stream."""
    error = found["error"] if "error" in found else next(iter(found["value"]["errors"]), None)
    assert error is not None, f"no error: {json.dumps(found)[:600]}"
    return error


def target_of(ran: Ran) -> str:
    return ran.pair[1]  # type: ignore[attr-defined]


def provider_of(ran: Ran) -> str:
    return ran.pair[0]  # type: ignore[attr-defined]


def counted(usage: Json) -> None:
    assert usage["inputTokens"] > 0 and usage["outputTokens"] > 0
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert (usage["outputTokenDetails"].get("reasoningTokens") or 0) <= usage["outputTokens"]


# --- text


@asks("plain")
def test_plain(ran: Ran) -> None:
    answer = ran("plain")
    assert SEA in answer["text"] and answer["finish"] == "stop"
    counted(answer["usage"])


@asks("plain", "stream")
def test_stream_equals_plain(ran: Ran) -> None:
    plain, stream = ran("plain"), ran("stream")
    assert "".join(stream["pieces"]) == stream["text"] == plain["text"]
    assert len(stream["pieces"]) > 1, "it arrives in pieces"
    assert stream["finish"] == plain["finish"]
    figures = [(usage["inputTokens"], usage["outputTokens"]) for usage in (plain["usage"], stream["usage"])]
    assert figures[0] == figures[1]
    assert stream["kinds"][:2] == ["start", "start-step"] and stream["kinds"][-2:] == ["finish-step", "finish"]


@pytest.mark.needs("system")
@asks("system")
def test_system(ran: Ran) -> None:
    assert "pirate" in ran("system")["text"]


@asks("turns")
def test_turns(ran: Ran) -> None:
    assert "three, please" in ran("turns")["text"]


@asks("length")
def test_length(ran: Ran) -> None:
    assert ran("length")["finish"] == "length"


@pytest.mark.needs("stops")
@asks("stops")
def test_stop_sequences(ran: Ran) -> None:
    answer = ran("stops")
    assert "alpha beta" in answer["text"] and answer["finish"] == "stop"
    # Responses has no such field, on either side.
    if provider_of(ran) != "openai-responses" and target_of(ran) != "items" and not (target_of(ran) == "openai" and provider_of(ran) in ("anthropic", "google")):
        assert "gamma" not in answer["text"]


@pytest.mark.needs("images")
@asks("image")
def test_image(ran: Ran) -> None:
    assert "1 image" in ran("image")["text"]


@pytest.mark.needs("schema")
@asks("object", "object-stream", "object-zod")
def test_objects(ran: Ran) -> None:
    for name in ("object", "object-stream", "object-zod"):
        assert is_person(ran(name)["object"]), name


# --- tools


def round_trip(answer: Json, *names: str) -> None:
    """The tools were called with what their schemas want, ran once each, and the model spoke of what they said."""
    assert [step["finish"] for step in answer["steps"]] == ["tool-calls", "stop"]
    calls = answer["steps"][0]["calls"]
    assert [call["name"] for call in calls] == list(names)
    assert not any(call["bad"] for call in calls)
    assert len({call["id"] for call in calls}) == len(names)
    assert sorted(one["name"] for one in answer["ran"]) == sorted(names)
    assert all(set(one["input"]) == {"city"} for one in answer["ran"])
    for name in names:
        assert f"{name} is fine: sunny, 21 °C" in answer["text"]
    for step in answer["steps"]:
        counted(step["usage"])


@asks("tools")
def test_tools(ran: Ran) -> None:
    round_trip(ran("tools"), "get_weather")


@asks("tools-stream")
def test_tools_in_a_stream(ran: Ran) -> None:
    answer = ran("tools-stream")
    round_trip(answer, "get_weather")
    assert "tool-input-start" in answer["kinds"] and "tool-input-end" in answer["kinds"]


@asks("forced")
def test_a_forced_tool(ran: Ran) -> None:
    steps = ran("forced")["steps"]
    assert [call["name"] for call in steps[0]["calls"]] == ["get_time"]
    assert steps[0]["finish"] in ("tool-calls", "stop")


@pytest.mark.needs("parallel")
@asks("parallel", "parallel-stream")
def test_parallel_tools(ran: Ran) -> None:
    round_trip(ran("parallel"), "get_weather", "get_time")
    round_trip(ran("parallel-stream"), "get_weather", "get_time")


@pytest.mark.speaks("openai-responses")
@asks("kept")
def test_a_kept_response_goes_on(ran: Ran, answers: dict[tuple[str, str], Json]) -> None:
    """By default the package lets the server keep items, and only names them: the provider keeps them, or the gateway does."""
    found = answers[ran.pair]["kept"]  # type: ignore[attr-defined]
    round_trip({**found["value"], "ran": found["ran"][1:]}, "get_weather")


# --- thinking


def thoughtful(ran: Ran, scenario: str) -> None:
    answer = ran(scenario)
    for turn in ("first", "second"):
        assert [step["finish"] for step in answer[turn]["steps"]] == ["tool-calls", "stop"]
        assert "get_weather is fine" in answer[turn]["text"]
        if thinks_aloud(*ran.pair):  # type: ignore[attr-defined]
            assert all("They wrote" in step["reasoning"] for step in answer[turn]["steps"]), answer[turn]["steps"]
    assert len(answer["ran"]) == 2


def thinks_aloud(provider: str, target: str) -> bool:
    """Whether thoughts reach the program: OpenAI's own Chat has no place for them, and no word to ask that they be shown."""
    if provider == "openai-chat":
        return False
    return provider != "compatible" or target in ("vendor", "messages")


@pytest.mark.needs("thinks")
@asks("reasoning")
def test_reasoning_over_two_turns(ran: Ran) -> None:
    thoughtful(ran, "reasoning")


@pytest.mark.needs("thinks")
@asks("reasoning-stream")
def test_reasoning_over_two_turns_in_streams(ran: Ran) -> None:
    thoughtful(ran, "reasoning-stream")


# --- errors


def refused(ran: Ran, scenario: str, *statuses: int) -> Json:
    """The package's typed error, with a message that it found in the body."""
    error: Json = ran.fault(scenario)  # type: ignore[attr-defined]
    assert error["name"] == "AI_APICallError"
    assert error["status"] in statuses, error
    assert error["message"] not in ("", "Bad Request", "Unauthorized", "Not Found", "Too Many Requests"), error
    assert WRONG not in error["message"] and WRONG not in error["body"]
    return error


@asks("error-400")
def test_a_bad_request_is_told(ran: Ran) -> None:
    error = refused(ran, "error-400", 400)
    assert any(name in error["message"] for name in ("messages", "input", "contents")) and not error["retryable"]


@asks("error-401")
def test_a_wrong_key_is_told(ran: Ran, request: pytest.FixtureRequest) -> None:
    # Google itself says 400.
    direct = request.config.getoption("--direct") and provider_of(ran) == "google"
    assert not refused(ran, "error-401", 400 if direct else 401)["retryable"]


@asks("error-404")
def test_a_wrong_model_is_told(ran: Ran) -> None:
    assert "no-such-model-9" in refused(ran, "error-404", 404)["message"]


@pytest.mark.needs("faults")
@asks("error-429", "error-429-stream")
def test_a_rate_limit_is_told(ran: Ran) -> None:
    for scenario in ("error-429", "error-429-stream"):
        error = refused(ran, scenario, 429)
        assert error["retryable"] and 1 <= int(error["after"]) <= 7


@pytest.mark.needs("faults")
@asks("cut")
def test_a_cut_stream_is_no_answer(ran: Ran) -> None:
    assert ran.fault("cut")["message"]  # type: ignore[attr-defined]
