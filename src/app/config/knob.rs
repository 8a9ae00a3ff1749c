//! The one table of what a process can be told: flag, environment, place in the file, default. Help, look-up and the
//! example file's test all read it.

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Whole,
    /// `true` or `false`; the bare flag means `true`.
    Switch,
    /// Texts; separated by commas where they are one text.
    List,
    /// A text that is shown nowhere. Its variable also exists with `_FILE`, naming a file that holds it.
    Secret,
}

/// One thing that can be told.
#[derive(Debug)]
pub struct Knob {
    /// The flag without its dashes; with `_` for `-`, and without the section's name before it, also the key in the file.
    pub flag: &'static str,
    /// Its variables; the first is the one in the documentation.
    pub env: &'static [&'static str],
    /// The section of the file that has it.
    pub section: Option<&'static str>,
    /// How it is written.
    pub kind: Kind,
    /// The default, in words where it is no value.
    pub default: &'static str,
    /// What it is.
    pub help: &'static str,
}

impl Knob {
    /// The key in the file.
    #[must_use]
    pub fn key(&self) -> String {
        let own = self.section.and_then(|section| self.flag.strip_prefix(section)?.strip_prefix('-'));
        own.unwrap_or(self.flag).replace('-', "_")
    }
}

const fn knob(flag: &'static str, env: &'static [&'static str], default: &'static str, help: &'static str) -> Knob {
    Knob { flag, env, section: None, kind: Kind::Text, default, help }
}

const fn at(section: &'static str, kind: Kind, mut knob: Knob) -> Knob {
    knob.section = Some(section);
    knob.kind = kind;
    knob
}

const fn kind(kind: Kind, mut knob: Knob) -> Knob {
    knob.kind = kind;
    knob
}

/// Everything that can be told.
pub static KNOBS: &[Knob] = &[
    knob("config", &["GPROXY_CONFIG_PATH", "GPROXY_CONFIG"], "./gproxy.toml", "the configuration file"),
    at("global", Kind::Text, knob("host", &["GPROXY_HOST"], "127.0.0.1", "address to listen on")),
    at("global", Kind::Whole, knob("port", &["GPROXY_PORT"], "8787", "port to listen on")),
    at("global", Kind::Text, knob("proxy", &["GPROXY_PROXY"], "none", "outbound proxy for providers without one of their own")),
    at("global", Kind::Secret, knob("admin-key", &["GPROXY_ADMIN_KEY"], "generated once", "API key of the user admin")),
    at(
        "global",
        Kind::Switch,
        knob("mask-sensitive-info", &["GPROXY_MASK_SENSITIVE_INFO"], "true", "keep secrets and bodies out of the request records"),
    ),
    at(
        "global",
        Kind::Switch,
        knob("cache-doctor", &["GPROXY_CACHE_DOCTOR"], "false", "watch what each session reads from its provider's prompt cache"),
    ),
    at("global", Kind::Text, knob("data-dir", &["GPROXY_DATA_DIR"], "./data", "directory of the database, the journal and the secret key")),
    at(
        "global",
        Kind::Secret,
        knob("dsn", &["GPROXY_DSN"], "sqlite://{data_dir}/gproxy.db?mode=rwc", "database: sqlite, postgres or mysql address"),
    ),
    kind(
        Kind::Secret,
        knob("database-secret-key", &["DATABASE_SECRET_KEY"], "{data_dir}/secret.key with SQLite, else required", "seals secrets at rest"),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob(
            "storage-write-queue-capacity",
            &["GPROXY_STORAGE_WRITE_QUEUE_CAPACITY"],
            "4096",
            "entries that may wait for the database in memory",
        ),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob("storage-write-max-batch-size", &["GPROXY_STORAGE_WRITE_MAX_BATCH_SIZE"], "1024", "entries in one transaction at most"),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob(
            "storage-write-aggregate-window-ms",
            &["GPROXY_STORAGE_WRITE_AGGREGATE_WINDOW_MS"],
            "25",
            "how long a batch gathers, milliseconds",
        ),
    ),
    kind(
        Kind::Switch,
        knob("bootstrap-force-config", &["GPROXY_BOOTSTRAP_FORCE_CONFIG"], "false", "apply the file at each boot and whenever it changes"),
    ),
    at("runtime", Kind::Text, knob("log-format", &["GPROXY_LOG_FORMAT"], "text", "text or json")),
    at(
        "runtime",
        Kind::Text,
        knob("log-level", &["GPROXY_LOG_LEVEL", "RUST_LOG"], "info", "error, warn, info, debug, trace, or a filter like gproxy=debug,info"),
    ),
    at(
        "runtime",
        Kind::List,
        knob("trusted-proxies", &["GPROXY_TRUSTED_PROXIES"], "127.0.0.0/8,::1/128", "networks whose X-Forwarded-For is believed"),
    ),
    at(
        "runtime",
        Kind::List,
        knob(
            "cors-origins",
            &["GPROXY_CORS_ORIGINS"],
            "none",
            "origins whose pages may call data routes, as scheme://host[:port]; * lets all of them",
        ),
    ),
    at(
        "runtime",
        Kind::Switch,
        knob("metrics", &["GPROXY_METRICS"], "true", "answer /metrics, which needs no key; false leaves nothing at that path"),
    ),
    at("runtime", Kind::Whole, knob("max-in-flight", &["GPROXY_MAX_IN_FLIGHT"], "1024", "requests at once; more are refused")),
    at("runtime", Kind::Whole, knob("body-limit", &["GPROXY_BODY_LIMIT"], "52428800", "bytes of one request body at most")),
    at(
        "runtime",
        Kind::Switch,
        knob("server-timing", &["GPROXY_SERVER_TIMING"], "false", "tell clients in Server-Timing where the time went"),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob("drain-seconds", &["GPROXY_DRAIN_SECONDS"], "30", "how long requests in flight may finish at shutdown"),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob("keep-usage-days", &["GPROXY_KEEP_USAGE_DAYS"], "0", "how long usage rows are kept, at least 8; their sums stay; 0 keeps all"),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob("keep-usage-rows", &["GPROXY_KEEP_USAGE_ROWS"], "0", "usage rows at most, beside those of the last 8 days; 0 keeps all"),
    ),
    at("runtime", Kind::Whole, knob("keep-log-days", &["GPROXY_KEEP_LOG_DAYS"], "0", "how long records of requests are kept; 0 keeps all")),
    at("runtime", Kind::Whole, knob("keep-log-rows", &["GPROXY_KEEP_LOG_ROWS"], "0", "records of requests at most; 0 keeps all")),
    at(
        "runtime",
        Kind::Whole,
        knob("keep-audit-days", &["GPROXY_KEEP_AUDIT_DAYS"], "0", "how long entries of the audit are kept; 0 keeps all"),
    ),
    at("runtime", Kind::Whole, knob("keep-audit-rows", &["GPROXY_KEEP_AUDIT_ROWS"], "0", "entries of the audit at most; 0 keeps all")),
    at(
        "runtime",
        Kind::Whole,
        knob(
            "keep-responses-days",
            &["GPROXY_KEEP_RESPONSES_DAYS"],
            "30",
            "how long responses are kept for providers that keep none; 0 keeps none",
        ),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob("keep-response-bytes", &["GPROXY_KEEP_RESPONSE_BYTES"], "16777216", "bytes of one kept response at most"),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob(
            "idempotency-hours",
            &["GPROXY_IDEMPOTENCY_HOURS"],
            "24",
            "how long an answer is given again to the same Idempotency-Key; 0 makes every call one of its own",
        ),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob("idempotency-calls", &["GPROXY_IDEMPOTENCY_CALLS"], "65536", "answered calls with an Idempotency-Key that are remembered"),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob("idempotency-bytes", &["GPROXY_IDEMPOTENCY_BYTES"], "67108864", "bytes of memory that their answers may take together"),
    ),
    at(
        "runtime",
        Kind::Whole,
        knob("idempotency-answer-bytes", &["GPROXY_IDEMPOTENCY_ANSWER_BYTES"], "4194304", "bytes of memory that one of them may take"),
    ),
    at(
        "runtime",
        Kind::Text,
        knob(
            "redis-url",
            &["GPROXY_REDIS_URL"],
            "none",
            "what several instances share: limits, budgets, health of credentials, who knows which prompt, idempotency keys; redis:// or rediss://",
        ),
    ),
    at(
        "runtime",
        Kind::Text,
        knob(
            "counters-down",
            &["GPROXY_COUNTERS_DOWN"],
            "closed",
            "while that Redis is down: closed refuses limited callers, open lets them in, a number of instances shares limits out",
        ),
    ),
    at(
        "oidc",
        Kind::Text,
        knob("oidc-issuer", &["GPROXY_OIDC_ISSUER"], "none", "identity provider whose people may log in, exactly as its tokens name it"),
    ),
    at("oidc", Kind::Text, knob("oidc-client-id", &["GPROXY_OIDC_CLIENT_ID"], "required with an issuer", "the gateway's id there")),
    at("oidc", Kind::Secret, knob("oidc-client-secret", &["GPROXY_OIDC_CLIENT_SECRET"], "none", "its secret there")),
    at(
        "oidc",
        Kind::Text,
        knob(
            "oidc-redirect-url",
            &["GPROXY_OIDC_REDIRECT_URL"],
            "required with an issuer",
            "where it sends browsers back to: this gateway's address, then /login/oidc/callback",
        ),
    ),
    at("oidc", Kind::List, knob("oidc-scopes", &["GPROXY_OIDC_SCOPES"], "openid,email,profile", "what it is asked for")),
    at(
        "oidc",
        Kind::Text,
        knob("oidc-claim", &["GPROXY_OIDC_CLAIM"], "email", "the claim that is a user's name: email, sub, or another one"),
    ),
    at(
        "oidc",
        Kind::List,
        knob("oidc-allowed-domains", &["GPROXY_OIDC_ALLOWED_DOMAINS"], "all", "domains of verified addresses that may come in"),
    ),
    at("oidc", Kind::Switch, knob("oidc-create", &["GPROXY_OIDC_CREATE"], "false", "make a user of whoever is none yet")),
    at(
        "oidc",
        Kind::Text,
        knob("oidc-role", &["GPROXY_OIDC_ROLE"], "member", "the role of such a user, and of whom oidc-roles does not name"),
    ),
    at(
        "oidc",
        Kind::Text,
        knob("oidc-organization", &["GPROXY_OIDC_ORGANIZATION"], "none", "the organization of such a user, by its name"),
    ),
    at(
        "oidc",
        Kind::Text,
        knob("oidc-role-claim", &["GPROXY_OIDC_ROLE_CLAIM"], "none", "the claim that says roles at each sign-in; without it no claim does"),
    ),
    at(
        "oidc",
        Kind::List,
        knob("oidc-roles", &["GPROXY_OIDC_ROLES"], "none", "what its values stand for, as value=role; owners are made by hand"),
    ),
];

/// Variables of the reference that we know and do not serve.
pub static UNSERVED_ENV: &[&str] = &[
    "GPROXY_SPOOF",
    "GPROXY_SPOOF_EMULATION",
    "GPROXY_HF_TOKEN",
    "GPROXY_HF_URL",
    "GPROXY_UPDATE_SOURCE",
    "GPROXY_INSTANCE_ID",
    "GPROXY_MASTER_KEY",
    "GPROXY_PERSISTENCE",
    "GPROXY_IMPORT_FILE",
    "GPROXY_ADMIN_USER",
    "GPROXY_ADMIN_PASSWORD",
    "GPROXY_ADMIN_API_KEY",
    "GPROXY_MAX_ATTEMPTS",
    "GPROXY_UPDATE_CHANNEL",
    "GPROXY_UPDATE_RESTART",
    "GPROXY_AUTOSTART",
    "GPROXY_UPSTREAM_PROXY_URL",
];

/// Finds a knob by its flag.
#[must_use]
pub fn find(flag: &str) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.flag == flag)
}
