//! Values and locks.

use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, cmd};

use super::{RedisStore, link::Repeat};
use crate::store::cache::{Answer, Cache, CacheFault, Counted, Inbox};

/// What the script of values does.
const SWAP: &str = "swap";
const LOCK: &str = "lock";
const UNLOCK: &str = "unlock";

fn millis(ttl: Duration) -> u64 {
    // The server takes no more than 2^63, and a thousand years are for ever.
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 1_000 * 366 * 86_400_000)
}

impl RedisStore {
    async fn command<T: redis::FromRedisValue>(&self, repeat: Repeat, command: Cmd) -> Result<T, CacheFault> {
        let command = &command;
        let step = |mut connection| async move { command.query_async(&mut connection).await };
        self.link.run(repeat, step).await
    }

    async fn conditional(&self, repeat: Repeat, key: String, arguments: Vec<Bytes>) -> Result<bool, CacheFault> {
        let mut invocation = self.scripts.values.key(key);
        for argument in &arguments {
            invocation.arg(&argument[..]);
        }
        let invocation = &invocation;
        let step = |mut connection| async move { invocation.invoke_async(&mut connection).await };
        self.link.run(repeat, step).await
    }

    fn set_command(&self, key: &str, value: &Bytes, ttl: Option<Duration>) -> Cmd {
        let mut command = cmd("SET");
        command.arg(self.key("v", key)).arg(&value[..]);
        if let Some(ttl) = ttl {
            command.arg("PX").arg(millis(ttl));
        }
        command
    }
}

impl Cache for RedisStore {
    fn get(&self, key: &str) -> Counted<'_, Option<Bytes>> {
        let mut command = cmd("GET");
        command.arg(self.key("v", key));
        Answer::later(async move { Ok(self.command::<Option<Vec<u8>>>(Repeat::Harmless, command).await?.map(Bytes::from)) })
    }

    fn set(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Counted<'_, ()> {
        Answer::later(self.command(Repeat::Harmless, self.set_command(key, &value, ttl)))
    }

    fn set_if_absent(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Counted<'_, bool> {
        let mut command = self.set_command(key, &value, ttl);
        command.arg("NX");
        // `OK`, or nothing.
        Answer::later(async move { Ok(self.command::<Option<String>>(Repeat::Never, command).await?.is_some()) })
    }

    fn compare_and_swap(&self, key: &str, old: &[u8], new: Bytes, ttl: Option<Duration>) -> Counted<'_, bool> {
        let mut arguments = vec![Bytes::from_static(SWAP.as_bytes()), Bytes::copy_from_slice(old), new];
        arguments.extend(ttl.map(|ttl| Bytes::from(millis(ttl).to_string())));
        Answer::later(self.conditional(Repeat::Never, self.key("v", key), arguments))
    }

    fn delete(&self, key: &str) -> Counted<'_, bool> {
        let mut command = cmd("DEL");
        command.arg(self.key("v", key));
        Answer::later(self.command(Repeat::Never, command))
    }

    fn lock(&self, name: &str, token: &[u8], ttl: Duration) -> Counted<'_, bool> {
        let ttl = Bytes::from(millis(ttl).to_string());
        let arguments = vec![Bytes::from_static(LOCK.as_bytes()), Bytes::copy_from_slice(token), ttl];
        Answer::later(self.conditional(Repeat::Harmless, self.key("l", name), arguments))
    }

    fn unlock(&self, name: &str, token: &[u8]) -> Counted<'_, bool> {
        let arguments = vec![Bytes::from_static(UNLOCK.as_bytes()), Bytes::copy_from_slice(token)];
        Answer::later(self.conditional(Repeat::Never, self.key("l", name), arguments))
    }

    fn publish(&self, channel: &str, message: Bytes) -> Counted<'_, ()> {
        let mut command = cmd("PUBLISH");
        command.arg(self.key("c", channel)).arg(&message[..]);
        // Who hears it twice does the same twice: a message is a hint.
        Answer::later(async move { self.command::<i64>(Repeat::Harmless, command).await.map(drop) })
    }

    fn subscribe(&self, channel: &str) -> Counted<'_, Inbox> {
        Answer::later(self.listen(self.key("c", channel)))
    }
}
