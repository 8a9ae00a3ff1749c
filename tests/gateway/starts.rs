//! Starts that fail, and commands beside data that is not there: what the program then says, and what it leaves.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
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
    for (arguments, words) in [
        (["--port", &port, "--data-dir", "."], "cannot listen on"),
        (["--redis-url", "localhost", "--data-dir", "."], "redis-url"),
    ] {
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
        ("[runtime]\ndrain_seconds = 1\n", false),
        ("[global]\nadmin_key = \"sk-0123456789-0123456789\"\n[[channels]]\nid = \"openai\"\n[[channels.credentials]]\nsecret = \"x\"\n", true),
    ] {
        std::fs::write(folder.join("gproxy.toml"), text).unwrap();
        let said = said_at_start(folder, ".");
        let line = said.iter().find(|line| line.contains("--bootstrap-force-config"));
        assert_eq!(line.is_some_and(|line| line.contains("WARN")), warned, "{text}: {said:?}");
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

/// The lines of the log of a start, until it serves.
fn said_at_start(folder: &Path, data: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gproxy"));
    command.env_clear().current_dir(folder).args(["--port", "0", "--data-dir", data]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said: Vec<String> = lines.by_ref().take_while(|line| !line.contains("serving")).collect();
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    said.extend(lines);
    assert!(child.wait().unwrap().success(), "{said:?}");
    said
}
