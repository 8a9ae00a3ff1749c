"""What Anthropic's Messages API refuses, and in which words.

Shape is judged by the SDK's request TypedDicts with unknown members refused; the rest are rules that no type can say:
pairs of tool use and result, signatures, empty texts, base64, schemas, budgets.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_count_params
from anthropic.types.beta import message_create_params as beta_create_params

from . import brain, typed
from .server import Refusal

Json = dict[str, Any]
Trust = Callable[[str, str], bool]

_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
# Newer SDKs dropped these from their types; the server still takes them.
_SAMPLING: dict[str, tuple[float, float]] = {"temperature": (0, 1), "top_p": (0, 1), "top_k": (0, 1_000_000)}
_MAGIC = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8", "image/gif": b"GIF8", "application/pdf": b"%PDF"}


def refusal(status: int, kind: str, message: str) -> Refusal:
    """An error in Anthropic's shape."""
    number = "req_" + brain.name_of(kind, message)
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": number}
    return Refusal(status, body, {"request-id": number})


def invalid(message: str) -> Refusal:
    """The 400 of Anthropic."""
    return refusal(400, "invalid_request_error", message)


def own(thinking: str, signature: str) -> bool:
    """Whether a thinking block is the mock's own, unaltered."""
    return brain.signed("anthropic", thinking, signature)


def judge(body: Json, *, beta: bool, counting: bool = False, trust: Trust = own) -> None:
    """Raises the first refusal that a body earns."""
    _shape(body, beta, counting)
    _budgets(body)
    _tools(body)
    _cache(body)
    for path, block in _blocks(body):
        _block(path, block)
    _messages(body, trust)
    _pairs(body["messages"])


def _shape(body: Json, beta: bool, counting: bool) -> None:
    body = dict(body)
    for name, (low, high) in _SAMPLING.items():
        value = body.pop(name, None)
        if value is not None and not (isinstance(value, (int, float)) and low <= value <= high):
            raise invalid(f"{name}: Input should be between {low} and {high}")
    if found := typed.faults(_kind(body, beta, counting), body):
        path, sort, message = _plainest(found)
        where = ".".join(_within(body, path, sort))
        raise invalid(f"{where}: {'Field required' if sort == 'missing' else message}")


def _kind(body: Json, beta: bool, counting: bool) -> Any:
    if counting:
        return beta_count_params.MessageCountTokensParams if beta else message_count_tokens_params.MessageCountTokensParams
    module = beta_create_params if beta else message_create_params
    return module.MessageCreateParamsStreaming if body.get("stream") else module.MessageCreateParamsNonStreaming


def _plainest(found: list[tuple[typed.Path, str, str]]) -> tuple[typed.Path, str, str]:
    """Of the complaints of all branches of a union, one of the branch that fits best."""
    branches: dict[typed.Path, list[tuple[typed.Path, str, str]]] = {}
    for one in found:
        branches.setdefault(one[0][:-1], []).append(one)
    best = min(branches.values(), key=lambda branch: (any(sort == "literal_error" for _, sort, _ in branch), len(branch), -len(branch[0][0])))
    return best[0]


def _within(body: Any, path: typed.Path, sort: str) -> Iterator[str]:
    """The steps of a path that exist in the body, without the names of union branches."""
    here = body
    for index, step in enumerate(path):
        last = index == len(path) - 1
        if isinstance(here, dict) and (step in here or (last and sort == "missing")):
            here = here.get(step)
            yield str(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
            yield str(step)


def _budgets(body: Json) -> None:
    thinking = body.get("thinking") or {}
    limit = body.get("max_tokens")
    if limit is not None and limit < 1:
        raise invalid("max_tokens: must be greater than or equal to 1")
    if thinking.get("type") == "enabled":
        if thinking["budget_tokens"] < 1024:
            raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if limit is not None and thinking["budget_tokens"] >= limit:
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`")
        if body.get("temperature") not in (None, 1):
            raise invalid("`temperature` may only be set to 1 when thinking is enabled")
        if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            raise invalid("Thinking may not be enabled when tool_choice forces tool use.")
    form = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if form:
        _closed(form.get("schema") or {}, "output_config.format.schema")


def _closed(schema: Any, path: str) -> None:
    if isinstance(schema, list):
        for part in schema:
            _closed(part, path)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    for part in schema.values():
        _closed(part, path)


def _tools(body: Json) -> None:
    names: set[str] = set()
    for index, tool in enumerate(body.get("tools") or []):
        name = tool.get("name")
        if "input_schema" not in tool:
            continue
        path = f"tools.{index}.custom"
        if not _TOOL_NAME.fullmatch(name or ""):
            raise invalid(f"{path}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if name in names:
            raise invalid("tools: Tool names must be unique.")
        names.add(name)
        if tool["input_schema"].get("type") != "object":
            raise invalid(f"{path}.input_schema.type: {'Input should be object' if tool['input_schema'].get('type') else 'Field required'}")
        for word in ("oneOf", "allOf", "anyOf"):
            if word in tool["input_schema"]:
                raise invalid(f"{path}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level")
    choice = body.get("tool_choice") or {}
    if choice and not body.get("tools"):
        raise invalid("tool_choice: may only be specified while providing tools")
    if choice.get("type") == "tool" and choice["name"] not in {tool.get("name") for tool in body["tools"]}:
        raise invalid(f"Tool '{choice['name']}' not found in provided tools")


def _cache(body: Json) -> None:
    marks = _count(body.get("tools")) + _count(body.get("system")) + _count(body["messages"])
    if marks > 4:
        raise invalid(f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")


def _count(node: Any) -> int:
    if isinstance(node, list):
        return sum(map(_count, node))
    if not isinstance(node, dict):
        return 0
    inner = sum(_count(part) for key, part in node.items() if key not in ("input", "input_schema"))
    return inner + (1 if node.get("cache_control") else 0)


def _blocks(body: Json) -> Iterator[tuple[str, Json]]:
    """Every content block with its path, those inside tool results too."""
    if isinstance(body.get("system"), list):
        yield from ((f"system.{index}", block) for index, block in enumerate(body["system"]))
    for number, message in enumerate(body["messages"]):
        if isinstance(message["content"], str):
            continue
        for index, block in enumerate(message["content"]):
            path = f"messages.{number}.content.{index}"
            yield path, block
            if block["type"] == "tool_result" and isinstance(block.get("content"), list):
                yield from ((f"{path}.content.{inner}", part) for inner, part in enumerate(block["content"]))


def _block(path: str, block: Json) -> None:
    kind = block["type"]
    if kind == "text":
        if not block["text"]:
            raise invalid(f"{path}.text: text content blocks must be non-empty")
        if not block["text"].strip():
            raise invalid(f"{path}.text: text content blocks must contain non-whitespace text")
    source = block.get("source")
    if isinstance(source, dict) and source.get("type") == "base64":
        _base64(f"{path}.{kind}.source.base64", source)
    for field in ("id", "tool_use_id"):
        if kind in ("tool_use", "tool_result") and field in block and not _TOOL_ID.fullmatch(block[field]):
            raise invalid(f"{path}.{kind}.{field}: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _base64(path: str, source: Json) -> None:
    try:
        data = base64.b64decode(source["data"], validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"{path}.data: invalid base64 data") from None
    if not data:
        raise invalid(f"{path}.data: image cannot be empty")
    magic = _MAGIC.get(source["media_type"])
    if magic and not data.startswith(magic):
        raise invalid(f"{path}.data: The data does not match the provided media type {source['media_type']}")


def _messages(body: Json, trust: Trust) -> None:
    messages = body["messages"]
    if not messages:
        raise invalid("messages: at least one message is required")
    for number, message in enumerate(messages):
        content, last = message["content"], number == len(messages) - 1
        if not content and not (last and message["role"] == "assistant"):
            raise invalid(f"messages.{number}: all messages must have non-empty content except for the optional final assistant message")
        if isinstance(content, str):
            if content and not content.strip():
                raise invalid(f"messages.{number}: text content blocks must contain non-whitespace text")
            continue
        for index, block in enumerate(content):
            if block["type"] == "thinking" and not trust(block["thinking"], block["signature"]):
                raise invalid(f"messages.{number}.content.{index}: Invalid `signature` in `thinking` block")
            if block["type"] == "redacted_thinking" and not trust("", block["data"]):
                raise invalid(f"messages.{number}.content.{index}: Invalid `data` in `redacted_thinking` block")
    _final(messages[-1])
    if (body.get("thinking") or {}).get("type") == "enabled":
        _thought_first(messages)


def _final(message: Json) -> None:
    content = message["content"]
    text = content if isinstance(content, str) else (content[-1].get("text") if content else "")
    if message["role"] == "assistant" and text and text != text.rstrip():
        raise invalid("messages: final assistant content cannot end with trailing whitespace")


def _thought_first(messages: list[Json]) -> None:
    """With thinking on, the assistant turn that a tool result answers begins with its thinking."""
    turns = [(number, message) for number, message in enumerate(messages) if message["role"] == "assistant"]
    if not turns or isinstance(turns[-1][1]["content"], str):
        return
    number, message = turns[-1]
    content = message["content"]
    if content and any(block["type"] == "tool_use" for block in content) and content[0]["type"] not in ("thinking", "redacted_thinking"):
        raise invalid(
            f"messages.{number}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{content[0]['type']}`. When `thinking` "
            "is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and "
            "`tool_result` blocks)."
        )


def _pairs(messages: list[Json]) -> None:
    """Each tool use is answered in the very next user turn, each result follows its call, no id is used twice."""
    seen: set[str] = set()
    waiting: list[str] = []
    for number, (role, blocks) in enumerate(_turns(messages)):
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if role == "user":
            for index, block in enumerate(blocks):
                if block["type"] == "tool_result" and block["tool_use_id"] not in waiting:
                    raise invalid(
                        f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}. "
                        "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                    )
            if len(results) != len(set(results)):
                raise invalid(f"messages.{number}.content: each tool_use must have a single result. Found multiple `tool_result` blocks with one id")
        if missing := [one for one in waiting if one not in results]:
            raise invalid(
                f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}. Each "
                "`tool_use` block must have a corresponding `tool_result` block in the next message."
            )
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
        if len(waiting) != len(set(waiting)) or seen & set(waiting):
            raise invalid(f"messages.{number}.content: `tool_use` ids must be unique")
        seen |= set(waiting)
    if waiting:
        raise invalid(f"messages: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(waiting)}.")


def _turns(messages: list[Json]) -> list[tuple[str, list[Json]]]:
    """Messages with consecutive ones of one role merged, as the server merges them; system turns in the middle do not part them."""
    turns: list[tuple[str, list[Json]]] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        if message["role"] == "system":
            continue
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(blocks)
        else:
            turns.append((message["role"], blocks))
    return turns
