//! A new process takes the place of a running one, with real processes: who calls meanwhile notices nothing.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "sk-handover-admin";

/// A gateway whose processes change.
struct Gateway {
    folder: TempDir,
    port: u16,
    /// The first process, and the one that serves now.
    first: Child,
    serving: u32,
}

/// A whole answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Gateway {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = File::options().create(true).append(true).open(folder.path().join("log")).unwrap();
        let first = program(&folder, port).args(arguments).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let gateway = Self { serving: first.id(), first, folder, port };
        gateway.until(|log| log.contains("serving address"));
        gateway
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until the log says something.
    fn until(&self, said: impl Fn(&str) -> bool) {
        let waited = (0..2_000_000).any(|_| {
            std::thread::yield_now();
            said(&self.log())
        });
        assert!(waited, "{}", self.log());
    }

    /// Sends a signal to the process that serves.
    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.serving.to_string()]).status().unwrap().success());
    }

    /// Hands over, and waits until another process serves.
    fn hand_over(&mut self) {
        let known = processes(&self.log()).len();
        self.signal("-USR2");
        self.until(|log| processes(log).len() > known);
        self.serving = *processes(&self.log()).last().unwrap();
    }

    /// Waits until so many processes have ended in peace.
    fn until_stopped(&self, count: usize) {
        self.until(|log| log.matches("stopped").count() >= count);
    }

    fn connect(&self) -> Connection {
        Connection(BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).unwrap()))
    }

    fn call(&self, number: usize) -> Answer {
        self.connect().call(&ask(number, "close", ""))
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.connect().call(&request(method, path, "close", "", &body));
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// Has every call cost a cent, and the caller spend so much.
    fn budget(&self, total: &str) {
        self.admin("POST", "/admin/price-rules", &json!({"match_kind": "glob", "pattern": "*", "rates_json": {"request": "0.01"}}));
        let users = self.admin("GET", "/admin/users", &Value::Null);
        self.admin("POST", "/admin/quotas", &json!({"scope": "user", "scope_id": users[0]["id"], "total": total}));
    }

    /// Proves the ledger; gives how many calls stand in it.
    fn proven(&self) -> u64 {
        let output = self.run(&["verify", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|line| line["check"] == "rows_intact").unwrap()["looked"].as_u64().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        program(&self.folder, self.port).args(arguments).output().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Where a test stopped early; a process that has ended is left alone.
        if std::thread::panicking() {
            _ = Command::new("kill").args(["-KILL", &self.serving.to_string()]).status();
        }
        _ = self.first.kill();
        _ = self.first.wait();
    }
}

fn program(folder: &TempDir, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gproxy"));
    command.current_dir(folder.path()).env_clear().env("GPROXY_ADMIN_KEY", KEY).stdin(Stdio::null());
    command.args(["--data-dir", "data", "--port", &port.to_string(), "--log-level", "info"]);
    command
}

/// The processes that have taken the place, as the log names them.
fn processes(log: &str) -> Vec<u32> {
    let named = |line: &str| line.rsplit_once("process=")?.1.split_whitespace().next()?.parse().ok();
    log.lines().filter(|line| line.contains("the new process serves")).filter_map(named).collect()
}

fn request(method: &str, path: &str, connection: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: g\r\nconnection: {connection}\r\nauthorization: Bearer {KEY}\r\n{headers}content-type: \
         application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn ask(number: usize, connection: &str, headers: &str) -> String {
    let messages = json!([{"role": "user", "content": format!("hi {number}")}]);
    let body = json!({"model": "demo/lorem", "max_tokens": 5 + number % 20, "messages": messages});
    request("POST", "/v1/chat/completions", connection, headers, &body.to_string())
}

fn stream(number: usize, pace_ms: usize) -> String {
    let messages = json!([{"role": "user", "content": format!("hi {number}")}]);
    let body = json!({"model": "demo/lorem", "max_tokens": 40, "stream": true, "messages": messages});
    request("POST", "/v1/chat/completions", "keep-alive", &format!("x-demo-event-delay-ms: {pace_ms}\r\n"), &body.to_string())
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("the connection takes a call");
    }

    fn call(&mut self, request: &str) -> Answer {
        self.say(request);
        self.answer()
    }

    /// Reads an answer to its end, and nothing behind it.
    fn answer(&mut self) -> Answer {
        let head = self.head();
        let status = head[9..12].parse().unwrap();
        let lower = head.to_ascii_lowercase();
        let body = if lower.contains("transfer-encoding: chunked") {
            self.chunks()
        } else {
            let length =
                lower.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.trim().parse().unwrap());
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).expect("the whole body");
            String::from_utf8(body).unwrap()
        };
        Answer { status, head: lower, body }
    }

    fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).expect("a head") > 0, "closed without an answer, after {head:?}");
        }
        head
    }

    fn chunks(&mut self) -> String {
        let mut body = Vec::new();
        loop {
            let mut size = String::new();
            self.0.read_line(&mut size).expect("a chunk");
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
            let mut chunk = vec![0; size + 2];
            self.0.read_exact(&mut chunk).expect("a whole chunk");
            if size == 0 {
                return String::from_utf8(body).unwrap();
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
}

/// Calls over connections of their own, over kept ones, and streams, until told to stop; gives how many went well. Anything else panics.
fn load(gateway: &Gateway, stop: &AtomicBool, served: &AtomicUsize, thread: usize) {
    let mut kept = gateway.connect();
    let mut number = thread;
    while !stop.load(Ordering::Relaxed) {
        match thread % 3 {
            0 => {
                let answer = gateway.call(number);
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            1 => {
                let answer = kept.call(&ask(number, "keep-alive", ""));
                assert_eq!(answer.status, 200, "{answer:?}");
                if answer.head.contains("connection: close") {
                    kept = gateway.connect();
                }
            }
            _ => {
                let answer = kept.call(&stream(number, 10));
                assert!(answer.status == 200 && answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");
                if answer.head.contains("connection: close") {
                    kept = gateway.connect();
                }
            }
        }
        served.fetch_add(1, Ordering::Relaxed);
        number += 100;
    }
}

#[test]
fn three_hand_overs_under_load_lose_no_call_and_no_row() {
    let mut gateway = Gateway::start();
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let count = || served.load(Ordering::Relaxed);
    let mut done = 0;
    for _ in 0..3 {
        stop.store(false, Ordering::Relaxed);
        let seen = count();
        let known = processes(&gateway.log()).len();
        std::thread::scope(|scope| {
            for thread in 0..9 {
                let (gateway, stop, served) = (&gateway, &stop, &served);
                scope.spawn(move || load(gateway, stop, served, thread));
            }
            let until = |calls| {
                while count() < calls && !log_panicked(&gateway) {
                    std::thread::yield_now();
                }
            };
            until(seen + 60);
            gateway.signal("-USR2");
            gateway.until(|log| processes(log).len() > known);
            until(count() + 60);
            stop.store(true, Ordering::Relaxed);
        });
        gateway.serving = *processes(&gateway.log()).last().unwrap();
        done += 1;
    }
    gateway.until_stopped(done);
    gateway.until(|log| log.matches("everything of it is taken over").count() == done);
    gateway.signal("-TERM");
    gateway.until_stopped(done + 1);
    assert_eq!(gateway.proven(), count() as u64);
    let log = gateway.log();
    assert!(!log.contains("ERROR") && !log.contains("drifted"), "{log}");
}

fn log_panicked(gateway: &Gateway) -> bool {
    gateway.log().contains("panicked")
}

#[test]
fn connections_at_rest_go_on_in_the_new_process() {
    let mut gateway = Gateway::start();
    let (mut used, mut fresh, mut begun) = (gateway.connect(), gateway.connect(), gateway.connect());
    assert_eq!(used.call(&ask(1, "keep-alive", "")).status, 200);
    let call = ask(3, "keep-alive", "");
    let (first_half, second_half) = call.split_at(40);
    begun.say(first_half);
    let mut streaming = gateway.connect();
    streaming.say(&stream(5, 10));
    gateway.hand_over();
    assert!(streaming.answer().body.ends_with("data: [DONE]\n\n"));
    // Nothing holds the first process any more.
    gateway.until_stopped(1);
    assert_eq!(used.call(&ask(2, "keep-alive", "")).status, 200);
    assert_eq!(fresh.call(&ask(4, "keep-alive", "")).status, 200);
    assert_eq!(begun.call(second_half).status, 200);
    assert_eq!(streaming.call(&ask(6, "keep-alive", "")).status, 200);
    gateway.signal("-TERM");
    gateway.until_stopped(2);
    assert_eq!(gateway.proven(), 6);
}

#[test]
fn a_budget_is_not_overspent_while_the_process_changes() {
    const CALLS: usize = 60;
    let mut gateway = Gateway::start();
    gateway.budget("0.60");
    let served = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (gateway, served) = (&gateway, &served);
            scope.spawn(move || {
                let mut kept = gateway.connect();
                loop {
                    let answer = kept.call(&ask(thread, "keep-alive", "x-demo-delay-ms: 20\r\n"));
                    match answer.status {
                        200 => _ = served.fetch_add(1, Ordering::Relaxed),
                        429 => return,
                        _ => panic!("{answer:?}"),
                    }
                    if answer.head.contains("connection: close") {
                        kept = gateway.connect();
                    }
                }
            });
        }
        while served.load(Ordering::Relaxed) < 12 {
            std::thread::yield_now();
        }
        gateway.signal("-USR2");
        gateway.until(|log| !processes(log).is_empty());
    });
    assert_eq!(served.into_inner(), CALLS);
    gateway.serving = *processes(&gateway.log()).last().unwrap();
    assert_eq!(gateway.call(1).status, 429);
    gateway.until(|log| log.contains("everything of it is taken over"));
    assert_eq!(gateway.call(1).status, 429, "the new process goes on with what the former counted");
    gateway.hand_over();
    assert_eq!(gateway.call(1).status, 429);
    gateway.signal("-TERM");
    gateway.until_stopped(3);
    gateway.proven();
}

#[test]
fn what_is_cut_off_at_the_end_of_the_drain_time_is_settled_by_then() {
    let mut gateway = Gateway::start_with(&["--drain-seconds", "1"]);
    gateway.budget("0.03");
    let mut cut = gateway.connect();
    cut.say(&stream(1, 60_000));
    cut.head();
    gateway.hand_over();
    assert_eq!(gateway.call(2).status, 200);
    gateway.until(|log| log.contains("everything of it is taken over"));
    let more = (3..10).take_while(|number| gateway.call(*number).status == 200).count() as u64;
    // Whatever the one that was cut off is billed: what is counted and what the rows say is the same.
    let mut sum = Value::Null;
    while sum["requests"] != json!(2 + more) {
        sum = gateway.admin("GET", "/admin/usage/summary", &Value::Null);
    }
    assert_eq!(sum["cost"], json!("0.03"), "nothing stays reserved that is over, and nothing is given twice");
    gateway.signal("-TERM");
    gateway.until_stopped(2);
    assert_eq!(gateway.proven(), 2 + more);
}

#[test]
fn a_process_that_cannot_start_leaves_the_former_serving() {
    let mut gateway = Gateway::start();
    let broken = gateway.folder.path().join("gproxy.toml");
    fs::write(&broken, "[runtime]\nport = \"none\"\n").unwrap();
    gateway.signal("-USR2");
    gateway.until(|log| log.contains("not handed over"));
    let log = gateway.log();
    let said = log.lines().find(|line| line.contains("not handed over")).unwrap();
    assert!(said.contains("port"), "it says why: {said}");
    assert_eq!(gateway.call(1).status, 200);
    fs::remove_file(broken).unwrap();
    gateway.hand_over();
    gateway.until_stopped(1);
    assert_eq!(gateway.call(2).status, 200);
    let second = gateway.run(&[]);
    assert!(!second.status.success() && String::from_utf8_lossy(&second.stderr).contains("another process uses the journal"));
    gateway.signal("-TERM");
    gateway.until_stopped(2);
    assert_eq!(gateway.proven(), 2);
}

#[test]
fn what_a_process_leaves_that_is_killed_while_it_drains_is_brought_home() {
    let mut gateway = Gateway::start();
    let mut open = gateway.connect();
    open.say(&stream(1, 60_000));
    open.head();
    assert_eq!(gateway.call(2).status, 200);
    gateway.hand_over();
    assert_eq!(gateway.call(3).status, 200);
    gateway.first.kill().unwrap();
    gateway.until(|log| log.contains("everything of it is taken over"));
    assert_eq!(gateway.call(4).status, 200);
    gateway.signal("-TERM");
    gateway.until_stopped(1);
    assert_eq!(gateway.proven(), 4, "the one that was cut off is a row, too");
    let left: Vec<PathBuf> = ["journal", "journal-2"].map(|name| gateway.folder.path().join("data").join(name)).into();
    assert!(left.iter().all(|folder| folder.exists()));
}

#[test]
fn only_a_running_gateway_makes_heirs() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(&folder, 0).env("GPROXY_HANDOVER", "stdin").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("no line to a running gateway"), "{said}");
}
