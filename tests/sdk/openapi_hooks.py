"""Hooks of schemathesis: where its calls land. It loads this module by the name in `SCHEMATHESIS_HOOKS`."""

from __future__ import annotations

import os
from typing import Any

import schemathesis

USER, KEY = (int(os.environ.get(name, "0")) for name in ("PROBER_USER", "PROBER_KEY"))
"""Who calls. The prober must not take away the branch that it sits on."""

ABSENT = 987_654_321
ROWS = 4
"""Ids that stand, more or less: `test_openapi` makes so many rows of each noun."""


def landed(number: Any) -> Any:
    """Every other id as one that may stand, since a random one never does."""
    return number % ROWS + 1 if isinstance(number, int) and not isinstance(number, bool) and number % 2 == 0 else number


def spared(value: Any, own: int) -> Any:
    """The same with an absent id wherever one's own stands, however it is written: 6, 6.0 and "6" are one row."""
    if isinstance(value, dict):
        return {name: spared(inner, own) for name, inner in value.items()}
    if isinstance(value, list):
        return [spared(inner, own) for inner in value]
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return ABSENT if float(value) == own else value
        except (ValueError, OverflowError):
            return value
    return value


@schemathesis.hook  # type: ignore[untyped-decorator]
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Makes ids of the path and of the body meet rows, but for the prober's own where it would change itself."""
    if case.path_parameters and "id" in case.path_parameters:
        case.path_parameters["id"] = landed(case.path_parameters["id"])
    if isinstance(case.body, dict):
        case.body.update({name: landed(value) for name, value in case.body.items() if name == "id" or str(name).endswith("_id")})
    path = case.operation.path
    if case.method == "GET" or "/user" not in path or path.endswith(("{id}/keys", "{id}/permissions")):
        return
    own = KEY if "keys" in path else USER
    # Only what changes is set: schemathesis takes a body that was set for one that breaks the document.
    if case.path_parameters:
        case.path_parameters.update({name: ABSENT for name, value in case.path_parameters.items() if spared(value, own) != value})
    if isinstance(case.body, dict) and (body := spared(case.body, own)) != case.body:
        case.body.update(body)
