//! Follows what other instances change in the database that they share.

use std::{sync::Arc, time::Duration};

use crate::{admin::Control, runtime::Platform, store::persist::StoreFault};

/// How often the database is asked for its revision.
const EVERY: Duration = Duration::from_secs(2);

/// Makes what others changed serve here too; tells whether there was something.
///
/// # Errors
/// Of the store; what served goes on serving.
pub async fn look(control: &Control) -> Result<bool, StoreFault> {
    let serving = control.snapshot().load().rows().revision;
    if control.records().revision().await? == serving {
        return Ok(false);
    }
    control.refresh().await?;
    Ok(true)
}

/// Looks again and again. The platform ends the task at shutdown.
pub fn watch(control: Arc<Control>, platform: &Platform) {
    let clock = Arc::clone(&platform.clock);
    platform.spawn.spawn(Box::pin(async move {
        loop {
            clock.sleep(EVERY).await;
            match look(&control).await {
                Ok(false) => {}
                Ok(true) => tracing::info!("another instance changed the configuration; it serves here too"),
                Err(fault) => tracing::warn!(%fault, "the configuration's revision cannot be read; what served goes on serving"),
            }
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::look;
    use crate::{
        admin::{Control, Stores},
        base::Secret,
        credentials::Sealer,
        store::{
            persist::{RecordsExt as _, memory::MemoryStore},
            record::NewProvider,
        },
        testing::platform,
    };

    #[tokio::test]
    async fn what_one_instance_changes_serves_at_the_other() {
        let platform = platform();
        let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
        let instance = || {
            let stores = Stores::of(&store);
            Control::new(stores, Sealer::new(Secret::new("k".to_owned())), platform.clone())
        };
        let (one, other) = (instance(), instance());
        one.refresh().await.unwrap();
        other.refresh().await.unwrap();
        assert!(!look(&other).await.unwrap());
        store.save(None, NewProvider::of("new", "demo")).await.unwrap();
        one.refresh().await.unwrap();
        assert!(look(&other).await.unwrap() && other.snapshot().load().provider("new").is_some());
        assert!(!look(&other).await.unwrap());
    }
}
