//! A gateway's engine, and a caller in four scopes with ten limits and three quotas: what `admission.rs` admits.
//!
//! The rows are stored, compiled and looked up as in a gateway.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use gproxy::{
    access::key,
    base::{Nanos, RequestId, Secret},
    billing::Lookup,
    credentials::Sealer,
    observe::Metrics,
    pipeline::{Cues, Engine, Gauge, Inbound, Limits},
    runtime::{Body, Instant, native},
    snapshot::{Compiler, SnapshotCell, compile},
    store::{
        persist::{Records as _, RecordsExt as _, Unwritten, memory::MemoryStore},
        record::{
            Admission, NewKey, NewOrganization, NewPermission, NewProvider, NewQuota, NewRateLimit, NewTeam, NewUser, Scope, ScopeKind,
        },
    },
};
use http::{HeaderMap, HeaderValue, Method, Uri, header::AUTHORIZATION};

/// Far above what a run takes.
pub(crate) const PLENTY: i64 = 1 << 60;
/// What is asked: a model with a price in several tiers.
const PROVIDER: &str = "openai";
const MODEL: &str = "gpt-5";
const KEY: &str = "sk-bench-admission";
/// The moment at which the first call arrives.
pub(crate) const BEGIN_MS: u64 = 1_790_000_000_000;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    RequestsMinute,
    RequestsDay,
    TokensMinute,
    TokensDay,
    Concurrency,
}

impl What {
    /// The words by which a refusal tells it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::RequestsMinute => "requests per minute",
            Self::RequestsDay => "requests per day",
            Self::TokensMinute => "tokens per minute",
            Self::TokensDay => "tokens per day",
            Self::Concurrency => "calls at a time",
        }
    }
}

/// Over what a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Rolling,
    Month,
    Total,
}

impl Span {
    /// The word by which a refusal tells it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rolling => "5 hours",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}

/// Whose, for which calls, what.
pub(crate) const LIMITS: [(ScopeKind, &str, What); 10] = [
    (ScopeKind::Key, "*", What::RequestsMinute),
    (ScopeKind::Key, "openai/*", What::TokensMinute),
    (ScopeKind::Key, "openai/gpt-?", What::Concurrency),
    (ScopeKind::User, "openai/gpt-5", What::RequestsDay),
    (ScopeKind::User, "*/gpt-5*", What::TokensDay),
    (ScopeKind::User, "*", What::Concurrency),
    (ScopeKind::Team, "openai/*", What::RequestsMinute),
    (ScopeKind::Team, "*gpt*", What::TokensMinute),
    (ScopeKind::Organization, "*", What::RequestsDay),
    (ScopeKind::Organization, "openai/gpt-*", What::TokensDay),
];

/// Whose, over what, and what is set aside.
pub(crate) const QUOTAS: [(ScopeKind, Span, Admission); 3] = [
    (ScopeKind::User, Span::Rolling, Admission::Strict),
    (ScopeKind::Team, Span::Month, Admission::Estimate),
    (ScopeKind::Organization, Span::Total, Admission::Strict),
];

/// The figures of the limits and quotas; one that is missing is not stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) limits: [Option<i64>; 10],
    pub(crate) quotas: [Option<i64>; 3],
}

impl Figures {
    /// All of them, out of reach.
    pub(crate) const PLENTY: Self = Self { limits: [Some(PLENTY); 10], quotas: [Some(PLENTY); 3] };
}

/// An engine whose only caller has these limits and quotas.
pub(crate) async fn engine(figures: &Figures) -> Result<Engine, Box<dyn Error>> {
    let (platform, _tasks) = native::platform();
    let store = MemoryStore::new(Arc::clone(&platform.clock));
    let organization = store.save(None, NewOrganization { name: "organization".into(), description: None, enabled: true }).await?.id;
    let team = store.save(None, NewTeam { organization_id: organization, name: "team".into(), enabled: true }).await?.id;
    let user = NewUser { organization_id: Some(organization), team_id: Some(team), ..NewUser::named("user") };
    let user = store.save(None, user).await?.id;
    let key = store.save(None, NewKey::of(user, key::digest_text(KEY), key::prefix(KEY))).await?.id;
    store.save(None, NewProvider::of(PROVIDER, PROVIDER)).await?;
    store.ensure(NewPermission::of(organization, "openai/*")).await?;
    store.ensure(NewPermission::of(key, "*/gpt-*")).await?;
    let scope = |kind: ScopeKind| match kind {
        ScopeKind::Key => Scope::from(key),
        ScopeKind::User => Scope::from(user),
        ScopeKind::Team => Scope::from(team),
        ScopeKind::Organization => Scope::from(organization),
    };
    for ((kind, pattern, what), figure) in LIMITS.into_iter().zip(figures.limits) {
        if figure.is_some() {
            store.save(None, limit(scope(kind), pattern, (what, figure))).await?;
        }
    }
    for ((kind, span, admission), figure) in QUOTAS.into_iter().zip(figures.quotas) {
        if figure.is_some() {
            store.save(None, quota(scope(kind), admission, (span, figure))).await?;
        }
    }
    let sealer = Sealer::new(Secret::new("bench".to_owned()));
    let snapshot = compile(&store.load().await?, Compiler { sealer: &sealer, platform: &platform });
    Ok(Engine::new(SnapshotCell::new(snapshot), platform, Arc::new(Unwritten), Arc::<Metrics>::default(), Limits::default()))
}

fn limit(scope: Scope, pattern: &str, (what, figure): (What, Option<i64>)) -> NewRateLimit {
    let of = |other: What| figure.filter(|_| what == other);
    NewRateLimit {
        scope: scope.kind,
        scope_id: scope.id,
        pattern: pattern.to_owned(),
        requests_per_minute: of(What::RequestsMinute),
        requests_per_day: of(What::RequestsDay),
        tokens_per_minute: of(What::TokensMinute),
        tokens_per_day: of(What::TokensDay),
        concurrency: of(What::Concurrency),
    }
}

fn quota(scope: Scope, admission: Admission, (span, figure): (Span, Option<i64>)) -> NewQuota {
    let of = |other: Span| figure.filter(|_| span == other);
    NewQuota {
        scope: scope.kind,
        scope_id: scope.id,
        total: of(Span::Total),
        daily: None,
        weekly: None,
        monthly: of(Span::Month),
        rolling_5h: of(Span::Rolling),
        rolling_7d: None,
        admission,
    }
}

/// A chat call of the caller, before its admission.
pub(crate) async fn gauge(engine: &Engine) -> Result<Gauge, Box<dyn Error>> {
    let words = "Say in a few sentences what an answer costs before it is made. ".repeat(16);
    let body = format!(
        r#"{{"model":"{PROVIDER}/{MODEL}","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{words}"}}],"temperature":0.2,"max_completion_tokens":512}}"#
    );
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {KEY}"))?)]);
    let cues = Cues::of(&headers);
    let inbound = Inbound {
        request_id: id(0),
        arrived: Instant(0),
        at_ms: BEGIN_MS,
        method: Method::POST,
        uri: Uri::from_static("/v1/chat/completions"),
        headers,
        cues,
        body: Body::from(Bytes::from(body)),
        peer: None,
        memory: None,
    };
    Ok(Gauge::of(engine, Box::new(inbound)).await?)
}

/// The name of a call by its number, with the time in it as in every call's. The same in each run.
pub(crate) fn id(number: u64) -> RequestId {
    let mut random = [0x5a; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    RequestId::new(moment(number), &random)
}

/// When a call arrives: a hundred thousand of them in a second.
pub(crate) fn moment(number: u64) -> u64 {
    BEGIN_MS + number / 100
}

/// What a call cost in the end, found as at a call's end.
pub(crate) fn bill(engine: &Engine, usage: &gproxy::base::Usage) -> Option<Nanos> {
    let snapshot = engine.snapshot.load();
    let provider = snapshot.provider(PROVIDER)?;
    let Lookup::Priced(entry) = snapshot.prices().find(provider.id, provider.vendor, MODEL) else { return None };
    Some(entry.bill(usage, None).ok()?.0)
}
