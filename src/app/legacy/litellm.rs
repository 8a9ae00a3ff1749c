//! LiteLLM's proxy configuration: deployments become members of routes, each address with a key becomes a provider.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    Format, LegacyFault,
    document::{Document, Node},
    draft::{Draft, NO_PROVIDER, NO_USER, Reading},
    litellm_vendors::{self, Vendor},
    tables::decimal,
};
use crate::{
    access::key,
    base::RouteId,
    channel,
    store::record::{
        NewAlias, NewCredential, NewKey, NewModel, NewPriceRule, NewProvider, NewRoute, NewRouteMember, NewUser, PriceMatch, Role,
        ScopeKind, Strategy,
    },
};

/// Why the rest is left.
const KNOWN: &[(&str, &str)] = &[
    ("general_settings.database_url", "virtual keys, teams and budgets stand in that database, which is not read: make keys here"),
    ("litellm_settings.cache", "answers are not cached here"),
    ("litellm_settings.callbacks", "nothing is reported to other services here"),
    ("litellm_settings.success_callback", "nothing is reported to other services here"),
    ("litellm_settings.failure_callback", "nothing is reported to other services here"),
    ("litellm_settings.drop_params", "what an upstream cannot take is told as a loss here, always"),
    ("litellm_settings.num_retries", "failover is decided by its own rules here"),
    ("litellm_settings.request_timeout", "set a route's timers"),
    ("router_settings.timeout", "set a route's timers"),
    ("router_settings.num_retries", "failover is decided by its own rules here"),
    ("router_settings.redis", "give --redis-url"),
    ("include", "other files are not read: import them one by one"),
    ("environment_variables", "variables are looked up where the file names them, and are not kept"),
    ("model_list[].litellm_params.timeout", "set a route's timers"),
    ("model_list[].litellm_params.stream_timeout", "set a route's timers"),
    ("model_list[].model_info.id", "deployments have no ids of their own here"),
];

/// The user whose key the master key becomes.
const MASTER: &str = "litellm-master";

/// What upstreams are sent that want no key.
const NO_KEY: &str = "none";

/// A deployment's provider: the same address and key are the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    channel: &'static str,
    settings: String,
    key: Option<String>,
}

/// A deployment, as a member of a route in the making.
#[derive(Debug)]
struct Deployment {
    provider: String,
    upstream: String,
    weight: i64,
    order: i64,
}

/// The file as far as it was read.
struct Reader<'a> {
    draft: Draft,
    reading: &'a Reading<'a>,
    variables: BTreeMap<&'a String, Node<'a>>,
    credentials: BTreeMap<String, Node<'a>>,
    providers: BTreeMap<Place, String>,
    listed: BTreeSet<(String, String)>,
    priced: BTreeSet<(String, String)>,
    groups: BTreeMap<String, Vec<Deployment>>,
    /// How many deployments each provider has, and the limits that they name.
    limits: BTreeMap<String, Vec<[Option<i64>; 3]>>,
}

/// Reads the file.
///
/// # Errors
/// [`LegacyFault`].
pub(super) fn read(document: &Document, reading: &Reading<'_>) -> Result<Draft, LegacyFault> {
    let root = document.root();
    let mut reader = Reader {
        draft: Draft::of(Format::LiteLlm, document.path()),
        reading,
        variables: root.get("environment_variables").members()?.into_iter().collect(),
        credentials: BTreeMap::new(),
        providers: BTreeMap::new(),
        listed: BTreeSet::new(),
        priced: BTreeSet::new(),
        groups: BTreeMap::new(),
        limits: BTreeMap::new(),
    };
    for entry in root.get("credential_list").items()? {
        reader.credentials.insert(entry.get("credential_name").need_text()?.to_owned(), entry.get("credential_values"));
    }
    for entry in root.get("model_list").items()? {
        reader.deployment(&entry)?;
    }
    reader.credentials_of_providers();
    reader.fallbacks(&root)?;
    reader.routes(strategy(&root.get("router_settings").get("routing_strategy"))?);
    reader.aliases(&root.get("router_settings").get("model_group_alias"))?;
    reader.master(&root.get("general_settings").get("master_key"))?;
    let mut draft = reader.draft;
    document.tell_rest(&mut draft.report, KNOWN);
    Ok(draft)
}

/// How deployments of one name take turns.
fn strategy(node: &Node<'_>) -> Result<Strategy, LegacyFault> {
    match node.text()? {
        None | Some("simple-shuffle") => Ok(Strategy::Weighted),
        Some("least-busy") => Ok(Strategy::LeastBusy),
        Some("latency-based-routing") => Ok(Strategy::LeastLatency),
        Some("cost-based-routing") => Ok(Strategy::LowestCost),
        Some("usage-based-routing" | "usage-based-routing-v2") => Ok(Strategy::RoundRobin),
        Some(_) => Err(node
            .fault("simple-shuffle, least-busy, latency-based-routing, cost-based-routing, usage-based-routing or usage-based-routing-v2")),
    }
}

impl Reader<'_> {
    fn deployment(&mut self, entry: &Node<'_>) -> Result<(), LegacyFault> {
        let name = entry.get("model_name").need_text()?;
        let params = entry.get("litellm_params");
        if !params.is_there() {
            return Err(params.fault("a mapping with model"));
        }
        let model = params.get("model").need_text()?;
        let label = format!("{} {name:?}", entry.place());
        let told = params.get("custom_llm_provider").text()?;
        let base = self.value(&params, "api_base")?.or(self.value(&params, "base_url")?);
        let (vendor, upstream) = match litellm_vendors::find(model, told, base.as_deref()) {
            Ok(found) => found,
            Err(why) => {
                params.skip();
                entry.get("model_info").skip();
                self.draft.report.left_out("deployments", label, why);
                return Ok(());
            }
        };
        if name.matches('*').count() > 1 || (upstream.contains('*') && !name.contains('*')) || upstream.matches('*').count() > 1 {
            params.skip();
            entry.get("model_info").skip();
            self.draft.report.left_out("deployments", label, "a name holds one * at most, which the upstream's name may repeat");
            return Ok(());
        }
        let place = self.place(&params, vendor, base)?;
        let provider = self.provider(&place, vendor);
        let whole = |name: &str| params.get(name).whole();
        let limits = [whole("rpm")?, whole("tpm")?, whole("max_parallel_requests")?];
        self.limits.entry(provider.clone()).or_default().push(limits);
        let info = entry.get("model_info");
        self.model(&provider, upstream, &info)?;
        self.price(&provider, upstream, [&params, &info])?;
        let (weight, order) = (whole("weight")?.unwrap_or(1).max(1), whole("order")?.unwrap_or(0));
        let deployment = Deployment { provider, upstream: upstream.to_owned(), weight, order };
        self.groups.entry(name.to_owned()).or_default().push(deployment);
        self.draft.report.took("deployments");
        Ok(())
    }

    /// A value of a deployment, or of the credential that it names; a variable where it refers to one.
    fn value(&mut self, params: &Node<'_>, name: &str) -> Result<Option<String>, LegacyFault> {
        let named = params.get("litellm_credential_name");
        let mut node = params.get(name);
        if let Some(credential) = named.text()? {
            let values = self.credentials.get(credential).ok_or_else(|| named.fault("the name of an entry of credential_list"))?;
            if !node.is_there() {
                node = values.get(name);
            }
        }
        let Some(text) = node.text()? else { return Ok(None) };
        match text.strip_prefix("os.environ/") {
            None => Ok(Some(text.to_owned())),
            Some(variable) => Ok(self.variable(variable, node.place())),
        }
    }

    fn variable(&mut self, name: &str, place: &str) -> Option<String> {
        let given = self.reading.environment.get(name).map(String::as_str);
        let owned = name.to_owned();
        let found = given.or_else(|| self.variables.get(&owned).and_then(|node| node.text().ok().flatten()));
        if found.is_none() && !place.is_empty() {
            let why = "name variables that are not set where this runs: set them, or give the values by hand";
            self.draft.report.note("os.environ", format!("{name} at {place}"), why);
        }
        found.map(str::to_owned)
    }

    fn place(&mut self, params: &Node<'_>, vendor: &Vendor, base: Option<String>) -> Result<Place, LegacyFault> {
        let key = match self.value(params, "api_key")? {
            Some(key) => Some(key),
            // Where nothing is said the vendor's usual variable is asked.
            None if !params.get("api_key").is_there() => match vendor.variable {
                Some(variable) => self.variable(variable, ""),
                None => {
                    let why = format!("need no key there; here they are sent {NO_KEY:?}");
                    self.draft.report.note("deployments", params.place(), why);
                    Some(NO_KEY.to_owned())
                }
            },
            None => None,
        };
        let base = base.map(|base| base.trim_end_matches('/').to_owned()).or_else(|| vendor.address.map(str::to_owned));
        let is_own = base.as_ref().is_some_and(|base| !litellm_vendors::is_home(vendor, base));
        // Who takes OpenAI's place at another address speaks Chat, and rarely the rest.
        let channel = if is_own && vendor.channel == "openai" { "custom" } else { vendor.channel };
        let mut settings = Map::new();
        if let Some(base) = base.filter(|_| is_own || channel == "custom") {
            settings.insert("base_url".to_owned(), base.into());
        }
        if channel == "custom" {
            settings.insert("dialects".to_owned(), json!(["chat"]));
            let headers = self.headers(params)?;
            if !headers.is_empty() {
                settings.insert("headers".to_owned(), Value::Object(headers));
            }
        }
        Ok(Place { channel, settings: Value::Object(settings).to_string(), key })
    }

    fn headers(&mut self, params: &Node<'_>) -> Result<Map<String, Value>, LegacyFault> {
        let mut headers = Map::new();
        let given = params.get("extra_headers");
        for (name, _) in given.members()? {
            if let Some(value) = self.value(&given, name)? {
                headers.insert(name.clone(), value.into());
            }
        }
        Ok(headers)
    }

    fn provider(&mut self, place: &Place, vendor: &Vendor) -> String {
        if let Some(name) = self.providers.get(place) {
            return name.clone();
        }
        let mut name = vendor.name.to_owned();
        for number in 2..=self.providers.len() + 1 {
            if self.providers.values().any(|other| *other == name) {
                name = format!("{}-{number}", vendor.name);
            }
        }
        let members = serde_json::from_str(&place.settings).unwrap_or_default();
        let settings_json = match channel::find(place.channel) {
            Some(found) => self.draft.settings(found, &name, members, self.reading.platform),
            None => place.settings.clone(),
        };
        self.draft.put(&NewProvider { settings_json, ..NewProvider::of(&name, place.channel) }, []);
        self.draft.report.took("providers");
        self.providers.insert(place.clone(), name.clone());
        name
    }

    fn model(&mut self, provider: &str, upstream: &str, info: &Node<'_>) -> Result<(), LegacyFault> {
        let window = info.get("max_input_tokens").whole()?.or(info.get("max_tokens").whole()?);
        let most = info.get("max_output_tokens").whole()?;
        for member in ["mode", "base_model"] {
            info.get(member).skip();
        }
        if !upstream.contains('*') && self.listed.insert((provider.to_owned(), upstream.to_owned())) {
            let row = NewModel { context_window: window, max_output_tokens: most, ..NewModel::of(NO_PROVIDER, upstream) };
            self.draft.put(&row, [("provider", provider.into())]);
        }
        Ok(())
    }

    /// What a deployment says that its tokens cost, in dollars each.
    fn price(&mut self, provider: &str, upstream: &str, from: [&Node<'_>; 2]) -> Result<(), LegacyFault> {
        let mut rates = Map::new();
        for (unit, member, scale) in [
            ("input", "input_cost_per_token", 1e6),
            ("output", "output_cost_per_token", 1e6),
            ("cache_read", "cache_read_input_token_cost", 1e6),
            ("cache_write_5m", "cache_creation_input_token_cost", 1e6),
            ("second", "input_cost_per_second", 1.0),
        ] {
            for node in from {
                if let Some(price) = node.get(member).number()? {
                    rates.entry(unit).or_insert_with(|| decimal(&format!("{:.9}", price * scale)).into());
                }
            }
        }
        if !rates.is_empty() && self.priced.insert((provider.to_owned(), upstream.to_owned())) {
            let match_kind = if upstream.contains('*') { PriceMatch::Glob } else { PriceMatch::Exact };
            let rates_json = Value::Object(rates).to_string();
            let row = NewPriceRule { provider_id: Some(NO_PROVIDER), match_kind, pattern: upstream.to_owned(), rates_json, enabled: true };
            self.draft.put(&row, [("provider", provider.into())]);
            self.draft.report.took("prices");
        }
        Ok(())
    }

    /// The key of each provider. Limits of a deployment become its key's where no other deployment has that key.
    fn credentials_of_providers(&mut self) {
        for (place, name) in std::mem::take(&mut self.providers) {
            let limits = self.limits.remove(&name).unwrap_or_default();
            let alone = if let [one] = limits.as_slice() { *one } else { [None; 3] };
            if limits.len() > 1 && limits.iter().flatten().any(Option::is_some) {
                let why =
                    "have limits (rpm, tpm, max_parallel_requests) by deployment, where several share a key: set them on the credential";
                self.draft.report.note("deployments", &name, why);
            }
            let Some(key) = place.key else {
                self.draft.report.left_out("api keys", name, "have no api_key whose value is known: add a credential");
                continue;
            };
            let [rpm_limit, tpm_limit, concurrency_limit] = alone;
            let row = NewCredential { rpm_limit, tpm_limit, concurrency_limit, ..NewCredential::of(NO_PROVIDER, "", "") };
            self.draft.api_key(&name, row, &key);
            self.draft.report.took("api keys");
        }
    }

    /// What a name falls back to becomes later tiers of its route.
    fn fallbacks(&mut self, root: &Node<'_>) -> Result<(), LegacyFault> {
        let mut wanted: Vec<(String, Vec<String>)> = Vec::new();
        for section in ["litellm_settings", "router_settings"] {
            for entry in root.get(section).get("fallbacks").items()? {
                for (name, others) in entry.members()? {
                    wanted.push((name.clone(), others.texts()?.into_iter().map(str::to_owned).collect()));
                }
            }
        }
        for section in ["litellm_settings", "router_settings"] {
            let others: Vec<String> = root.get(section).get("default_fallbacks").texts()?.into_iter().map(str::to_owned).collect();
            let names = self.groups.keys().filter(|name| !others.is_empty() && !wanted.iter().any(|(with, _)| with == *name));
            let more: Vec<_> = names.map(|name| (name.clone(), others.clone())).collect();
            wanted.extend(more);
        }
        let own: BTreeMap<String, Vec<(String, String, i64, i64)>> = self
            .groups
            .iter()
            .map(|(name, group)| {
                (name.clone(), group.iter().map(|one| (one.provider.clone(), one.upstream.clone(), one.weight, one.order)).collect())
            })
            .collect();
        for (name, others) in wanted {
            for other in others.into_iter().filter(|other| *other != name) {
                let (Some(group), Some(more)) = (self.groups.get_mut(&name), own.get(&other)) else {
                    self.draft.report.left_out(
                        "fallbacks",
                        format!("{name} -> {other}"),
                        "name a model that is left out or not in model_list",
                    );
                    continue;
                };
                let last = group.iter().map(|one| one.order).max().unwrap_or(0);
                for (provider, upstream, weight, order) in more.iter().cloned() {
                    group.push(Deployment { provider, upstream, weight, order: last + 1 + order });
                }
                self.draft.report.took("fallbacks");
            }
        }
        Ok(())
    }

    fn routes(&mut self, strategy: Strategy) {
        for (name, group) in std::mem::take(&mut self.groups) {
            let route =
                NewRoute { namespace: String::new(), name: name.clone(), strategy, description: None, settings_json: None, enabled: true };
            self.draft.put(&route, []);
            self.draft.report.took("model names");
            let orders: BTreeSet<i64> = group.iter().map(|one| one.order).collect();
            for Deployment { provider, upstream, weight, order } in group {
                let tier = orders.iter().position(|one| *one == order).and_then(|tier| i64::try_from(tier).ok()).unwrap_or(0);
                let row = NewRouteMember {
                    route_id: RouteId(0),
                    provider_id: NO_PROVIDER,
                    upstream_model: upstream,
                    weight,
                    tier,
                    enabled: true,
                };
                self.draft.put(&row, [("route", json!(["", name])), ("provider", provider.into())]);
            }
        }
    }

    fn aliases(&mut self, node: &Node<'_>) -> Result<(), LegacyFault> {
        for (at, (alias, target)) in node.members()?.into_iter().enumerate() {
            // An alias is a name, or a mapping with the name and whether it is listed.
            let target = if target.get("model").is_there() { target.get("model").need_text()? } else { target.need_text()? };
            let row = NewAlias {
                provider: "*".to_owned(),
                alias: regex::escape(alias),
                target: target.replace('$', "$$"),
                sort_order: i64::try_from(at).unwrap_or(i64::MAX),
                enabled: true,
            };
            self.draft.put(&row, []);
            self.draft.report.took("aliases");
        }
        Ok(())
    }

    /// The master key opens everything there, and does here.
    fn master(&mut self, node: &Node<'_>) -> Result<(), LegacyFault> {
        let Some(text) = node.text()? else { return Ok(()) };
        let found = match text.strip_prefix("os.environ/") {
            None => Some(text.to_owned()),
            Some(variable) => self.variable(variable, node.place()),
        };
        let Some(master) = found else {
            self.draft.report.left_out("keys", "master_key", "its value is not known");
            return Ok(());
        };
        let digest = key::digest_text(&master);
        self.draft.put(&NewUser { role: Role::Admin, ..NewUser::named(MASTER) }, []);
        let label = Some("master_key".to_owned());
        self.draft.put(&NewKey { label, ..NewKey::of(NO_USER, digest, key::prefix(&master)) }, [("user", MASTER.into())]);
        self.draft.permission(ScopeKind::User, MASTER, "*");
        self.draft.report.took("keys");
        Ok(())
    }
}
