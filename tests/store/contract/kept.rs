//! Kept responses and conversations: each user's own, lines whole or not at all, gone with their time and with their user.

use gproxy::{
    base::UserId,
    store::{
        persist::{Kept, Page, Records, RecordsExt, StoreFault},
        record::{Keep, KeptItem, KeptKind, KeptRow, NewUser},
    },
};

const NOW: i64 = 1_790_000_000_000;

pub(crate) async fn uphold(store: &(impl Records + Kept)) {
    let ann = user(store, "kept ann").await;
    let bob = user(store, "kept bob").await;
    things_are_read_back_by_their_user_alone(store, (ann, bob)).await;
    a_thing_kept_again_gets_a_new_body_and_more_items(store, ann).await;
    lines_are_whole_or_empty(store, ann).await;
    items_come_by_page_and_by_name(store, (ann, bob)).await;
    what_nobody_goes_on_from_expires(store, bob).await;
    everything_goes_with_its_user(store, (ann, bob)).await;
}

async fn user(store: &impl Records, name: &str) -> UserId {
    store.save(None, NewUser::named(name)).await.unwrap().id
}

fn thing(user_id: UserId, id: &str, previous: Option<&KeptRow>) -> KeptRow {
    KeptRow {
        user_id,
        id: id.into(),
        kind: KeptKind::Response,
        previous: previous.map(|row| row.id.clone()),
        thread: previous.map_or_else(|| id.into(), |row| row.thread.clone()),
        depth: previous.map_or(0, |row| row.depth + 1),
        bytes: 7,
        body_json: format!("{{\"id\":\"{id}\",\"text\":\"模型 \\\"?\"}}"),
        input_json: format!("[\"to {id}\"]"),
        created_at: NOW,
        expires_at: NOW + 1000,
    }
}

fn items(ids: &[&str]) -> Vec<KeptItem> {
    ids.iter().map(|id| KeptItem { id: (*id).into(), json: format!("{{\"id\":\"{id}\"}}") }).collect()
}

async fn put(store: &impl Kept, row: &KeptRow, ids: &[&str]) {
    store.keep(vec![Keep { row: row.clone(), items: items(ids) }]).await.unwrap();
}

fn all() -> Page {
    Page { after: None, newest_first: false, limit: 1000 }
}

fn ids(items: &[KeptItem]) -> Vec<&str> {
    items.iter().map(|item| item.id.as_str()).collect()
}

async fn things_are_read_back_by_their_user_alone(store: &impl Kept, (ann, bob): (UserId, UserId)) {
    let row = thing(ann, "resp_same", None);
    let other = KeptRow { kind: KeptKind::Conversation, body_json: "{}".into(), ..thing(bob, "resp_same", None) };
    store.keep(vec![Keep { row: row.clone(), items: items(&["a", "b"]) }, Keep { row: other.clone(), items: Vec::new() }]).await.unwrap();
    assert_eq!(store.find(ann, "resp_same".into()).await.unwrap(), Some(row));
    assert_eq!(store.find(bob, "resp_same".into()).await.unwrap(), Some(other));
    assert_eq!(store.find(ann, "resp_SAME".into()).await.unwrap(), None, "ids differ by case");
    assert_eq!(store.items(bob, "resp_same".into(), all()).await.unwrap(), []);
    assert!(store.forget(bob, "resp_same".into()).await.unwrap());
    assert!(!store.forget(bob, "resp_same".into()).await.unwrap());
    assert_eq!(ids(&store.items(ann, "resp_same".into(), all()).await.unwrap()), ["a", "b"]);
    let nobody = store.keep(vec![Keep { row: thing(UserId(987_654_321), "resp_x", None), items: Vec::new() }]).await.unwrap_err();
    assert!(matches!(nobody, StoreFault::Missing { what: "user", id: 987_654_321 }), "{nobody}");
}

async fn a_thing_kept_again_gets_a_new_body_and_more_items(store: &impl Kept, ann: UserId) {
    let row = thing(ann, "conv_1", None);
    put(store, &row, &["c1", "c2"]).await;
    let later = KeptRow { body_json: "{\"new\":1}".into(), expires_at: NOW + 5000, ..row.clone() };
    let (one, two) = (Keep { row: later.clone(), items: items(&["c3", "c4"]) }, Keep { row: later.clone(), items: items(&["c5", "c6"]) });
    let (first, second) = tokio::join!(store.keep(vec![one]), store.keep(vec![two]));
    first.unwrap();
    second.unwrap();
    assert_eq!(store.find(ann, "conv_1".into()).await.unwrap(), Some(later));
    let found = store.items(ann, "conv_1".into(), all()).await.unwrap();
    let mut tails = [&ids(&found)[2..4], &ids(&found)[4..]];
    tails.sort_unstable();
    assert_eq!(tails, [["c3", "c4"], ["c5", "c6"]], "two at once stand one behind the other");
    assert!(store.forget_item(ann, "conv_1".into(), "c2".into()).await.unwrap());
    assert!(!store.forget_item(ann, "conv_1".into(), "c2".into()).await.unwrap());
    put(store, &row, &["c7"]).await;
    let found = store.items(ann, "conv_1".into(), all()).await.unwrap();
    assert_eq!((found.len(), found[0].id.as_str(), found[5].id.as_str()), (6, "c1", "c7"));
}

async fn lines_are_whole_or_empty(store: &impl Kept, ann: UserId) {
    let first = thing(ann, "resp_1", None);
    let second = thing(ann, "resp_2", Some(&first));
    let branch = thing(ann, "resp_2b", Some(&first));
    let third = thing(ann, "resp_3", Some(&second));
    for (row, outputs) in [(&first, &["o1", "o1b"][..]), (&second, &[]), (&branch, &["ob"]), (&third, &["o3"])] {
        put(store, row, outputs).await;
    }
    let line = store.line(third.clone()).await.unwrap();
    let told: Vec<_> = line.iter().map(|link| (link.id.as_str(), link.input_json.as_str(), ids(&link.output))).collect();
    let whole = [
        ("resp_1", "[\"to resp_1\"]", vec!["o1", "o1b"]),
        ("resp_2", "[\"to resp_2\"]", vec![]),
        ("resp_3", "[\"to resp_3\"]", vec!["o3"]),
    ];
    assert_eq!(told, whole);
    assert_eq!(store.line(branch).await.unwrap().len(), 2);
    store.forget(ann, "resp_2".into()).await.unwrap();
    assert_eq!(store.line(third).await.unwrap(), [], "a line with a gap is none");
}

async fn items_come_by_page_and_by_name(store: &impl Kept, (ann, bob): (UserId, UserId)) {
    let names: Vec<String> = (0..250).map(|at| format!("p{at:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    put(store, &thing(ann, "conv_pages", None), &names).await;
    let page = |after: Option<&str>, newest_first, limit| {
        store.items(ann, "conv_pages".into(), Page { after: after.map(str::to_owned), newest_first, limit })
    };
    assert_eq!(ids(&page(None, false, 2).await.unwrap()), ["p000", "p001"]);
    assert_eq!(ids(&page(Some("p001"), false, 2).await.unwrap()), ["p002", "p003"]);
    assert_eq!(ids(&page(None, true, 2).await.unwrap()), ["p249", "p248"]);
    assert_eq!(ids(&page(Some("p001"), true, 5).await.unwrap()), ["p000"]);
    assert_eq!(page(Some("nobody"), false, 5).await.unwrap(), []);
    put(store, &thing(ann, "resp_again", None), &["p003"]).await;
    let asked: Vec<String> = names.iter().map(|name| (*name).to_owned()).chain(["nobody".to_owned()]).collect();
    let mut found = store.named(ann, asked.clone(), NOW).await.unwrap();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(ids(&found), names, "each once, also where two things have it");
    assert_eq!(store.named(ann, asked.clone(), NOW + 1000).await.unwrap(), [], "of what has expired, nothing");
    assert_eq!(store.named(bob, asked, NOW).await.unwrap(), []);
    assert_eq!(store.named(bob, Vec::new(), NOW).await.unwrap(), []);
}

async fn what_nobody_goes_on_from_expires(store: &impl Kept, bob: UserId) {
    let first = thing(bob, "resp_old", None);
    let second = KeptRow { expires_at: NOW + 9000, ..thing(bob, "resp_young", Some(&first)) };
    put(store, &first, &["old"]).await;
    put(store, &second, &["young"]).await;
    put(store, &thing(bob, "resp_alone", None), &["alone"]).await;
    // Ann's things of the same time go too; what is looked at here is Bob's.
    while store.expire(NOW + 1000, 3).await.unwrap() == 3 {}
    assert_eq!(store.find(bob, "resp_alone".into()).await.unwrap(), None);
    assert_eq!(store.line(second).await.unwrap().len(), 2, "a line is held by its youngest");
    while store.expire(NOW + 9000, 1).await.unwrap() == 1 {}
    assert_eq!(store.find(bob, "resp_old".into()).await.unwrap(), None);
    assert_eq!(store.items(bob, "resp_old".into(), all()).await.unwrap(), []);
    assert_eq!(store.expire(NOW + 9000, 1).await.unwrap(), 0);
}

async fn everything_goes_with_its_user(store: &(impl Records + Kept), (ann, bob): (UserId, UserId)) {
    put(store, &thing(ann, "resp_last", None), &["last"]).await;
    put(store, &thing(bob, "resp_last", None), &["last"]).await;
    store.delete::<NewUser>(ann).await.unwrap();
    assert_eq!(store.find(ann, "resp_last".into()).await.unwrap(), None);
    assert_eq!(store.items(ann, "resp_last".into(), all()).await.unwrap(), []);
    assert!(store.find(bob, "resp_last".into()).await.unwrap().is_some());
    store.delete::<NewUser>(bob).await.unwrap();
}
