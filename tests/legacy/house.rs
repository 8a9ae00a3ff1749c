//! A foreign file, the program that imports it and serves, and the provider behind it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use gproxy::store::{
    persist::{Records as _, sql::SqlStore},
    record::ConfigRows,
};
use serde_json::Value;
use tempfile::TempDir;

/// What a file holds, as its writer counted it.
pub(crate) struct Facts(Value);

impl Facts {
    /// A figure.
    pub(crate) fn count(&self, name: &str) -> usize {
        usize::try_from(self.0["counts"][name].as_u64().unwrap_or_else(|| panic!("no count of {name}"))).unwrap()
    }

    /// A key of a client's.
    pub(crate) fn key(&self, name: &str) -> &str {
        self.0["keys"][name].as_str().unwrap_or_else(|| panic!("no key {name}"))
    }

    /// The key that the provider has to see.
    pub(crate) fn upstream_key(&self) -> &str {
        self.0["upstream_key"].as_str().unwrap()
    }

    /// A password.
    pub(crate) fn password(&self, user: &str) -> &str {
        self.0["passwords"][user].as_str().unwrap()
    }

    fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap())
    }
}

/// A folder with a foreign file, and a provider that it names.
pub(crate) struct House {
    pub facts: Facts,
    pub upstream: Upstream,
    file: PathBuf,
    folder: TempDir,
}

impl House {
    /// Has a file of a format written.
    pub(crate) fn of(format: &str) -> Self {
        let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
        let file = folder.path().join("foreign");
        let writer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/legacy/generate.py");
        let mut command = Command::new("python3");
        let written = command.arg("-B").arg(writer).arg(format).arg(&file).arg(&upstream.address).output().unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        let facts = Facts(serde_json::from_slice(&written.stdout).unwrap());
        Self { facts, upstream, file, folder }
    }

    /// Whether the writer counted something.
    pub(crate) fn has(&self, count: &str) -> bool {
        self.facts.0["counts"].get(count).is_some()
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gproxy"));
        command.env_clear().current_dir(self.folder.path()).args(["--data-dir", "data"]);
        for (name, value) in self.facts.0["environment"].as_object().into_iter().flatten() {
            command.env(name, value.as_str().unwrap());
        }
        command
    }

    /// Imports the file, and gives what was said; no secret of the file stands in it.
    pub(crate) fn import(&self, flags: &[&str]) -> String {
        let done = self.program().arg("import").arg(&self.file).args(flags).output().unwrap();
        let said = said(&done);
        assert!(done.status.success(), "{said}");
        for secret in self.facts.texts("secrets") {
            assert!(!said.contains(secret), "{secret} was shown: {said}");
        }
        said
    }

    /// Imports the file in each way that there is: what is told of the rest, what is written, and that the second time changes nothing.
    pub(crate) fn move_in(&self) -> String {
        let dry = self.import(&["--dry-run"]);
        assert!(dry.contains("nothing was written"), "{dry}");
        let said = self.import(&[]);
        for told in self.facts.texts("told") {
            assert!(said.contains(told), "{told:?} is not in: {said}");
        }
        let again = self.import(&[]);
        assert!(again.lines().any(|line| line.starts_with("0 added, 0 changed, 0 removed, 0 left out, ")), "{again}");
        assert_eq!(summary(&dry), summary(&said));
        said
    }

    /// The rows that stand.
    pub(crate) async fn rows(&self) -> ConfigRows {
        let database = self.folder.path().join("data/gproxy.db");
        let store = SqlStore::open(&format!("sqlite://{}", database.display())).await.unwrap();
        let rows = store.load().await.unwrap();
        store.close().await.unwrap();
        rows
    }

    /// Starts the gateway over what was imported.
    pub(crate) fn serve(&self) -> Gateway {
        // Nobody says where it serves once there are settings: the port is one that is free now.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = self.program();
        let child = command.args(["--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let gateway = Gateway { child, address: format!("127.0.0.1:{port}") };
        let listens = || TcpStream::connect(&gateway.address).is_ok();
        assert!(
            (0..20_000_000).any(|_| listens() || {
                std::thread::yield_now();
                false
            }),
            "gproxy does not listen"
        );
        gateway
    }
}

/// The plan's last line.
fn summary(said: &str) -> Option<&str> {
    said.lines().find(|line| line.contains(" added, "))
}

/// All that a program said.
pub(crate) fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// Imports any file into an empty folder, which has to be refused; gives what was said.
pub(crate) fn refused(name: &str, content: &[u8], flags: &[&str], environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gproxy"));
    command.env_clear().envs(environment.iter().copied()).current_dir(folder.path());
    let done = command.args(["--data-dir", "data", "import", name]).args(flags).output().unwrap();
    let said = said(&done);
    assert!(!done.status.success(), "{said}");
    said
}

/// A running gateway, which ends with its value.
pub(crate) struct Gateway {
    child: Child,
    address: String,
}

impl Gateway {
    /// Asks for a chat completion; the status and the body.
    pub(crate) fn ask(&self, key: &str, model: &str) -> (u16, Value) {
        let body = serde_json::json!({ "model": model, "max_tokens": 16, "messages": [{ "role": "user", "content": "hello" }] });
        self.call(key, "POST", "/v1/chat/completions", &body)
    }

    /// A call with a key.
    pub(crate) fn call(&self, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-type: application/json\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut data = String::new();
        stream.read_to_string(&mut data).unwrap();
        let (head, body) = data.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let json = body.find('{').map_or(Value::Null, |at| {
            serde_json::Deserializer::from_str(&body[at..]).into_iter::<Value>().next().and_then(Result::ok).unwrap_or_default()
        });
        (status, json)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A provider that answers every chat completion alike, and keeps what it was sent.
pub(crate) struct Upstream {
    pub address: String,
    got: Arc<Mutex<Vec<Got>>>,
}

/// A call's headers and body.
type Got = (BTreeMap<String, String>, Value);

/// What it says.
pub(crate) const ANSWER: &str = "said by the provider";

impl Upstream {
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's process")]
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let got = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || answer(stream.unwrap(), &kept));
            }
        });
        Self { address, got }
    }

    /// The key and the model of the last call.
    pub(crate) fn last(&self) -> (String, String) {
        let got = self.got.lock().unwrap();
        let (headers, body) = got.last().expect("it was asked");
        (headers["authorization"].trim_start_matches("Bearer ").to_owned(), body["model"].as_str().unwrap().to_owned())
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

fn answer(stream: TcpStream, kept: &Mutex<Vec<Got>>) {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        // A connection that is only opened says nothing.
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => drop(headers.insert(name.to_ascii_lowercase(), value.trim().to_owned())),
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let text = serde_json::json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": ANSWER }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 }
    })
    .to_string();
    kept.lock().unwrap().push((headers, body));
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
    let stream = reader.get_mut();
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())));
}
