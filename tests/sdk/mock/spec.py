"""Judges OpenAI bodies against the public OpenAPI file, with the corrections that its README names.

The file is read from `GPROXY_SPECS` (default: `../shared/specs` beside the repository). Where it is absent `load` returns None,
the built-in checks stand alone, and `ABSENT` is what tests say when they skip.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
PATH = Path(os.environ.get("GPROXY_SPECS", ROOT.parent / "shared" / "specs")) / "openai-openapi.json"
ABSENT = f"no public OpenAPI file at {PATH}: OpenAI bodies are judged by the built-in checks only"

# Members that the file demands and that real traffic leaves out.
_NOT_REQUIRED: dict[str, frozenset[str]] = {
    "FunctionTool": frozenset({"strict", "parameters"}),
    "FunctionToolParam": frozenset({"strict", "parameters"}),
    "InputImageContent": frozenset({"detail"}),
    "InputImageContentParamAutoParam": frozenset({"detail"}),
    "OutputTextContent": frozenset({"annotations", "logprobs"}),
    "ReasoningItem": frozenset({"id"}),
    "OutputMessage": frozenset({"id", "status", "type"}),
}


class Spec:
    """The OpenAPI file, corrected, with a validator per schema."""

    def __init__(self, document: Json) -> None:
        schemas = document["components"]["schemas"]
        self._schemas = {name: _correct(schema, _NOT_REQUIRED.get(name, frozenset())) for name, schema in schemas.items()}
        self._validators: dict[str, Any] = {}

    def fault(self, name: str, body: Any) -> tuple[str, str] | None:
        """The path and the message of the first thing wrong with a body, or None."""
        error = best_match(self._validator(name).iter_errors(body))
        if error is None:
            return None
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path).lstrip(".")
        return path, error.message[:300]

    def members(self, name: str) -> frozenset[str]:
        """The members that a schema knows at its top."""
        return frozenset(self._members(self._schemas[name]))

    def _members(self, schema: Json) -> set[str]:
        found = set(schema.get("properties", {}))
        if reference := schema.get("$ref"):
            found |= self._members(self._schemas[reference.rsplit("/", 1)[1]])
        for part in schema.get("allOf", []):
            found |= self._members(part)
        return found

    def _validator(self, name: str) -> Any:
        if name not in self._validators:
            root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": self._schemas}}
            self._validators[name] = jsonschema.Draft202012Validator(root)
        return self._validators[name]


def _correct(node: Any, optional: frozenset[str] = frozenset()) -> Any:
    if isinstance(node, list):
        return [_correct(item) for item in node]
    if not isinstance(node, dict):
        return node
    fixed = {key: _correct(value) for key, value in node.items() if key not in ("discriminator", "example", "examples", "description")}
    # Members may be called so; only schema keywords are dropped, so put real properties back.
    if isinstance(node.get("properties"), dict):
        fixed["properties"] = {key: _correct(value) for key, value in node["properties"].items()}
    if "oneOf" in fixed:
        fixed.setdefault("anyOf", fixed.pop("oneOf"))
        fixed.pop("oneOf", None)
    if optional and isinstance(fixed.get("required"), list):
        fixed["required"] = [name for name in fixed["required"] if name not in optional]
    if fixed.pop("nullable", False) is True:
        return {"anyOf": [fixed, {"type": "null"}]}
    return fixed


@functools.cache
def load() -> Spec | None:
    """The judge, or None where the file is absent."""
    return Spec(json.loads(PATH.read_text())) if PATH.exists() else None
