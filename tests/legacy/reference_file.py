"""The reference's files: its first tables, its next ones with tenants, its later ones, and the bundle that those export."""

import json
import sqlite3

from seal import as_json, as_text

ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$0kSRm+YsLpPRxM0hbSmPaNTsKMZzj4kxwcHBl3QPzxY"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
CHANNELS = ["openai", "anthropic", "aistudio", "groq", "deepseek", "nvidia", "openrouter", "vertexexpress"]
UNSERVED = ["claudecode", "codex", "geminicli"]
TIMES = {"created_at": 1_735_700_000, "updated_at": 1_735_700_001}


def key(rng, start: str = "sk-", length: int = 40) -> str:
    return start + "".join(rng.choices(LETTERS, k=length))


class File:
    """A SQLite file whose tables are made from their first rows, with the column types that the program gives them."""

    def __init__(self, path) -> None:
        self.db = sqlite3.connect(path)
        self.made: dict[str, int] = {}
        self.rows: dict[str, list[dict]] = {}

    def table(self, name: str, columns: str) -> None:
        self.db.execute(f'CREATE TABLE "{name}" ({columns})')
        self.made[name] = 0
        self.rows[name] = []

    def put(self, table: str, **cells: object) -> int:
        self.made[table] += 1
        cells = {"id": self.made[table]} | cells
        names = ", ".join(f'"{name}"' for name in cells)
        self.db.execute(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(cells))})', list(cells.values()))
        self.rows[table].append(cells)
        return self.made[table]

    def close(self) -> None:
        self.db.commit()
        self.db.close()


IDS = "id integer PRIMARY KEY"
STAMPS = "created_at bigint, updated_at bigint"


def old(path) -> File:
    file = File(path)
    file.table("providers", f"{IDS}, name text UNIQUE, channel text, settings_json text, dispatch_json text, enabled boolean, {STAMPS}")
    file.table("credentials", f"{IDS}, provider_id bigint, name text, kind text, settings_json text, secret_json text, enabled boolean, {STAMPS}")
    file.table("credential_statuses", f"{IDS}, credential_id bigint, channel text, health_kind text, health_json text, updated_at bigint")
    file.table("usages", "id integer PRIMARY KEY, trace_id text, at bigint, model text, input_tokens bigint")
    for number in range(99):
        file.put("usages", trace_id=f"t{number}", at=number, model="m", input_tokens=5)
    file.put("credential_statuses", credential_id=1, channel="openai", health_kind="healthy", updated_at=1)
    return file


def old_providers(file: File, upstream: str, rng, facts: dict) -> None:
    rows = [("house", "custom", {"base_url": upstream, "dialects": ["chat"], "spoof_emulation": "chrome_136"}, 1)]
    rows += [(channel, channel, {"credential_round_robin_enabled": True}, number % 4 != 3) for number, channel in enumerate(CHANNELS)]
    rows += [(channel, channel, {}, True) for channel in UNSERVED]
    providers = credentials = total = 0
    for name, channel, settings, enabled in rows:
        served = channel not in UNSERVED
        number = file.put("providers", name=name, channel=channel, settings_json=json.dumps(settings), dispatch_json='{"rules":[{"x":1}]}', enabled=enabled)
        providers += served
        for at in range(1 if name == "house" else 3):
            secret = key(rng, f"sk-up-{name}-{at}-", 20)
            facts["secrets"].append(secret)
            if served:
                forms = [secret, json.dumps({"api_key": secret}), json.dumps({"secret": secret})]
                text, kind = forms[at % 3], "secret"
            else:
                text, kind = json.dumps({"access_token": secret, "refresh_token": "r", "expires_at": 1}), f"builtin/{name}"
            file.put("credentials", provider_id=number, name=None if at else f"{name} first", kind=kind, settings_json="{}", secret_json=text,
                     enabled=at != 2)
            credentials, total = credentials + served, total + 1
    facts["upstream_key"] = facts["secrets"][-total]
    facts["counts"] |= {"providers": providers, "providers_all": len(rows), "credentials": credentials, "credentials_all": total}
    facts["told"] += ['their channel "claudecode" is not served here', "providers.dispatch_json", "99 rows: history is no configuration",
                      "health is found out anew", "the channel custom does not take them", "house: spoof_emulation"]


def first(path, upstream: str, rng) -> dict:
    """One administrator's key, users whose passwords stand open, and no permissions."""
    facts = {"counts": {}, "keys": {}, "secrets": [], "told": []}
    file = old(path)
    old_providers(file, upstream, rng, facts)
    file.table("global_settings", f"{IDS}, host text, port bigint, admin_key text, hf_token text, hf_url text, proxy text, spoof_emulation text,"
               " update_source text, dsn text, data_dir text, mask_sensitive_info boolean, updated_at bigint")
    file.table("users", f"{IDS}, name text UNIQUE, password text, enabled boolean, {STAMPS}")
    file.table("user_keys", f"{IDS}, user_id bigint, api_key text UNIQUE, label text, enabled boolean, {STAMPS}")
    admin = key(rng, "", 16)
    file.put("global_settings", host="0.0.0.0", port=8787, admin_key=admin, hf_token="", hf_url="https://huggingface.co", proxy="",
             dsn="sqlite:///data/gproxy.db", data_dir="/data", mask_sensitive_info=False, updated_at=1)
    names = ["eve", "mallory", "off"] + [f"user{number}" for number in range(15)]
    total = 0
    for number, name in enumerate(names):
        # Each costs the gateway a hash, which is slow by design.
        password = key(rng, "pw-", 10) if number < 2 else None
        facts["secrets"] += [password] if password else []
        user = file.put("users", name=name, password=password, enabled=name != "off", **TIMES)
        for at in range(1 + number % 2):
            text = key(rng, f"u{user}_" if number % 3 == 0 else "", 32)
            facts["secrets"].append(text)
            enabled = (name, at) != ("mallory", 1)
            file.put("user_keys", user_id=user, api_key=text, label=f"{name} {at}" if at else None, enabled=enabled, **TIMES)
            total += 1
            role = {("eve", 0): "works", ("mallory", 1): "off", ("off", 0): "of_disabled"}.get((name, at))
            if role:
                facts["keys"][role] = text
    facts["keys"]["admin"] = admin
    facts["passwords"] = {"eve": file.rows["users"][0]["password"]}
    facts["secrets"].append(admin)
    facts["counts"] |= {"users": len(names), "user_keys": total, "permissions": len(names) + 1}
    facts["told"] += ["global_settings.dsn"]
    file.close()
    return facts


def sealed(path, upstream: str, rng) -> dict:
    """The same, sealed under a secret of its operator's."""
    facts = first(path, upstream, rng)
    secret = key(rng, "operator-", 30)
    db = sqlite3.connect(path)
    for table, column, seal in [("user_keys", "api_key", as_text), ("users", "password", as_text), ("global_settings", "admin_key", as_text),
                                ("credentials", "secret_json", as_json)]:
        for number, plain in db.execute(f"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall():
            db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", [seal(secret, rng, plain), number])
    db.commit()
    db.close()
    facts["secrets"].append(secret)
    return facts | {"environment": {"GPROXY_SOURCE_SECRET_KEY": secret}}


def tenants(path, upstream: str, rng) -> dict:
    """The same with models, permissions, limits and quotas of users."""
    facts = {"counts": {}, "keys": {}, "secrets": [], "told": []}
    file = old(path)
    old_providers(file, upstream, rng, facts)
    file.table("global_settings", f"{IDS}, host text, port bigint, proxy text, dsn text, data_dir text, enable_usage boolean,"
               " enable_upstream_log boolean, enable_upstream_log_body boolean, enable_downstream_log boolean, updated_at bigint")
    file.table("users", f"{IDS}, name text UNIQUE, password text, is_admin boolean, enabled boolean, {STAMPS}")
    file.table("user_keys", f"{IDS}, user_id bigint, api_key text, api_key_digest text UNIQUE, label text, enabled boolean, {STAMPS}")
    file.table("models", f"{IDS}, provider_id bigint, model_id text, display_name text, enabled boolean, price_each_call text, price_tiers_json text, {STAMPS}")
    file.table("model_aliases", f"{IDS}, alias text, provider_id bigint, model_id text, enabled boolean, {STAMPS}")
    file.table("user_permissions", f"{IDS}, user_id bigint, provider_id bigint, model_pattern text, {STAMPS}")
    file.table("user_rate_limits", f"{IDS}, user_id bigint, model_pattern text, rpm bigint, rpd bigint, total_tokens bigint, {STAMPS}")
    file.table("user_quotas", f"{IDS}, user_id bigint, quota text, cost_used text, {STAMPS}")
    file.put("global_settings", host="127.0.0.1", port=8787, proxy=None, dsn="sqlite://x", data_dir="x", enable_upstream_log=True)
    for number, name in enumerate(["eve", "limited", "broke", "boss"] + [f"user{number}" for number in range(12)]):
        user = file.put("users", name=name, password=ARGON2, is_admin=name == "boss", enabled=True, **TIMES)
        text = key(rng)
        facts["secrets"].append(text)
        facts["keys"] |= {{"eve": "works", "limited": "limited", "broke": "broke"}.get(name, name): text}
        file.put("user_keys", user_id=user, api_key=text, api_key_digest="00" * 31 + f"{number:02x}", label=None, enabled=True)
        if name == "limited":
            file.put("user_permissions", user_id=user, provider_id=1, model_pattern="other-*")
        else:
            file.put("user_permissions", user_id=user, provider_id=None, model_pattern="*")
        file.put("user_rate_limits", user_id=user, model_pattern=["*", "gpt-*"][number % 2], rpm=60, rpd=None, total_tokens=10**6)
        file.put("user_quotas", user_id=user, quota="0" if name == "broke" else "12.50", cost_used="2.25")
    for number, model in enumerate(["house-model", "other-model", "gpt-4o", "claude-x"]):
        file.put("models", provider_id=1 + number // 2, model_id=model, display_name=model.title(), enabled=number != 3,
                 price_each_call="0.002" if number < 2 else None, price_tiers_json="[]")
    file.put("model_aliases", alias="fast (new)", provider_id=1, model_id="house-model", enabled=True)
    users = file.made["users"]
    facts["counts"] |= {"users": users, "user_keys": users, "user_permissions": users, "user_rate_limits": users, "user_quotas": users,
                        "models": 4, "model_aliases": 1}
    file.close()
    return facts


def later(path, upstream: str, rng) -> dict:
    facts = {"counts": {}, "keys": {}, "secrets": [], "told": []}
    file = File(path)
    new_tables(file)
    new_people(file, rng, facts)
    new_providers(file, upstream, rng, facts)
    new_rest(file, facts)
    for name in ["orgs", "teams", "users", "routes", "route_members", "rule_sets", "rules", "provider_rule_sets", "provider_models",
                 "instance_settings", "route_permissions"]:
        facts["counts"].setdefault(name, file.made[name])
    file.close()
    facts["rows"] = file.rows
    result = dict(facts)
    result.pop("rows")
    return result


def new_tables(file: File) -> None:
    scope = "scope text, scope_id bigint"
    tables = {
        "orgs": "name text UNIQUE, enabled boolean, description text", "teams": "org_id bigint, name text, enabled boolean",
        "users": "name text UNIQUE, org_id bigint, team_id bigint, password text, enabled boolean, is_admin boolean",
        "user_keys": "user_id bigint, api_key_ciphertext text, api_key_digest text UNIQUE, api_key_digest_version integer, label text, enabled boolean",
        "providers": "name text UNIQUE, channel text, label text, settings_json text, credential_strategy text, proxy_url text, tls_fingerprint text, enabled boolean",
        "credentials": "provider_id bigint, name text, kind text, secret_json text, weight integer, rpm_limit integer, tpm_limit integer, proxy_url text, tls_fingerprint text, enabled boolean",
        "provider_models": "provider_id bigint, model_id text, display_name text, variants_json text, context_window integer, max_output_tokens integer, thinking_supported boolean, enabled boolean",
        "price_rules": "provider_id bigint, match_type text, model_match text, input_price text, output_price text, cache_read_price text, cache_creation_5m_price text, cache_creation_1h_price text, image_output_price text, pricing_tiers_json text, enabled boolean",
        "price_rule_rates": "price_rule_id bigint, metric text, unit text, unit_size bigint, price_usd text, conditions_json text, sort_order integer",
        "routes": "name text UNIQUE, strategy text, enabled boolean, description text, settings_json text",
        "route_members": "route_id bigint, provider_id bigint, upstream_model_id text, weight integer, tier integer, enabled boolean",
        "aliases": "provider text, alias text, target text, sort_order integer, enabled boolean",
        "routing_rules": "provider_id bigint, operation text, kind text, implementation text, sort_order integer, enabled boolean",
        "rule_sets": "name text UNIQUE, enabled boolean, description text",
        "rules": "rule_set_id bigint, kind text, config_json text, filter_model_pattern text, filter_operation_keys text, sort_order integer, enabled boolean",
        "provider_rule_sets": "provider_id bigint, rule_set_id bigint, sort_order integer, enabled boolean",
        "route_permissions": f"{scope}, route_pattern text", "rate_limits": f"{scope}, route_pattern text, rpm integer, rpd integer, total_tokens bigint",
        "quotas": f"{scope}, quota_total text, quota_daily text, quota_weekly text, quota_monthly text, quota_5h text, quota_7d text, cost_used text, day_used text, day_anchor bigint",
        "instance_settings": "instance_name text, proxy text, enable_usage boolean, enable_upstream_log boolean, enable_downstream_log boolean, disable_log_redaction boolean, update_channel text, retention_days integer",
        "usage_rollups": "granularity text, bucket_start bigint, requests bigint", "schema_migrations": "version integer, applied_at bigint",
    }
    for name, columns in tables.items():
        file.table(name, f"{IDS}, {columns}, {STAMPS}")


def new_people(file: File, rng, facts: dict) -> None:
    orgs = [file.put("orgs", name=name, enabled=name != "closed", description=None) for name in ["default", "acme", "closed"]]
    teams = [file.put("teams", org_id=org, name=name, enabled=True) for org in orgs[:2] for name in ["blue", "red"]]
    envelope = json.dumps({"kek_id": "k1", "wrapped_dek": "AAAA", "nonce": "BBBB", "ciphertext": "CCCC"})
    left = 0
    for number, name in enumerate(["eve", "limited", "closed", "boss", "nobody"] + [f"user{number}" for number in range(20)]):
        org = {"closed": orgs[2]}.get(name, orgs[number % 2])
        team = teams[(number % 2) * 2 + number % 4 // 2] if org != orgs[2] and number % 3 else None
        user = file.put("users", name=name, org_id=org, team_id=team, password=ARGON2 if number % 2 else None, enabled=True, is_admin=name == "boss", **TIMES)
        for at in range(1 + number % 2):
            text = key(rng)
            facts["secrets"].append(text)
            role = {("eve", 0): "works", ("limited", 0): "limited", ("closed", 0): "of_closed", ("boss", 0): "boss", ("limited", 1): "off"}.get((name, at))
            facts["keys"] |= {role: text} if role else {}
            file.put("user_keys", user_id=user, api_key_ciphertext=text, api_key_digest=f"{user:032x}{at:032x}", api_key_digest_version=2,
                     label=f"{name} {at}", enabled=role != "off")
        if name != "nobody":
            pattern = "house/other-*" if name == "limited" else ["*", "house", "smart*"][number % 3]
            file.put("route_permissions", scope="user", scope_id=user, route_pattern="*" if name == "eve" else pattern)
        file.put("quotas", scope="user", scope_id=user, quota_total="100", quota_daily="5.5" if number % 2 else None, quota_5h="1", cost_used="12.345678901",
                 day_used="1", day_anchor=20_000)
    # Sealed keys: one found by its digest, one that nothing here opens.
    import hashlib
    sealed = key(rng)
    facts["secrets"].append(sealed)
    facts["keys"]["sealed"] = sealed
    file.put("user_keys", user_id=1, api_key_ciphertext=envelope, api_key_digest=hashlib.sha256(sealed.encode()).hexdigest(), api_key_digest_version=1, label="sealed", enabled=True)
    file.put("user_keys", user_id=1, api_key_ciphertext=envelope, api_key_digest="ab" * 32, api_key_digest_version=2, label="sealed too", enabled=True)
    left += 1
    file.put("route_permissions", scope="org", scope_id=2, route_pattern="cheap")
    file.put("quotas", scope="team", scope_id=1, quota_total=None, quota_monthly="1000.000000001", cost_used="0")
    for scope, number, pattern, rpm in [("user", 1, "*", 100), ("user", 1, "*", 60), ("team", 1, "smart*", 10), ("org", 2, "*", 1000)]:
        file.put("rate_limits", scope=scope, scope_id=number, route_pattern=pattern, rpm=rpm, rpd=None, total_tokens=10**7)
    facts["counts"] |= {"user_keys": file.made["user_keys"] - left, "user_keys_all": file.made["user_keys"], "quotas": file.made["quotas"],
                        "rate_limits": 4, "rate_limits_kept": 3}
    facts["told"] += ["stand several times; the strictest figures are kept in one", "have spent of their quota", "are sealed, and their digest is not of the whole key"]


def new_providers(file: File, upstream: str, rng, facts: dict) -> None:
    rows = [("house", "custom", {"base_url": upstream, "dialects": ["chat"]}), ("claude", "claudeapi", {}), ("gpt", "openai", {"auto_refresh_models": True})]
    rows += [(channel, channel, {}) for channel in CHANNELS[2:]] + [(channel, channel, {}) for channel in UNSERVED]
    providers = credentials = total = 0
    for name, channel, settings in rows:
        served = channel not in UNSERVED
        number = file.put("providers", name=name, channel=channel, label=name.upper(), settings_json=json.dumps(settings),
                          credential_strategy=["round_robin", "sticky"][len(name) % 2], proxy_url=None, tls_fingerprint=None, enabled=name != "groq")
        providers += served
        for at in range(1 if name == "house" else 2):
            secret = key(rng, f"sk-up-{name}-{at}-", 20)
            facts["secrets"].append(secret)
            if name == "house":
                facts["upstream_key"] = secret
            value = {"api_key": secret} if served else {"access_token": secret, "refresh_token": "r"}
            file.put("credentials", provider_id=number, name=f"{name} {at}", kind="api_key" if served else "oauth", secret_json=json.dumps(value),
                     weight=100 - at * 50, rpm_limit=600 if at else None, tpm_limit=None, enabled=True)
            credentials, total = credentials + served, total + 1
        if name == "claude":
            file.put("credentials", provider_id=number, name="a person's", kind="oauth", secret_json='{"access_token":"a","refresh_token":"r"}', enabled=True)
            total += 1
        for operation in ["generate_content", "stream_generate_content"]:
            file.put("routing_rules", provider_id=number, operation=operation, kind="openai", implementation="passthrough", sort_order=0, enabled=True)
    for provider, model in [(1, "house-model"), (1, "other-model"), (2, "claude-x"), (3, "gpt-5.5")]:
        variants = json.dumps({"expose_base": True, "variants": ["gpt-5.5-high"]}) if model == "gpt-5.5" else None
        file.put("provider_models", provider_id=provider, model_id=model, display_name=None, variants_json=variants, context_window=128_000,
                 max_output_tokens=8192, thinking_supported=model == "claude-x", enabled=True)
    facts["counts"] |= {"providers": providers, "providers_all": len(rows), "credentials": credentials, "credentials_all": total}
    facts["told"] += ['their channel "claudecode" is not served here', "routing_rules", "not one API key", "provider_models.thinking_supported"]


def new_rest(file: File, facts: dict) -> None:
    for name, strategy, members in [("smart", "failover", [(1, "house-model", 0), (2, "claude-x", 1)]), ("cheap", "round_robin", [(1, "other-model", 0), (3, "gpt-5.5", 0)]),
                                    ("quick", "least_latency", [(1, "house-model", 0)]), ("spread", "weighted", [(1, "house-model", 0)])]:
        route = file.put("routes", name=name, strategy=strategy, enabled=True, description=f"the {name} one", settings_json='{"affinity":{"enabled":true}}' if name == "cheap" else None)
        for provider, model, tier in members:
            file.put("route_members", route_id=route, provider_id=provider, upstream_model_id=model, weight=100, tier=tier, enabled=True)
    file.put("aliases", provider="*", alias="smart-(.*)", target="smart", sort_order=0, enabled=True)
    file.put("aliases", provider="house", alias="old", target="house-model", sort_order=1, enabled=True)
    file.put("aliases", provider="claudecode", alias="x", target="y", sort_order=2, enabled=True)
    rule_set = file.put("rule_sets", name="polite", enabled=True, description=None)
    for kind, config in [("system_text", {"text": "be kind", "position": "append"}), ("header", {"name": "x-team", "value": "blue"}),
                         ("rewrite", {"path": "temperature", "action": "delete"})]:
        file.put("rules", rule_set_id=rule_set, kind=kind, config_json=json.dumps(config), filter_model_pattern="claude-*", filter_operation_keys='["generate_content"]',
                 sort_order=1, enabled=True)
    file.put("provider_rule_sets", provider_id=2, rule_set_id=rule_set, sort_order=0, enabled=True)
    prices = [(1, "exact", "house-model", "1.25", "10", True), (None, "contains", "gpt-5", "2.5", "15.000000", True), (None, "exact", "off", "1", "2", False),
              (1, "exact", "other-model", "0", "0", True)]
    for provider, match, model, given, made, enabled in prices:
        file.put("price_rules", provider_id=provider, match_type=match, model_match=model, input_price=given, output_price=made, cache_read_price="0.125",
                 cache_creation_5m_price=None, image_output_price=None, pricing_tiers_json='[{"above":200000}]' if model == "gpt-5" else None, enabled=enabled)
    file.put("price_rules", provider_id=None, match_type="exact", model_match="only-rates", enabled=True)
    file.put("price_rule_rates", price_rule_id=5, metric="audio_input", unit="second", unit_size=1, price_usd="0.001", sort_order=0)
    file.put("instance_settings", instance_name="main", proxy=None, enable_usage=True, enable_upstream_log=True, enable_downstream_log=True,
             disable_log_redaction=False, update_channel="releases", retention_days=30)
    for number in range(40):
        file.put("usage_rollups", granularity="hour", bucket_start=number, requests=1)
    facts["counts"] |= {"aliases": 2, "aliases_all": 3, "price_rules": len(prices), "price_rules_all": len(prices) + 1}
    facts["told"] += ["40 rows: history is no configuration", "price_rules.pricing_tiers_json", "price_rule_rates", "routes.settings_json",
                      "instance_settings.retention_days", "their provider is left out or has another name here"]


def bundle(path, upstream: str, rng) -> dict:
    """What the later program exports of the same: keys and secrets in the open, a credential's name as its label, one instance's settings."""
    import tempfile
    from pathlib import Path

    facts = {"counts": {}, "keys": {}, "secrets": [], "told": []}
    with tempfile.TemporaryDirectory() as folder:
        file = File(Path(folder) / "any.db")
        new_tables(file)
        new_people(file, rng, facts)
        new_providers(file, upstream, rng, facts)
        new_rest(file, facts)
        file.close()
    rows = {name: list(table) for name, table in file.rows.items() if name not in ("usage_rollups", "schema_migrations", "price_rule_rates")}
    rows["price_rules"] = rows["price_rules"][:-1]
    rows["user_keys"] = [{"id": row["id"], "user_id": row["user_id"], "api_key": row["api_key_ciphertext"], "label": row["label"], "enabled": bool(row["enabled"])}
                         for row in rows["user_keys"][:-2]]
    rows["credentials"] = [{("label" if name == "name" else name): value for name, value in row.items()} for row in rows["credentials"]]
    path.write_text(json.dumps({"schema_version": 1} | rows | {"instance_settings": rows["instance_settings"][0]}), encoding="utf-8")
    facts["keys"].pop("sealed")
    told = ("40 rows", "are sealed", "price_rule_rates")
    facts["told"] = [text for text in facts["told"] if not text.startswith(told)]
    counts = facts["counts"] | {"user_keys": len(rows["user_keys"]), "user_keys_all": len(rows["user_keys"]), "price_rules_all": len(rows["price_rules"])}
    for name in ["orgs", "teams", "users", "routes", "route_members", "rule_sets", "rules", "provider_rule_sets", "provider_models", "route_permissions"]:
        counts[name] = len(rows[name])
    return facts | {"counts": counts | {"instance_settings": 1}}
