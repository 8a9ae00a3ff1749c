"""Requests in the shape of the agent programs that people run, written down from what the programs send."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": False}

CLAUDE_CODE_BETAS = ",".join(
    [
        "claude-code-20250219",
        "interleaved-thinking-2025-05-14",
        "context-management-2025-06-27",
        "prompt-caching-scope-2026-01-05",
        "advanced-tool-use-2025-11-20",
        "effort-2025-11-24",
        "structured-outputs-2025-11-13",
    ]
)


def claude_code_headers(key: str) -> dict[str, str]:
    """Claude Code's headers; its key travels as Bearer."""
    return {
        "authorization": f"Bearer {key}",
        "accept": "application/json",
        "anthropic-beta": CLAUDE_CODE_BETAS,
        "anthropic-dangerous-direct-browser-access": "true",
        "anthropic-version": "2023-06-01",
        "user-agent": "claude-cli/2.3.1 (external, cli)",
        "x-app": "cli",
        "x-claude-code-session-id": "8f1c6c1e-5d0f-4c62-9a70-1f4b8b7a9d11",
        "x-stainless-lang": "js",
        "x-stainless-retry-count": "0",
        "x-stainless-timeout": "600",
    }


def claude_code(model: str, text: str = "Use the tool Bash") -> Json:
    """A turn of Claude Code: three system blocks, 24 tools, adaptive thinking, a system message in the middle."""
    mark = {"cache_control": {"type": "ephemeral"}}
    tools: list[Json] = [
        {
            "name": name,
            "description": f"The tool {name}. " + "It does what it says. " * 60,
            "input_schema": SCHEMA | {"properties": {"command": {"type": "string", "description": "What to do"}}, "required": ["command"]},
        }
        for name in ["Bash", *(f"Tool{number}" for number in range(23))]
    ]
    return {
        "model": model,
        "max_tokens": 64000,
        "stream": True,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.3.1; cc_entrypoint=cli;"},
            {"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude.", **mark},
            {"type": "text", "text": "You help with software. " * 50, **mark},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "<system-reminder>context</system-reminder>"}, {"type": "text", "text": text, **mark}]},
            {"role": "system", "content": "The date is today."},
        ],
        "tools": tools,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "metadata": {"user_id": json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": "8f1c6c1e"})},
    }


def codex_headers(key: str) -> dict[str, str]:
    """Codex's headers."""
    return {
        "authorization": f"Bearer {key}",
        "accept": "text/event-stream",
        "originator": "codex_cli_rs",
        "session-id": "0199-aaaa",
        "thread-id": "0199-bbbb",
        "user-agent": "codex_cli_rs/0.99.0 (Linux; x86_64)",
        "x-codex-turn-metadata": "{}",
    }


def codex(model: str, text: str = "Use the tool shell") -> Json:
    """A turn of Codex: developer messages, items with ids, nested and hosted tools."""
    shell: Json = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"], "additionalProperties": False}
    nested = {"type": "function", "name": "read", "description": "Reads", "strict": False, "parameters": shell}
    return {
        "model": model,
        "instructions": "You are Codex.",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>all</permissions>"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment_context/>"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]},
        ],
        "tools": [
            {"type": "function", "name": "shell", "description": "Runs a command", "strict": False, "parameters": shell},
            {"type": "namespace", "name": "files", "description": "Files", "tools": [nested]},
            {"type": "web_search", "external_web_access": True},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0199-aaaa",
        "text": {"verbosity": "low"},
        "client_metadata": {"x-codex-installation-id": "1d3b"},
    }


def gemini_cli(text: str = "Use the tool run_shell_command") -> Json:
    """A turn of Gemini CLI: JSON schema tools and a thinking budget."""
    schema: Json = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
    declarations = [{"name": name, "description": name, "parametersJsonSchema": schema} for name in ("run_shell_command", "read_file")]
    return {
        "contents": [
            {"role": "user", "parts": [{"text": "This is the Gemini CLI."}]},
            {"role": "model", "parts": [{"text": "Got it."}]},
            {"role": "user", "parts": [{"text": text}]},
        ],
        "systemInstruction": {"role": "user", "parts": [{"text": "You are an agent."}]},
        "tools": [{"functionDeclarations": declarations}],
        "generationConfig": {"temperature": 1, "topP": 0.95, "topK": 64, "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 8192}},
    }
