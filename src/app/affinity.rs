//! Tells the other instances on one Redis which credential or member knows which prompt, behind the calls.

use std::{sync::Arc, time::Duration};

use crate::{
    credentials::common,
    pipeline::Engine,
    store::cache::{Cache, CacheFault},
};

/// How often they are told.
const EVERY: Duration = Duration::from_millis(100);

/// Tells what was learnt since the last time. What cannot be told is forgotten: they learn it for themselves.
///
/// # Errors
/// Of the cache.
pub async fn tell(engine: &Engine, cache: &dyn Cache) -> Result<(), CacheFault> {
    let learnt = engine.affinity.take_learnt();
    if learnt.is_empty() { Ok(()) } else { common::tell(cache, &learnt, engine.platform.clock.unix_ms()).await }
}

/// Tells again and again. The platform ends the task at shutdown.
pub fn watch(engine: &Engine, cache: Arc<dyn Cache>) {
    engine.share(Arc::clone(&cache));
    let (engine, clock) = (engine.clone(), Arc::clone(&engine.platform.clock));
    let spawn = Arc::clone(&engine.platform.spawn);
    spawn.spawn(Box::pin(async move {
        loop {
            clock.sleep(EVERY).await;
            if let Err(fault) = tell(&engine, &*cache).await {
                tracing::debug!(%fault, "other instances are not told which credential knows a prompt");
            }
        }
    }));
}
