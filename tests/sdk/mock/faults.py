"""Models that misbehave on purpose, the same in every dialect.

- `mock-429`, `mock-500`, `mock-503`, `mock-529`: that status, natively; 429 says `Retry-After: 7`;
- `mock-cut`: a stream whose connection breaks in the middle, `mock-end`: one that ends in good order without its terminal event.

Each is a model of its own, and each of a hundred numbers behind it (`mock-500-7`) makes another one of it, so that a gateway's
memory of one fault does not colour the next.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from .server import Cut, Refusal, Reply

STATUSES = (429, 500, 503, 529)
NUMBERS = 100
MODELS = tuple(f"mock-{what}-{number}" for what in (*STATUSES, "cut", "end") for number in range(NUMBERS))
RETRY_AFTER = 7

MESSAGES = {
    429: "Rate limit reached for requests",
    500: "The server had an error while processing your request",
    503: "The model is overloaded. Please try again later.",
    529: "Overloaded",
}

# Enough for some of the answer to be among them in every dialect.
_SENT = 6


def raise_for(model: str, refuse: Callable[[int, str], Refusal]) -> None:
    """Raises the refusal that a model's name asks for."""
    status = next((status for status in STATUSES if model.startswith(f"mock-{status}-")), None)
    if status is not None:
        refusal = refuse(status, MESSAGES[status])
        if status == 429:
            refusal.headers["retry-after"] = str(RETRY_AFTER)
        raise refusal


def spoil(reply: Reply, model: str | None) -> Reply:
    """Cuts a stream short where the model's name asks for it."""
    what = (model or "").rpartition("-")[0]
    if reply.frames is not None and what == "mock-cut":
        reply.frames = _broken(reply.frames)
    elif reply.frames is not None and what == "mock-end":
        reply.frames = itertools.islice(reply.frames, _SENT)
    return reply


def _broken(frames: Iterable[bytes]) -> Iterator[bytes]:
    yield from itertools.islice(frames, _SENT)
    raise Cut
