//! `gproxy check`: everything that a start would find, without starting.

use std::{fmt, io, path::Path, sync::Arc};

use super::{Config, FileUse, Finding, Findings, Sources};
use crate::{
    admin::{Control, Stores, password::Passwords},
    app::bootstrap::{self, ADMIN, FILE_IGNORED},
    base::Secret,
    credentials::Sealer,
    runtime::Platform,
    store::persist::{memory::MemoryStore, private},
};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Everything, errors first.
    pub findings: Vec<Finding>,
    /// Providers, users and models that would serve.
    pub serving: String,
}

impl Report {
    /// Whether a start would go well.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.findings.iter().any(Finding::is_error)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let errors = self.findings.iter().filter(|finding| finding.is_error()).count();
        if errors == 0 { write!(f, "good: {}", self.serving) } else { write!(f, "{errors} error(s)") }
    }
}

/// Reads the configuration, imports it into memory and compiles it there. Touches neither network nor database; it tries
/// whether the data folder can be written to, and leaves nothing there.
pub async fn check(sources: &Sources<'_>, platform: &Platform) -> Report {
    let (config, mut findings) = match Config::read(sources, platform) {
        Ok(read) => read,
        Err(Findings(findings)) => return Report { findings, serving: String::new() },
    };
    let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
    let stores = Stores::of(&store);
    // Nothing that this seals or hashes is kept, so it may be weak.
    let control = Control::new(stores, Sealer::new(Secret::new("check".into())), platform.clone()).with_passwords(Passwords::cheap());
    let serving = match bootstrap::bootstrap(&control, &config).await {
        Ok(_) => serving(&control, &config, &mut findings),
        Err(fault) => {
            findings.push(Finding::error("", None, fault.to_string()));
            String::new()
        }
    };
    findings.extend(ignored(&config));
    findings.extend(unusable(&config.data_dir));
    if config.database_secret_key.is_none() && !config.is_sqlite() {
        findings.push(Finding::error("DATABASE_SECRET_KEY", None, "is required with this database"));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Report { findings, serving }
}

/// A file that a start would read in vain, as far as a file can tell: a database on a server is not asked.
fn ignored(config: &Config) -> Option<Finding> {
    let database = config.standing_database().filter(|_| config.file_use == FileUse::Once)?;
    config.file.as_ref().filter(|file| file.is_source())?;
    let message = format!("a start ignores it, for {} is there already: {FILE_IGNORED}", database.display());
    Some(Finding::warning(config.path.display().to_string(), None, message))
}

fn serving(control: &Control, config: &Config, findings: &mut Vec<Finding>) -> String {
    let snapshot = control.snapshot().load();
    findings.extend(
        snapshot
            .faults()
            .iter()
            .map(|fault| Finding::error(format!("{} {:?}: {}", fault.what, fault.name, fault.path), None, &fault.message)),
    );
    if let Some(database) = config.standing_database().filter(|_| config.file_use == FileUse::Once) {
        // What that has is not looked at here.
        return format!("what {} holds serves; listening on {}:{}", database.display(), config.host, config.port);
    }
    let (rows, serving) = (snapshot.rows(), snapshot.providers().len());
    if serving == 0 {
        let message = "no provider serves, so no call can be answered; expected at least one [[channels]] that is enabled";
        findings.push(Finding::warning(config.path.display().to_string(), None, message));
    }
    let users = rows.users.iter().filter(|user| user.name != ADMIN).count();
    let demo = if config.file.is_none() { " (the built-in demo, for there is no file)" } else { "" };
    let providers = rows.providers.iter().count();
    format!("{serving} of {providers} providers serve{demo}; {users} users beside admin; listening on {}:{}", config.host, config.port)
}

/// What is wrong with the data folder. Where it is not there yet, with the nearest folder above it.
fn unusable(data_dir: &Path) -> Option<Finding> {
    let mut above = data_dir.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let nearest = above.find(|path| path.symlink_metadata().is_ok())?;
    let done = if nearest == data_dir { "written to" } else { "made" };
    let error = try_to_write(nearest).err()?;
    Some(Finding::error("data_dir", None, format!("{} cannot be {done}: {}: {error}", data_dir.display(), nearest.display())))
}

/// Makes a file and removes it again: permissions alone do not tell what a disk takes.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".gproxy-check.{}", std::process::id()));
    match private::new_file().open(&probe) {
        Ok(_) => std::fs::remove_file(&probe),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
