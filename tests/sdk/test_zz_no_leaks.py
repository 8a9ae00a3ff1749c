"""No key crosses the gateway: the client's never reaches a provider, a provider's never reaches a client. Runs last, over all traffic."""

from __future__ import annotations

import json
from typing import Any

import mock
import pytest
import wire
from targets import CLIENT_KEY, Target

pytestmark = pytest.mark.gateway

PATHS: dict[str, Any] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"input": "hi", "store": False},
    "/v1/messages": {"max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]},
    "/v1beta/models/{model}:generateContent": {"contents": [{"parts": [{"text": "hi"}]}]},
    "/v1beta/models/{model}:streamGenerateContent?alt=sse": {"contents": [{"parts": [{"text": "hi"}]}]},
}

PLACES = {
    "bearer": {"authorization": f"Bearer {CLIENT_KEY}"},
    "x-api-key": {"x-api-key": CLIENT_KEY},
    "x-goog-api-key": {"x-goog-api-key": CLIENT_KEY},
    "query": {},
    "everywhere": {"authorization": f"Bearer {CLIENT_KEY}", "x-api-key": CLIENT_KEY, "x-goog-api-key": CLIENT_KEY},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", PATHS)
def test_a_key_in_any_place_is_good_and_stays_here(target: Target, upstreams: mock.Mocks, path: str, place: str) -> None:
    url = target.base + path.format(model=target.model("long"))
    if place == "query":
        url += ("&" if "?" in url else "?") + f"key={CLIENT_KEY}"
    body = PATHS[path] if "{model}" in path else PATHS[path] | {"model": target.model("long")}
    head = {"anthropic-version": "2023-06-01", "cookie": f"session={CLIENT_KEY}", "x-forwarded-for": "10.1.2.3", **PLACES[place]}
    answer = wire.send("POST", url, body, head)
    assert answer.status == 200, answer.text
    clean(answer)


def clean(answer: wire.Answer) -> None:
    """No provider's key, host or own account header in an answer."""
    whole = answer.text + json.dumps(answer.headers)
    for key in mock.KEYS.values():
        assert key not in whole
    assert CLIENT_KEY not in whole


@pytest.mark.parametrize("path", PATHS)
def test_an_error_tells_no_key(target: Target, upstreams: mock.Mocks, path: str) -> None:
    url, head = target.base + path.format(model=target.prefix + "no-such"), {"anthropic-version": "2023-06-01", **PLACES["bearer"]}
    answer = wire.send("POST", url, PATHS[path] | ({} if "{model}" in path else {"model": target.prefix + "no-such"}), head)
    assert 400 <= answer.status < 500, answer.text
    clean(answer)


def test_nothing_that_reached_a_provider_held_the_clients_key(upstreams: mock.Mocks) -> None:
    seen = 0
    for running in upstreams.all():
        for entry in running.ledger.report()["entries"]:
            assert CLIENT_KEY not in json.dumps(entry), f"{running.provider.name}: {entry['method']} {entry['path']}"
            names = [name.lower() for name, _ in entry["headers"]]
            assert not {"cookie", "x-forwarded-for", "x-gproxy-request-id", "x-gproxy-session-id"} & set(names), names
            assert len([name for name in names if name == "host"]) == 1
            seen += 1
    assert seen, "no traffic reached the mocks"


def test_no_mock_stumbled(upstreams: mock.Mocks) -> None:
    for running in upstreams.all():
        assert running.ledger.crashes == []
