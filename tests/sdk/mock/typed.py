"""Checks a JSON body against a TypedDict of an SDK, refusing unknown members, all the way down.

pydantic checks an `Iterable` only when it is read, so the checked value is drained before it counts as good.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

Path = tuple[str | int, ...]


@functools.cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """The validator of a type, built once."""
    return TypeAdapter(kind)


def faults(kind: Any, value: Any) -> list[tuple[Path, str, str]]:
    """Everything wrong with a value: (path, pydantic's error type, message)."""
    found: list[tuple[Path, str, str]] = []
    _collect(lambda: adapter(kind).validate_python(value, extra="forbid"), (), found)
    return found


def _collect(check: Any, path: Path, found: list[tuple[Path, str, str]]) -> None:
    try:
        result = check()
    except ValidationError as error:
        found.extend((path + tuple(one["loc"]), one["type"], one["msg"]) for one in error.errors(include_url=False))
        return
    _drain(result, path, found)


def _drain(value: Any, path: Path, found: list[tuple[Path, str, str]]) -> None:
    if isinstance(value, Mapping):
        for key, part in value.items():
            _drain(part, (*path, key), found)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            _drain(part, (*path, index), found)
    elif isinstance(value, Iterator):
        _read(value, path, found)


def _read(values: Iterator[Any], path: Path, found: list[tuple[Path, str, str]]) -> None:
    index = 0
    while True:
        try:
            part = next(values)
        except StopIteration:
            return
        except ValidationError as error:
            found.extend((path + tuple(one["loc"]), one["type"], one["msg"]) for one in error.errors(include_url=False))
            return
        _drain(part, (*path, index), found)
        index += 1
