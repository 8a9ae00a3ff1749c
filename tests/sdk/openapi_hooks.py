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


@schemathesis.hook  # type: ignore[untyped-decorator]
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Makes ids of the path and of the body meet rows, but for the prober's own where it would change itself."""
    if case.path_parameters and "id" in case.path_parameters:
        case.path_parameters["id"] = landed(case.path_parameters["id"])
    if isinstance(case.body, dict):
        case.body.update({name: landed(value) for name, value in case.body.items() if name == "id" or str(name).endswith("_id")})
    path = case.operation.path
    if case.method == "GET" or "/user" not in path:
        return
    own = KEY if "keys" in path else USER
    if case.path_parameters and str(case.path_parameters.get("id")) == str(own) and not path.endswith(("/keys", "/permissions")):
        case.path_parameters["id"] = ABSENT
    if isinstance(case.body, dict) and case.body.get("id") == own:
        case.body["id"] = ABSENT
