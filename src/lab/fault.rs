//! The sixteen faults of a provider: what each does, attempt by attempt, and until when a call may take.

use std::time::Duration;

use super::{
    mix::{self, Target},
    script::Script,
};

/// One of the sixteen.
#[derive(Debug)]
pub struct Fault {
    /// 1 to 16.
    pub number: u8,
    /// What the primary does.
    pub title: &'static str,
    /// When a call is cut.
    pub wall: Duration,
    /// The ways in which it is played; the worst one counts.
    pub variants: &'static [Variant],
}

/// One way to play a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The only way, or the first.
    Plain,
    /// The body ends in good order, where the first way breaks it off or keeps it open.
    Ends,
}

impl Variant {
    const fn tail(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Ends => "-ends",
        }
    }
}

/// How long the outage of fault 15 lasts, and how often the gateway is asked meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// 503 for 60 s; 20 requests, one every 4 s.
    Full,
    /// 503 for 8 s; 24 requests, one a second.
    Fast,
}

impl Outage {
    /// How long the primary answers 503.
    #[must_use]
    pub const fn down(self) -> Duration {
        match self {
            Self::Full => Duration::from_mins(1),
            Self::Fast => Duration::from_secs(8),
        }
    }

    /// From one request to the next.
    #[must_use]
    pub const fn every(self) -> Duration {
        match self {
            Self::Full => Duration::from_secs(4),
            Self::Fast => Duration::from_secs(1),
        }
    }

    /// How many requests.
    #[must_use]
    pub const fn requests(self) -> u32 {
        match self {
            Self::Full => 20,
            Self::Fast => 24,
        }
    }

    const fn tail(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Fast => "-fast",
        }
    }
}

/// The number of the outage among the faults.
pub const OUTAGE: u8 = 15;

const PLAIN: &[Variant] = &[Variant::Plain];
const TWICE: &[Variant] = &[Variant::Plain, Variant::Ends];

const fn fault(number: u8, wall: u64, variants: &'static [Variant], title: &'static str) -> Fault {
    Fault { number, title, wall: Duration::from_secs(wall), variants }
}

/// All of them, in order.
pub static FAULTS: [Fault; 16] = [
    fault(1, 20, PLAIN, "first attempt 429, Retry-After: 2"),
    fault(2, 40, PLAIN, "every attempt 429, no header"),
    fault(3, 20, PLAIN, "first attempt 500"),
    fault(4, 40, PLAIN, "every attempt 503"),
    fault(5, 20, PLAIN, "reset before any byte"),
    fault(6, 130, PLAIN, "accepts and never answers"),
    fault(7, 60, PLAIN, "first token after 20 s"),
    fault(8, 40, TWICE, "stream dies after 40 tokens"),
    fault(9, 70, PLAIN, "silent after 20 tokens"),
    fault(10, 30, PLAIN, "tenth event is no JSON"),
    fault(11, 30, TWICE, "complete without [DONE]"),
    fault(12, 20, PLAIN, "400 context_length_exceeded"),
    fault(13, 20, PLAIN, "400 content_policy_violation"),
    fault(14, 40, TWICE, "dies after 40 tokens, no prefill"),
    fault(OUTAGE, 200, PLAIN, "503 for a minute, then healthy"),
    fault(16, 40, PLAIN, "every attempt 503, who is named"),
];

/// Where a model of the provider leads: a fault, or the healthy answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Healthy,
    WithoutPrefill,
    Faulty(u8, Variant, Outage),
    Scripted(Box<Script>),
    Chaotic(Target),
}

/// The name of the model that plays a fault. What follows the dot keeps its state apart from others'.
#[must_use]
pub fn model(number: u8, (variant, outage): (Variant, Outage), run: &str) -> String {
    let outage = if number == OUTAGE { outage.tail() } else { "" };
    format!("fault-{number:02}{}{outage}.{run}", variant.tail())
}

/// The name of the model that stands behind the one that plays a fault.
#[must_use]
pub fn fallback(number: u8, run: &str) -> String {
    if number == 14 { format!("healthy-without-prefill.{run}") } else { format!("healthy.{run}") }
}

impl Role {
    /// What a model's name says; what stands behind its first dot says nothing.
    ///
    /// # Errors
    /// What is wrong with the name, for people.
    pub(super) fn of(model: &str) -> Result<Self, String> {
        if let Some(script) = Script::named(model) {
            return script.map(|script| Self::Scripted(Box::new(script)));
        }
        let name = model.split('.').next().unwrap_or_default();
        match name {
            "healthy" => return Ok(Self::Healthy),
            "healthy-without-prefill" => return Ok(Self::WithoutPrefill),
            "chaos" => return Ok(Self::Chaotic(Target::Shaky)),
            "chaos-dying" => return Ok(Self::Chaotic(Target::Dying)),
            _ => {}
        }
        let unknown = || {
            format!(
                "unknown model {model:?}; expected healthy, healthy-without-prefill, fault-01 to fault-16, chaos, chaos-dying, or script,..."
            )
        };
        let (number, tail) = name.strip_prefix("fault-").and_then(|rest| rest.split_at_checked(2)).ok_or_else(unknown)?;
        let fault = FAULTS.iter().find(|fault| number.parse() == Ok(fault.number)).ok_or_else(unknown)?;
        let variant = fault.variants.iter().copied().find(|variant| variant.tail() == tail);
        match (variant, tail) {
            (Some(variant), _) => Ok(Self::Faulty(fault.number, variant, Outage::Full)),
            (None, "-fast") if fault.number == OUTAGE => Ok(Self::Faulty(OUTAGE, Variant::Plain, Outage::Fast)),
            (None, _) => Err(unknown()),
        }
    }

    /// What is done with an attempt: `attempt` counts from 1, `since` is the time since the first one on this model.
    pub(super) fn script(&self, model: &str, attempt: u32, since: Duration) -> Script {
        match self {
            Self::Healthy => Script::default(),
            Self::WithoutPrefill => Script { refuses_prefill: true, ..Script::default() },
            Self::Faulty(number, variant, outage) => faulty(*number, *variant, (attempt, since, *outage)),
            Self::Scripted(script) => (**script).clone(),
            Self::Chaotic(target) => mix::script(*target, (model, attempt, since)),
        }
    }
}

fn faulty(number: u8, variant: Variant, (attempt, since, outage): (u32, Duration, Outage)) -> Script {
    let healthy = Script::default();
    let refusal = |code: &str| Script { code: Some(code.to_owned()), ..Script::refusal(400) };
    match (number, variant) {
        (1, _) if attempt == 1 => Script { retry_after: Some("2".into()), ..Script::refusal(429) },
        (2, _) => Script::refusal(429),
        (3, _) if attempt == 1 => Script::refusal(500),
        (4 | 16, _) => Script::refusal(503),
        (5, _) if attempt == 1 => Script { reset: true, ..healthy },
        // Closes in the end, so that nothing stays behind.
        (6, _) => Script { head_ms: 120_000, reset: true, ..healthy },
        (7, _) => Script { content_ms: 20_000, ..healthy },
        (8 | 14, Variant::Plain) => Script { cut_event: Some(40), ..healthy },
        (8 | 14, Variant::Ends) => Script { end_event: Some(40), ..healthy },
        (9, _) => Script { stall_event: Some(20), stall_ms: 30_000, ..healthy },
        (10, _) => Script { garbage_event: Some(10), ..healthy },
        (11, Variant::Plain) => Script { without_done: true, linger_ms: 60_000, ..healthy },
        (11, Variant::Ends) => Script { without_done: true, ..healthy },
        (12, _) => refusal("context_length_exceeded"),
        (13, _) => refusal("content_policy_violation"),
        (OUTAGE, _) if since < outage.down() => Script::refusal(503),
        _ => healthy,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FAULTS, OUTAGE, Outage, Role, Variant, model};

    #[test]
    fn every_fault_is_found_by_its_models_name() {
        for fault in &FAULTS {
            for variant in fault.variants {
                let name = model(fault.number, (*variant, Outage::Full), "run.7");
                assert_eq!(Role::of(&name), Ok(Role::Faulty(fault.number, *variant, Outage::Full)), "{name}");
            }
        }
        assert_eq!(Role::of("fault-15-fast.x"), Ok(Role::Faulty(OUTAGE, Variant::Plain, Outage::Fast)));
        assert_eq!(Role::of("healthy.x"), Ok(Role::Healthy));
        for wrong in ["fault-17", "fault-1", "fault-03-ends", "fault-03-fast", "gpt", ""] {
            assert!(Role::of(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn attempts_and_time_decide_what_is_done() {
        let status = |name: &str, attempt, seconds| Role::of(name).unwrap().script(name, attempt, Duration::from_secs(seconds)).status;
        for (name, attempt, seconds, expected) in [
            ("fault-01", 1, 0, Some(429)),
            ("fault-01", 2, 0, None),
            ("fault-02", 9, 9, Some(429)),
            ("fault-03", 1, 0, Some(500)),
            ("fault-03", 2, 0, None),
            ("fault-04", 9, 9, Some(503)),
            ("fault-12", 3, 9, Some(400)),
            ("fault-13", 3, 9, Some(400)),
            ("fault-15", 9, 59, Some(503)),
            ("fault-15", 2, 60, None),
            ("fault-15-fast", 9, 7, Some(503)),
            ("fault-15-fast", 2, 8, None),
            ("fault-16", 9, 99, Some(503)),
        ] {
            assert_eq!(status(name, attempt, seconds), expected, "{name} attempt {attempt} at {seconds} s");
        }
    }
}
