//! Starts that fail, and commands beside data that is not there: what the program then says, and what it leaves.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use crate::program::Program;

/// Runs the program to its end in a folder that also has its data.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gproxy"));
    command.env_clear().current_dir(folder).args(arguments);
    command.output().unwrap()
}

/// What it said on both outputs, where it failed as it must.
fn refused(output: &Output) -> String {
    let said = [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat();
    assert!(!output.status.success(), "{said}");
    said
}

#[test]
fn a_first_start_that_fails_takes_no_key_along() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, words) in
        [(["--port", &port, "--data-dir", "."], "cannot listen on"), (["--redis-url", "localhost", "--data-dir", "."], "redis-url")]
    {
        let said = refused(&run(folder.path(), &arguments));
        assert!(said.contains(words) && !said.contains("sk-"), "{arguments:?}: {said}");
    }
    // The next start that goes well shows one, and it opens.
    let mut program = Program::start_in(folder, &[]);
    assert_eq!(program.with(&program.key, "GET", "/admin/users", "").status, 200);
    assert!(program.stop().contains("--admin-key"), "the banner says what helps when the key is lost");
}

#[test]
fn a_key_that_is_missing_beside_its_database_is_not_made_anew() {
    let mut program = Program::start();
    program.stop();
    let (folder, file) = (program.folder.path(), program.folder.path().join("secret.key"));
    let key = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    for command in [&["--port", "0"][..], &["verify"], &["export"], &["rotate-secret"]] {
        let said = refused(&run(folder, &[command, &["--data-dir", "."]].concat()));
        for words in ["secret.key is missing", "gproxy.db is sealed with it", "from a backup", "DATABASE_SECRET_KEY"] {
            assert!(said.contains(words), "{command:?}: {words:?} is not in {said}");
        }
        assert!(!file.exists(), "{command:?} made a key");
    }
    std::fs::write(&file, key).unwrap();
    assert!(run(folder, &["verify", "--data-dir", "."]).status.success(), "nothing was changed meanwhile");
}

#[test]
fn what_only_looks_makes_nothing_where_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    for command in [&["export"][..], &["verify"], &["rotate-secret"], &["explain", "/v1/models", "--key-id", "1"]] {
        let said = refused(&run(folder.path(), &[command, &["--data-dir", "tpyo"]].concat()));
        assert!(said.contains("there is no database in tpyo"), "{command:?}: {said}");
        let given = &["--database-secret-key", "given", "--data-dir", "tpyo"];
        let said = refused(&run(folder.path(), &[command, given].concat()));
        assert!(said.contains("there is no database at tpyo/gproxy.db"), "{command:?}: {said}");
        assert!(!folder.path().join("tpyo").exists(), "{command:?}");
    }
}

#[test]
fn a_file_that_comes_after_the_database_is_warned_of() {
    let mut program = Program::start();
    program.stop();
    let folder = program.folder.path();
    for (text, warned) in [
        ("[global]\nspoof_emulation = \"chrome_136\"\n[runtime]\ndrain_seconds = 1\n", false),
        (
            "[global]\nadmin_key = \"sk-0123456789-0123456789\"\n[[channels]]\nid = \"openai\"\n[[channels.credentials]]\nsecret = \"x\"\n",
            true,
        ),
    ] {
        std::fs::write(folder.join("gproxy.toml"), text).unwrap();
        let said = said_at_start(folder, ".");
        let line = said.iter().find(|line| line.contains("--bootstrap-force-config"));
        assert_eq!(line.is_some_and(|line| line.contains("WARN")), warned, "{text}: {said:?}");
        assert!(!said.iter().any(|line| line.contains("warning: ")), "a level is told once: {said:?}");
    }
}

#[test]
fn an_answer_that_nobody_reads_ends_quietly_and_one_that_has_no_room_does_not() {
    let mut program = Program::start();
    program.stop();
    for command in ["export", "check", "verify"] {
        let told = |out: Stdio| {
            let mut told = Command::new(env!("CARGO_BIN_EXE_gproxy"));
            told.env_clear().current_dir(program.folder.path()).args([command, "--data-dir", "."]).stdout(out);
            told.output().unwrap()
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = told(writer.into());
        assert!(output.status.success() && output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
            let said = refused(&told(full.into()));
            assert!(said.contains("the answer cannot be written"), "{command}: {said}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_a_gateway_makes_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    let warned = |said: &[String]| said.iter().any(|line| line.contains("WARN") && line.contains("mode=\"755\""));
    assert!(!warned(&said_at_start(folder.path(), "new/data")));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut to_see = vec![data.clone()];
    let mut files = 0;
    while let Some(path) = to_see.pop() {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
        files += usize::from(path.is_file());
        if path.is_dir() {
            to_see.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(files >= 5, "the database, the key, the journal's lock, checkpoint and segments");
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(warned(&said_at_start(folder.path(), "new/data")), "it is warned of, and left as it is");
    assert_eq!(mode(&data), 0o755);
}

#[test]
fn a_second_interrupt_cuts_off_what_the_first_waits_for() {
    const KEY: &str = "sk-impatient-0123456789";
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut lines) = start(folder.path(), &["--data-dir", ".", "--drain-seconds", "3600", "--admin-key", KEY]);
    let serving = lines.by_ref().find(|line| line.contains("serving address=")).unwrap();
    let address = serving.rsplit_once("address=").unwrap().1.trim_matches('"');
    let mut call = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n\
         content-length: 99\r\nexpect: 100-continue\r\n\r\n"
    );
    call.write_all(head.as_bytes()).unwrap();
    // The gateway waits for a body that does not come.
    call.read_exact(&mut [0; 12]).unwrap();
    child.signal("-INT");
    let told = lines.by_ref().find(|line| line.contains("stopping")).unwrap();
    assert!(told.contains("seconds=3600") && told.contains("another Ctrl-C"), "{told}");
    child.signal("-INT");
    let rest: Vec<String> = lines.collect();
    assert!(child.ended_well() && rest.iter().any(|line| line.contains("interrupted again")), "{rest:?}");
}

/// A program that runs. It is ended with its value.
struct Running(Child);

impl Running {
    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
    }

    /// Whether it ended well, once it has.
    fn ended_well(&mut self) -> bool {
        self.0.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where a test stopped early; a program that has ended is left alone.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A start, and the lines of its log.
fn start(folder: &Path, arguments: &[&str]) -> (Running, impl Iterator<Item = String> + use<>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gproxy"));
    command.env_clear().current_dir(folder).args(["--port", "0"]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    (Running(child), lines)
}

/// The lines of the log of a start, and of its stop once it serves.
fn said_at_start(folder: &Path, data: &str) -> Vec<String> {
    let (mut child, mut lines) = start(folder, &["--data-dir", data]);
    let mut said: Vec<String> = lines.by_ref().take_while(|line| !line.contains("serving")).collect();
    child.signal("-TERM");
    said.extend(lines);
    assert!(child.ended_well(), "{said:?}");
    said
}
