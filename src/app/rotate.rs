//! `gproxy rotate-secret`: seals everything anew with another secret, all of it or nothing.
//!
//! Where the secret is a file of ours, the new one lies beside it before the database changes and takes its place after, so whatever
//! stops it in between, the same command goes on.

use std::{fmt, path::PathBuf, sync::Arc};

use serde_json::json;

use super::{
    config::{Config, KeyFault, standing_key},
    seals,
};
use crate::{
    admin::{Control, Stores, audit},
    base::Secret,
    credentials::Sealer,
    runtime::{Entropy, Platform},
    snapshot::secret::{self, HF_TOKEN, Rests},
    store::{
        persist::{
            StoreFault,
            journal::{Held, OpenFault},
            sql::SqlStore,
        },
        record::{AuditAction, Change, ChangeSet, ConfigRows, NewCredential, NewProvider, SettingsRow, Tabled as _},
    },
};

mod place;

pub use place::{NEW_KEY, Source};
use place::{Place, Waited};

/// How often it is tried again where somebody else's change came before.
const TRIES: usize = 8;

/// What becomes of a secret that opens neither with the former secret nor with the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Nothing is sealed anew.
    Refuse,
    /// It stays as it is, lost as it was.
    Leave,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where the new secret comes from.
    pub new_key: Source,
    /// What becomes of what does not open.
    pub unreadable: Unreadable,
}

/// Why nothing was sealed anew.
#[derive(Debug, thiserror::Error)]
pub enum RotateFault {
    /// The standing secret is missing.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// A gateway serves, and would go on with the former secret.
    #[error("{0} is in use: a gateway serves on this data folder, and would go on with the former secret; stop it first")]
    Serving(PathBuf),
    /// The journal's lock cannot be taken.
    #[error(transparent)]
    Journal(OpenFault),
    /// There is no new secret, and the standing one is not a file of ours.
    #[error("there is no new secret; expected one by --new-key-file or NEW_DATABASE_SECRET_KEY, a long random text")]
    NoNewKey,
    /// The new secret holds nothing.
    #[error("the new secret is blank; expected a long random text")]
    BlankNewKey,
    /// It is the standing one.
    #[error("the new secret is the one in use; expected another one")]
    SameKey,
    /// A rotation to another secret was interrupted.
    #[error("{0} holds the new secret of a rotation that was interrupted; run gproxy rotate-secret without a new secret to finish it")]
    Interrupted(PathBuf),
    /// Something opens with neither secret.
    #[error(
        "nothing was written: these open neither with the secret in use nor with the new one: {}; give the secret that they were sealed \
         with, or leave them as they are with --leave-unreadable",
        .0.join(", ")
    )]
    Unreadable(Vec<String>),
    /// A file cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database refused; nothing was written.
    #[error("the database cannot be written")]
    Store(#[from] StoreFault),
}

impl From<OpenFault> for RotateFault {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Busy { path } => Self::Serving(path),
            fault @ (OpenFault::Newer { .. } | OpenFault::Disk { .. }) => Self::Journal(fault),
        }
    }
}

/// What was sealed anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Credentials.
    pub credentials: usize,
    /// Providers with a secret in their settings.
    pub providers: usize,
    /// The instance's settings and the ledger's key.
    pub others: usize,
    /// What was sealed with the new secret already.
    pub already: usize,
    /// What opens with neither secret, and stayed as it was.
    pub left: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

impl Report {
    fn changed(&self) -> usize {
        self.credentials + self.providers + self.others
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { credentials, providers, others, already, left, notes } = self;
        write!(f, "sealed with the new secret: {credentials} credentials, {providers} provider settings, {others} others")?;
        if *already > 0 {
            write!(f, "\nsealed with it already: {already}")?;
        }
        for name in left {
            write!(f, "\nleft as it was, for it opens with neither secret: {name}")?;
        }
        notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}

/// Seals everything anew. `environment` is what [`NEW_KEY`] holds. Nothing else may run on the database meanwhile;
/// the journal's lock keeps out whoever has the same data folder.
///
/// # Errors
/// [`RotateFault`]; then the database is as it was.
pub async fn run(asked: &Asked, config: &Config, environment: Option<&str>, platform: &Platform) -> Result<Report, RotateFault> {
    let old = standing_key(config)?;
    let _held = Held::take(&config.data_dir)?;
    let place = Place::of(config);
    let given = asked.new_key.read(environment)?;
    let from = Sealer::new(old.clone());
    let store = Arc::new(SqlStore::look_at(config.dsn.expose(), seals::keys(&from)).await?);
    let (new, waited) = place.prepare(given, &old, &*platform.entropy)?;
    let to = Sealer::new(new);
    let control = Control::new(Stores::of(&store), from.clone(), platform.clone());
    let rotated = rotate(&control, &store, (&from, &to), asked.unreadable).await;
    if waited == Waited::No && matches!(rotated, Err(RotateFault::Unreadable(_))) {
        place.discard();
    }
    store.close().await?;
    let mut report = rotated?;
    report.notes.push(place.settle(platform.clock.unix_ms())?);
    Ok(report)
}

/// Seals everything in a database anew, in one transaction.
///
/// # Errors
/// [`RotateFault::Unreadable`], [`RotateFault::Store`].
pub async fn rotate(
    control: &Control,
    store: &SqlStore,
    (from, to): (&Sealer, &Sealer),
    unreadable: Unreadable,
) -> Result<Report, RotateFault> {
    let mut tries = 0;
    loop {
        let rows = control.records().load().await?;
        let kept = store.kept_key().await?;
        let mut work = Work { from, to, entropy: &*control.platform().entropy, set: ChangeSet::default(), report: Report::default() };
        work.all(&rows, kept.as_deref());
        let Work { set, report, .. } = work;
        if unreadable == Unreadable::Refuse && !report.left.is_empty() {
            return Err(RotateFault::Unreadable(report.left));
        }
        if report.changed() == 0 {
            return Ok(report);
        }
        let counts = json!({ "credentials": report.credentials, "providers": report.providers, "others": report.others });
        let told = audit::by_command(control, "gproxy rotate-secret", (AuditAction::Rotate, "secrets"), &counts);
        match control.records().apply_set(ChangeSet { audit: vec![told], base: Some(rows.revision), ..set }).await {
            Ok(_) => return Ok(report),
            Err(StoreFault::Moved) if tries < TRIES => tries += 1,
            Err(fault) => return Err(fault.into()),
        }
    }
}

/// What becomes of one secret.
enum Turn {
    Anew(String),
    Already,
    Lost,
}

struct Work<'a> {
    from: &'a Sealer,
    to: &'a Sealer,
    entropy: &'a dyn Entropy,
    set: ChangeSet,
    report: Report,
}

impl Work<'_> {
    fn all(&mut self, rows: &ConfigRows, kept: Option<&str>) {
        self.credentials(rows);
        self.providers(rows);
        self.settings(&rows.settings);
        self.ledger(kept);
    }

    fn turn<T>(&self, open: impl Fn(&Sealer) -> Option<T>, seal: impl Fn(&Sealer, &T) -> String) -> Turn {
        match open(self.from) {
            Some(plain) => Turn::Anew(seal(self.to, &plain)),
            None if open(self.to).is_some() => Turn::Already,
            None => Turn::Lost,
        }
    }

    /// The new text, where there is one; else it is counted.
    fn anew(&mut self, turn: Turn, name: impl Fn() -> String) -> Option<String> {
        match turn {
            Turn::Anew(sealed) => return Some(sealed),
            Turn::Already => self.report.already += 1,
            Turn::Lost => self.report.left.push(name()),
        }
        None
    }

    fn credentials(&mut self, rows: &ConfigRows) {
        for row in rows.credentials.iter().filter(|row| !row.secret_sealed.is_empty()) {
            let open = |sealer: &Sealer| secret::open(sealer, row.provider_id, &row.secret_sealed).ok();
            let turn = self.turn(open, |sealer, plain| secret::seal(sealer, row.provider_id, plain, self.entropy));
            if let Some(secret_sealed) = self.anew(turn, || format!("credential {}", row.id)) {
                let row_anew = NewCredential { secret_sealed, ..row.row.clone() };
                self.set.changes.push(Change::Set(row.id.0, row_anew.into_row()));
                self.report.credentials += 1;
            }
        }
    }

    fn providers(&mut self, rows: &ConfigRows) {
        for row in rows.providers.iter().filter(|row| secret::rests(&row.settings_json) != Rests::Nothing) {
            let open = |sealer: &Sealer| secret::open_settings(sealer, &row.settings_json).ok();
            let turn = self.turn(open, |sealer, plain| secret::seal_settings(sealer, plain, self.entropy));
            if let Some(settings_json) = self.anew(turn, || format!("the settings of provider {}", row.name)) {
                let row_anew = NewProvider { settings_json, ..row.row.clone() };
                self.set.changes.push(Change::Set(row.id.0, row_anew.into_row()));
                self.report.providers += 1;
            }
        }
    }

    fn settings(&mut self, row: &SettingsRow) {
        let Some(sealed) = row.hf_token_sealed.as_deref() else { return };
        let open = |sealer: &Sealer| sealer.open(HF_TOKEN, sealed).ok();
        let turn = self.turn(open, |sealer, plain| sealer.seal(HF_TOKEN, plain.expose(), self.entropy));
        if let Some(sealed) = self.anew(turn, || "the hf_token of the settings".to_owned()) {
            self.set.settings = Some(SettingsRow { hf_token_sealed: Some(sealed), ..row.clone() });
            self.report.others += 1;
        }
    }

    /// The ledger goes on with the key that it began with: rows whose sums alone are left could not be sealed anew.
    fn ledger(&mut self, kept: Option<&str>) {
        let open = |sealer: &Sealer| match kept {
            Some(sealed) => seals::open(sealer, sealed),
            None => Some(sealer.row_key()),
        };
        let turn = self.turn(open, |sealer, key: &Secret<[u8; 32]>| seals::seal(sealer, key, self.entropy));
        if let Some(sealed) = self.anew(turn, || "the key of the ledger's seals".to_owned()) {
            self.set.ledger_key = Some(sealed);
            self.report.others += 1;
        }
    }
}

#[cfg(test)]
mod tests;
