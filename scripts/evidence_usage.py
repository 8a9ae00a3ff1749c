#!/usr/bin/env python3
"""Reads usage from recorded answers, independently of the gateway.

Written from the providers' documentation, with the standard library only, and on purpose in another way than the
gateway does it: each body is parsed whole. Prints one JSON line for each answer with a 2xx status:

    {"file", "stream", "model", "tier", "searches", "total", "buckets": {bucket: {modality: tokens}}}

`buckets` is null where the answer tells no usage; `total` is the provider's own total where it tells one.

Use: evidence_usage.py FOLDER
"""

import json
import pathlib
import sys

MODALITIES = ("text", "image", "audio", "video")


def events(body):
    """The JSON data of a server-sent event stream, in order."""
    found = []
    for block in body.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if data and "\n".join(data).strip() != "[DONE]":
            found.append(json.loads("\n".join(data)))
    return found


def number(mapping, *path):
    """A number deep in a mapping; 0 where any of the way is absent or null."""
    for key in path:
        if not isinstance(mapping, dict):
            return 0
        mapping = mapping.get(key)
    return mapping or 0


def typed(total, parts):
    """Tokens by modality: what the parts do not cover is text."""
    out = {modality: parts.get(modality, 0) for modality in MODALITIES}
    out["text"] += total - sum(out.values())
    return out


def minus(left, right):
    """Left without right; a modality that lacks tokens takes them from the others."""
    out = {modality: left[modality] - right[modality] for modality in MODALITIES}
    for modality in MODALITIES:
        if out[modality] < 0:
            lack, out[modality] = -out[modality], 0
            for other in MODALITIES:
                step = min(lack, out[other])
                out[other] -= step
                lack -= step
    return out


def words(total):
    return typed(total, {})


def openai(usage):
    """prompt_tokens includes cached_tokens and cache_write_tokens, completion_tokens includes reasoning_tokens."""
    names = ("prompt", "completion") if "prompt_tokens" in usage else ("input", "output")
    into, out = usage[names[0] + "_tokens"], usage[names[1] + "_tokens"]
    into_details = usage.get(names[0] + "_tokens_details") or {}
    out_details = usage.get(names[1] + "_tokens_details") or {}
    parts = lambda details: {m: details[m + "_tokens"] for m in MODALITIES[1:] if details.get(m + "_tokens")}
    read, written = into_details.get("cached_tokens") or 0, into_details.get("cache_write_tokens") or 0
    reasoning = out_details.get("reasoning_tokens") or 0
    return {
        "input": minus(typed(into, parts(into_details)), words(read + written)),
        "cache_read": words(read),
        "cache_write_30m": words(written),
        "output": minus(typed(out, parts(out_details)), words(reasoning)),
        "reasoning": words(reasoning),
    }, usage["total_tokens"]


def image_tool(buckets, tools):
    """The Responses image tool runs another model, whose tokens are told apart."""
    side = tools.get("image_gen") or {}
    for bucket, name, rest in (("input", "input", "text"), ("output", "output", "image")):
        left = number(side, name + "_tokens")
        for modality in ("image", "text"):
            part = number(side, name + "_tokens_details", modality + "_tokens")
            buckets[bucket][modality] += part
            left -= part
        buckets[bucket][rest] += left
    return number(side, "total_tokens")


def claude(usage):
    """input_tokens excludes the cache; what was billed is the sum over iterations where they are listed."""
    turns = usage.get("iterations") or [usage]
    add = lambda *path: sum(number(turn, *path) for turn in turns)
    written = add("cache_creation_input_tokens")
    hour = add("cache_creation", "ephemeral_1h_input_tokens")
    output = add("output_tokens")
    thinking = number(usage, "output_tokens_details", "thinking_tokens")
    return {
        "input": words(add("input_tokens")),
        "cache_read": words(add("cache_read_input_tokens")),
        "cache_write_5m": words(written - hour),
        "cache_write_1h": words(hour),
        "output": words(output - thinking),
        "reasoning": words(thinking),
    }, None


def gemini(usage):
    """promptTokenCount includes cachedContentTokenCount; thoughts and tool prompts stand beside."""

    def parts(name):
        sums = {}
        for entry in usage.get(name) or []:
            kind = entry["modality"].lower()
            if kind in MODALITIES[1:]:
                sums[kind] = sums.get(kind, 0) + number(entry, "tokenCount")
        return sums

    prompt = typed(number(usage, "promptTokenCount"), parts("promptTokensDetails"))
    cached = typed(number(usage, "cachedContentTokenCount"), parts("cacheTokensDetails"))
    tool = typed(number(usage, "toolUsePromptTokenCount"), parts("toolUsePromptTokensDetails"))
    fresh = minus(prompt, cached)
    return {
        "input": {modality: fresh[modality] + tool[modality] for modality in MODALITIES},
        "cache_read": cached,
        "output": typed(number(usage, "candidatesTokenCount"), parts("candidatesTokensDetails")),
        "reasoning": words(number(usage, "thoughtsTokenCount")),
    }, usage.get("totalTokenCount")


def read_chat(bodies):
    told = [body["usage"] for body in bodies if body.get("usage")]
    tiers = [body["service_tier"] for body in bodies if body.get("service_tier")]
    return (*(openai(told[-1]) if told else (None, None)), bodies[-1]["model"], tiers[-1] if tiers else None, 0)


def read_responses(bodies):
    last = bodies[-1].get("response", bodies[-1])
    searches = 0
    for item in last["output"]:
        if item["type"] == "web_search_call":
            searches += (item.get("action") or {}).get("type", "search") == "search"
    buckets, total = openai(last["usage"]) if last.get("usage") else (None, None)
    tools = last.get("tool_usage") or {}
    if buckets is not None:
        total += image_tool(buckets, tools)
    return buckets, total, last["model"], last.get("service_tier"), searches


def read_anthropic(bodies):
    message = bodies[0].get("message", bodies[0])
    usage = dict(message["usage"])
    for body in bodies[1:]:
        if body["type"] == "message_delta":
            usage.update({key: value for key, value in body["usage"].items() if value is not None})
    buckets, total = claude(usage)
    return buckets, total, message["model"], usage.get("service_tier"), number(usage, "server_tool_use", "web_search_requests")


def read_gemini(bodies):
    queries = 0
    for body in bodies:
        for candidate in body.get("candidates", []):
            queries += sum(1 for query in (candidate.get("groundingMetadata") or {}).get("webSearchQueries") or [] if query)
    usage = bodies[-1]["usageMetadata"]
    return (*gemini(usage), bodies[-1]["modelVersion"], usage.get("serviceTier"), queries)


READERS = {"chat": read_chat, "responses": read_responses, "anthropic": read_anthropic, "gemini": read_gemini}


def main(folder):
    for path in sorted(pathlib.Path(folder).glob("*/*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if not 200 <= record["status"] < 300:
            continue
        stream = "event-stream" in record["content_type"]
        bodies = events(record["body"]) if stream else [json.loads(record["body"])]
        buckets, total, model, tier, searches = READERS[path.parent.name](bodies)
        if buckets is not None:
            buckets = {bucket: {m: n for m, n in parts.items() if n} for bucket, parts in buckets.items()}
            buckets = {bucket: parts for bucket, parts in buckets.items() if parts}
        line = {
            "file": f"{path.parent.name}/{path.name}",
            "stream": stream,
            "model": model,
            "tier": tier,
            "searches": searches,
            "total": total,
            "buckets": buckets,
        }
        print(json.dumps(line, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1])
