//! The snapshot itself.

use std::{collections::BTreeMap, sync::Arc};

use super::{Fault, Rules};
use crate::{
    access::Directory,
    base::{CredentialId, ProviderId, QuickMap, Secret},
    billing::{Limits, PriceBook, Vendor},
    channel::Channel,
    credentials::Pool,
    health::{Account, RetryBudget},
    process::RuleBook,
    route::Names,
    runtime::Profile,
    store::record::ConfigRows,
};

/// Configuration as the request path sees it. Immutable; a change makes another one.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) rows: ConfigRows,
    pub(super) settings: Settings,
    pub(super) directory: Directory,
    pub(super) providers: Vec<Arc<Provider>>,
    pub(super) by_name: QuickMap<Arc<str>, usize>,
    pub(super) by_id: QuickMap<ProviderId, usize>,
    /// What names mean, and what of them does not serve.
    pub(super) names: Arc<Names>,
    pub(super) name_faults: Arc<[Fault]>,
    /// What of each provider does not serve, and why; also of those that do not serve at all.
    pub(super) provider_faults: BTreeMap<ProviderId, Arc<[Fault]>>,
    pub(super) prices: Arc<PriceBook>,
    pub(super) price_faults: Arc<[Fault]>,
    pub(super) faults: Vec<Fault>,
}

impl Snapshot {
    /// What applies to the whole instance.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every key and whose it is.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The enabled provider of a name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.by_name.get(name).map(|at| &self.providers[*at])
    }

    /// What models cost.
    #[must_use]
    pub fn prices(&self) -> &Arc<PriceBook> {
        &self.prices
    }

    /// The enabled provider of a row.
    #[must_use]
    pub fn provider_of(&self, id: ProviderId) -> Option<&Arc<Provider>> {
        self.by_id.get(&id).map(|at| &self.providers[*at])
    }

    /// What names mean: aliases, variants, routes.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// All enabled providers, by name.
    #[must_use]
    pub fn providers(&self) -> &[Arc<Provider>] {
        &self.providers
    }

    /// The rows that it was compiled from.
    #[must_use]
    pub fn rows(&self) -> &ConfigRows {
        &self.rows
    }

    /// What does not serve, and why.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// What applies to the whole instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Outbound proxy for providers without one of their own.
    pub proxy: Option<Arc<str>>,
    /// Whether secrets and bodies stay out of the request records.
    pub mask_sensitive_info: bool,
    /// What a client's request leaves in the records.
    pub downstream: Capture,
    /// What an upstream attempt leaves in the records.
    pub upstream: Capture,
    /// Whether the prompt-cache doctor watches sessions.
    pub cache_doctor: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { proxy: None, mask_sensitive_info: true, downstream: Capture::Off, upstream: Capture::Off, cache_doctor: false }
    }
}

/// How much of the wire is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// Nothing.
    #[default]
    Off,
    /// Heads without bodies.
    Heads,
    /// Heads and bodies.
    Bodies,
}

/// A provider ready for use.
#[derive(Debug)]
pub struct Provider {
    /// Its row.
    pub id: ProviderId,
    /// The `{provider}` of paths and model ids.
    pub name: Arc<str>,
    /// What makes its requests.
    pub channel: Arc<dyn Channel>,
    /// Its enabled credentials, opened. It may have none: calls then say so.
    pub credentials: Vec<Credential>,
    /// Whose turn it is among them, by their places.
    pub pool: Pool,
    /// How many of its calls may be tries over again.
    pub retries: RetryBudget,
    /// Whose prices hold for its models, where the list has them.
    pub vendor: Option<Vendor>,
    /// Its enabled models, as its operator lists them.
    pub models: Vec<Model>,
    /// How it is reached: its own proxy, else the instance's.
    pub profile: Profile,
    /// How its calls are served.
    pub dispatch: Rules,
    /// Its operator's rules on what it is sent and what it answers.
    pub rules: RuleBook,
}

impl Provider {
    /// Whose health a call with one of its credentials speaks of.
    #[must_use]
    pub fn account(&self, credential: Option<&Credential>) -> Account {
        Account { provider: self.id, credential: credential.map(|credential| (credential.id, credential.changed_at)) }
    }
}

/// A credential ready for use.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its row.
    pub id: CredentialId,
    /// When the row was last changed, Unix milliseconds.
    pub changed_at: i64,
    /// Its secret, where its kind has one.
    pub secret: Option<Arc<Secret<String>>>,
    /// How it reaches its provider.
    pub profile: Profile,
}

/// A listed model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The upstream's id.
    pub id: Arc<str>,
    /// A name for people.
    pub display_name: Option<Arc<str>>,
    /// The longest prompt and the longest answer, in tokens, where the operator says so.
    pub limits: Limits,
}
