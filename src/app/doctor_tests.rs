//! What people read of a report, and what is asked for it.

use super::{Asked, own_address, question, table};
use crate::{
    admin::doctor::{CauseView, ChangeView, PromptsView, ReportView, SessionView},
    base::{KeyId, Nanos, ProviderId, UserId},
    doctor::Cause,
};

fn session(user: &str, cause: Option<Cause>) -> SessionView {
    let lost = if cause.is_some() { 4_500_000 } else { 0 };
    let prompts = PromptsView {
        turns: 12,
        compared: 11,
        could_tokens: 20_000,
        hit_rate: Some(if cause.is_some() { 0.8765 } else { 1.0 }),
        lost_tokens: if cause.is_some() { 2_000 } else { 0 },
        lost: Nanos::new(lost),
        ..PromptsView::default()
    };
    let causes = cause.into_iter().map(|cause| CauseView {
        cause,
        turns: 1,
        lost_tokens: 2_000,
        lost: Nanos::new(lost),
        unpriced_tokens: 0,
        remedy: cause.remedy().to_owned(),
    });
    SessionView {
        session: "00ff00ff00ff00ff".into(),
        is_named: true,
        user_id: UserId(3),
        user: Some(user.into()),
        key_id: KeyId(4),
        organization_id: None,
        provider_id: ProviderId(5),
        provider: Some("openai".into()),
        credential_id: None,
        model: "gpt-5".into(),
        first_at: 0,
        last_at: 1,
        prompts,
        cause,
        causes: causes.collect(),
        first_difference: cause.map(|_| ChangeView { path: "messages[0].content".into(), byte: 77 }),
    }
}

fn report(sessions: Vec<SessionView>) -> ReportView {
    let totals = PromptsView { turns: 24, hit_rate: Some(0.94), lost_tokens: 2_000, lost: Nanos::new(4_500_000), ..PromptsView::default() };
    ReportView { is_on: true, known: 2, totals, sessions }
}

#[test]
fn a_table_tells_the_sessions_and_each_remedy_once() {
    let text = table(&report(vec![session("ann", Some(Cause::PrefixChanged)), session("bo\u{1b}b", None)]));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "session           caller  model         turns  hit rate  lost USD  first difference                cause",
            "00ff00ff00ff00ff  ann     openai/gpt-5  12     87.6 %    0.0045    messages[0].content at byte 77  the prompt changed within what was sent before",
            "00ff00ff00ff00ff  bo?b    openai/gpt-5  12     100.0 %   0",
        ],
        "{text}"
    );
    assert!(text.contains("2 of 2 sessions; all of them: 24 turns, hit rate 94.0 %, 2000 tokens lost, 0.0045 USD"), "{text}");
    assert_eq!(text.matches(Cause::PrefixChanged.remedy()).count(), 1);
    for cause in Cause::ALL {
        assert!(!cause.remedy().is_empty() && !cause.to_string().is_empty());
    }
}

#[test]
fn a_doctor_that_is_off_says_how_it_is_turned_on() {
    let off = ReportView { is_on: false, ..report(Vec::new()) };
    assert!(table(&off).contains(r#"POST /admin/settings {"cache_doctor": true}"#), "{}", table(&off));
    assert!(table(&report(Vec::new())).starts_with("Nothing was seen yet"));
}

#[test]
fn what_has_no_price_is_not_told_as_free() {
    let mut session = session("ann", Some(Cause::Unknown));
    session.prompts.lost = Nanos::ZERO;
    session.prompts.unpriced_tokens = 2_000;
    let mut report = report(vec![session]);
    report.totals.unpriced_tokens = 2_000;
    let text = table(&report);
    assert!(text.contains("no price") && text.contains("2000 of these tokens have no price"), "{text}");
}

#[test]
fn a_gateway_is_asked_where_its_configuration_says() {
    for (host, address) in [
        ("127.0.0.1", "http://127.0.0.1:8"),
        ("0.0.0.0", "http://127.0.0.1:8"),
        ("::", "http://[::1]:8"),
        ("::2", "http://[::2]:8"),
        ("gateway.example", "http://gateway.example:8"),
    ] {
        assert_eq!(own_address(host, 8), address);
    }
    let asked = Asked { user: Some(UserId(1)), provider: Some(ProviderId(2)), model: Some("a&b".into()), limit: 5, ..Asked::default() };
    assert_eq!(question(&asked), "/admin/doctor/cache?limit=5&user_id=1&provider_id=2&model=a%26b");
}
