//! What one instance tells of who knows a prompt, another one on the same Redis finds; where that is away, nobody does.

use gproxy::{
    base::{ProviderId, RouteId},
    credentials::{Bound, Chooser, common},
};

use crate::{
    server::{Private, Shared, store_at},
    values::until,
};

const ONE: Chooser = Chooser::Provider(ProviderId(1));

#[tokio::test]
async fn who_knows_a_prompt_is_found_by_the_first_beginning_that_is_known_until_it_ends() {
    let shared = Shared::new();
    let (one, two) = (shared.store(), shared.store());
    let bound = |who, until_ms| Bound { who, since_ms: 3, until_ms };
    let learnt = [(ONE, [1; 16], bound(7, 600_000)), (ONE, [2; 16], bound(8, 600_000)), (ONE, [3; 16], bound(9, 30))];
    common::tell(&one, &learnt, 0).await.unwrap();
    assert_eq!(common::fetch(&two, ONE, &[[9; 16], [2; 16], [1; 16]]).await, Some(learnt[1]));
    assert_eq!(common::fetch(&two, Chooser::Route(RouteId(1)), &[[1; 16]]).await, None);
    until!(common::fetch(&two, ONE, &[[3; 16]]).await.is_none());
    shared.clean().await;
}

#[tokio::test]
async fn where_redis_is_away_nobody_is_known() {
    let mut server = Private::start();
    let store = store_at(&server.address(), "t");
    let learnt = [(ONE, [1; 16], Bound { who: 7, since_ms: 3, until_ms: 600_000 })];
    common::tell(&store, &learnt, 0).await.unwrap();
    assert!(common::fetch(&store, ONE, &[[1; 16]]).await.is_some());
    server.stop();
    assert_eq!(common::fetch(&store, ONE, &[[1; 16]]).await, None);
    assert!(common::tell(&store, &learnt, 0).await.unwrap_err().is_outage());
}
