//! The metrics of one process, in Prometheus' conventions: base units, `_total`, nothing of users in labels.

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use super::handles::Handles;
use crate::base::Bucket;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

/// From 50 microseconds, where a gateway's own share lies, to 10 minutes, where an answer may end.
const SECONDS: [f64; 22] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_3, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0, 600.0,
];

/// What tells one kind of call from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// The operation's id.
    pub operation: &'static str,
    /// The kind's id.
    pub kind: &'static str,
    /// The provider's name; empty where the call reached none.
    pub provider: std::sync::Arc<str>,
    /// The status that the client got.
    pub status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    bucket: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    provider: std::sync::Arc<str>,
    outcome: &'static str,
}

/// What became of a call whose `Idempotency-Key` an earlier one had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It heard the answer that was being made.
    Joined,
    /// It got the answer that was made.
    Replayed,
    /// It was another call.
    Other,
    /// The answer that was made is not kept.
    Gone,
}

impl Repeat {
    const ALL: [Self; 4] = [Self::Joined, Self::Replayed, Self::Other, Self::Gone];

    const fn id(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Replayed => "replayed",
            Self::Other => "other",
            Self::Gone => "gone",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RepeatLabels {
    outcome: &'static str,
}

/// Every metric of the process.
pub struct Metrics {
    registry: Registry,
    requests: Handles<CallLabels>,
    duration: Histogram,
    overhead: Histogram,
    /// By bucket, resolved once: a look-up for each bucket of each call would cost more than the counting.
    tokens: [Counter; 7],
    attempts: Handles<AttemptLabels>,
    repeats: [Counter; 4],
    /// Calls that have begun and not ended.
    pub in_flight: Gauge,
    /// Streams that are open.
    pub streams: Gauge,
    /// Journal entries that wait for the database.
    pub queue_depth: Gauge,
    /// Calls refused because too many were in flight.
    pub shed: Counter,
    /// Calls that panicked: each is a bug.
    pub panics: Counter,
    /// Stream events that were dropped because they were no JSON.
    pub dropped_events: Counter,
    /// Counters of budgets that differ from their rows; anything but zero is a bug.
    pub drift: Gauge,
    /// Records that could not be kept; anything but zero is an alarm.
    pub lost_records: Counter<u64, AtomicU64>,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("gproxy");
        let tokens: Family<TokenLabels, Counter> = Family::default();
        let repeats: Family<RepeatLabels, Counter> = Family::default();
        let metrics = Self {
            requests: Handles::default(),
            duration: Histogram::new(SECONDS),
            overhead: Histogram::new(SECONDS),
            tokens: Bucket::ALL.map(|bucket| (*tokens.get_or_create(&TokenLabels { bucket: name(bucket) })).clone()),
            attempts: Handles::default(),
            repeats: Repeat::ALL.map(|repeat| (*repeats.get_or_create(&RepeatLabels { outcome: repeat.id() })).clone()),
            in_flight: Gauge::default(),
            streams: Gauge::default(),
            queue_depth: Gauge::default(),
            shed: Counter::default(),
            panics: Counter::default(),
            dropped_events: Counter::default(),
            drift: Gauge::default(),
            lost_records: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Calls by operation, kind, provider and status", metrics.requests.family());
        registry.register("request_duration_seconds", "From a call's arrival to the end of its answer", metrics.duration.clone());
        registry.register("overhead_seconds", "The gateway's own share until the request goes out", metrics.overhead.clone());
        registry.register("tokens", "Tokens by bucket", tokens);
        registry.register("upstream_attempts", "Requests sent to providers", metrics.attempts.family());
        registry.register("idempotent_repeats", "Calls whose Idempotency-Key an earlier one had", repeats);
        registry.register("inflight", "Calls that have begun and not ended", metrics.in_flight.clone());
        registry.register("streams_active", "Open streams", metrics.streams.clone());
        registry.register("queue_depth", "Journal entries that wait for the database", metrics.queue_depth.clone());
        registry.register("shed", "Calls refused because too many were in flight", metrics.shed.clone());
        registry.register("panics", "Calls that panicked", metrics.panics.clone());
        registry.register("dropped_events", "Stream events dropped because they were no JSON", metrics.dropped_events.clone());
        registry.register("counter_drift", "Counters of budgets that differ from their rows", metrics.drift.clone());
        registry.register("lost_records", "Records that could not be kept", metrics.lost_records.clone());
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running build", build);
        Self { registry, ..metrics }
    }

    /// Counts a finished call.
    pub fn call(&self, labels: &CallLabels, duration: Duration) {
        self.requests.count(labels);
        self.duration.observe(duration.as_secs_f64());
    }

    /// Notes the gateway's own share of a call.
    pub fn overhead(&self, span: Duration) {
        self.overhead.observe(span.as_secs_f64());
    }

    /// Counts one request to a provider.
    pub fn attempt(&self, provider: &std::sync::Arc<str>, outcome: &'static str) {
        self.attempts.count(&AttemptLabels { provider: std::sync::Arc::clone(provider), outcome });
    }

    /// Counts a call whose `Idempotency-Key` an earlier one had.
    pub fn repeat(&self, repeat: Repeat) {
        self.repeats[repeat as usize].inc();
    }

    /// Counts tokens of one bucket.
    pub fn tokens(&self, bucket: Bucket, tokens: u64) {
        if tokens > 0 {
            self.tokens[bucket as usize].inc_by(tokens);
        }
    }

    /// Everything in Prometheus' (OpenMetrics) text form.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

const fn name(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Input => "input",
        Bucket::CacheRead => "cache_read",
        Bucket::CacheWrite5m => "cache_write_5m",
        Bucket::CacheWrite30m => "cache_write_30m",
        Bucket::CacheWrite1h => "cache_write_1h",
        Bucket::Output => "output",
        Bucket::Reasoning => "reasoning",
    }
}
