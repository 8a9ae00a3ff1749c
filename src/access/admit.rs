//! From a caller to a permit: the one place where a call is allowed.

use std::cell::OnceCell;

use super::{Caller, Grant};
use crate::{
    base::{Glob, KeyId, UserId},
    protocol::{Operation, OperationGroup, OperationKey},
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
    /// `provider/model`, or `provider/*` for a call without a model.
    pub name: String,
}

/// Allows one call, or refuses it. Without a fitting permission everything is refused, for administrators too.
///
/// What a call without a model reaches (files, batches, a model that the provider chooses) is the whole provider's, and so must its
/// permission be. Only the list of models is open to whoever may use one of them, who is shown no others.
///
/// # Errors
/// [`Forbidden`].
pub fn admit(caller: &Caller, operation: OperationKey, provider: &str, model: Option<&str>) -> Result<Permit, Forbidden> {
    let group = Some(operation.operation().group());
    let is_allowed = match model {
        Some(model) => may_use(caller, group, provider, model),
        None if operation.operation() == Operation::ListModels => may(caller, group, &|pattern| reaches(pattern.as_str(), provider)),
        None => may_use_all(caller, group, provider),
    };
    if is_allowed {
        Ok(Permit { user: caller.user(), key: caller.key(), operation })
    } else {
        Err(Forbidden { name: format!("{provider}/{}", model.unwrap_or("*")) })
    }
}

/// Allows what the gateway does for a caller without a provider, such as to keep a conversation: whoever may use anything may.
///
/// # Errors
/// [`Forbidden`] where the caller may use nothing at all.
pub fn admit_here(caller: &Caller) -> Result<(), Forbidden> {
    if may(caller, None, &|_| true) { Ok(()) } else { Err(Forbidden { name: "*".to_owned() }) }
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
    may_use(caller, None, provider, model)
}

/// Whether a caller may see all models of a provider, so that its list needs no look.
#[must_use]
pub fn may_see_all(caller: &Caller, provider: &str) -> bool {
    may_use_all(caller, None, provider)
}

fn may_use(caller: &Caller, group: Option<OperationGroup>, provider: &str, model: &str) -> bool {
    let name = OnceCell::new();
    may(caller, group, &|pattern| fits(pattern, provider, model, &name))
}

/// Whether one permission opens everything of a provider.
fn may_use_all(caller: &Caller, group: Option<OperationGroup>, provider: &str) -> bool {
    let whole = Glob::new(&format!("{provider}/*"));
    may(caller, group, &|pattern| pattern.as_str() == provider || pattern.covers(&whole))
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
fn fits(pattern: &Glob, provider: &str, model: &str, name: &OnceCell<String>) -> bool {
    pattern.as_str() == "*" || pattern.as_str() == provider || pattern.matches(name.get_or_init(|| format!("{provider}/{model}")))
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

#[cfg(test)]
mod tests {
    use super::{Caller, Permit, admit, admit_here, may_see_all};
    use crate::{
        access::{Directory, identify, key::digest_text},
        base::{KeyId, UserId},
        protocol::{Operation as O, OperationKey, OperationKind as K},
        store::record::{ConfigRows, NewKey, NewPermission, NewUser, ScopeKind, Standing},
    };

    fn standing<N, I>(id: I, row: N) -> Standing<N>
    where
        N: crate::store::record::Record<Id = I>,
    {
        Standing { id, row, created_at: 0, updated_at: 0 }
    }

    /// A caller with permissions of its user, and of its key: each a pattern and a group.
    fn caller(of_user: &[(&str, &str)], of_key: &[(&str, &str)]) -> Caller {
        let both = [(ScopeKind::User, of_user), (ScopeKind::Key, of_key)];
        let granted = both.into_iter().flat_map(|(scope, given)| given.iter().map(move |given| (scope, *given)));
        let rows = granted.zip(1_i64..).map(|((scope, (pattern, group)), id)| {
            let row = NewPermission { scope, scope_id: 1, pattern: pattern.to_owned(), operation_group: group.to_owned() };
            standing(id.into(), row)
        });
        let directory = Directory::build(&ConfigRows {
            users: [standing(UserId(1), NewUser::named("u"))].into_iter().collect(),
            keys: [standing(KeyId(1), NewKey::of(UserId(1), digest_text("t"), "t"))].into_iter().collect(),
            permissions: rows.collect(),
            ..ConfigRows::default()
        });
        identify(&directory, Some("t"), 0, None).unwrap()
    }

    fn opens(caller: &Caller, operation: O, model: Option<&str>) -> bool {
        let kind = if operation == O::GenerateContent { K::OpenAiChatCompletions } else { K::OpenAi };
        let given = admit(caller, OperationKey::new(operation, kind).unwrap(), "up", model);
        given.as_ref().map(Permit::user).is_ok_and(|user| user == UserId(1))
    }

    #[test]
    fn without_a_model_only_a_permission_for_the_whole_provider_opens_more_than_the_list() {
        for (pattern, of_model, list, whole) in [
            ("*", true, true, true),
            ("up", true, true, true),
            ("up/*", true, true, true),
            ("u*", true, true, true),
            ("*/*", true, true, true),
            ("up/m", true, true, false),
            ("up/m*", true, true, false),
            ("up/?*", true, true, false),
            ("*/m", true, true, false),
            ("up/other", false, true, false),
            ("down/*", false, false, false),
            ("upper", false, false, false),
        ] {
            let caller = caller(&[(pattern, "")], &[]);
            assert_eq!(opens(&caller, O::GenerateContent, Some("m")), of_model, "{pattern}");
            assert_eq!(opens(&caller, O::ListModels, None), list, "{pattern}");
            assert_eq!(may_see_all(&caller, "up"), whole, "{pattern}");
            for operation in [O::RetrieveFile, O::ListFiles, O::CreateBatch, O::RetrieveVideo, O::RetrieveResponse, O::CreateImage] {
                assert_eq!(opens(&caller, operation, None), whole, "{pattern} {operation}");
            }
        }
    }

    #[test]
    fn a_group_and_a_keys_own_permissions_narrow_the_whole_provider_too() {
        let files = [("up/*", "files")];
        for (of_user, of_key, file, batch) in [
            (&files[..], &[][..], true, false),
            (&[("*", "")], &files, true, false),
            (&[("*", "")], &[("up/m", "")], false, false),
            (&[("up/m", "")], &[("*", "")], false, false),
        ] {
            let caller = caller(of_user, of_key);
            assert_eq!((opens(&caller, O::RetrieveFile, None), opens(&caller, O::CreateBatch, None)), (file, batch));
        }
    }

    #[test]
    fn the_gateway_itself_is_open_to_whoever_may_use_anything() {
        for (of_user, of_key, opens) in [
            (&[("x/y", "embeddings")][..], &[][..], true),
            (&[], &[], false),
            (&[], &[("*", "")], false),
            (&[("*", "")], &[("x", "")], true),
        ] {
            assert_eq!(admit_here(&caller(of_user, of_key)).is_ok(), opens, "{of_user:?} {of_key:?}");
        }
    }
}
