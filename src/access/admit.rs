//! From a caller to a permit: the one place where a call is allowed.

use super::Caller;
use crate::{
    base::{KeyId, UserId},
    protocol::OperationKey,
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
    if may_use(caller, provider, model) {
        Ok(Permit { user: caller.user(), key: caller.key(), operation })
    } else {
        let name = model.map_or_else(|| provider.to_owned(), |model| format!("{provider}/{model}"));
        Err(Forbidden { name })
    }
}

/// Whether a caller may see a model in a list.
#[must_use]
pub fn may_see(caller: &Caller, provider: &str, model: &str) -> bool {
    may_use(caller, provider, Some(model))
}

fn may_use(caller: &Caller, provider: &str, model: Option<&str>) -> bool {
    let Some(model) = model else {
        // A call without a model (a file, a list) is open to whoever may use something of the provider.
        return caller.permissions().iter().any(|glob| reaches(glob.as_str(), provider));
    };
    if caller.permissions().iter().any(|glob| glob.as_str() == "*") {
        return true;
    }
    let name = format!("{provider}/{model}");
    caller.permissions().iter().any(|glob| glob.matches(&name) || glob.as_str() == provider)
}

/// Whether some name under `provider/` can fit the pattern.
fn reaches(pattern: &str, provider: &str) -> bool {
    let head = pattern.split_once('/').map_or(pattern, |(head, _)| head);
    crate::base::Glob::new(head).matches(provider) || (!pattern.contains('/') && pattern.contains('*') && prefix_fits(pattern, provider))
}

/// Whether what stands before the pattern's first star begins the provider's name.
fn prefix_fits(pattern: &str, provider: &str) -> bool {
    let literal = pattern.split(['*', '?']).next().unwrap_or("");
    provider.starts_with(literal) || literal.starts_with(&format!("{provider}/"))
}
