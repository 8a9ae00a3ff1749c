//! Health: the later of two verdicts stands, a reset takes what was learnt before it, history is read newest first and by page.

use gproxy::{
    base::{CredentialId, ProviderId},
    store::{
        persist::{HealthBook, HealthFilter, HealthNews},
        record::{HealthEventRow, HealthReset, HealthRow, HealthWord, NewHealthEvent, RestRow},
    },
};

const ONE: ProviderId = ProviderId(1);
const REST: RestRow = RestRow { why: HealthWord::RateLimited, until_ms: 9_000, is_told: true, is_dead: false, failures: 3 };
const DEAD: RestRow = RestRow { why: HealthWord::Dead, until_ms: 2_000, is_told: true, is_dead: true, failures: 1 };

fn row(credential: i64, model: &str, noted_ms: u64, rest: Option<RestRow>) -> HealthRow {
    let credential_id = (credential > 0).then_some(CredentialId(credential));
    let model = Some(model.to_owned()).filter(|model| !model.is_empty());
    HealthRow { provider_id: ONE, credential_id, changed: credential * 7, model, noted_ms, rest }
}

async fn learn(book: &impl HealthBook, rows: &[HealthRow], resets: &[HealthReset]) -> Vec<HealthRow> {
    book.learn(HealthNews { rows: rows.to_vec(), resets: resets.to_vec(), events: Vec::new() }).await.unwrap();
    book.standing().await.unwrap()
}

pub(crate) async fn uphold(book: &impl HealthBook) {
    assert_eq!(book.standing().await.unwrap(), []);
    let (own, all, whole) = (row(1, "M/ü", 10, Some(REST)), row(1, "", 20, Some(DEAD)), row(0, "m", 30, Some(REST)));
    let first = [own.clone(), all.clone(), whole.clone()];
    assert_eq!(learn(book, &first, &[]).await, first);
    // Twice is once; what is older changes nothing; names differ by case.
    let others = [row(1, "M/ü", 9, None), row(1, "m/ü", 12, None), row(1, "", 19, Some(REST))];
    assert_eq!(learn(book, &[&first[..], &others[..]].concat(), &[]).await, first);
    let later = row(1, "M/ü", 11, Some(RestRow { failures: 4, ..REST }));
    assert_eq!(learn(book, std::slice::from_ref(&later), &[]).await, [later.clone(), all.clone(), whole.clone()]);
    assert_eq!(learn(book, &[row(1, "M/ü", 12, None)], &[]).await, [all.clone(), whole.clone()]);
    resets(book, &all, &whole).await;
    history(book).await;
}

async fn resets(book: &impl HealthBook, all: &HealthRow, whole: &HealthRow) {
    let reset = |provider: Option<i64>, credential: Option<i64>, at_ms| HealthReset {
        provider_id: provider.map(ProviderId),
        credential_id: credential.map(CredentialId),
        at_ms,
    };
    let both = [all.clone(), whole.clone()];
    for passes in [reset(Some(2), None, 99), reset(None, Some(2), 99), reset(Some(1), Some(1), 19)] {
        assert_eq!(learn(book, &[], &[passes]).await, both, "{passes:?}");
    }
    assert_eq!(learn(book, &[], &[reset(None, Some(1), 20)]).await, std::slice::from_ref(whole));
    let again = row(2, "m", 50, Some(REST));
    assert_eq!(learn(book, std::slice::from_ref(&again), &[reset(Some(1), None, 40)]).await, std::slice::from_ref(&again));
    assert_eq!(learn(book, std::slice::from_ref(all), &[]).await, [all.clone(), again]);
    assert_eq!(book.tidy(9_001, (0, 10), 10).await.unwrap(), 0);
    assert_eq!(book.standing().await.unwrap(), std::slice::from_ref(all), "the dead stay");
    assert_eq!(learn(book, &[], &[reset(None, None, 100)]).await, []);
    let long = row(1, &"x".repeat(300), 1, Some(REST));
    learn(book, std::slice::from_ref(&long), &[]).await;
    learn(book, &[HealthRow { rest: None, ..long }], &[]).await;
}

async fn history(book: &impl HealthBook) {
    let event = |at, credential: i64, model: &str, event| NewHealthEvent {
        at,
        provider_id: ONE,
        credential_id: (credential > 0).then_some(CredentialId(credential)),
        model: Some(model.to_owned()).filter(|model| !model.is_empty()),
        event,
        until_ms: (event != HealthWord::Recovered).then_some(at + 5),
        failures: 2,
    };
    let events = [
        event(10, 1, "m", HealthWord::Transient),
        event(10, 0, "m", HealthWord::Transient),
        event(20, 1, "", HealthWord::Dead),
        event(30, 1, "m", HealthWord::Recovered),
    ];
    book.learn(HealthNews { events: events.to_vec(), ..HealthNews::default() }).await.unwrap();
    let told = async |filter: HealthFilter, before, limit| book.history(filter, before, limit).await.unwrap();
    let plain = |rows: Vec<HealthEventRow>| rows.into_iter().map(|row| row.event).collect::<Vec<_>>();
    let all = told(HealthFilter::default(), None, 10).await;
    assert_eq!(plain(all.clone()), events.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(told(HealthFilter::default(), Some(all[1].id), 1).await, all[2..3]);
    let filters = [
        (HealthFilter { from_ms: Some(20), ..HealthFilter::default() }, 2),
        (HealthFilter { to_ms: Some(20), ..HealthFilter::default() }, 2),
        (HealthFilter { provider_id: Some(ProviderId(2)), ..HealthFilter::default() }, 0),
        (HealthFilter { credential_id: Some(CredentialId(1)), ..HealthFilter::default() }, 3),
        (HealthFilter { model: Some("m".into()), ..HealthFilter::default() }, 3),
        (
            HealthFilter {
                provider_id: Some(ONE),
                credential_id: Some(CredentialId(1)),
                model: Some("m".into()),
                ..HealthFilter::default()
            },
            2,
        ),
    ];
    for (filter, count) in filters {
        assert_eq!(told(filter.clone(), None, 10).await.len(), count, "{filter:?}");
    }
    assert_eq!(book.tidy(0, (30, 10), 2).await.unwrap(), 2);
    assert_eq!(plain(told(HealthFilter::default(), None, 10).await), [events[3].clone(), events[2].clone()]);
    assert_eq!(book.tidy(0, (0, 1), 10).await.unwrap(), 1);
    assert_eq!(plain(told(HealthFilter::default(), None, 10).await), events[3..]);
    assert_eq!(book.tidy(0, (99, 1), 10).await.unwrap(), 1);
}
