"""What Google's Gemini API refuses, and in which words.

Shape is judged by Google's own protobuf types through protojson, as the server does it; the rest are rules on turns, function
calls and their answers, thought signatures, base64 and schemas.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import re
from collections.abc import Callable
from typing import Any

from google.ai import generativelanguage_v1beta as api
from google.protobuf import json_format

from . import brain
from .server import Refusal

Json = dict[str, Any]
Trust = Callable[[Json, bytes], bool]

# The server is newer than the published protobuf package: these it knows.
_NEWER = {
    "ToolConfig.includeServerSideToolInvocations",
    "FileSearch.fileSearchStoreNames",
    "FunctionResponsePart.fileData",
    "Part.toolCall",
    "Part.toolResponse",
    "ExecutableCode.id",
    "CodeExecutionResult.id",
    "ThinkingConfig.thinkingLevel",
    "FunctionCallingConfig.streamFunctionCallArguments",
    "EmbedContentRequest.embedContentConfig",
    "UsageMetadata.serviceTier",
    "GenerateContentRequest.serviceTier",
}
_UNKNOWN = re.compile(r'Message type "(?:[\w.]+\.)?(\w+)" has no field named "([^"]+)" at "\w+\.?([^"]*)"')
_SKIPS = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
_CALL_TURN = "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
_ANSWER_TURN = "Please ensure that function response turn comes immediately after a function call turn."
_AMOUNT = "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."


def refusal(status: int, message: str, details: list[Json] | None = None) -> Refusal:
    """An error in Google's shape."""
    error: Json = {"code": status, "message": message, "status": _STATUS[status]}
    if details:
        error["details"] = details
    return Refusal(status, {"error": error})


def invalid(message: str, field: str = "") -> Refusal:
    """The 400 of Google, with the field that it complains about."""
    violation = {"field": field, "description": message}
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}] if field else None
    return refusal(400, message, details)


def own(part: Json, signature: bytes) -> bool:
    """Whether a signature is the mock's own, for this part."""
    return signature == base64.b64decode(sign(part))


def sign(part: Json) -> str:
    """The signature of a part: bound to the call for a function call."""
    call = part.get("functionCall")
    text = json.dumps([call.get("name"), call.get("args") or {}], sort_keys=True) if call else "text"
    return brain.sign("gemini", text)


def judge(body: Json, model: str, *, trust: Trust = own) -> None:
    """Raises the first refusal that a generation body earns."""
    parse(body, api.GenerateContentRequest)
    _bytes(body, "")
    contents = _list(body.get("contents"))
    if not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified\n", "contents")
    _contents(contents)
    for index, tool in enumerate(_list(body.get("tools"))):
        for number, function in enumerate(_list(_get(tool, "functionDeclarations", "function_declarations"))):
            _function(function, f"GenerateContentRequest.tools[{index}].function_declarations[{number}]")
    config = body.get("generationConfig") or {}
    if schema := config.get("responseSchema"):
        _schema(schema, "GenerateContentRequest.generation_config.response_schema")
    if (config.get("responseSchema") or config.get("responseJsonSchema")) and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        raise invalid("Function calling with a response mime type: 'application/json' is required when a response schema is set", "generation_config")
    turns = _turns(contents)
    _pairs(turns)
    _signatures(turns, model, trust)


def parse(body: Json, kind: Any) -> None:
    """Judges a body's shape as protojson does."""
    body = _normal(copy.deepcopy(body))
    for _ in range(40):
        try:
            json_format.ParseDict(body, kind.pb(kind()))
            return
        except json_format.ParseError as error:
            _excuse(body, str(error))


def _excuse(body: Json, message: str) -> None:
    """Takes out a member that the server knows and the package does not, or raises the server's refusal."""
    found = _UNKNOWN.search(message)
    if found is None:
        plain = message.split("\n")[0].rsplit("field: ", 1)[-1]
        where = ".".join(re.findall(r"Failed to parse (\w+) field", message))
        raise invalid(f"Invalid value at '{where}': {plain}", where)
    kind, name, path = found.groups()
    camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
    if f"{kind}.{camel}" not in _NEWER:
        raise invalid(f"Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field.", path)
    here: Any = body
    for step in re.findall(r"[^.\[\]]+", path):
        here = here[int(step)] if isinstance(here, list) else here[step]
    del here[name]


def _normal(node: Any) -> Any:
    """Writes what the server takes loosely as the package wants it: lower case types, one message where a list is meant."""
    if isinstance(node, list):
        return [_normal(item) for item in node]
    if not isinstance(node, dict):
        return node
    fixed = {key: _normal(part) if key not in _FREE else part for key, part in node.items()}
    if isinstance(fixed.get("type"), str):
        fixed["type"] = fixed["type"].upper()
    for key in ("tools", "contents", "parts"):
        if isinstance(fixed.get(key), dict):
            fixed[key] = [fixed[key]]
    return fixed


# Members whose values are the caller's own JSON.
_FREE = {"args", "response", "parametersJsonSchema", "parameters_json_schema", "responseJsonSchema", "response_json_schema", "default", "example", "enum"}


def camel(node: Any) -> Any:
    """The same body with every member in camel case; protojson takes both, and Google's own SDK mixes them."""
    if isinstance(node, list):
        return [camel(item) for item in node]
    if not isinstance(node, dict):
        return node
    names = {key: re.sub(r"_(\w)", lambda match: match[1].upper(), key) for key in node}
    return {names[key]: _inner(key, part) for key, part in node.items()}


def _inner(key: str, part: Any) -> Any:
    if key == "properties" and isinstance(part, dict):
        return {name: camel(schema) for name, schema in part.items()}
    return part if key in _FREE else camel(part)


def _bytes(node: Any, path: str) -> None:
    if isinstance(node, list):
        for index, item in enumerate(node):
            _bytes(item, f"{path}[{index}]")
    elif isinstance(node, dict):
        for key, part in node.items():
            here = f"{path}.{key}".lstrip(".")
            if key in ("thoughtSignature", "thought_signature") or (key == "data" and isinstance(part, str)):
                decode(part, here)
            elif key not in _FREE:
                _bytes(part, here)


def decode(text: str, path: str) -> bytes:
    """Bytes in either base64 alphabet, with or without padding."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for \"{text[:40]}\"", path) from None


def _contents(contents: list[Json]) -> None:
    for index, content in enumerate(contents):
        if content.get("role") not in (None, "user", "model", "function"):
            raise invalid("Please use a valid role: user, model.", f"contents[{index}].role")
        parts = _list(content.get("parts"))
        if not parts:
            path = f"GenerateContentRequest.contents[{index}].parts"
            raise invalid(f"* {path}: contents.parts must not be empty.\n", path)
        for number, part in enumerate(parts):
            path = f"GenerateContentRequest.contents[{index}].parts[{number}]"
            if not set(part) - {"thought", "thoughtSignature", "thought_signature", "videoMetadata", "partMetadata"}:
                raise invalid(f"* {path}.data: required oneof field 'data' must have one initialized field\n", f"{path}.data")
            for key, snake in (("functionCall", "function_call"), ("functionResponse", "function_response")):
                named = _get(part, key, snake)
                if named is not None and not named.get("name"):
                    raise invalid(f"* {path}.{snake}.name: Name cannot be empty.\n", f"{path}.{snake}.name")


def _function(function: Json, path: str) -> None:
    if not _NAME.fullmatch(function.get("name") or ""):
        raise invalid(
            f"* {path}.name: Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), "
            "underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.\n",
            f"{path}.name",
        )
    both = {"parameters"} & set(function) and {"parametersJsonSchema", "parameters_json_schema"} & set(function)
    if both:
        raise invalid(f"* {path}: parameters and parameters_json_schema cannot both be set.\n", path)
    if schema := function.get("parameters"):
        _schema(schema, f"{path}.parameters")


def _schema(schema: Json, path: str) -> None:
    kind = str(schema.get("type", "")).upper()
    properties = schema.get("properties") or {}
    for index, name in enumerate(schema.get("required") or []):
        if name not in properties:
            raise invalid(f"* {path}.required[{index}]: property is not defined\n", f"{path}.required[{index}]")
    if kind == "ARRAY" and not schema.get("items"):
        raise invalid(f"* {path}.items: missing field.\n", f"{path}.items")
    if not kind and not schema.get("anyOf") and not schema.get("any_of") and path.count("."):
        raise invalid(f"* {path}: schema didn't specify the schema type field.\n", path)
    if schema.get("enum") and kind != "STRING":
        raise invalid(f"* {path}.enum: only allowed for STRING type\n", f"{path}.enum")
    for name, part in properties.items():
        _schema(part, f"{path}.properties[{name}]")
    if schema.get("items"):
        _schema(schema["items"], f"{path}.items")
    for index, part in enumerate(_get(schema, "anyOf", "any_of") or []):
        _schema(part, f"{path}.any_of[{index}]")


def _turns(contents: list[Json]) -> list[tuple[str, list[Json]]]:
    """Contents with consecutive ones of one role merged, as the server merges them."""
    turns: list[tuple[str, list[Json]]] = []
    for content in contents:
        role = "model" if content.get("role") == "model" else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(_list(content["parts"]))
        else:
            turns.append((role, list(_list(content["parts"]))))
    return turns


def _pairs(turns: list[tuple[str, list[Json]]]) -> None:
    waiting: list[Json] = []
    for number, (role, parts) in enumerate(turns):
        answers = [found for part in parts if (found := _get(part, "functionResponse", "function_response"))]
        if answers and not waiting:
            raise invalid(_ANSWER_TURN)
        if waiting and len(answers) != len(waiting):
            raise invalid(_AMOUNT)
        _named(waiting, answers, number)
        waiting = [found for part in parts if (found := _get(part, "functionCall", "function_call"))]
        if waiting and (number == 0 or role != "model"):
            raise invalid(_CALL_TURN)
    if waiting:
        raise invalid(_AMOUNT)


def _named(calls: list[Json], answers: list[Json], number: int) -> None:
    names, ids = [call["name"] for call in calls], [call["id"] for call in calls if call.get("id")]
    for index, answer in enumerate(answers):
        path = f"GenerateContentRequest.contents[{number}].parts[{index}].function_response"
        if answer["name"] not in names:
            raise invalid(f"* {path}.name: no function call with the name \"{answer['name']}\" in the function call turn\n", f"{path}.name")
        if ids and answer.get("id") and answer["id"] not in ids:
            raise invalid(f"* {path}.id: no function call with the id \"{answer['id']}\" in the function call turn\n", f"{path}.id")
    given = [answer["id"] for answer in answers if answer.get("id")]
    if len(given) != len(set(given)):
        raise invalid(f"* GenerateContentRequest.contents[{number}]: two function responses for one function call id\n")


def _signatures(turns: list[tuple[str, list[Json]]], model: str, trust: Trust) -> None:
    current = max((number for number, (role, parts) in enumerate(turns) if role == "user" and not _answers(parts)), default=0)
    for number, (role, parts) in enumerate(turns):
        first = True
        for index, part in enumerate(parts):
            signature = _get(part, "thoughtSignature", "thought_signature")
            call = _get(part, "functionCall", "function_call")
            if signature and not _skipped(signature) and not trust(part, decode(signature, "thought_signature")):
                raise invalid("Corrupted thought signature.", f"contents[{number}].parts[{index}].thought_signature")
            if call and first and not signature and number > current and "gemini-3" in model:
                raise invalid(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and "
                    "missing thought_signature may lead to degraded model performance. Additional data, function call "
                    f"`default_api:{call['name']}` , position {number + 1}. Please refer to "
                    "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
                )
            first = first and not call


def _answers(parts: list[Json]) -> bool:
    return any(_get(part, "functionResponse", "function_response") for part in parts)


def _skipped(signature: str) -> bool:
    """The markers by which a client says that a signature was lost; Vercel sends them bare, LiteLLM in base64."""
    return signature in _SKIPS or signature.rstrip("=") in {base64.b64encode(skip.encode()).decode().rstrip("=") for skip in _SKIPS}


def _get(node: Json, camel: str, snake: str) -> Any:
    return node.get(camel, node.get(snake))


def _list(node: Any) -> list[Any]:
    return node if isinstance(node, list) else [] if node is None else [node]
