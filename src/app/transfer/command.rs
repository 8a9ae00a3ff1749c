//! What `gproxy export` and `gproxy import` do.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Bundle, Plan, Prune, TransferFault, apply, extract};
use crate::{
    admin::{Control, Stores},
    app::{
        config::{Config, database_key, standing_key},
        legacy::{self, DATABASE_KEY, Foreign, Format, Reading, SOURCE_KEY, Source},
        seals,
    },
    base::Secret,
    credentials::Sealer,
    runtime::Platform,
    store::persist::{private, sql::SqlStore},
};

/// The variable that may hold the passphrase.
pub const PASSPHRASE: &str = "GPROXY_BUNDLE_PASSPHRASE";

/// Whether an import writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It only says what it would do.
    Dry,
    /// It writes.
    Real,
}

/// Where the passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passphrase {
    /// From [`PASSPHRASE`], where that is set.
    Environment,
    /// From a file, without the line's end.
    File(PathBuf),
    /// From the standard input, likewise.
    StandardInput,
}

impl Passphrase {
    /// Where a flag says that it comes from.
    #[must_use]
    pub fn of(flag: Option<PathBuf>) -> Self {
        match flag {
            None => Self::Environment,
            Some(path) if path == Path::new("-") => Self::StandardInput,
            Some(path) => Self::File(path),
        }
    }

    fn read(&self, environment: Option<&str>) -> Result<Option<Secret<String>>, TransferFault> {
        let text = match self {
            Self::Environment => environment.map(str::to_owned),
            Self::File(path) => Some(read(path)?),
            Self::StandardInput => {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text).map_err(|source| TransferFault::File { path: "-".into(), source })?;
                Some(text)
            }
        };
        let line = text.map(Secret::new).map(|text| Secret::new(text.expose().trim_end_matches(['\r', '\n']).to_owned()));
        match line {
            Some(line) if line.expose().trim().is_empty() => Err(TransferFault::BlankPassphrase),
            line => Ok(line),
        }
    }
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The configuration as a bundle.
    Export {
        /// Where to; the answer where absent.
        out: Option<PathBuf>,
        /// What seals its secrets.
        passphrase: Passphrase,
    },
    /// A bundle into the configuration.
    Import {
        /// The bundle.
        file: PathBuf,
        /// Whether it writes.
        run: Run,
        /// What becomes of the rows that it does not have.
        prune: Prune,
        /// What opens its secrets.
        passphrase: Passphrase,
        /// Whose file it is; what stands in it decides where absent.
        format: Option<Format>,
        /// A file with what another gateway's secrets were sealed under; variables are asked where absent.
        source_key: Option<PathBuf>,
    },
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Done {
    /// For whoever asked.
    pub answer: String,
    /// What else there is to know, a line each.
    pub notes: Vec<String>,
}

/// The variables that a command may ask.
pub type Environment = BTreeMap<String, String>;

/// Does what was asked, in the database of the configuration.
///
/// # Errors
/// [`TransferFault`]; then nothing was imported.
pub async fn obey(asked: &Asked, config: &Config, environment: &Environment, platform: &Platform) -> Result<Done, TransferFault> {
    let (sealer, store) = opened(asked, config, platform).await?;
    let stores = Stores::of(&store);
    let control = Control::new(stores, sealer, platform.clone());
    let given = environment.get(PASSPHRASE).map(String::as_str);
    let done = match asked {
        Asked::Export { out, passphrase } => export(&control, out.as_deref(), passphrase.read(given)?).await,
        Asked::Import { file, run, prune, passphrase, format, source_key } => {
            let source_key = sealed_under(source_key.as_deref(), environment)?;
            let reading = Reading { platform, environment, source_key };
            match Source::of(file, *format, &reading).await? {
                Source::Bundle(text) => import(&control, &Bundle::read(&text, passphrase.read(given)?.as_ref())?, *run, *prune).await,
                Source::Foreign(foreign) => import_foreign(&control, *foreign, *run, *prune).await,
            }
        }
    };
    store.close().await?;
    done
}

/// The database. An import may be the first that anybody does with it; an export only looks.
async fn opened(asked: &Asked, config: &Config, platform: &Platform) -> Result<(Sealer, Arc<SqlStore>), TransferFault> {
    let dsn = config.dsn.expose();
    let (sealer, store) = match asked {
        Asked::Export { .. } => {
            let sealer = Sealer::new(standing_key(config)?);
            let store = SqlStore::look_at(dsn, seals::keys(&sealer)).await?;
            (sealer, store)
        }
        Asked::Import { .. } => {
            // The key comes first: a database that is made without one would be of no use.
            let sealer = Sealer::new(database_key(config, &*platform.entropy)?);
            let store = SqlStore::open_sealed(dsn, seals::keys(&sealer)).await?;
            (sealer, store)
        }
    };
    Ok((sealer, Arc::new(store)))
}

/// What another gateway's secrets were sealed under, where something says so.
fn sealed_under(file: Option<&Path>, environment: &Environment) -> Result<Option<Secret<String>>, TransferFault> {
    let text = match file {
        Some(path) => Some(read(path)?),
        None => [SOURCE_KEY, DATABASE_KEY].iter().find_map(|name| environment.get(*name).filter(|text| !text.is_empty()).cloned()),
    };
    Ok(text.map(|text| Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())))
}

/// The same as [`import`] with another gateway's configuration; the answer ends with what was left out.
///
/// # Errors
/// As [`import`], and where a password of it cannot be hashed.
pub async fn import_foreign(control: &Control, mut foreign: Foreign, run: Run, prune: Prune) -> Result<Done, TransferFault> {
    let rows = control.records().load().await?;
    let standing = extract(&rows, control.sealer());
    legacy::settle(control, &rows, &standing, &mut foreign)?;
    let done = import(control, &foreign.bundle, run, prune).await?;
    Ok(Done { answer: format!("{}\n\n{}", done.answer, foreign.report), ..done })
}

async fn export(control: &Control, out: Option<&Path>, passphrase: Option<Secret<String>>) -> Result<Done, TransferFault> {
    let extracted = extract(&control.records().load().await?, control.sealer());
    let text = extracted.bundle.write(passphrase.as_ref(), &*control.platform().entropy)?;
    let mut notes = extracted.notes;
    let secrets = extracted.bundle.secrets();
    if passphrase.is_none() && secrets > 0 {
        notes.push(format!("{secrets} secrets are left out, for there is no passphrase: give one by --passphrase-file or {PASSPHRASE}"));
    }
    let answer = match out {
        None => text.trim_end().to_owned(),
        Some(path) => {
            write(path, &text)?;
            let rows: usize = extracted.bundle.rows.values().map(Vec::len).sum();
            format!("{rows} rows are in {}", path.display())
        }
    };
    Ok(Done { answer, notes })
}

/// Compares a bundle with what stands, and makes it stand where the run is real.
///
/// # Errors
/// As [`apply`].
pub async fn import(control: &Control, bundle: &Bundle, run: Run, prune: Prune) -> Result<Done, TransferFault> {
    let rows = control.records().load().await?;
    let standing = extract(&rows, control.sealer());
    let plan = Plan::of(&standing, bundle, prune);
    let mut notes = standing.notes.clone();
    match run {
        Run::Dry => notes.push("nothing was written: this was a dry run".to_owned()),
        Run::Real => {
            apply(control, &rows, (&standing, bundle), &plan).await?;
            control.refresh().await?;
            notes.extend(control.faults().iter().map(|fault| format!("does not serve: {fault}")));
        }
    }
    Ok(Done { answer: plan.to_string(), notes })
}

fn read(path: &Path) -> Result<String, TransferFault> {
    std::fs::read_to_string(path).map_err(|source| TransferFault::File { path: path.to_owned(), source })
}

/// Writes a file that only its owner may read.
fn write(path: &Path, text: &str) -> Result<(), TransferFault> {
    let written =
        private::file().truncate(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|source| TransferFault::File { path: path.to_owned(), source })
}
