//! From what a provider tells of a person to a user: the one that is bound to the person, the one of its name, or a new one.
//!
//! A user is bound at its first sign-in, by issuer and subject, and from then on is that person's whatever becomes of its address:
//! an address that the provider gives to somebody else later opens nothing.

use serde_json::{Map, Value};

use super::{
    SignInFault,
    settings::{EMAIL, Newcomers, Settings},
};
use crate::{
    snapshot::name,
    store::record::{ConfigRows, NewUser, Role, UserRow},
};

/// The claim that says whether the provider has made sure of the address.
pub(super) const VERIFIED: &str = "email_verified";

/// A person, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// Issuer and subject.
    pub(super) external_id: String,
    /// What the configured claim says.
    pub(super) name: Option<String>,
    /// The role that the provider's claim stands for, where it may say so.
    pub(super) role: Option<Role>,
}

/// Which user a person is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This one, as it stands.
    Standing(UserRow),
    /// This one, which becomes that.
    Changed(UserRow, NewUser),
    /// Nobody yet; it becomes this one.
    New(NewUser),
}

/// Whether all that is asked of a person is told already.
pub(super) fn is_told(settings: &Settings, members: &Map<String, Value>) -> bool {
    let role = settings.roles.as_ref().map(|roles| roles.claim.as_str());
    let email = if settings.claim == EMAIL || !settings.allowed_domains.is_empty() { &[EMAIL, VERIFIED][..] } else { &[] };
    let mut asked = email.iter().copied().chain([settings.claim.as_str()]).chain(role);
    asked.all(|claim| members.contains_key(claim))
}

/// Reads a person out of claims, and refuses one of a foreign domain.
pub(super) fn read(settings: &Settings, subject: &str, members: &Map<String, Value>) -> Result<Person, SignInFault> {
    let email = verified_email(members);
    if !settings.allowed_domains.is_empty() {
        let domain = email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
        if !domain.is_some_and(|domain| settings.allowed_domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))) {
            return Err(stranger("the person's address is not verified at the identity provider, or not of a domain that may come in"));
        }
    }
    let told = if settings.claim == EMAIL { email } else { members.get(&settings.claim).and_then(Value::as_str).map(str::to_owned) };
    Ok(Person {
        external_id: format!("{} {subject}", settings.issuer),
        name: told.filter(|name| !name.is_empty()),
        role: settings.roles.as_ref().map(|roles| roles.role(texts(members.get(&roles.claim)))),
    })
}

/// Whose user a person is.
pub(super) fn find(settings: &Settings, person: &Person, rows: &ConfigRows) -> Result<Found, SignInFault> {
    let mut bound = rows.users.iter().filter(|user| user.external_id.as_deref() == Some(&*person.external_id));
    match (bound.next(), bound.next()) {
        (Some(user), None) => return known(person, user, rows),
        (Some(_), Some(_)) => return Err(stranger("several users are bound to this person; an administrator must free all but one")),
        (None, _) => {}
    }
    let Some(name) = person.name.as_deref() else {
        let message = format!("the identity provider tells no {} of this person, or none that it has verified", settings.claim);
        return Err(SignInFault::Stranger(message));
    };
    let mut named = rows.users.iter().filter(|user| is_called(settings, &user.name, name));
    match (named.next(), named.next()) {
        (Some(user), None) if user.external_id.is_some() => {
            Err(stranger("the user of this name is bound to another person at the identity provider; an administrator may free it"))
        }
        (Some(user), None) => known(person, user, rows),
        (Some(_), Some(_)) => Err(stranger("the names of several users differ from this address in capitals only")),
        (None, _) => newcomer(settings, person, name, rows).map(Found::New),
    }
}

/// A user that stands, bound to the person and with the role that it has now.
fn known(person: &Person, user: &UserRow, rows: &ConfigRows) -> Result<Found, SignInFault> {
    let organization = user.organization_id.and_then(|id| rows.organizations.get(id)).is_none_or(|organization| organization.enabled);
    let team = user.team_id.and_then(|id| rows.teams.get(id)).is_none_or(|team| team.enabled);
    if !(user.enabled && organization && team) {
        return Err(stranger("the user is disabled"));
    }
    let role = person.role.filter(|_| user.role != Role::Owner).unwrap_or(user.role);
    let row = NewUser { external_id: Some(person.external_id.clone()), role, ..user.row.clone() };
    Ok(if row == user.row { Found::Standing(user.clone()) } else { Found::Changed(user.clone(), row) })
}

fn newcomer(settings: &Settings, person: &Person, called: &str, rows: &ConfigRows) -> Result<NewUser, SignInFault> {
    let Newcomers::Made { role, organization } = &settings.newcomers else {
        return Err(stranger("nobody of this name is a user here; ask an administrator to make one"));
    };
    name::text(called).map_err(|_| stranger("what the identity provider calls this person cannot be a user's name"))?;
    let organization_id = match organization {
        Some(wanted) => Some(
            rows.organizations
                .iter()
                .find(|row| row.name == *wanted && row.enabled)
                .map(|row| row.id)
                .ok_or_else(|| stranger("the organization for new users is not there, or is disabled; ask an administrator"))?,
        ),
        None => None,
    };
    let role = person.role.unwrap_or(*role);
    Ok(NewUser { organization_id, external_id: Some(person.external_id.clone()), role, ..NewUser::named(called) })
}

/// An address means the same in capitals; other names do not.
fn is_called(settings: &Settings, user: &str, name: &str) -> bool {
    if settings.claim == EMAIL { user.eq_ignore_ascii_case(name) } else { user == name }
}

/// The address, where the provider has made sure that it is the person's. Some write the truth as a text.
fn verified_email(members: &Map<String, Value>) -> Option<String> {
    let is_verified = match members.get(VERIFIED) {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(text)) => text == "true",
        _ => false,
    };
    let email = members.get(EMAIL).and_then(Value::as_str).filter(|_| is_verified)?;
    Some(email.to_ascii_lowercase())
}

/// The texts of a claim: one, or a list.
fn texts(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = claim.and_then(Value::as_array).into_iter().flatten();
    list.chain(claim).filter_map(Value::as_str)
}

fn stranger(message: &str) -> SignInFault {
    SignInFault::Stranger(message.to_owned())
}
