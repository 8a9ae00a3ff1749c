//! `gproxy explain`: what would become of a call, told from the database. What only a running gateway knows (who is resting, calls
//! under way) is told as if there were nothing of it; budgets are as the usage rows say.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc};

use crate::{
    admin::{AdminFault, Control, Stores},
    app::{
        config::{Config, KeyFault, standing_key},
        counting,
        flags::explain::Asked,
        seals,
    },
    credentials::Sealer,
    http::api::explain::{self, ExplainInput},
    observe::Metrics,
    pipeline::{Engine, Explanation, Limits},
    runtime::Platform,
    store::{
        cache::memory::MemoryCounters,
        persist::{StoreFault, Unwritten, sql::SqlStore},
    },
};

/// Why a call cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainFault {
    /// No key for the secrets.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The database cannot be read.
    #[error("the database cannot be read")]
    Store(#[from] StoreFault),
    /// The usage rows cannot be counted.
    #[error("the budgets cannot be counted: {0}")]
    Counting(String),
    /// A file cannot be read, or holds no JSON value.
    #[error("{path} cannot be used: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A member of the call is not what it must be.
    #[error("{0}")]
    Call(String),
}

impl From<AdminFault> for ExplainFault {
    fn from(fault: AdminFault) -> Self {
        match fault {
            AdminFault::Invalid { field, message } => Self::Call(format!("{field}: {message}")),
            fault => Self::Call(fault.to_string()),
        }
    }
}

/// Tells what would become of a call.
///
/// # Errors
/// [`ExplainFault`].
pub async fn run(asked: &Asked, config: &Config, platform: &Platform) -> Result<Explanation, ExplainFault> {
    let sealer = Sealer::new(standing_key(config)?);
    let store = Arc::new(SqlStore::look_at(config.dsn.expose(), seals::keys(&sealer)).await?);
    let control = Control::new(Stores::of(&store), sealer, platform.clone());
    control.refresh().await?;
    let limits = Limits { body: config.body_limit as u64, in_flight: 1, idempotency: config.idempotency, timing: config.timing };
    let engine = Engine::new(control.snapshot().clone(), platform.clone(), Arc::new(Unwritten), Arc::new(Metrics::new()), limits);
    let counters = Arc::new(MemoryCounters::new());
    let now_ms = platform.clock.unix_ms();
    let seeded = counting::seed(&*counters, &*store, control.snapshot().load().rows(), now_ms).await;
    seeded.map_err(|fault| ExplainFault::Counting(fault.to_string()))?;
    engine.count(counters);
    let peer = asked.peer.as_deref().map(explain::address).transpose()?;
    let caller = explain::caller(&engine, asked.key, peer)?;
    let told = explain::of(&engine, input(asked)?, (caller, peer)).await?;
    store.close().await?;
    Ok(told)
}

fn input(asked: &Asked) -> Result<ExplainInput, ExplainFault> {
    let mut headers = BTreeMap::new();
    for header in &asked.headers {
        let (name, value) =
            header.split_once(':').ok_or_else(|| ExplainFault::Call(format!("header: is {header:?}; expected \"name: value\"")))?;
        headers.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    let body = asked.body.as_ref().map(|path| {
        let text = std::fs::read(path).map_err(|source| ExplainFault::File { path: path.clone(), source })?;
        serde_json::from_slice(&text).map_err(|error| ExplainFault::File { path: path.clone(), source: error.into() })
    });
    let (method, path) = (Some(asked.method.clone()), asked.path.clone());
    Ok(ExplainInput { method, path, headers, body: body.transpose()?, key_id: None, peer: None })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap as Map;

    use super::*;
    use crate::{
        access::key,
        app::config::{Sources, database_key},
        base::KeyId,
        pipeline::Fate,
        store::{
            persist::RecordsExt as _,
            record::{NewKey, NewPermission, NewProvider, NewUser},
        },
        testing::platform,
    };

    #[tokio::test]
    async fn a_call_is_explained_from_the_database_alone() {
        let folder = tempfile::tempdir().unwrap();
        let read = |_: &std::path::Path| Err(io::ErrorKind::NotFound.into());
        let flags = Map::from([("data-dir", folder.path().to_str().unwrap().to_owned())]);
        let platform = platform();
        let config = Config::read(&Sources { flags, env: Map::new(), read: &read }, &platform).unwrap().0;
        database_key(&config, &*platform.entropy).unwrap();
        let store = SqlStore::open(config.dsn.expose()).await.unwrap();
        let user = store.save(None, NewUser::named("ann")).await.unwrap().id;
        let id = store.save(None, NewKey::of(user, key::digest_text("sk-ann"), "sk-ann")).await.unwrap().id;
        store.save(None, NewProvider::of("demo", "demo")).await.unwrap();
        store.ensure(NewPermission::of(user, "demo/*")).await.unwrap();
        store.close().await.unwrap();
        let body = folder.path().join("call.json");
        std::fs::write(&body, r#"{"model":"demo/echo","messages":[{"role":"user","content":"hi"}]}"#).unwrap();
        let asked = Asked {
            key: id,
            path: "/v1/chat/completions".into(),
            method: "POST".into(),
            body: Some(body),
            headers: vec!["x-a: b".into()],
            peer: None,
        };
        let told = run(&asked, &config, &platform).await.unwrap();
        assert_eq!((told.outcome, told.turns.len()), (Fate::Sent, 1), "{told:?}");
        let unknown = run(&Asked { key: KeyId(999), ..asked.clone() }, &config, &platform).await.unwrap_err().to_string();
        assert!(unknown.contains("no key with id 999"), "{unknown}");
        let wrong = run(&Asked { headers: vec!["x".into()], ..asked }, &config, &platform).await.unwrap_err().to_string();
        assert!(wrong.contains("name: value"), "{wrong}");
    }
}
