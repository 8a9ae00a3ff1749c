//! From rows to a snapshot. Nothing here fails: what cannot be compiled becomes a fault.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{
    Capture, Credential, Fault, Model, Provider, Rules, Settings, Snapshot, name, prices,
    rules::{self, Attached},
    secret::{self, API_KEY},
};
use crate::{
    access::{Directory, key::parse_digest},
    base::{Network, ProviderId},
    billing::{Catalogue, Limits},
    channel::{self, CHANNELS, Channel},
    credentials::{self, Pool, Sealer, Seat, Turns},
    health::RetryBudget,
    route::Names,
    runtime::{Platform, Profile},
    store::record::{
        ConfigRows, CredentialRow, Delta, ModelRow, NewCredential, NewModel, NewProviderRuleSet, Noun, ProviderRow, Record, SettingsRow,
    },
};

/// What compiling needs besides the rows.
#[derive(Clone, Copy, Debug)]
pub struct Compiler<'a> {
    /// Opens the secrets.
    pub sealer: &'a Sealer,
    /// For channels that answer by themselves.
    pub platform: &'a Platform,
}

/// Compiles rows.
#[must_use]
pub fn compile(rows: &ConfigRows, with: Compiler<'_>) -> Snapshot {
    let mut next = Snapshot { rows: rows.clone(), directory: Directory::build(rows), ..Snapshot::default() };
    next.read_names(None);
    next.settle(None, with);
    next
}

impl Snapshot {
    /// The snapshot after a change. What it does not touch is shared: providers, keys.
    #[must_use]
    pub fn update(&self, delta: &Delta, with: Compiler<'_>) -> Self {
        let mut rows = self.rows.clone();
        rows.apply(delta);
        let directory = self.directory.update(&self.rows, &rows, delta);
        let mut next = Self { rows, directory, ..Self::default() };
        if renames(delta) {
            next.read_names(Some(&self.names));
        } else {
            (next.names, next.name_faults) = (Arc::clone(&self.names), Arc::clone(&self.name_faults));
        }
        let anew = self.touched(delta);
        next.settle(Some((self, &anew)), with);
        next
    }

    fn read_names(&mut self, before: Option<&Names>) {
        let (names, faults) = Names::compile(&self.rows, before);
        self.names = Arc::new(names);
        self.name_faults = faults.into_iter().map(|fault| Fault::new(fault.what, fault.name, fault.path, fault.message)).collect();
    }

    /// The providers that have to be made anew; `None` for all of them.
    fn touched(&self, delta: &Delta) -> Option<HashSet<ProviderId>> {
        let gone = |noun: Noun| delta.gone.iter().filter(move |(of, _)| *of == noun).map(|(_, id)| *id);
        let rows = &delta.rows;
        let shared = [Noun::RuleSet, Noun::Rule].into_iter().any(|noun| gone(noun).next().is_some());
        if rows.settings != self.rows.settings || shared || !rows.rule_sets.is_empty() || !rows.rules.is_empty() {
            return None;
        }
        let mut touched: HashSet<ProviderId> =
            rows.providers.iter().map(|row| row.id).chain(gone(Noun::Provider).map(ProviderId)).collect();
        touched.extend(owners::<NewCredential>(&self.rows, delta));
        touched.extend(owners::<NewModel>(&self.rows, delta));
        touched.extend(owners::<NewProviderRuleSet>(&self.rows, delta));
        Some(touched)
    }

    /// Makes everything but the keys ready.
    fn settle(&mut self, before: Option<(&Self, &Option<HashSet<ProviderId>>)>, with: Compiler<'_>) {
        let rows = &self.rows;
        let mut faults = Vec::new();
        let settings = settings(&rows.settings, &mut faults);
        let kept = |id: ProviderId| {
            let (before, anew) = before?;
            let stays = anew.as_ref().is_some_and(|anew| !anew.contains(&id));
            stays.then(|| (before.providers.iter().find(|provider| provider.id == id).cloned(), before.provider_faults.get(&id).cloned()))
        };
        let mut parts = Parts::of(rows);
        let (mut providers, mut provider_faults) = (Vec::new(), BTreeMap::new());
        for row in rows.providers.iter().filter(|row| row.enabled) {
            let (made, told) = kept(row.id).unwrap_or_else(|| {
                let parts = parts.take(row.id);
                let mut told = Vec::new();
                let made = provider(row, parts, &settings, with, &mut told).map_err(|fault| told.push(fault)).ok();
                (made.map(Arc::new), Some(told.into()))
            });
            providers.extend(made);
            provider_faults.extend(told.filter(|told: &Arc<[Fault]>| !told.is_empty()).map(|told| (row.id, told)));
        }
        providers.sort_by(|a: &Arc<Provider>, b| a.name.cmp(&b.name));
        faults.extend(provider_faults.values().flat_map(|told| told.iter().cloned()));
        faults.extend(self.name_faults.iter().cloned());
        identities(rows, &mut faults);
        let (prices, price_faults) = match before {
            Some((before, _)) if before.rows.price_rules.is_same(&rows.price_rules) => {
                (Arc::clone(&before.prices), Arc::clone(&before.price_faults))
            }
            _ => {
                let (prices, told) = prices::book(rows);
                (prices, told.into())
            }
        };
        faults.extend(price_faults.iter().cloned());
        (self.prices, self.price_faults) = (prices, price_faults);
        self.by_name = providers.iter().enumerate().map(|(at, provider)| (Arc::clone(&provider.name), at)).collect();
        self.by_id = providers.iter().enumerate().map(|(at, provider)| (provider.id, at)).collect();
        self.settings = settings;
        self.providers = providers;
        self.provider_faults = provider_faults;
        self.faults = faults;
    }
}

/// Whether a change touches what names mean.
fn renames(delta: &Delta) -> bool {
    let rows = &delta.rows;
    let gone = |(noun, _): &(Noun, i64)| matches!(noun, Noun::Provider | Noun::Model | Noun::Route | Noun::RouteMember | Noun::Alias);
    let kept = [rows.providers.is_empty(), rows.models.is_empty(), rows.routes.is_empty(), rows.route_members.is_empty()];
    kept.contains(&false) || !rows.aliases.is_empty() || delta.gone.iter().any(gone)
}

/// Whose the touched rows of one noun are and were.
fn owners<N: Record>(before: &ConfigRows, delta: &Delta) -> HashSet<ProviderId> {
    let now = N::table(&delta.rows);
    let gone: HashSet<i64> = delta.gone.iter().filter(|(noun, _)| *noun == N::NOUN).map(|(_, id)| *id).collect();
    if now.is_empty() && gone.is_empty() {
        return HashSet::new();
    }
    let was = N::table(before).iter().filter(|row| now.get(row.id).is_some() || gone.contains(&row.id.into()));
    let links = was.chain(now.iter()).flat_map(|row| row.row.links());
    links.filter(|(link, _)| link.noun == Noun::Provider).map(|(_, id)| ProviderId(id)).collect()
}

/// Rows by the provider that they belong to.
#[derive(Default)]
struct Parts<'a> {
    credentials: HashMap<ProviderId, Vec<&'a CredentialRow>>,
    models: HashMap<ProviderId, Vec<&'a ModelRow>>,
    sets: HashMap<ProviderId, Vec<Attached<'a>>>,
}

/// The rows of one provider.
struct Part<'a> {
    credentials: Vec<&'a CredentialRow>,
    models: Vec<&'a ModelRow>,
    sets: Vec<Attached<'a>>,
}

impl<'a> Parts<'a> {
    fn of(rows: &'a ConfigRows) -> Self {
        let mut parts = Self::default();
        for row in rows.credentials.iter().filter(|row| row.enabled) {
            parts.credentials.entry(row.provider_id).or_default().push(row);
        }
        for row in rows.models.iter().filter(|row| row.enabled) {
            parts.models.entry(row.provider_id).or_default().push(row);
        }
        for (provider, set) in rules::attached(rows) {
            parts.sets.entry(provider).or_default().push(set);
        }
        parts
    }

    fn take(&mut self, id: ProviderId) -> Part<'a> {
        Part {
            credentials: self.credentials.remove(&id).unwrap_or_default(),
            models: self.models.remove(&id).unwrap_or_default(),
            sets: self.sets.remove(&id).unwrap_or_default(),
        }
    }
}

fn provider(
    row: &ProviderRow,
    Part { credentials, models, sets }: Part<'_>,
    settings: &Settings,
    with: Compiler<'_>,
    faults: &mut Vec<Fault>,
) -> Result<Provider, Fault> {
    let fault = |path: &str, message: String| Fault::new("provider", &row.name, path, message);
    name::provider(&row.name).map_err(|message| fault("name", message))?;
    let channel = channel(row, with)?;
    let proxy = match row.proxy.as_deref().filter(|proxy| !proxy.is_empty()) {
        Some(own) => {
            // Falling back to a direct connection would send traffic where its operator did not want it.
            name::proxy(own).map_err(|message| fault("proxy", message))?;
            Some(own.into())
        }
        None => settings.proxy.clone(),
    };
    let profile = Profile { proxy };
    let mut opened: Vec<_> =
        credentials.into_iter().filter_map(|own| Some((open(row, own, (with.sealer, &profile), faults)?, seat(own)))).collect();
    opened.sort_by_key(|(credential, _)| credential.id);
    let (opened, seats) = opened.into_iter().unzip();
    let (dispatch, unusable) = Rules::read(row.dispatch_json.as_deref());
    faults.extend(unusable.into_iter().map(|rule| fault(&format!("dispatch.{}", rule.path), rule.message)));
    let models = models.into_iter().map(|model| Model {
        id: model.model_id.as_str().into(),
        display_name: model.display_name.as_deref().map(Into::into),
        limits: Limits {
            prompt: model.context_window.and_then(|tokens| u64::try_from(tokens).ok()),
            output: model.max_output_tokens.and_then(|tokens| u64::try_from(tokens).ok()),
        },
    });
    let members = serde_json::from_str(&row.settings_json).unwrap_or_default();
    let turns = Turns::read(row.credential_strategy.as_deref(), &members).unwrap_or_else(|message| {
        faults.push(fault("credential_strategy", message));
        Turns::default()
    });
    let remembers = credentials::remembered(turns, &members).unwrap_or_else(|message| {
        faults.push(fault("settings.credential_cache_affinity_max_keys", message));
        None
    });
    Ok(Provider {
        id: row.id,
        name: row.name.as_str().into(),
        channel,
        credentials: opened,
        pool: Pool::new(turns, seats, remembers),
        retries: RetryBudget::default(),
        vendor: Catalogue::shipped().vendor(&row.channel).or_else(|| Catalogue::shipped().vendor(&row.name)),
        models: models.collect(),
        profile,
        rules: rules::compile(&row.name, &members, &sets, faults),
        dispatch,
    })
}

fn channel(row: &ProviderRow, with: Compiler<'_>) -> Result<Arc<dyn Channel>, Fault> {
    let found = channel::find(&row.channel).ok_or_else(|| {
        let known = CHANNELS.iter().map(|channel| channel.id);
        let message = format!("unknown channel {:?}{}", row.channel, name::hint(&row.channel, known));
        Fault::new("provider", &row.name, "channel", message)
    })?;
    let settings = secret::open_settings(with.sealer, &row.settings_json)
        .map_err(|fault| Fault::new("provider", &row.name, "settings.oauth.client_secret", fault.to_string()))?;
    channel::build(found, &settings, with.platform).map_err(|fault| {
        let path = if fault.path == "settings" { fault.path } else { format!("settings.{}", fault.path) };
        Fault::new("provider", &row.name, path, fault.message)
    })
}

/// A credential's place in the pool. Limits below zero count as none.
fn seat(row: &CredentialRow) -> Seat {
    let limit = |limit: Option<i64>| limit.and_then(|limit| u64::try_from(limit).ok());
    let concurrency = limit(row.concurrency_limit).and_then(|most| usize::try_from(most).ok());
    Seat::new(row.weight, credentials::Limits { requests: limit(row.rpm_limit), tokens: limit(row.tpm_limit), concurrency })
}

fn open(
    provider: &ProviderRow,
    row: &CredentialRow,
    (sealer, profile): (&Sealer, &Profile),
    faults: &mut Vec<Fault>,
) -> Option<Credential> {
    let label = || row.name.clone().unwrap_or_else(|| row.id.to_string());
    let name = || format!("{}/{}", provider.name, label());
    if row.kind != API_KEY {
        faults.push(Fault::new("credential", name(), "kind", format!("unknown kind {:?}; expected {API_KEY:?}", row.kind)));
        return None;
    }
    let profile = match row.proxy.as_deref().filter(|proxy| !proxy.is_empty()).map(|own| (own, name::proxy(own))) {
        None => profile.clone(),
        Some((own, Ok(()))) => Profile { proxy: Some(own.into()) },
        Some((_, Err(message))) => {
            faults.push(Fault::new("credential", name(), "proxy", message));
            return None;
        }
    };
    match secret::open_api_key(sealer, provider.id, &row.secret_sealed) {
        Ok(secret) => Some(Credential { id: row.id, changed_at: row.updated_at, secret: Some(Arc::new(secret)), profile }),
        Err(fault) => {
            faults.push(Fault::new("credential", name(), "secret", fault.to_string()));
            None
        }
    }
}

fn settings(row: &SettingsRow, faults: &mut Vec<Fault>) -> Settings {
    let proxy = row.proxy.as_deref().filter(|proxy| !proxy.is_empty());
    if let Some(Err(message)) = proxy.map(name::proxy) {
        faults.push(Fault::new("settings", "settings", "proxy", message));
    }
    Settings {
        // An unusable proxy is kept: calls then fail, and say why, rather than go out directly.
        proxy: proxy.map(Into::into),
        mask_sensitive_info: row.mask_sensitive_info,
        downstream: capture((row.enable_downstream_log, row.enable_downstream_log_body && !row.mask_sensitive_info)),
        upstream: capture((row.enable_upstream_log, row.enable_upstream_log_body && !row.mask_sensitive_info)),
        cache_doctor: row.cache_doctor,
    }
}

fn capture(heads_and_bodies: (bool, bool)) -> Capture {
    match heads_and_bodies {
        (false, _) => Capture::Off,
        (true, false) => Capture::Heads,
        (true, true) => Capture::Bodies,
    }
}

/// Says which identities the directory leaves out.
fn identities(rows: &ConfigRows, faults: &mut Vec<Fault>) {
    for row in &rows.keys {
        if parse_digest(&row.digest).is_none() {
            faults.push(Fault::new("key", &row.prefix, "digest", "expected 64 hexadecimal digits"));
        }
        for wrong in row.allowed_ips.iter().flat_map(|list| list.split(',')).filter_map(|one| one.trim().parse::<Network>().err()) {
            faults.push(Fault::new("key", &row.prefix, "allowed_ips", wrong.to_string()));
        }
    }
    for row in rows.permissions.iter().filter(|row| row.pattern.is_empty()) {
        faults.push(Fault::new("permission", row.id.to_string(), "pattern", "is empty and allows nothing"));
    }
}
