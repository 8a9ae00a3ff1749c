//! The program itself: killed under load, started again, and proven while it serves and after it.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

const KEY: &str = "sk-verify-admin";

fn program(folder: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gproxy"));
    command.current_dir(folder).env_clear().env("GPROXY_ADMIN_KEY", KEY).env("GPROXY_LOG_LEVEL", "warn");
    command.args(["--data-dir", "data", "--port", &port.to_string()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running gateway, which is killed when it is let go of.
struct Gateway(Child);

impl Gateway {
    fn start(folder: &Path, port: u16) -> Self {
        let child = program(folder, port).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let gateway = Self(child);
        let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert!(
            (0..20_000_000).any(|_| listens() || {
                std::thread::yield_now();
                false
            }),
            "gproxy does not listen"
        );
        gateway
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn stop(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
        self.0.wait().unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// One call; whether its whole answer came.
fn call(port: u16, number: usize) -> bool {
    let body =
        format!(r#"{{"model":"demo/lorem","max_tokens":{},"messages":[{{"role":"user","content":"hi {number}"}}]}}"#, 5 + number % 20);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nconnection: close\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    });
    asked.is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

fn verify(folder: &Path, port: u16) -> (Output, serde_json::Value) {
    let output = program(folder, port).args(["verify", "--json"]).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, report)
}

fn looked(report: &serde_json::Value, check: &str) -> u64 {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|line| line["check"] == check).unwrap()["looked"].as_u64().unwrap()
}

#[tokio::test]
async fn a_gateway_that_was_killed_under_load_is_proven_running_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (output, _) = verify(folder.path(), port);
    assert_eq!(output.status.code(), Some(2), "there is nothing to prove yet");
    let mut answered = 0;
    for _ in 0..2 {
        let gateway = Gateway::start(folder.path(), port);
        let served = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let served = &served;
                scope.spawn(move || {
                    let mut number = thread;
                    while call(port, number) {
                        served.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        number += 4;
                    }
                });
            }
            while served.load(std::sync::atomic::Ordering::Relaxed) < 60 {
                std::thread::yield_now();
            }
            gateway.kill();
        });
        answered += served.into_inner() as u64;
    }
    let (output, report) = verify(folder.path(), port);
    assert!(output.status.success(), "after a kill: {}", String::from_utf8_lossy(&output.stdout));
    assert!(looked(&report, "journal_whole") > 0);
    let gateway = Gateway::start(folder.path(), port);
    assert!(call(port, 1) && call(port, 2));
    let (output, _) = verify(folder.path(), port);
    assert!(output.status.success(), "while it serves: {}", String::from_utf8_lossy(&output.stdout));
    gateway.stop();
    let (output, report) = verify(folder.path(), port);
    assert!(output.status.success(), "after it stopped: {}", String::from_utf8_lossy(&output.stdout));
    assert!(looked(&report, "rows_intact") >= answered + 2, "no answered call is without a row: {report}");
    tampered(folder.path(), port).await;
}

/// The table names what was planted, and the exit says so.
async fn tampered(folder: &Path, port: u16) {
    use sea_orm::ConnectionTrait as _;
    let dsn = format!("sqlite://{}/data/gproxy.db", folder.display());
    let connection = sea_orm::Database::connect(dsn).await.unwrap();
    connection.execute_unprepared("UPDATE usages SET output_tokens = output_tokens + 1 WHERE request_id = (SELECT MIN(request_id) FROM usages WHERE ended = 'complete')").await.unwrap();
    connection.close().await.unwrap();
    let output = program(folder, port).arg("verify").output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{table}");
    assert!(table.contains("is not as it was written") && table.contains("NOT proven"), "{table}");
}
