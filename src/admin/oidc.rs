//! Sign-in by OpenID Connect: the authorization code flow with PKCE, over the way out that everything else takes.
//!
//! It ends as a login by password does, with a fresh key that expires. What must come back is bound to the browser by a sealed
//! cookie ([`passage`]), what the provider says is believed only as [`id_token`] has it, and whose user it is [`person`] says.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    AdminFault, Control, audit,
    login::{self, Session},
};
use crate::{
    base::UserId,
    runtime::Verify,
    store::{
        persist::StoreFault,
        record::{AuditAction, Change, ChangeSet, NewAudit, NewUser, Noun, Tabled as _, made_by},
    },
};

mod fault;
mod id_token;
mod jwks;
mod passage;
mod person;
mod provider;
mod settings;

pub use fault::{Rejected, SignInFault};
pub use passage::LASTS_MS;
pub use provider::is_safe;
pub use settings::{EMAIL, Newcomers, RolesByClaim, Settings};

use id_token::{Claims, Expected};
use passage::Passage;
use person::{Found, Person, VERIFIED};
use provider::{Memory, Provider};

/// States that are remembered as used, at most; the oldest make room. A code works once whatever is remembered here.
const USED: usize = 8192;
/// How often a user is looked for again because the configuration changed meanwhile.
const TRIES: usize = 5;

/// Sign-in by one identity provider.
#[derive(Debug)]
pub struct Oidc {
    settings: Settings,
    verify: Arc<dyn Verify>,
    memory: Memory,
    /// States of sign-ins that were ended here, and when they are over anyway.
    used: Mutex<HashMap<[u8; 32], u64>>,
}

impl Oidc {
    /// Asks nothing of the provider yet.
    #[must_use]
    pub fn new(settings: Settings, verify: Arc<dyn Verify>) -> Self {
        Self { settings, verify, memory: Memory::default(), used: Mutex::default() }
    }

    fn provider<'a>(&'a self, control: &'a Control) -> Provider<'a> {
        Provider { control, settings: &self.settings, memory: &self.memory }
    }

    /// Notes that a sign-in is over; `false` where it was so already.
    fn end(&self, state: &str, now_ms: u64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until > now_ms);
        if used.len() >= USED
            && let Some(oldest) = used.iter().min_by_key(|(_, until)| **until).map(|(state, _)| *state)
        {
            used.remove(&oldest);
        }
        used.insert(Sha256::digest(state).into(), now_ms.saturating_add(LASTS_MS)).is_none()
    }
}

/// The way to the provider.
#[derive(Debug)]
pub struct Departure {
    /// Where the browser goes.
    pub location: String,
    /// What it carries meanwhile, sealed.
    pub passage: String,
}

/// What the browser brings back.
#[derive(Debug, Default)]
pub struct Arrival {
    /// What stands for the person, once.
    pub code: Option<String>,
    /// Which sign-in it is the end of.
    pub state: Option<String>,
    /// Who says so.
    pub issuer: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// What the browser carried, sealed.
    pub passage: Option<String>,
}

/// Whether the way back to this gateway is encrypted.
#[must_use]
pub fn is_encrypted(control: &Control) -> bool {
    control.oidc().is_some_and(|oidc| oidc.settings.is_encrypted())
}

/// Begins a sign-in.
///
/// # Errors
/// [`AdminFault::SignIn`] where none is set up, or the provider does not answer.
pub async fn depart(control: &Control) -> Result<Departure, AdminFault> {
    let oidc = control.oidc().ok_or(SignInFault::NotSetUp)?;
    let metadata = oidc.provider(control).metadata().await?;
    let entropy = &*control.platform().entropy;
    let passage = Passage::begin(entropy, control.now_ms());
    let Settings { client_id, redirect_url, scopes, .. } = &oidc.settings;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("response_type", "code").append_pair("client_id", client_id);
    query.append_pair("redirect_uri", redirect_url).append_pair("scope", &scopes.join(" "));
    query.append_pair("state", &passage.state).append_pair("nonce", &passage.nonce);
    query.append_pair("code_challenge", &passage.challenge()).append_pair("code_challenge_method", "S256");
    let endpoint = &metadata.authorization_endpoint;
    let location = format!("{endpoint}{}{}", if endpoint.contains('?') { '&' } else { '?' }, query.finish());
    Ok(Departure { location, passage: passage.seal(control.sealer(), entropy) })
}

/// Ends a sign-in: a fresh key of the user whom the provider has named.
///
/// # Errors
/// [`AdminFault::SignIn`], [`AdminFault::Throttled`] after five failures within a minute.
pub async fn arrive(control: &Control, arrival: Arrival, from: Option<IpAddr>) -> Result<Session, AdminFault> {
    let oidc = control.oidc().ok_or(SignInFault::NotSetUp)?;
    let subjects: Vec<String> = from.map(login::source).into_iter().collect();
    control.throttle.enter(&subjects, control.now_ms()).map_err(|retry_after| AdminFault::Throttled { retry_after })?;
    let mut entry = login::entry(control, AuditAction::LoginFailed, (None, from));
    let ended = end(oidc, control, arrival, &mut entry).await;
    match &ended {
        Err(AdminFault::SignIn(fault)) if *fault != SignInFault::Provider => login::note(control, entry).await,
        // Nobody failed.
        Ok(_) | Err(_) => control.throttle.forgive(&subjects),
    }
    ended
}

async fn end(oidc: &Oidc, control: &Control, arrival: Arrival, entry: &mut NewAudit) -> Result<Session, AdminFault> {
    entry.after_json = Some(json!({ "by": "oidc" }).to_string());
    let passage = opened(oidc, control, &arrival)?;
    let claims = proved(oidc, control, &arrival, &passage).await?;
    let person = person::read(&oidc.settings, &claims.subject, &claims.members)?;
    entry.after_json = Some(json!({ "by": "oidc", "claim": &person.name }).to_string());
    let mut tries = 0;
    loop {
        // Of two first sign-ins of one person at once, one makes the user and the other finds it.
        let _changing = control.changing().await;
        match let_in(oidc, control, &person, entry).await {
            Err(AdminFault::Store(StoreFault::Moved) | AdminFault::Taken { .. }) if tries < TRIES => tries += 1,
            ended => return ended,
        }
    }
}

/// The sign-in that the browser began, which is over from now on.
fn opened(oidc: &Oidc, control: &Control, arrival: &Arrival) -> Result<Passage, SignInFault> {
    let (Some(sealed), Some(state)) = (&arrival.passage, &arrival.state) else { return Err(SignInFault::Stale) };
    let now = control.now_ms();
    let passage = Passage::open(sealed, state, (control.sealer(), now)).ok_or(SignInFault::Stale)?;
    if oidc.end(&passage.state, now) { Ok(passage) } else { Err(SignInFault::Stale) }
}

/// Who the provider says that it is, where it can be believed.
async fn proved(oidc: &Oidc, control: &Control, arrival: &Arrival, passage: &Passage) -> Result<Claims, SignInFault> {
    let provider = oidc.provider(control);
    let metadata = provider.metadata().await?;
    let names_itself = match &arrival.issuer {
        Some(issuer) => *issuer == oidc.settings.issuer,
        None => !metadata.authorization_response_iss_parameter_supported,
    };
    if !names_itself {
        return Err(Rejected::Issuer.into());
    }
    let code = match (&arrival.error, &arrival.code) {
        (Some(error), _) => return Err(SignInFault::Declined(word(error))),
        (None, Some(code)) if !code.is_empty() => code,
        (None, _) => return Err(SignInFault::Declined("no code came with it".to_owned())),
    };
    let tokens = provider.exchange(&metadata, code, &passage.verifier).await?;
    let Settings { issuer, client_id, .. } = &oidc.settings;
    let expected = Expected { issuer, client_id, nonce: &passage.nonce, since_ms: passage.since_ms, now_ms: control.now_ms() };
    let check = |keys: &[jwks::Jwk]| id_token::check(tokens.id.expose(), keys, &*oidc.verify, &expected);
    let checked = match check(&provider.keys(&metadata).await?) {
        // A provider that changes its keys shows the new ones before it signs with them.
        Err(Rejected::UnknownKey) => check(&provider.keys_anew(&metadata).await?),
        checked => checked,
    };
    let mut claims = checked?;
    if !person::is_told(&oidc.settings, &claims.members)
        && let Some(access) = &tokens.access
        && let Some(told) = provider.person(&metadata, access).await?
    {
        complete(&mut claims, told)?;
    }
    Ok(claims)
}

/// Adds what the provider tells of the same person elsewhere. What the signed token says counts more.
fn complete(claims: &mut Claims, told: Map<String, Value>) -> Result<(), Rejected> {
    if told.get("sub").and_then(Value::as_str) != Some(&claims.subject) {
        return Err(Rejected::OtherSubject);
    }
    // Whether an address is verified belongs to the address: one from here and the other from there would be a lie.
    if claims.members.get(EMAIL) != told.get(EMAIL) {
        if claims.members.contains_key(EMAIL) {
            claims.members.entry(VERIFIED).or_insert(Value::Bool(false));
        } else {
            claims.members.remove(VERIFIED);
        }
    }
    for (name, value) in told {
        claims.members.entry(name).or_insert(value);
    }
    Ok(())
}

/// Makes a key for the user whom a person is, and the user where it is a new one, in one step.
async fn let_in(oidc: &Oidc, control: &Control, person: &Person, failed: &mut NewAudit) -> Result<Session, AdminFault> {
    let rows = control.records().load().await?;
    let found = person::find(&oidc.settings, person, &rows)?;
    let mut set = ChangeSet { base: Some(rows.revision), ..ChangeSet::default() };
    let (id, row) = match found {
        Found::Standing(user) => (user.id, user.row),
        Found::Changed(user, row) => {
            let entry = NewAudit { actor_id: Some(user.id), ..about(control, AuditAction::Update, (Some(&user.row), &row), failed) };
            set.audit.push(NewAudit { target_id: Some(user.id.0), ..entry });
            set.changes.push(Change::Set(user.id.0, row.clone().into_row()));
            (user.id, row)
        }
        Found::New(row) => {
            let entry = about(control, AuditAction::Create, (None, &row), failed);
            set.audit.push(NewAudit { target_id: Some(made_by(0)), ..entry });
            set.changes.push(Change::Make(row.clone().into_row()));
            (UserId(made_by(0)), row)
        }
    };
    let entry = NewAudit {
        actor_id: Some(id).filter(|id| id.0 > 0),
        actor_name: Some(row.name.clone()),
        role: Some(row.role),
        action: AuditAction::Login,
        target_id: Some(id.0),
        organization_id: row.organization_id,
        ..failed.clone()
    };
    set.audit.push(entry);
    login::open(control, (id, &row), set).await
}

/// What is told of a user that a sign-in makes or changes.
fn about(control: &Control, action: AuditAction, (before, after): (Option<&NewUser>, &NewUser), failed: &NewAudit) -> NewAudit {
    let (before_json, after_json) = audit::told(before, Some(after));
    let organization_id = after.organization_id;
    let peer = failed.peer.clone();
    let actor_name = Some("oidc".to_owned());
    NewAudit { actor_name, organization_id, peer, before_json, after_json, ..audit::blank(control, action, Noun::User.name()) }
}

/// An error's code as it may be shown: a word of the standard's letters.
fn word(code: &str) -> String {
    let is_plain = code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if is_plain && !code.is_empty() { code.to_owned() } else { "it gave an error that cannot be shown".to_owned() }
}

#[cfg(test)]
mod tests;
