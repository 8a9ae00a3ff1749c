//! What the control plane works on.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{oidc::Oidc, password::Passwords, throttle::Throttle};
use crate::{
    credentials::Sealer,
    doctor::Doctor,
    health::Health,
    runtime::Platform,
    snapshot::{Compiler, Fault, SnapshotCell, compile},
    store::{
        persist::{AuditLog, HealthBook, Ledger, Records, StoreFault},
        record::ConfigRows,
    },
};

/// Where configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The database; the file was read at first boot and is ignored.
    #[default]
    Database,
    /// This file; providers and settings are read-only here.
    File(PathBuf),
}

/// What outlives the process.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Configuration.
    pub records: Arc<dyn Records>,
    /// What calls left behind.
    pub ledger: Arc<dyn Ledger>,
    /// What was done in the control plane.
    pub audit: Arc<dyn AuditLog>,
    /// How credentials are doing, and how that came about.
    pub health: Arc<dyn HealthBook>,
}

impl Stores {
    /// One store for everything.
    #[must_use]
    pub fn of<S: Records + Ledger + AuditLog + HealthBook + 'static>(store: &Arc<S>) -> Self {
        let (records, ledger) = (Arc::clone(store) as _, Arc::clone(store) as _);
        Self { records, ledger, audit: Arc::clone(store) as _, health: Arc::clone(store) as _ }
    }
}

/// The control plane: stores, the snapshot that serves, and what changes the one into the other.
#[derive(Debug)]
pub struct Control {
    stores: Stores,
    snapshot: SnapshotCell,
    sealer: Sealer,
    platform: Platform,
    health: Arc<Health>,
    doctor: Arc<Doctor>,
    pub(super) passwords: Passwords,
    pub(super) throttle: Throttle,
    oidc: Option<Oidc>,
    changing: tokio::sync::Mutex<()>,
    /// The revision that serves.
    served: Mutex<Option<i64>>,
    origin: Mutex<Origin>,
    file_faults: Mutex<Vec<Fault>>,
}

impl Control {
    /// Puts it together. Nothing serves before the first [`Control::refresh`].
    #[must_use]
    pub fn new(stores: Stores, sealer: Sealer, platform: Platform) -> Self {
        Self {
            stores,
            snapshot: SnapshotCell::default(),
            sealer,
            platform,
            health: Arc::default(),
            doctor: Arc::default(),
            passwords: Passwords::default(),
            throttle: Throttle::default(),
            oidc: None,
            changing: tokio::sync::Mutex::default(),
            served: Mutex::default(),
            origin: Mutex::default(),
            file_faults: Mutex::default(),
        }
    }

    /// Takes another cost of passwords.
    #[must_use]
    pub fn with_passwords(mut self, passwords: Passwords) -> Self {
        self.passwords = passwords;
        self
    }

    /// Lets people in whom an identity provider knows.
    #[must_use]
    pub fn with_oidc(self, oidc: Option<Oidc>) -> Self {
        Self { oidc, ..self }
    }

    /// Sign-in by an identity provider, where one is set up.
    pub(super) fn oidc(&self) -> Option<&Oidc> {
        self.oidc.as_ref()
    }

    /// How passwords are hashed.
    #[must_use]
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Configuration at rest.
    #[must_use]
    pub fn records(&self) -> &dyn Records {
        &*self.stores.records
    }

    /// What calls left behind.
    #[must_use]
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.stores.ledger
    }

    /// What was done in the control plane.
    #[must_use]
    pub fn audit(&self) -> &dyn AuditLog {
        &*self.stores.audit
    }

    /// The health of credentials at rest, and its history.
    #[must_use]
    pub fn health_book(&self) -> &Arc<dyn HealthBook> {
        &self.stores.health
    }

    /// The snapshot that serves.
    #[must_use]
    pub fn snapshot(&self) -> &SnapshotCell {
        &self.snapshot
    }

    /// How providers and their credentials are doing; what serves them learns it here.
    #[must_use]
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// What prompt caches lose; what serves calls tells it here.
    #[must_use]
    pub fn doctor(&self) -> &Arc<Doctor> {
        &self.doctor
    }

    /// What seals secrets.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// The platform.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Now, Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.platform.clock.unix_ms()
    }

    /// Waits for the changes that others make here. While the answer is held nobody else changes anything, so that what a change
    /// was allowed by still stands when it is made: of two owners who demote each other at once, one is refused.
    pub async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Where configuration comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says where configuration comes from.
    pub fn set_origin(&self, origin: Origin) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    /// Says why the configuration file as it stands is not what serves.
    pub fn set_file_faults(&self, faults: Vec<Fault>) {
        *self.file_faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// What does not serve, and why: records first, then the file.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = self.snapshot.load().faults().to_vec();
        faults.extend(self.file_faults.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        faults
    }

    /// Compiles rows without serving them.
    #[must_use]
    pub fn compile(&self, rows: &ConfigRows) -> crate::snapshot::Snapshot {
        compile(rows, self.compiler())
    }

    /// Makes what the store holds serve: by what changed since, or whole where nothing serves yet or too much has changed.
    ///
    /// # Errors
    /// Of the store; what served goes on serving.
    pub async fn refresh(&self) -> Result<(), StoreFault> {
        let records = self.records();
        let standing = self.snapshot.load();
        let serves = self.served().is_some();
        let delta = if serves { records.since(standing.rows().revision).await? } else { None };
        let snapshot = match delta {
            Some(delta) if delta.rows.revision == standing.rows().revision => return Ok(()),
            Some(delta) => standing.update(&delta, self.compiler()),
            None => self.compile(&records.load().await?),
        };
        // Of two refreshes at once the one that read later has seen more; the other must not overwrite it.
        let mut served = self.served();
        if served.is_none_or(|revision| revision < snapshot.rows().revision) {
            *served = Some(snapshot.rows().revision);
            let watches = snapshot.settings().cache_doctor;
            self.snapshot.store(snapshot);
            if !watches {
                // Nobody's prompt stays in memory that is not asked for.
                self.doctor.clear();
            }
        }
        Ok(())
    }

    fn served(&self) -> MutexGuard<'_, Option<i64>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compiler(&self) -> Compiler<'_> {
        Compiler { sealer: &self.sealer, platform: &self.platform }
    }
}
