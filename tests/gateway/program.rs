//! The real program on a port of its own, with a folder of its own, and all that it says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::Answer;

/// A running program. It is ended with its value.
pub(crate) struct Program {
    child: Child,
    address: String,
    /// The key of the first owner.
    pub key: String,
    /// Where it keeps everything.
    pub folder: TempDir,
    said: Vec<JoinHandle<String>>,
}

impl Program {
    /// Starts it over an empty folder, and waits until it serves.
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[])
    }

    /// The same with more flags.
    pub(crate) fn told(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags)
    }

    /// The same over a folder in which no start has shown a key yet.
    pub(crate) fn start_in(folder: TempDir, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gproxy"))
            .env_clear()
            .current_dir(folder.path())
            .args(["--port", "0", "--data-dir", ".", "--log-level", "debug"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), BufReader::new(child.stderr.take().unwrap()));
        let out = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            text
        });
        let mut shown = err.by_ref().lines().map(Result::unwrap).filter(|line| !line.trim().is_empty());
        let first = shown.next().expect("the program says where it serves");
        let address = first.rsplit_once("http://").expect("an address").1.trim().to_owned();
        let key = shown.nth(1).expect("the owner's key").trim().to_owned();
        drop(shown);
        let err = std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, address, key, folder, said: vec![out, err] }
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut data = Vec::new();
        stream.read_to_end(&mut data).unwrap();
        Answer::parse(&data)
    }

    /// A call with a key.
    pub(crate) fn with(&self, key: &str, method: &str, path: &str, body: &str) -> Answer {
        self.call(method, path, &[("authorization", &format!("Bearer {key}"))], body)
    }

    /// A call of the owner's that must go well.
    pub(crate) fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.with(&self.key, method, path, &body.to_string());
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Asks it to stop, waits until it has, and gives all that it wrote to its outputs since it serves.
    pub(crate) fn stop(&mut self) -> String {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success() && self.child.wait().unwrap().success());
        self.said.drain(..).map(|said| said.join().unwrap()).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Where a test stopped early; a program that has ended is left alone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
