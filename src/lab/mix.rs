//! The mix of faults of a chaos run: which attempt on which target gets which fault. Pure, so that a run can be repeated.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::script::Script;

/// Of a hundred attempts so many are faulty.
const PERCENT: u64 = 10;
/// How long the target that dies is dead, and how long it lives in between.
const DEAD: Duration = Duration::from_mins(1);

/// What a target is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Faulty now and then.
    Shaky,
    /// And dead half of the time.
    Dying,
}

/// What is done with an attempt on a target. `since` is the time since the first one on it.
pub(super) fn script(target: Target, (model, attempt, since): (&str, u32, Duration)) -> Script {
    let is_dead = target == Target::Dying && (since.as_secs() / DEAD.as_secs()).is_multiple_of(2);
    let dice = dice(model, attempt);
    if is_dead {
        return if dice.is_multiple_of(2) { Script::refusal(503) } else { Script { reset: true, ..Script::default() } };
    }
    if dice % 100 >= PERCENT {
        return Script::default();
    }
    let kinds = kinds();
    let kind = usize::try_from(dice / 100 % kinds.len() as u64).unwrap_or(0);
    kinds.into_iter().nth(kind).unwrap_or_default()
}

/// Faults of all kinds that a provider makes by itself, each as likely as the others.
fn kinds() -> [Script; 13] {
    let healthy = Script::default;
    [
        Script { retry_after: Some("1".into()), ..Script::refusal(429) },
        Script::refusal(429),
        Script::refusal(500),
        Script::refusal(502),
        Script::refusal(503),
        Script { reset: true, ..healthy() },
        Script { head_ms: 120_000, reset: true, ..healthy() },
        Script { content_ms: 20_000, ..healthy() },
        Script { cut_event: Some(40), ..healthy() },
        Script { end_event: Some(20), ..healthy() },
        Script { stall_event: Some(20), stall_ms: 30_000, ..healthy() },
        Script { garbage_event: Some(10), ..healthy() },
        Script { without_done: true, linger_ms: 60_000, ..healthy() },
    ]
}

/// The same number for the same attempt in every run.
fn dice(model: &str, attempt: u32) -> u64 {
    let digest = Sha256::digest(format!("{model} {attempt}"));
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::{DEAD, Script, Target, kinds, script};

    #[test]
    fn a_tenth_of_the_attempts_is_faulty_in_every_way() {
        let scripts: Vec<Script> = (1..=20_000).map(|attempt| script(Target::Shaky, ("a", attempt, Duration::ZERO))).collect();
        let faulty: Vec<&Script> = scripts.iter().filter(|script| **script != Script::default()).collect();
        assert!((1_850..2_150).contains(&faulty.len()), "{} of 20,000", faulty.len());
        let mut each = BTreeMap::<String, u32>::new();
        for script in faulty {
            *each.entry(format!("{script:?}")).or_default() += 1;
        }
        assert_eq!(each.len(), kinds().len());
        assert!(each.values().all(|count| (100..220).contains(count)), "{each:?}");
    }

    #[test]
    fn the_dying_one_is_dead_half_of_the_time() {
        let good = |attempt, at| script(Target::Dying, ("b", attempt, at)) == Script::default();
        let alive = |from: Duration| (1..=1_000).filter(|attempt| good(*attempt, from)).count();
        assert_eq!((alive(Duration::ZERO), alive(DEAD * 2)), (0, 0));
        assert!(alive(DEAD) > 850 && alive(DEAD * 3) > 850);
    }
}
