"""one-api's and new-api's SQLite files: their tables and columns, filled with what installations have."""

import json
import sqlite3

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
MODELS = [
    "gpt-4o", "gpt-4o-mini", "gpt-4.1", "o3-mini", "claude-sonnet-4", "claude-3-5-haiku-latest", "gemini-2.5-pro", "gemini-2.5-flash",
    "deepseek-chat", "deepseek-reasoner", "grok-3", "mistral-large-latest", "moonshot-v1-8k", "text-embedding-3-small",
]
# The one model of the token that may use one model only.
LIMITED_TO = "gpt-4o"
# Type, name, models, and whether this gateway has something that serves it.
TYPES = {
    "one-api": [
        (1, "OpenAI", MODELS[:4], True), (14, "Claude", MODELS[4:6], True), (24, "Gemini", MODELS[6:8], True),
        (36, "DeepSeek", MODELS[8:10], True), (45, "xAI", ["grok-3"], True), (28, "Mistral", ["mistral-large-latest"], True),
        (25, "月之暗面", ["moonshot-v1-8k"], True), (20, "OpenRouter", MODELS[:6], True), (29, "groq", ["llama-3.3-70b"], True),
        (3, "azure west", MODELS[:2], False), (15, "文心", ["ernie-4"], False), (18, "星火", ["spark-4"], False),
        (33, "bedrock", MODELS[4:5], False), (99, "from a fork", ["odd"], False),
    ],
    "new-api": [
        (1, "OpenAI", MODELS[:4], True), (14, "Claude", MODELS[4:6], True), (24, "Gemini", MODELS[6:8], True),
        (43, "DeepSeek", MODELS[8:10], True), (48, "xAI", ["grok-3"], True), (42, "Mistral", ["mistral-large-latest"], True),
        (25, "月之暗面", ["moonshot-v1-8k"], True), (20, "OpenRouter", MODELS[:6], True), (40, "硅基流动", ["Qwen/Qwen3-32B"], True),
        (3, "azure west", MODELS[:2], False), (41, "vertex", MODELS[6:8], False), (2, "mj", ["midjourney"], False),
        (36, "suno", ["suno_music"], False), (99, "from a fork", ["odd"], False),
    ],
}
CHANNELS = """id integer PRIMARY KEY AUTOINCREMENT, type integer DEFAULT 0, key text NOT NULL, status integer DEFAULT 1, name text,
  weight integer DEFAULT 0, created_time bigint, test_time bigint, response_time integer, base_url text DEFAULT '', other text,
  balance real, balance_updated_time bigint, models text, "group" varchar(32) DEFAULT 'default', used_quota bigint DEFAULT 0,
  model_mapping varchar(1024) DEFAULT '', priority bigint DEFAULT 0"""
TOKENS = """id integer PRIMARY KEY AUTOINCREMENT, user_id integer, key char(48) UNIQUE, status integer DEFAULT 1, name text,
  created_time bigint, accessed_time bigint, expired_time bigint DEFAULT -1, remain_quota bigint DEFAULT 0,
  unlimited_quota numeric DEFAULT false, used_quota bigint DEFAULT 0"""
USERS = """id integer PRIMARY KEY AUTOINCREMENT, username text UNIQUE, password text NOT NULL, display_name text, role integer DEFAULT 1,
  status integer DEFAULT 1, email text, github_id text, wechat_id text, access_token char(32), quota bigint DEFAULT 0,
  used_quota bigint DEFAULT 0, request_count integer DEFAULT 0, "group" varchar(32) DEFAULT 'default', aff_code varchar(32),
  inviter_id integer"""
MORE = {
    "one-api": {
        "channels": ", config text, system_prompt text",
        "tokens": ", models text DEFAULT '', subnet text DEFAULT ''",
        "users": ", lark_id text, oidc_id text",
    },
    "new-api": {
        "channels": ", openai_organization text, test_model text, status_code_mapping varchar(1024) DEFAULT '', auto_ban integer DEFAULT 1,"
        " other_info text, tag text, setting text, param_override text, header_override text, remark text, channel_info json, settings text",
        "tokens": ", model_limits_enabled numeric, model_limits text, allow_ips text DEFAULT '', \"group\" text DEFAULT '',"
        " cross_group_retry numeric, deleted_at datetime",
        "users": ", aff_count integer, aff_quota integer, deleted_at datetime, linux_do_id text, setting text, remark text",
    },
}


def put(db: sqlite3.Connection, table: str, **cells: object) -> None:
    names = ", ".join(f'"{name}"' for name in cells)
    db.execute(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(cells))})', list(cells.values()))


def key(rng, length: int = 48) -> str:
    return "".join(rng.choices(LETTERS, k=length))


def write(flavour: str, path, upstream: str, rng) -> dict:
    db = sqlite3.connect(path)
    more = MORE[flavour]
    db.execute(f"CREATE TABLE channels ({CHANNELS}{more['channels']})")
    db.execute(f"CREATE TABLE tokens ({TOKENS}{more['tokens']})")
    db.execute(f"CREATE TABLE users ({USERS}{more['users']})")
    db.execute('CREATE TABLE abilities ("group" varchar(32), model text, channel_id integer, enabled numeric, priority bigint DEFAULT 0,'
               ' PRIMARY KEY ("group", model, channel_id))')
    db.execute("CREATE TABLE options (key text PRIMARY KEY, value text)")
    db.execute("CREATE TABLE logs (id integer PRIMARY KEY, user_id integer, type integer, content text, quota integer)")
    db.execute("CREATE TABLE redemptions (id integer PRIMARY KEY, key char(32), status integer, quota bigint)")
    facts = {"counts": {}, "keys": {}, "secrets": [], "told": []}
    channels(db, flavour, upstream, rng, facts)
    users(db, flavour, rng, facts)
    tokens(db, flavour, rng, facts)
    options(db, flavour, rng, facts)
    for number in range(250):
        put(db, "logs", user_id=1 + number % 9, type=2, content="模型倍率 1.25", quota=rng.randrange(10_000))
    put(db, "redemptions", key=key(rng, 32), status=1, quota=500_000)
    facts["told"] += ["250 rows: history is no configuration", "redemptions: 1 rows"]
    db.commit()
    db.close()
    return facts


def channels(db, flavour: str, upstream: str, rng, facts: dict) -> None:
    kinds = TYPES[flavour]
    # The first two are what the working keys' calls go to: one key, and a list of keys of which one is switched off.
    rows = [(1, "main", ["gpt-4o", "gpt-4o-mini"], True, upstream, 1, "default,vip", 10), (8, "vip only", ["house-model"], True, upstream, 1, "vip", 0)]
    for number in range(34):
        kind, name, models, served = kinds[number % len(kinds)]
        status = [1, 1, 1, 2, 1, 3][number % 6]
        name = name if number % 3 else f"{name} {number}"
        rows.append((kind, name, models, served, "", status, ["default", "vip", "default,vip", "svip"][number % 4], rng.choice([0, 0, 5, 8, -5])))
    counts = {"channels": 0, "channels_all": len(rows), "credentials": 0, "abilities": 0, "abilities_all": 0, "pairs": set(), "models": set(), "key_permissions": set()}
    for number, (kind, name, models, served, base, status, groups, priority) in enumerate(rows, 1):
        size = 1 if number == 1 else 2 if number == 2 else [1, 1, 3, 1, 12][number % 5]
        keys = [f"sk-up-{number}-{at}-{key(rng, 24)}" for at in range(size)]
        facts["secrets"] += keys
        mapping = {"gpt-4o": "gpt-4o-2024-11-20"} if number % 7 == 1 else {}
        cells = {"type": kind, "key": "\n".join(keys), "status": status, "name": name, "weight": rng.choice([0, 0, 1, 20]), "base_url": base,
                 "created_time": 1_700_000_000 + number, "models": ",".join(models) + ("," if number % 9 == 0 else ""), "group": groups,
                 "used_quota": rng.randrange(10**7), "model_mapping": json.dumps(mapping) if mapping else ["", "{}"][number % 2],
                 "priority": priority, "balance": 0 if number % 4 else 12.5}
        if flavour == "new-api":
            info = {"is_multi_key": size > 1, "multi_key_size": size, "multi_key_status_list": {"1": 3} if size == 2 else {},
                    "multi_key_polling_index": 0, "multi_key_mode": "random" if size > 1 else ""}
            # gorm writes JSON columns as blobs.
            cells |= {"channel_info": json.dumps(info).encode(), "auto_ban": 1, "tag": "blue" if number % 10 == 0 else None,
                      "param_override": json.dumps({"temperature": 0}) if number == 3 else None}
        put(db, "channels", **cells)
        pairs = [(group, model) for group in groups.split(",") for model in models]
        for group, model in pairs:
            put(db, "abilities", group=group, model=model, channel_id=number, enabled=status == 1, priority=priority)
        counts["abilities_all"] += len(pairs)
        if served:
            counts["channels"] += 1
            counts["credentials"] += size
            counts["abilities"] += len(pairs)
            counts["models"] |= set(models)
            counts["key_permissions"] |= {mapping.get(model, model) for model in models if model == LIMITED_TO}
            counts["pairs"] |= {(group, number) for group in groups.split(",")}
    # What a channel that is gone left behind.
    put(db, "abilities", group="default", model="gpt-3.5-turbo", channel_id=4711, enabled=True)
    counts["abilities_all"] += 1
    facts["upstream_key"] = facts["secrets"][0]
    facts["counts"] |= counts | {"pairs": len(counts["pairs"]), "models": len(counts["models"]), "key_permissions": len(counts["key_permissions"])}
    facts["told"] += ["type 3: Azure OpenAI has no channel here", "type 99: the number is not known", "channels.balance"]
    if flavour == "new-api":
        facts["told"] += ["channels.param_override: 1 rows have one: set it as a rule of the provider", "channels.tag"]


def users(db, flavour: str, rng, facts: dict) -> None:
    names = ["root", "admin", "alice", "bob", "carol", "deleted", "disabled", "broke"] + [f"user{number}" for number in range(20)]
    groups = ["default", "default", "default", "vip", "svip", "default", "default", "default"]
    for number, name in enumerate(names):
        access = key(rng, 32)
        facts["secrets"].append(access)
        status = {"deleted": 3, "disabled": 2}.get(name, 1)
        role = {"root": 100, "admin": 10}.get(name, 1)
        put(db, "users", username=name, password="$2a$10$" + key(rng, 53), display_name=name.title(), role=role, status=status,
            email=f"{name}@example.com", access_token=access, quota=0 if name == "broke" else 500_000 * (number + 1),
            used_quota=rng.randrange(10**6), request_count=rng.randrange(1000), group=groups[number % 8], aff_code=key(rng, 4))
    facts["counts"] |= {"users": len(names) - 1, "users_all": len(names)}
    facts["told"] += ["were administrators; they are members here", "were deleted", "lose their password", "users.email"]


def tokens(db, flavour: str, rng, facts: dict) -> None:
    ids = {name: at for at, name in db.execute("SELECT id, username FROM users")}
    limits = {"model_limits_enabled": True, "model_limits": LIMITED_TO} if flavour == "new-api" else {"models": LIMITED_TO}
    subnet = {"allow_ips": "10.0.0.0/8\n192.168.1.7"} if flavour == "new-api" else {"subnet": "10.0.0.0/8,192.168.1.7"}
    never = {"expired_time": -1, "remain_quota": 0, "unlimited_quota": True}
    special = {
        "works": ("alice", never | {"name": "notebook"}), "budget": ("alice", {"expired_time": 4_102_444_800, "remain_quota": 1_000_000, "unlimited_quota": False}),
        "vip": ("bob", never | {"name": "令牌"}), "limited": ("alice", never | limits), "elsewhere": ("alice", never | subnet),
        "off": ("alice", never | {"status": 2}), "expired": ("alice", never | {"status": 3, "expired_time": 1_600_000_000}),
        "past": ("alice", never | {"expired_time": 1_600_000_000}),
        "spent": ("alice", {"status": 4, "expired_time": -1, "remain_quota": 0, "unlimited_quota": False}),
        "of_disabled": ("disabled", never), "of_deleted": ("deleted", never), "of_broke": ("broke", never),
    }
    total = gone = with_quota = 0
    for name, (user, cells) in special.items():
        text = key(rng)
        facts["keys"][name] = f"sk-{text}"
        facts["secrets"].append(text)
        put(db, "tokens", user_id=ids[user], key=text, **({"status": 1, "name": name} | cells))
        total, gone = total + 1, gone + (user == "deleted")
        with_quota += not cells["unlimited_quota"]
    put(db, "tokens", user_id=4711, key=key(rng), status=1, name="nobody's", expired_time=-1, unlimited_quota=True)
    total, gone = total + 1, gone + 1
    if flavour == "new-api":
        put(db, "tokens", user_id=ids["alice"], key=key(rng), status=1, name="thrown away", expired_time=-1, unlimited_quota=True,
            deleted_at="2025-01-02 03:04:05")
        put(db, "tokens", user_id=ids["alice"], key=key(rng), status=1, name="in another group", expired_time=-1, unlimited_quota=True, group="vip")
        total, gone = total + 2, gone + 1
        facts["told"].append("name a group of their own")
    for number in range(25):
        text = key(rng)
        facts["secrets"].append(text)
        unlimited = number % 3 != 0
        put(db, "tokens", user_id=ids[f"user{number % 20}"], key=text, status=[1, 1, 2][number % 3], name=f"token {number}",
            created_time=1_710_000_000, expired_time=[-1, 1_900_000_000 + number][number % 2], remain_quota=number * 12_345, unlimited_quota=unlimited,
            used_quota=rng.randrange(10**6))
        total += 1
        with_quota += not unlimited
    facts["counts"] |= {"tokens": total - gone, "tokens_all": total, "quotas": facts["counts"]["users"] + with_quota}
    facts["told"].append("their user is left out or gone")


def options(db, flavour: str, rng, facts: dict) -> None:
    ratios = {"gpt-4o": 1.25, "gpt-4o-mini": 0.075, "gpt-4o-2024-11-20": 1.25, "house-model": 0.15, "deepseek-chat": 0.135, "no-completion": 15}
    completion = {"gpt-4o": 4, "gpt-4o-mini": 4, "gpt-4o-2024-11-20": 4, "house-model": 3.3333333, "deepseek-chat": 4}
    values = {"ModelRatio": ratios, "CompletionRatio": completion, "GroupRatio": {"default": 1, "vip": 0.8, "svip": 0.5}}
    prices, without = len(completion), 1
    if flavour == "new-api":
        values |= {"ModelPrice": {"midjourney": 0.05, "gpt-4-gizmo-*": 0.1}, "CacheRatio": {"gpt-4o": 0.5}}
        prices += 2
    for name, value in values.items():
        put(db, "options", key=name, value=json.dumps(value))
    smtp = key(rng, 20)
    facts["secrets"].append(smtp)
    others = {"SMTPToken": smtp, "SystemName": "My API", "Notice": "", "RegisterEnabled": "true", "QuotaForNewUser": "0"}
    for name, value in others.items():
        put(db, "options", key=name, value=value)
    put(db, "options", key="QuotaPerUnit", value="500000")
    facts["counts"] |= {"prices": prices, "prices_all": prices + without, "options": len(values) + 1, "options_all": len(values) + 1 + len(others)}
    facts["told"] += ["SMTPToken", "have no CompletionRatio in the file", "make calls of a group dearer or cheaper"]
