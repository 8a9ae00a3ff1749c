"""What OpenAI's API refuses, and in which words.

Shape is judged by the public OpenAPI file where it is there, and by built-in checks of the members that matter where it is not.
The rest are rules that no schema can say: pairs of calls and outputs, item ids, encrypted reasoning, base64, strict schemas.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from . import brain, spec
from .server import Refusal

Json = dict[str, Any]
Trust = Callable[[Json], bool]

# Codex sends these, the server takes them, the public file does not know them.
_NEWER = frozenset({"client_metadata", "stream_options", "generate"})
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_REASONERS = re.compile(r"(gpt-5|o\d)")
# Those that do not think unless they are told to.
_AT_REST = re.compile(r"gpt-5\.[1-4](?!.*-(codex|pro))")
_PREFIXES = {"message": "msg", "function_call": "fc", "reasoning": "rs", "custom_tool_call": "ctc"}
# The types of the members that these rules look into, where no public file judges them first.
_KINDS: dict[str, type | tuple[type, ...]] = {
    **{name: list for name in ("tools", "messages", "include")},
    **{name: (int, float) for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty")},
    **{name: int for name in ("max_tokens", "max_completion_tokens", "max_output_tokens", "n", "seed")},
    **{name: bool for name in ("stream", "store", "parallel_tool_calls", "background")},
    **{name: dict for name in ("response_format", "stream_options", "reasoning", "text", "metadata")},
    **{name: (str, dict) for name in ("tool_choice",)},
    **{name: (str, list) for name in ("input", "stop", "prompt")},
}
_OUTPUTS = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}


def refusal(status: int, message: str, *, param: str | None = None, code: str | None = None, kind: str = "invalid_request_error") -> Refusal:
    """An error in OpenAI's shape."""
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return Refusal(status, body, {"x-request-id": "req_" + brain.name_of(message)})


def invalid(message: str, param: str | None, code: str | None = None) -> Refusal:
    """The 400 of OpenAI."""
    return refusal(400, message, param=param, code=code)


def seal(number: str) -> str:
    """The encrypted content of a reasoning item: it knows whose it is."""
    return base64.b64encode(f"{number} {brain.sign('openai', number)}".encode()).decode()


def own(item: Json) -> bool:
    """Whether a reasoning item's encrypted content is the mock's own, for this item. An item without an id is taken, as Codex sends it."""
    number = item.get("id")
    try:
        meant, proof = base64.b64decode(item["encrypted_content"], validate=True).decode().split(" ")
    except ValueError:
        return False
    return brain.signed("openai", meant, proof) and number in (None, meant)


def own_detail(detail: Json) -> bool:
    """Whether a detail of reasoning is the mock's own, unaltered."""
    return brain.signed("vendor", detail.get("text") or "", detail.get("signature") or "")


def shape(schema: str, body: Json, required: dict[str, type | tuple[type, ...]]) -> None:
    """Judges a body against the public file, or against the built-in list of required members."""
    for name, kind in required.items():
        if body.get(name) is None:
            raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
        if not isinstance(body[name], kind):
            raise invalid(f"Invalid type for '{name}'.", name, "invalid_type")
    for name, kind in _KINDS.items():
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise invalid(f"Invalid type for '{name}': got {type(body[name]).__name__} instead.", name, "invalid_type")
    judge = spec.load()
    if judge is None:
        return
    known = judge.members(schema) | _NEWER
    for name in body:
        if name not in known:
            raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    plain = {name: part for name, part in body.items() if name in judge.members(schema)}
    if isinstance(plain.get("input"), list):
        # The server takes a null status, which the file forbids.
        plain["input"] = [_without_null(item, "status") for item in plain["input"]]
    if found := judge.fault(schema, plain):
        path, message = found
        raise invalid(f"Invalid value for '{path}': {message}", path, "invalid_value")


def _without_null(item: Any, name: str) -> Any:
    if isinstance(item, dict) and name in item and item[name] is None:
        return {key: part for key, part in item.items() if key != name}
    return item


def judge_chat(body: Json, *, trust: Trust = own_detail) -> None:
    """Raises the first refusal that a Chat Completions body earns."""
    if body.get("messages") == []:
        raise invalid("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.", "messages", "empty_array")
    shape("CreateChatCompletionRequest", body, {"model": str, "messages": list})
    _sampling(body)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    for index, tool in enumerate(body.get("tools") or []):
        if tool.get("type") == "function":
            _function(tool["function"], f"tools[{index}].function")
    _choice(body, lambda choice: (choice.get("function") or {}).get("name"))
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        _strict(form["json_schema"], "response_format", form["json_schema"].get("name", ""))
    for index, message in enumerate(body["messages"]):
        for number, part in enumerate(message["content"] if isinstance(message.get("content"), list) else []):
            _media(part, f"messages[{index}].content[{number}]")
        for number, detail in enumerate(message.get("reasoning_details") or []):
            _detail(detail, f"messages[{index}].reasoning_details[{number}]", trust)
    _chat_pairs(body["messages"])


def judge_responses(body: Json, known: list[Json], *, counting: bool = False, trust: Trust = own) -> None:
    """Raises the first refusal that a Responses body earns; `known` are the items that the server already keeps."""
    if not counting:
        shape("CreateResponse", body, {"model": str})
    _sampling(body)
    for index, tool in enumerate(body.get("tools") or []):
        if tool.get("type") == "function":
            _function(tool, f"tools[{index}]")
    _choice(body, lambda choice: choice.get("name"))
    form = (body.get("text") or {}).get("format") or {}
    if form.get("type") == "json_schema":
        _strict(form, "text.format.schema", form.get("name", ""))
    given = body.get("input")
    items: list[Json] = given if isinstance(given, list) else []
    for index, item in enumerate(items):
        _item(item, f"input[{index}]", trust)
    _response_pairs(known, items)


def _sampling(body: Json) -> None:
    model = body.get("model") or ""
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    if _REASONERS.match(model) and body.get("max_tokens") is not None:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        raise invalid(message, "max_tokens", "unsupported_parameter")
    unsaid = "none" if _AT_REST.match(model) else "medium"
    if _REASONERS.match(model) and (effort or unsaid) != "none":
        for name in ("temperature", "top_p"):
            if body.get(name) not in (None, 1):
                message = f"Unsupported value: '{name}' does not support {body[name]} with this model. Only the default (1) value is supported."
                raise invalid(message, name, "unsupported_value")
    for name, (low, high) in {"temperature": (0, 2), "top_p": (0, 1)}.items():
        value = body.get(name)
        if value is not None and not low <= value <= high:
            side, word = ("below minimum", f">= {low}") if value < low else ("above maximum", f"<= {high}")
            message = f"Invalid '{name}': decimal {side} value. Expected a value {word}, but got {value} instead."
            raise invalid(message, name, f"decimal_{side.replace(' ', '_')}_value".replace("minimum", "min").replace("maximum", "max"))
    for name in ("max_output_tokens", "max_completion_tokens"):
        if isinstance(body.get(name), int) and body[name] < 1:
            raise invalid(f"Invalid '{name}': integer below minimum value.", name, "integer_below_min_value")


def _function(function: Json, path: str) -> None:
    name = function.get("name") or ""
    if not _TOOL_NAME.fullmatch(name):
        message = f"Invalid '{path}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        raise invalid(message, f"{path}.name", "invalid_value")
    schema = function.get("parameters")
    if schema and schema.get("type") != "object":
        message = f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
        raise invalid(message, f"{path}.parameters", "invalid_function_parameters")
    if function.get("strict") and schema:
        _closed(schema, f"Invalid schema for function '{name}'", f"{path}.parameters", "invalid_function_parameters", ())


def _strict(form: Json, param: str, name: str) -> None:
    if not form.get("schema"):
        raise invalid(f"Missing required parameter: '{param}.schema'.", param, "missing_required_parameter")
    if form.get("strict"):
        _closed(form["schema"], f"Invalid schema for response_format '{name}'", param, "invalid_json_schema", ())


def _closed(schema: Any, what: str, param: str, code: str, context: tuple[str, ...]) -> None:
    """Strict schemas close each object and require every member."""
    if isinstance(schema, list):
        for part in schema:
            _closed(part, what, param, code, context)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            raise invalid(f"{what}: In context={context}, 'additionalProperties' is required to be supplied and to be false.", param, code)
        missing = sorted(set(schema.get("properties") or {}) - set(schema.get("required") or []))
        if missing:
            message = f"{what}: In context={context}, 'required' is required to be supplied and to be an array including every key in properties. "
            raise invalid(f"{message}Missing '{missing[0]}'.", param, code)
    for key, part in schema.items():
        if key == "properties":
            for name, inner in part.items():
                _closed(inner, what, param, code, (*context, "properties", name))
        elif key not in ("enum", "const", "required", "default"):
            _closed(part, what, param, code, (*context, key))


def _choice(body: Json, named: Callable[[Json], str | None]) -> None:
    choice = body.get("tool_choice")
    if choice is None:
        return
    tools = body.get("tools") or []
    if not tools and choice not in ("auto", "none"):
        raise invalid("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function":
        names = {(tool.get("function") or tool).get("name") for tool in tools}
        if named(choice) not in names:
            raise invalid(f"Tool choice 'function' not found in 'tools' parameter: '{named(choice)}'.", "tool_choice")


def _media(part: Json, path: str) -> None:
    url = part.get("image_url")
    url = url.get("url") if isinstance(url, dict) else url
    if isinstance(url, str):
        _url(url, f"{path}.image_url")
    audio = part.get("input_audio")
    if isinstance(audio, dict):
        _decode(audio["data"], f"{path}.input_audio.data")


def _url(url: str, path: str) -> None:
    if not url.startswith("data:"):
        if not url.startswith(("http://", "https://")):
            message = f"Invalid '{path}'. Expected a valid URL, but got a value with an invalid format."
            raise invalid(message, path, "invalid_value")
        return
    head, _, data = url.partition(",")
    if not head.endswith(";base64") or not head.startswith("data:image/"):
        raise invalid(f"Invalid '{path}'. Expected a base64-encoded data URL with an image MIME type.", path, "invalid_value")
    _decode(data, path)


def _decode(data: str, path: str) -> None:
    try:
        if not base64.b64decode(data, validate=True):
            raise ValueError
    except (binascii.Error, ValueError):
        raise invalid(f"Invalid '{path}'. Expected a base64-encoded value, but got a value with an invalid format.", path, "invalid_base64") from None


def _detail(detail: Json, path: str, trust: Trust) -> None:
    """Thinking that comes back is the provider's own, unaltered."""
    if not trust(detail):
        raise invalid(f"Invalid '{path}.signature': the reasoning could not be verified.", f"{path}.signature", "invalid_reasoning")


def _chat_pairs(messages: list[Json]) -> None:
    waiting: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if not message.get("tool_call_id") in waiting:
                where = f"messages.[{index}].role"
                text = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                raise invalid(f"Invalid parameter: {text}", where)
            waiting.remove(message["tool_call_id"])
            continue
        _unanswered(waiting, index)
        calls = message.get("tool_calls") or [] if message["role"] == "assistant" else []
        waiting = [call["id"] for call in calls]
        if len(waiting) != len(set(waiting)):
            raise invalid(f"Invalid parameter: duplicate 'tool_calls' ids in messages.[{index}].", f"messages.[{index}].tool_calls")
        for one in waiting:
            if not 1 <= len(one) <= 64:
                raise invalid(f"Invalid 'messages[{index}].tool_calls[0].id': string too long.", f"messages[{index}].tool_calls", "string_above_max_length")
    _unanswered(waiting, len(messages))


def _unanswered(waiting: list[str], index: int) -> None:
    if waiting:
        raise invalid(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following "
            f"tool_call_ids did not have response messages: {', '.join(waiting)}",
            f"messages.[{index}].role",
        )


def _item(item: Json, path: str, trust: Trust) -> None:
    kind = item.get("type") or "message"
    prefix, number = _PREFIXES.get(kind), item.get("id")
    if prefix and number and not str(number).startswith(prefix + "_"):
        raise invalid(f"Invalid '{path}.id': '{number}'. Expected an ID that begins with '{prefix}'.", f"{path}.id", "invalid_value")
    for field in ("content", "output"):
        for index, part in enumerate(item[field] if isinstance(item.get(field), list) else []):
            if isinstance(part, dict):
                _media(part, f"{path}.{field}[{index}]")
    if kind == "reasoning" and item.get("content"):
        message = f"array too long. Expected an array with maximum length 0, but got an array with length {len(item['content'])} instead."
        raise invalid(f"Invalid '{path}.content': {message}", f"{path}.content", "array_above_max_length")
    if kind == "reasoning" and item.get("encrypted_content") and not trust(item):
        raise invalid(
            f"The encrypted content for item {number} could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
            None,
            "invalid_encrypted_content",
        )


def _response_pairs(known: list[Json], items: list[Json]) -> None:
    """Every output has its call before it, every call its output after it, reasoning something that it led to."""
    calls: dict[str, str] = {}
    answered: set[str] = set()
    kept = len(known)
    for index, item in enumerate([*known, *items]):
        kind = item.get("type") or "message"
        if kind in _OUTPUTS.values():
            if item["call_id"] in calls:
                raise invalid(f"Duplicate call_id '{item['call_id']}' in input.", f"input[{index - kept}].call_id")
            calls[item["call_id"]] = kind
        elif kind in _OUTPUTS:
            if calls.get(item["call_id"]) != _OUTPUTS[kind] or item["call_id"] in answered:
                raise invalid(f"No tool call found for function call output with call_id {item['call_id']}.", "input")
            answered.add(item["call_id"])
    if open_calls := [one for one in calls if one not in answered]:
        raise invalid(f"No tool output found for function call {open_calls[0]}.", "input")
    if items and items[-1].get("type") == "reasoning":
        raise invalid(f"Item '{items[-1].get('id')}' of type 'reasoning' was provided without its required following item.", "input")
