//! Who asks.

use super::{classify::Classified, error::GatewayError};
use crate::{
    access::{Caller, Directory, identify},
    base::Secret,
};

/// A call whose caller is known.
#[derive(Debug)]
pub(super) struct Authenticated {
    /// In a box, since each room hands the call on.
    pub(super) call: Box<Classified>,
    pub(super) caller: Caller,
}

/// Finds the caller behind the call's key.
///
/// # Errors
/// No key, an unknown one, a disabled one, an expired one.
pub(super) fn authenticate(mut call: Box<Classified>, directory: &Directory) -> Result<Authenticated, (Box<Classified>, GatewayError)> {
    let token = call.token.take();
    match identify(directory, token.as_ref().map(|token: &Secret<String>| token.expose().as_str()), call.inbound.at_ms, call.inbound.peer) {
        Ok(caller) => Ok(Authenticated { call, caller }),
        Err(refusal) => Err((call, refusal.into())),
    }
}
