//! The audit: written with its changes or not at all, read back newest first, narrowed and by page.

use gproxy::{
    base::{KeyId, OrganizationId, UserId},
    store::{
        persist::{AuditFilter, AuditLog, Records},
        record::{
            AuditAction, AuditRow, Change, ChangeSet, NewAudit, NewOrganization, NewTeam, NewUser, Noun, Role, SettingsRow, Tabled as _,
            made_by,
        },
    },
};

const NOW: u64 = 1_790_000_000_000;

pub(crate) async fn uphold(store: &(impl Records + AuditLog)) {
    an_entry_comes_back_as_it_was(store).await;
    entries_of_changes_name_what_the_changes_made(store).await;
    entries_of_refused_changes_are_not_there(store).await;
    entries_are_found_by_what_they_say(store).await;
    pages_follow_one_another(store).await;
}

fn entry(action: AuditAction, target_kind: &str) -> NewAudit {
    NewAudit {
        at: NOW,
        actor_id: None,
        key_id: None,
        actor_name: None,
        role: None,
        action,
        target_kind: target_kind.into(),
        target_id: None,
        organization_id: None,
        peer: None,
        before_json: None,
        after_json: None,
    }
}

fn full() -> NewAudit {
    NewAudit {
        actor_id: Some(UserId(7)),
        key_id: Some(KeyId(8)),
        actor_name: Some("Ann 模型 \"?\"".into()),
        role: Some(Role::OrganizationAdmin),
        target_id: Some(9),
        organization_id: Some(OrganizationId(10)),
        peer: Some("2001:db8::1".into()),
        before_json: Some("{\"name\":\"a?\"}".into()),
        after_json: Some("{\"name\":\"模\"}".into()),
        ..entry(AuditAction::Update, "team")
    }
}

async fn all(store: &impl AuditLog, filter: AuditFilter) -> Vec<AuditRow> {
    store.entries(filter, None, 1000).await.unwrap()
}

async fn an_entry_comes_back_as_it_was(store: &impl AuditLog) {
    for written in [full(), entry(AuditAction::LoginFailed, "user")] {
        store.note(written.clone()).await.unwrap();
        let read = all(store, AuditFilter::default()).await;
        assert_eq!(read[0].entry, written);
    }
}

async fn entries_of_changes_name_what_the_changes_made(store: &(impl Records + AuditLog)) {
    let organization = NewOrganization { name: "audited".into(), description: None, enabled: true };
    let team = NewTeam { organization_id: made_by(0).into(), name: "blue".into(), enabled: true };
    let of_team = NewAudit {
        target_id: Some(made_by(1)),
        organization_id: Some(OrganizationId(made_by(0))),
        ..entry(AuditAction::Create, Noun::Team.name())
    };
    let set = ChangeSet {
        changes: vec![Change::Make(organization.into_row()), Change::Make(team.into_row())],
        audit: vec![NewAudit { target_id: Some(made_by(0)), ..of_team.clone() }, of_team],
        settings: Some(SettingsRow::default()),
        ..ChangeSet::default()
    };
    let stamps = store.apply_set(set).await.unwrap();
    let read = all(store, AuditFilter { organization_id: Some(OrganizationId(stamps[0].id)), ..AuditFilter::default() }).await;
    let targets: Vec<Option<i64>> = read.iter().map(|row| row.entry.target_id).collect();
    assert_eq!(targets, [Some(stamps[1].id), Some(stamps[0].id)]);
}

async fn entries_of_refused_changes_are_not_there(store: &(impl Records + AuditLog)) {
    let before = all(store, AuditFilter::default()).await;
    let refused = |changes, audit: NewAudit| ChangeSet { changes, audit: vec![audit], ..ChangeSet::default() };
    let missing = vec![Change::Set(999_999, NewUser::named("nobody").into_row())];
    store.apply_set(refused(missing, full())).await.unwrap_err();
    let unmade = NewAudit { target_id: Some(made_by(5)), ..full() };
    store.apply_set(refused(vec![Change::Make(NewUser::named("unmade").into_row())], unmade)).await.unwrap_err();
    assert_eq!(all(store, AuditFilter::default()).await, before);
    assert!(!store.load().await.unwrap().users.iter().any(|user| user.name == "unmade"), "nor is the change");
}

async fn entries_are_found_by_what_they_say(store: &impl AuditLog) {
    let written = NewAudit { at: NOW + 5, actor_id: Some(UserId(77)), target_id: Some(99), ..full() };
    store.note(written.clone()).await.unwrap();
    let only = AuditFilter { actor_id: Some(UserId(77)), ..AuditFilter::default() };
    let fits = [
        AuditFilter { from_ms: Some(NOW + 5), ..only.clone() },
        AuditFilter { to_ms: Some(NOW + 6), ..only.clone() },
        AuditFilter { action: Some(AuditAction::Update), ..only.clone() },
        AuditFilter { target_kind: Some("team".into()), target_id: Some(99), ..only.clone() },
        AuditFilter { organization_id: Some(OrganizationId(10)), ..only.clone() },
    ];
    for filter in fits {
        let read = all(store, filter.clone()).await;
        assert_eq!(read.iter().map(|row| &row.entry).collect::<Vec<_>>(), [&written], "{filter:?}");
    }
    let others = [
        AuditFilter { from_ms: Some(NOW + 6), ..only.clone() },
        AuditFilter { to_ms: Some(NOW + 5), ..only.clone() },
        AuditFilter { action: Some(AuditAction::Delete), ..only.clone() },
        AuditFilter { target_kind: Some("user".into()), ..only.clone() },
        AuditFilter { target_id: Some(98), ..only.clone() },
        AuditFilter { organization_id: Some(OrganizationId(11)), ..only.clone() },
    ];
    for filter in others {
        assert_eq!(all(store, filter.clone()).await, [], "{filter:?}");
    }
}

async fn pages_follow_one_another(store: &impl AuditLog) {
    for _ in 0..7 {
        store.note(entry(AuditAction::Reset, "health")).await.unwrap();
    }
    let wanted = all(store, AuditFilter::default()).await;
    assert!(wanted.is_sorted_by(|one, next| one.id > next.id), "newest first");
    let (mut read, mut before) = (Vec::new(), None);
    loop {
        let page = store.entries(AuditFilter::default(), before, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        read.extend(page);
    }
    assert_eq!(read, wanted);
}
