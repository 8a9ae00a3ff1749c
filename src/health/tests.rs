//! Health as a play of steps: what happened, and who may be asked then.

use super::{Account, Health, RetryBudget, Standing, Trouble};
use crate::{
    base::{CredentialId, ProviderId},
    store::record::{HealthReset, HealthWord},
};

const NOW: u64 = 50_000;

const ONE: Account = Account { provider: ProviderId(1), credential: Some((CredentialId(1), 0)) };
const TWO: Account = Account { provider: ProviderId(1), credential: Some((CredentialId(2), 0)) };
const BARE: Account = Account { provider: ProviderId(2), credential: None };

#[test]
fn what_is_guessed_makes_doubtful_and_what_is_told_is_kept_to() {
    let cases = [
        (Trouble::Transient, Standing::Doubtful, 15_000),
        (Trouble::Limited(None), Standing::Doubtful, 60_000),
        (Trouble::Limited(Some(7_000)), Standing::Resting(7_000), 7_000),
        (Trouble::Forbidden, Standing::Doubtful, 300_000),
        (Trouble::Exhausted(None), Standing::Resting(3_600_000), 3_600_000),
        (Trouble::Exhausted(Some(5_000)), Standing::Resting(5_000), 5_000),
    ];
    for (trouble, expected, until) in cases {
        let health = Health::default();
        health.fail(ONE, "m", &trouble, 0);
        assert_eq!(health.standing(ONE, "m", until - 1), expected, "{trouble:?}");
        assert_eq!(health.standing(ONE, "m", until), Standing::Ready, "{trouble:?}");
        assert_eq!(health.standing(TWO, "m", 0), Standing::Ready, "{trouble:?}");
        let wide = matches!(trouble, Trouble::Exhausted(_));
        assert_eq!(health.standing(ONE, "other", 0) == Standing::Ready, !wide, "{trouble:?}");
        health.succeed(ONE, "m", || NOW);
        assert_eq!(health.standing(ONE, "m", 0), Standing::Ready, "{trouble:?}");
        assert_eq!(health.reports(0), []);
    }
}

#[test]
fn a_told_rest_never_becomes_shorter() {
    let health = Health::default();
    health.fail(ONE, "m", &Trouble::Limited(Some(60_000)), 0);
    health.fail(ONE, "m", &Trouble::Limited(Some(1_000)), 0);
    health.fail(ONE, "m", &Trouble::Transient, 0);
    assert_eq!(health.standing(ONE, "m", 59_999), Standing::Resting(60_000));
}

#[test]
fn one_probe_at_a_time_goes_out_after_a_rest() {
    let health = Health::default();
    health.fail(ONE, "m", &Trouble::Transient, 0);
    health.begin(ONE, "m", 15_000);
    assert_eq!(health.standing(ONE, "m", 15_001), Standing::Doubtful);
    // A probe that never came back does not close the way for ever.
    assert_eq!(health.standing(ONE, "m", 45_000), Standing::Ready);
    health.begin(ONE, "m", 45_000);
    health.succeed(ONE, "m", || NOW);
    assert_eq!(health.standing(ONE, "m", 45_001), Standing::Ready);
}

#[test]
fn five_failures_in_a_row_close_the_provider_for_all_its_credentials() {
    let health = Health::default();
    for (at, account) in [ONE, TWO, ONE, TWO].into_iter().enumerate() {
        health.fail(account, "m", &Trouble::Transient, at as u64);
        assert_eq!(health.standing(ONE, "m", 10), Standing::Doubtful);
    }
    health.fail(ONE, "m", &Trouble::Transient, 4);
    assert_eq!(health.standing(TWO, "m", 10), Standing::Resting(15_004));
    assert_eq!(health.standing(TWO, "other", 10), Standing::Ready);
    health.begin(TWO, "m", 15_004);
    assert_eq!(health.standing(ONE, "m", 15_010), Standing::Resting(16_010), "a probe is out");
    health.succeed(TWO, "m", || NOW);
    assert_eq!(health.standing(ONE, "m", 15_010), Standing::Ready);
}

#[test]
fn a_provider_without_credentials_has_its_own_health() {
    let health = Health::default();
    health.fail(BARE, "m", &Trouble::Transient, 0);
    assert_eq!(health.standing(BARE, "m", 1), Standing::Doubtful);
    for _ in 0..4 {
        health.fail(BARE, "m", &Trouble::Transient, 1);
    }
    assert_eq!(health.standing(BARE, "m", 2), Standing::Resting(15_001));
}

#[test]
fn the_dead_are_the_last_resort_and_a_changed_credential_begins_anew() {
    let health = Health::default();
    health.fail(ONE, "m", &Trouble::Refused, 0);
    assert_eq!(health.standing(ONE, "other", 29_999), Standing::Resting(30_000));
    assert_eq!(health.standing(ONE, "other", 86_400_000), Standing::Condemned);
    let changed = Account { credential: Some((CredentialId(1), 1)), ..ONE };
    assert_eq!(health.standing(changed, "m", 0), Standing::Ready);
    let reports = health.reports(86_400_000);
    assert_eq!((reports.len(), reports[0].why, reports[0].until_ms), (1, HealthWord::Dead, None));
    assert_eq!(health.reset(HealthReset { provider_id: Some(ProviderId(1)), credential_id: None, at_ms: 0 }), 1);
    assert_eq!(health.standing(ONE, "m", 0), Standing::Ready);
}

#[test]
fn no_client_fills_the_memory_with_names_of_models() {
    let health = Health::default();
    for number in 0..5_000 {
        health.fail(ONE, &format!("model-{number}"), &Trouble::Limited(Some(60_000)), number);
    }
    let reports = health.reports(5_000);
    assert_eq!(reports.len(), 1_000);
    assert_eq!(health.standing(ONE, "model-4999", 5_000), Standing::Resting(64_999), "the newest is remembered");
}

#[test]
fn a_fifth_of_the_calls_may_be_tried_again_and_ten_always() {
    let budget = RetryBudget::default();
    let granted = |at: u64| (0..1000).filter(|_| budget.retry(at)).count();
    assert_eq!(granted(10_000), 10);
    for _ in 0..500 {
        budget.call(20_000);
    }
    assert_eq!(granted(20_001), 100);
    assert_eq!(granted(30_000), 10, "the next window begins anew");
}
