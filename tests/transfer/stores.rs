//! The same over each database: whole or not at all.

use std::sync::Arc;

use gproxy::{
    app::transfer::{
        Bundle, Entry, Prune, apply,
        command::{Run, import},
        extract,
    },
    store::{
        persist::{RecordsExt as _, sql::SqlStore},
        record::{NewProvider, Noun},
    },
};

use crate::{
    databases::{Server, mysql, postgres},
    house::{bundle, furnish, in_memory, instance},
};

#[tokio::test]
async fn sqlite_takes_a_bundle_whole_or_not_at_all() {
    takes_it(SqlStore::open("sqlite::memory:").await.unwrap()).await;
}

#[tokio::test]
async fn postgres_takes_a_bundle_whole_or_not_at_all() {
    on(postgres()).await;
}

#[tokio::test]
async fn mysql_takes_a_bundle_whole_or_not_at_all() {
    on(mysql()).await;
}

async fn on(server: Server) {
    let database = server.make().await;
    takes_it(SqlStore::open(database.dsn()).await.unwrap()).await;
    database.drop().await;
}

async fn takes_it(store: SqlStore) {
    let store = Arc::new(store);
    let (one, two) = (in_memory("one", 0).await, instance(Arc::clone(&store), "two"));
    furnish(&one, 1).await;
    furnish(&one, 2).await;
    let exported = bundle(&one).await;
    let empty = two.records().load().await.unwrap();

    // The last row of the last noun names nobody.
    let mut broken = exported.clone();
    broken.rows.get_mut(&Noun::PriceRule).unwrap()[3].fields.insert("provider".into(), "nobody".into());
    let fault = import(&two, &broken, Run::Real, Prune::Keep).await.unwrap_err().to_string();
    assert_eq!(fault, "price_rules[3].provider: is \"nobody\"; expected a provider of the bundle or of this instance");
    // The store itself refuses the last one.
    let mut broken = exported.clone();
    let user: Entry =
        Entry { fields: [("user".to_owned(), "eve1".into())].into_iter().chain(key_of(&exported)).collect(), ..Entry::default() };
    broken.rows.get_mut(&Noun::Key).unwrap().push(user);
    assert!(import(&two, &broken, Run::Real, Prune::Keep).await.is_err());
    assert_eq!(two.records().load().await.unwrap(), empty);

    import(&two, &exported, Run::Real, Prune::Keep).await.unwrap();
    assert_eq!(bundle(&two).await, exported);

    // What was planned over other rows than those that stand is refused.
    let rows = two.records().load().await.unwrap();
    let standing = extract(&rows, two.sealer());
    let nothing = Bundle::default();
    let plan = gproxy::app::transfer::Plan::of(&standing, &nothing, Prune::Remove);
    two.records().save(None, NewProvider::of("meanwhile", "openai")).await.unwrap();
    let fault = apply(&two, &rows, (&standing, &nothing), &plan).await.unwrap_err().to_string();
    assert!(fault.contains("changed meanwhile"), "{fault}");

    let done = import(&two, &nothing, Run::Real, Prune::Remove).await.unwrap();
    assert!(done.answer.starts_with("- "), "{}", done.answer);
    let rows = two.records().load().await.unwrap();
    assert!(rows.providers.is_empty() && rows.users.is_empty() && rows.permissions.is_empty());
    store.close().await.unwrap();
}

/// The members of the first key, but for its user.
fn key_of(bundle: &Bundle) -> impl Iterator<Item = (String, serde_json::Value)> + '_ {
    bundle.of(Noun::Key)[0].fields.iter().filter(|(name, _)| *name != "user").map(|(name, value)| (name.clone(), value.clone()))
}
