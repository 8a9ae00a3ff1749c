//! Counters, values and channels that instances share on one Redis (6.2 or later, or Valkey).
//!
//! Each step on counters is one script. All keys carry one hash tag, so that a cluster keeps them on one node. Where the server
//! is down every call says so within about a second, and works again as soon as the server does.

use std::{fmt, sync::Arc};

use redis::Script;

use super::CacheFault;
use crate::runtime::{Clock, Spawn};

mod channel;
mod counters;
mod link;
mod values;

pub use counters::Reservation;
use link::Link;

/// A store on one Redis server.
pub struct RedisStore {
    link: Arc<Link>,
    spawn: Arc<dyn Spawn>,
    prefix: String,
    scripts: Scripts,
}

/// One script for each step.
struct Scripts {
    admit: Script,
    settle: Script,
    sweep: Script,
    seed: Script,
    read: Script,
    audit: Script,
    values: Script,
}

macro_rules! step {
    ($file:literal) => {
        Script::new(concat!(include_str!("redis/meter.lua"), include_str!($file)))
    };
}

impl RedisStore {
    /// Makes a store on a server, `redis://` or `rediss://` (TLS). It connects with the first call.
    ///
    /// # Errors
    ///
    /// [`CacheFault::Address`] for an address that cannot be read, or a prefix with other characters than letters, digits, `-`
    /// and `_`.
    pub fn new(address: &str, prefix: &str, clock: Arc<dyn Clock>, spawn: Arc<dyn Spawn>) -> Result<Self, CacheFault> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if prefix.is_empty() || !prefix.bytes().all(plain) {
            return Err(CacheFault::Address(format!("prefix {prefix:?}; expected letters, digits, - and _")));
        }
        let scripts = Scripts {
            admit: step!("redis/admit.lua"),
            settle: step!("redis/settle.lua"),
            sweep: step!("redis/sweep.lua"),
            seed: step!("redis/seed.lua"),
            read: step!("redis/read.lua"),
            audit: step!("redis/audit.lua"),
            values: Script::new(include_str!("redis/values.lua")),
        };
        let link = Arc::new(Link::new(address, clock)?);
        Ok(Self { link, spawn, prefix: format!("{{{prefix}}}:"), scripts })
    }

    fn key(&self, sort: &str, name: impl fmt::Display) -> String {
        format!("{}{sort}:{name}", self.prefix)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
