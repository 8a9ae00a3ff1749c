"""LiteLLM's proxy configuration, written by hand as people write it: quotes here and there, comments, variables, odd values."""

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def key(rng, start: str) -> str:
    return start + "".join(rng.choices(LETTERS, k=32))


def write(path, upstream: str, rng) -> dict:
    master, own, house = key(rng, "sk-master-"), key(rng, "sk-up-"), key(rng, "sk-house-")
    counts = {"deployments": 0, "deployments_all": 0, "models": set(), "prices": 0}
    secrets = [master, own, house]
    lines = ["# our gateway", "model_list:"]

    def deployment(name: str, model: str, served: bool = True, prices: bool = False, **params: object) -> None:
        lines.append(f"  - model_name: {name if '*' not in name else repr(name)}")
        lines.append("    litellm_params:")
        lines.append(f"      model: {model if '*' not in model else repr(model)}")
        lines.extend(f"      {param}: {value}" for param, value in params.items())
        if prices:
            lines.extend(["      input_cost_per_token: 0.00000125  # $1.25", "      output_cost_per_token: 1e-05"])
        if len(lines) % 3 == 0:
            lines.extend(["    model_info:", "      mode: chat", f"      id: deployment-{len(lines)}", "      max_input_tokens: 128000"])
        counts["deployments_all"] += 1
        if served:
            counts["deployments"] += 1
            counts["models"].add(name)
            counts["prices"] += prices

    deployment("house", "openai/house-model", api_base=f'"{upstream}/v1"', api_key=own, rpm=600, tpm=100000)
    deployment("house-small", "hosted_vllm/small/model", api_base=f"{upstream}/v1/", api_key=f"'{house}'", prices=True)
    deployment("shared", "openai/shared-a", api_base=f"{upstream}/v1", api_key="os.environ/SHARED_KEY", weight=3, order=1, prices=True)
    deployment("shared", "openai/shared-b", api_base=f"{upstream}/v1", api_key="os.environ/SHARED_KEY", weight=1, order=2, rpm=10)
    deployment("any/*", "openai/*", api_base=f"{upstream}/v1", api_key="os.environ/FROM_THE_FILE")
    for number in range(6):
        secret = key(rng, f"sk-openai-{number}-")
        secrets.append(secret)
        deployment("gpt-4o", f"{'openai/' if number % 2 else ''}gpt-4o", api_key=secret, rpm=100 * (number + 1), timeout=30)
    for vendor, model in [("anthropic", "claude-sonnet-4-20250514"), ("gemini", "gemini-2.5-pro"), ("groq", "llama-3.3-70b-versatile"),
                          ("deepseek", "deepseek-chat"), ("xai", "grok-3"), ("openrouter", "meta-llama/llama-3.3-70b-instruct"),
                          ("mistral", "mistral-large-latest"), ("together_ai", "Qwen/Qwen3-32B"), ("ollama", "llama3.1")]:
        secret = key(rng, f"sk-{vendor.replace('_', '-')}-")
        secrets.append(secret)
        extra = {} if vendor == "ollama" else {"api_key": secret}
        deployment(model.split("/")[-1].lower(), f"{vendor}/{model}", prices=vendor == "xai", **extra)
    deployment("claude-by-name", "claude-3-5-haiku-latest", litellm_credential_name="team")
    deployment("unset", "openai/gpt-4.1", api_key="os.environ/NOBODY_SETS_THIS")
    for vendor in ["azure", "bedrock", "vertex_ai", "cohere"]:
        secret = key(rng, f"sk-{vendor.replace('_', '-')}-")
        secrets.append(secret)
        deployment(f"{vendor}-model", f"{vendor}/some-model", served=False, api_key=secret)
    deployment("mystery", "mystery", served=False)
    team = key(rng, "sk-team-")
    secrets.append(team)
    lines += [
        "credential_list:", "  - credential_name: team", "    credential_values:", f"      api_key: {team}",
        "router_settings:", "  routing_strategy: simple-shuffle", "  num_retries: 2", "  redis_host: localhost", "  model_group_alias:",
        "    gpt-4.5: gpt-4o", "    'house (old)': house", "    hidden: {model: house-small, hidden: true}",
        "litellm_settings:", "  drop_params: true", "  fallbacks: [{gpt-4o: [house]}, {unset: [house-small, nowhere]}]",
        "  cache: true", "  cache_params: {type: redis}", "  success_callback: ['langfuse']",
        "general_settings:", f"  master_key: {master}", "  database_url: 'postgresql://llm:hunter22@db/litellm'", "  alerting: ['slack']",
        "environment_variables:", "  FROM_THE_FILE: sk-from-the-file-0123456789",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    secrets += ["hunter22", "sk-from-the-file-0123456789", "sk-shared-0123456789"]
    return {
        "counts": counts | {"models": len(counts["models"]), "aliases": 3, "fallbacks": 2, "fallbacks_all": 3, "keys": 1},
        "keys": {"works": master}, "upstream_key": own, "secrets": secrets, "environment": {"SHARED_KEY": "sk-shared-0123456789"},
        "told": ["Azure has no channel here", "AWS has no channel here", "Vertex AI with a service account has no channel here",
                 'the vendor "cohere" has no channel here', "NOBODY_SETS_THIS at model_list", "general_settings.database_url",
                 "virtual keys, teams and budgets stand in that database", "litellm_settings.cache", "general_settings.alerting",
                 "name a model that is left out or not in model_list (1): unset -> nowhere", "set a route's timers", 'need no key there; here they are sent "none"'],
    }
