//! The `gproxy` program: reads what it is told, builds the native runtime, and hands over.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    os::fd::OwnedFd,
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use gproxy::{
    app::{
        config::{Config, Findings, Sources, check},
        doctor,
        flags::{self, lab::Asked},
        log::{self, Lines},
        rotate,
        transfer::command as transfer,
        verify,
    },
    http::native::{
        explain,
        handover::{Program, VARIABLE, heir},
        host::{self, Start},
    },
    lab::{self, Outcome},
    runtime::{Platform, native},
};

/// A call takes and gives back some sixty blocks; this allocator does that in half the time of glibc's. How soon it gives memory
/// back to the system stands in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut environment = environment();
    // Before anything else is opened, and before anything can go wrong that the running gateway should hear of.
    let line = match heir::line(&environment) {
        Ok(line) => line,
        Err(why) => return failed(&why),
    };
    environment.remove(VARIABLE);
    let matches = flags::command().get_matches();
    let read = |path: &Path| std::fs::read_to_string(path);
    let notify = environment.get("NOTIFY_SOCKET").filter(|path| path.starts_with('/')).map(Into::into);
    let start = Start { program: program(), line, notify };
    let sources = Sources { flags: flags::given(&matches), env: environment, read: &read };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime cannot start: {error}")),
    };
    runtime.block_on(async {
        let (platform, tasks) = native::platform();
        if matches.subcommand_matches("check").is_some() {
            let report = check(&sources, &platform).await;
            return answered(&report.to_string(), if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if let Some(asked) = flags::lab::asked(&matches) {
            return experiment(asked, sources.flags.get("config").map(Path::new), &platform).await;
        }
        let (config, warnings) = match Config::read(&sources, &platform) {
            Ok(read) => read,
            Err(Findings(findings)) => {
                let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
                return refused(start.line.as_ref(), &lines.join("\n"));
            }
        };
        if let Some(verify) = matches.subcommand_matches("verify") {
            return prove(&config, &platform, verify.get_flag("json")).await;
        }
        if let Some(asked) = flags::transfer::asked(&matches) {
            return moved(&asked, &config, &sources.env, &platform).await;
        }
        if let Some(asked) = flags::rotate::asked(&matches) {
            return rotated(&asked, &config, sources.env.get(rotate::NEW_KEY), &platform).await;
        }
        if let Some(asked) = flags::explain::asked(&matches) {
            return explained(&asked, &config, &platform).await;
        }
        if let Some(asked) = flags::doctor::asked(&matches) {
            return examined(&asked, &config, &platform).await;
        }
        let lines = log::init(&config);
        keep_flushed(&lines, &platform);
        for warning in warnings {
            tracing::warn!(warning = warning.told(), "configuration");
        }
        let told = start.line.as_ref().and_then(|line| line.try_clone().ok());
        let ended = host::run(config, (platform, tasks), start).await;
        lines.flush();
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => refused(told.as_ref(), &describe(&fault)),
        }
    })
}

/// Does what was asked of the lab.
async fn experiment(asked: Asked, config: Option<&Path>, platform: &Platform) -> ExitCode {
    let say = |text: &str| {
        let _told = answered(text, ExitCode::SUCCESS);
    };
    match lab::obey(asked, config, platform, &say).await {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Flawed) => ExitCode::FAILURE,
        Err(fault) => failed(&describe(&fault)),
    }
}

/// Proves the ledger and says what it found: 0 where nothing differs, 1 where something does, 2 where it could not be read.
async fn prove(config: &Config, platform: &Platform, json: bool) -> ExitCode {
    match verify::run(config, platform).await {
        Ok(report) => {
            let text = if json { serde_json::to_string_pretty(&report).unwrap_or_default() } else { report.to_string() };
            answered(&text, if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(fault) => {
            failed(&describe(&fault));
            ExitCode::from(2)
        }
    }
}

/// Exports or imports. What was found on the way goes beside the answer, so that a bundle can be piped on.
async fn moved(asked: &transfer::Asked, config: &Config, environment: &transfer::Environment, platform: &Platform) -> ExitCode {
    match transfer::obey(asked, config, environment, platform).await {
        Ok(done) => {
            done.notes.iter().for_each(|note| warn(note));
            answered(&done.answer, ExitCode::SUCCESS)
        }
        Err(fault) => failed(&describe(&fault)),
    }
}

/// Seals everything anew, and says what that came to.
async fn rotated(asked: &rotate::Asked, config: &Config, new_key: Option<&String>, platform: &Platform) -> ExitCode {
    match rotate::run(asked, config, new_key.map(String::as_str), platform).await {
        Ok(report) => answered(&report.to_string(), ExitCode::SUCCESS),
        Err(fault) => failed(&describe(&fault)),
    }
}

/// Says what would become of a call.
async fn explained(asked: &flags::explain::Asked, config: &Config, platform: &Platform) -> ExitCode {
    match explain::run(asked, config, platform).await {
        Ok(told) => answered(&serde_json::to_string_pretty(&told).unwrap_or_default(), ExitCode::SUCCESS),
        Err(fault) => failed(&describe(&fault)),
    }
}

/// Asks a running gateway what its sessions lose of prompt caches.
async fn examined(asked: &flags::doctor::Asked, config: &Config, platform: &Platform) -> ExitCode {
    match doctor::run(asked, config, platform).await {
        Ok(told) => answered(&told, ExitCode::SUCCESS),
        Err(fault) => failed(&describe(&fault)),
    }
}

/// Lets the log's lines out for as long as the program runs.
fn keep_flushed(lines: &Lines, platform: &Platform) {
    let (lines, clock) = (lines.clone(), Arc::clone(&platform.clock));
    platform.spawn.spawn(Box::pin(async move { lines.keep_flushed(&*clock).await }));
}

/// One core is served best by one thread; more share the work.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if cores == 1 { tokio::runtime::Builder::new_current_thread() } else { tokio::runtime::Builder::new_multi_thread() };
    builder.enable_all().build()
}

/// How this process was started.
fn program() -> Option<Program> {
    // Asked now: what the system says after the file was exchanged is no path to what stands there then.
    Some(Program { path: std::env::current_exe().ok()?, arguments: std::env::args_os().skip(1).collect() })
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here and nowhere else")]
fn environment() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

/// An error with its causes, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Prints the answer of a subcommand, and ends with its code. Whoever reads it may stop early, which is no failure; a full disk is one.
fn answered(text: &str, code: ExitCode) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => failed(&format!("the answer cannot be written: {error}")),
        Ok(()) | Err(_) => code,
    }
}

/// A failure that the running gateway hears of, where this process was to take its place.
fn refused(line: Option<&OwnedFd>, why: &str) -> ExitCode {
    if let Some(line) = line {
        heir::refuse(line, why);
    }
    failed(why)
}

fn failed(text: &str) -> ExitCode {
    warn(text);
    ExitCode::FAILURE
}

fn warn(text: &str) {
    // Where nobody hears it, the exit code says it alone.
    let _unheard = writeln!(io::stderr(), "gproxy: {text}");
}
