//! The machine's Redis, with keys of a test's own; and a private server that a test may stop.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gproxy::{
    runtime::native::{SystemClock, Tasks},
    store::cache::redis::RedisStore,
};

static PREFIXES: AtomicU32 = AtomicU32::new(0);

fn prefix() -> String {
    let unique = tempfile::Builder::new().prefix("t").rand_bytes(8).tempfile().unwrap();
    let name = unique.path().file_name().unwrap().to_string_lossy().into_owned();
    format!("gproxy-test-{name}-{}", PREFIXES.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn store_at(address: &str, prefix: &str) -> RedisStore {
    RedisStore::new(address, prefix, Arc::new(SystemClock::new()), Arc::new(Tasks::default())).unwrap()
}

/// The server at `GPROXY_TEST_REDIS` or the usual place.
pub(crate) struct Shared {
    address: String,
    prefix: String,
    next: AtomicU32,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let address = std::env::var("GPROXY_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
        Self { address, prefix: prefix(), next: AtomicU32::new(0) }
    }

    /// One more instance on the same keys.
    pub(crate) fn store(&self) -> RedisStore {
        store_at(&self.address, &self.prefix)
    }

    /// A store with keys of its own.
    pub(crate) fn another(&self) -> RedisStore {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        store_at(&self.address, &format!("{}-{number}", self.prefix))
    }

    /// Deletes all keys of the test.
    pub(crate) async fn clean(self) {
        let client = redis::Client::open(self.address).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{{{}*", self.prefix)).arg("COUNT").arg(1000);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await.unwrap();
            for key in keys {
                let () = redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
            }
            cursor = next;
            if cursor == 0 {
                return;
            }
        }
    }
}

/// A server of the test's own.
pub(crate) struct Private {
    port: u16,
    running: Option<Child>,
}

impl Private {
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { port, running: None };
        server.start_again();
        server
    }

    pub(crate) fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn start_again(&mut self) {
        let port = self.port.to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"];
        let child = Command::new("redis-server").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.running = Some(child.unwrap_or_else(|error| panic!("no redis-server on this machine ({error})")));
        let listens = || TcpStream::connect_timeout(&([127, 0, 0, 1], self.port).into(), Duration::from_secs(1)).is_ok();
        assert!(
            (0..1_000_000).any(|_| listens() || {
                std::thread::yield_now();
                false
            }),
            "redis-server does not listen"
        );
    }

    /// Ends it; its data is gone.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Lets it neither answer nor hang up, or go on.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.running.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.stop();
    }
}
