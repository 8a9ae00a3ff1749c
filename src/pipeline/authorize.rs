//! Whether the caller may. What leaves this room carries a permit.

use std::sync::Arc;

use super::{error::GatewayError, resolve::Resolved};
use crate::{
    access::{self, Caller, Permit},
    protocol::Operation,
};

/// A call that was admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) call: Resolved,
    pub(super) permit: Permit,
}

impl Admitted {
    /// The provider whose name the answer's model must carry, as its place in the list over all providers does.
    pub(super) fn list_prefix(&self) -> Option<Arc<str>> {
        let lists = self.call.key.operation() == Operation::GetModel && self.call.call.call.scope.is_none();
        lists.then(|| Arc::clone(&self.call.provider.name))
    }
}

/// Admits a call or refuses it.
///
/// # Errors
/// No permission of the caller fits.
pub(super) fn authorize(call: Resolved) -> Result<Admitted, (Caller, GatewayError)> {
    let model = Some(&*call.model).filter(|model| !model.is_empty());
    let by_route = call.route.as_deref().and_then(|route| access::admit_route(&call.call.caller, call.key, route));
    let permitted = by_route.map_or_else(|| access::admit(&call.call.caller, call.key, &call.provider.name, model), Ok);
    match permitted {
        Ok(permit) => Ok(Admitted { call, permit }),
        Err(forbidden) => Err((call.call.caller, forbidden.into())),
    }
}
