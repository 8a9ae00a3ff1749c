//! What a load run saw, and how it is told.

#![expect(clippy::cast_precision_loss, reason = "figures of a bench stay far below 2^52")]

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::client::Fault;

/// The longest time that a histogram tells apart.
const HOUR_NS: u64 = 3_600_000_000_000;

/// Counts and times of one connection or one call; merged at the end.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Answers in whole, warm-up and all.
    pub(crate) total: u64,
    /// Answers in whole within the window.
    pub(crate) counted: u64,
    /// Events of the counted answers.
    pub(crate) events: u64,
    /// Bytes of the counted answers' bodies.
    pub(crate) bytes: u64,
    /// From the start of a call to its last byte.
    pub(crate) whole: Vec<u64>,
    /// From the start of a call to its first event.
    pub(crate) first: Vec<u64>,
    /// From the mock's stamp to the reading of each later event.
    pub(crate) later: Vec<u64>,
    /// From the intended start of a call to the real one.
    pub(crate) late: Vec<u64>,
    /// The gateway's ids of the answers in whole, one a line.
    pub(crate) ids: Vec<u8>,
    faults: [u64; Fault::KINDS.len()],
    first_fault: Option<String>,
}

impl Tally {
    /// Notes a call that went wrong.
    pub(crate) fn fault(&mut self, fault: &Fault) {
        self.faults[fault.kind()] += 1;
        self.first_fault.get_or_insert_with(|| fault.to_string());
    }

    /// Takes another's counts in.
    pub(crate) fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.counted += other.counted;
        self.events += other.events;
        self.bytes += other.bytes;
        self.whole.extend(other.whole);
        self.first.extend(other.first);
        self.later.extend(other.later);
        self.late.extend(other.late);
        self.ids.extend(other.ids);
        self.faults.iter_mut().zip(other.faults).for_each(|(sum, count)| *sum += count);
        self.first_fault = self.first_fault.take().or(other.first_fault);
    }

    /// The one line of JSON that a run prints; `window_ns` is what rates are over.
    pub(crate) fn json(&self, window_ns: u64) -> Value {
        let rate = |count: u64| (count as f64 * 1e9 / window_ns.max(1) as f64).round();
        let errors: serde_json::Map<_, _> =
            Fault::KINDS.iter().zip(self.faults).map(|(kind, count)| ((*kind).to_owned(), count.into())).collect();
        json!({
            "seconds": window_ns as f64 / 1e9,
            "total": self.total,
            "requests": self.counted,
            "rate": rate(self.counted),
            "events": self.events,
            "event_rate": rate(self.events),
            "bytes": self.bytes,
            "latency_us": spread(&self.whole),
            "first_us": spread(&self.first),
            "later_us": spread(&self.later),
            "late_us": spread(&self.late),
            "failed": self.faults.iter().sum::<u64>(),
            "errors": errors,
            "first_error": self.first_fault,
        })
    }
}

fn spread(samples: &[u64]) -> Value {
    let Ok(mut histogram) = Histogram::<u64>::new_with_max(HOUR_NS, 3) else { return Value::Null };
    if samples.is_empty() {
        return Value::Null;
    }
    for sample in samples {
        histogram.saturating_record(*sample);
    }
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    json!({
        "count": histogram.len(), "mean": (histogram.mean() / 10.0).round() / 100.0,
        "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": histogram.max() as f64 / 1000.0,
    })
}
