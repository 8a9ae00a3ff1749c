//! From a caller to a permit: the one place where a call is allowed.

use std::cell::OnceCell;

use super::{Caller, Grant};
use crate::{
    base::{Glob, KeyId, UserId},
    protocol::{OperationGroup, OperationKey},
};

/// Proof that a caller may make one call. Only [`admit`] makes one, and no order can be sealed without it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Permit {
    user: UserId,
    key: KeyId,
    operation: OperationKey,
}

impl Permit {
    /// Who pays.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// With which key.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// For what.
    #[must_use]
    pub fn operation(&self) -> OperationKey {
        self.operation
    }
}

/// No permission of the caller fits the call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no permission for {name:?}; ask an administrator for one")]
pub struct Forbidden {
    /// `provider/model`, or `provider` for a call without a model.
    pub name: String,
}

/// Allows one call, or refuses it. Without a fitting permission everything is refused, for administrators too.
///
/// # Errors
/// [`Forbidden`].
pub fn admit(caller: &Caller, operation: OperationKey, provider: &str, model: Option<&str>) -> Result<Permit, Forbidden> {
    if may_use(caller, Some(operation.operation().group()), provider, model) {
        Ok(Permit { user: caller.user(), key: caller.key(), operation })
    } else {
        let name = model.map_or_else(|| provider.to_owned(), |model| format!("{provider}/{model}"));
        Err(Forbidden { name })
    }
}

/// Allows one call by the name of the route that it asks for; `None` where only its provider and model can allow it.
#[must_use]
pub fn admit_route(caller: &Caller, operation: OperationKey, route: &str) -> Option<Permit> {
    let fits = |pattern: &Glob| pattern.matches(route);
    may(caller, Some(operation.operation().group()), &fits).then(|| Permit { user: caller.user(), key: caller.key(), operation })
}

/// Whether a caller may see a route in a list: it may use it for something.
#[must_use]
pub fn may_see_route(caller: &Caller, route: &str) -> bool {
    may(caller, None, &|pattern| pattern.matches(route))
}

/// Whether a caller may see a model in a list: it may use it for something.
#[must_use]
pub fn may_see(caller: &Caller, provider: &str, model: &str) -> bool {
    may_use(caller, None, provider, Some(model))
}

fn may_use(caller: &Caller, group: Option<OperationGroup>, provider: &str, model: Option<&str>) -> bool {
    let name = OnceCell::new();
    may(caller, group, &|pattern| fits(pattern, provider, model, &name))
}

/// The user's, the team's and the organization's permissions add up; the key's own narrow them.
fn may(caller: &Caller, group: Option<OperationGroup>, fits: &dyn Fn(&Glob) -> bool) -> bool {
    let opens = |grants: &[Grant]| {
        let mut fitting = grants.iter().filter(|grant| grant.group.is_none() || group.is_none_or(|group| grant.group == Some(group)));
        fitting.any(|grant| fits(&grant.pattern))
    };
    caller.own().is_none_or(|own| own.grants.is_empty() || opens(&own.grants)) && caller.shared().iter().any(|shared| opens(&shared.grants))
}

/// Whether a pattern fits; the whole name is put together once, where a pattern wants it.
fn fits(pattern: &Glob, provider: &str, model: Option<&str>, name: &OnceCell<String>) -> bool {
    match model {
        // A call without a model (a file, a list) is open to whoever may use something of the provider.
        None => reaches(pattern.as_str(), provider),
        Some(_) if pattern.as_str() == "*" || pattern.as_str() == provider => true,
        Some(model) => pattern.matches(name.get_or_init(|| format!("{provider}/{model}"))),
    }
}

/// Whether some name under `provider/` can fit the pattern.
fn reaches(pattern: &str, provider: &str) -> bool {
    let head = pattern.split_once('/').map_or(pattern, |(head, _)| head);
    Glob::new(head).matches(provider) || (!pattern.contains('/') && pattern.contains('*') && prefix_fits(pattern, provider))
}

/// Whether what stands before the pattern's first star begins the provider's name.
fn prefix_fits(pattern: &str, provider: &str) -> bool {
    let literal = pattern.split(['*', '?']).next().unwrap_or("");
    provider.starts_with(literal) || literal.starts_with(&format!("{provider}/"))
}
