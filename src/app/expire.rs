//! What was kept of responses and conversations is forgotten when its time is over, a bounded batch at a time.

use std::{sync::Arc, time::Duration};

use crate::{
    runtime::{Clock, Platform},
    store::persist::{Kept, StoreFault},
};

/// How often it is looked at.
const EVERY: Duration = Duration::from_mins(10);
/// How many things go in one batch, and how long the database rests between two.
const BATCH: u64 = 200;
const REST: Duration = Duration::from_millis(100);

/// Forgets one batch; tells whether more may be due.
///
/// # Errors
/// Of the store.
pub async fn batch(store: &dyn Kept, clock: &dyn Clock) -> Result<bool, StoreFault> {
    let now_ms = i64::try_from(clock.unix_ms()).unwrap_or(i64::MAX);
    let gone = store.expire(now_ms, BATCH).await?;
    if gone > 0 {
        tracing::debug!(gone, "kept responses expired");
    }
    Ok(gone == BATCH)
}

/// Forgets what is due, again and again. The platform ends the task at shutdown.
pub fn watch(store: Arc<dyn Kept>, platform: &Platform) {
    let clock = Arc::clone(&platform.clock);
    platform.spawn.spawn(Box::pin(async move {
        loop {
            let more = batch(&*store, &*clock).await.unwrap_or_else(|fault| {
                tracing::warn!(%fault, "kept responses could not be looked at; they expire later");
                false
            });
            clock.sleep(if more { REST } else { EVERY }).await;
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BATCH, batch};
    use crate::runtime::Clock as _;
    use crate::{
        store::{
            persist::{Kept as _, RecordsExt as _, memory::MemoryStore},
            record::{Keep, KeptKind, KeptRow, NewUser},
        },
        testing::ManualClock,
    };

    #[tokio::test]
    async fn what_is_due_goes_in_batches_and_the_rest_stays() {
        let clock = ManualClock::new();
        let store = MemoryStore::new(clock.clone());
        let user = NewUser::named("ann");
        let user_id = store.save(None, user).await.unwrap().id;
        let now = i64::try_from(clock.unix_ms()).unwrap();
        let row = |at: u64| KeptRow {
            user_id,
            id: format!("resp_{at}"),
            kind: KeptKind::Response,
            previous: None,
            thread: format!("resp_{at}"),
            depth: 0,
            bytes: 0,
            body_json: "{}".into(),
            input_json: "[]".into(),
            created_at: now,
            expires_at: now + if at == 0 { 120_000 } else { 60_000 },
        };
        store.keep((0..BATCH + 5).map(|at| Keep { row: row(at), items: Vec::new() }).collect()).await.unwrap();
        assert!(!batch(&store, &*clock).await.unwrap());
        clock.advance(Duration::from_mins(1));
        assert!(batch(&store, &*clock).await.unwrap(), "a whole batch went");
        assert!(!batch(&store, &*clock).await.unwrap());
        assert!(store.find(user_id, "resp_0".into()).await.unwrap().is_some());
        assert!(store.find(user_id, "resp_1".into()).await.unwrap().is_none());
    }
}
