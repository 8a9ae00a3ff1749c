//! Whether the caller may. What leaves this room carries a permit.

use super::{error::GatewayError, resolve::Resolved};
use crate::access::{self, Caller, Permit};

/// A call that was admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) call: Resolved,
    pub(super) permit: Permit,
}

/// Admits a call or refuses it.
///
/// # Errors
/// No permission of the caller fits.
pub(super) fn authorize(call: Resolved) -> Result<Admitted, (Caller, GatewayError)> {
    let model = Some(&*call.model).filter(|model| !model.is_empty());
    match access::admit(&call.call.caller, call.key, &call.provider.name, model) {
        Ok(permit) => Ok(Admitted { call, permit }),
        Err(forbidden) => Err((call.call.caller, forbidden.into())),
    }
}
