//! Whether the caller may. What leaves this room carries a permit.

use super::{error::GatewayError, resolve::Resolved};
use crate::{
    access::{self, Caller, Permit},
    protocol::Operation,
};

/// A call that was admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    /// In a box, since it is handed from room to room and waits in most of them.
    pub(super) call: Box<Resolved>,
    pub(super) permit: Permit,
}

impl Admitted {
    /// Whether the answer's model must carry its provider's name, as its place in the list over all providers does.
    pub(super) fn lists_over_all(&self) -> bool {
        self.call.key.operation() == Operation::GetModel && self.call.call.call.scope.is_none()
    }
}

/// Admits a call or refuses it. A permission for the route opens all of its members; without one, those stay that the
/// caller may use by their own names.
///
/// # Errors
/// No permission of the caller fits.
pub(super) fn authorize(mut call: Box<Resolved>) -> Result<Admitted, (Caller, GatewayError)> {
    let caller = &call.call.caller;
    if let Some(permit) = call.route.as_deref().and_then(|route| access::admit_route(caller, call.key, route)) {
        return Ok(Admitted { call, permit });
    }
    let (mut permit, mut forbidden) = (None, None);
    call.targets.retain(|target| {
        let model = Some(&*target.model).filter(|model| !model.is_empty());
        match access::admit(caller, call.key, &target.provider.name, model) {
            Ok(given) => _ = permit.get_or_insert(given),
            Err(refusal) => {
                forbidden.get_or_insert(refusal);
                return false;
            }
        }
        true
    });
    // Who only stands by is nobody to begin with.
    let permit = permit.filter(|_| call.targets.iter().any(|target| target.cause.is_none()));
    match (permit, forbidden) {
        (Some(permit), _) => Ok(Admitted { call, permit }),
        (None, Some(forbidden)) => Err((call.call.caller, forbidden.into())),
        (None, None) => Err((call.call.caller, GatewayError::overloaded("nobody can be asked"))),
    }
}
