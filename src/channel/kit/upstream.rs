//! From an order to a request: address, headers, body.

use http::{
    HeaderValue,
    header::{ACCEPT_ENCODING, USER_AGENT},
};

use super::auth::ANTHROPIC_VERSION;
use crate::{
    channel::{Dispatch, Order, PrepareFault, Site},
    protocol::{Family, segment},
    runtime::UpstreamRequest,
};

/// Where an order goes and how it proves itself, as a channel decides it.
#[derive(Debug)]
pub struct Destination {
    /// Path under the base address.
    pub path: String,
    /// Query, without `?`.
    pub query: Option<String>,
}

/// Makes the request of an order. `prove` puts the credential in, over what the client sent but for Anthropic's version.
///
/// # Errors
/// [`PrepareFault`].
pub fn request(
    site: &Site,
    mut order: Order,
    to: Destination,
    prove: impl FnOnce(&Order, &mut http::HeaderMap) -> Result<(), PrepareFault>,
) -> Result<Dispatch, PrepareFault> {
    // What clients name was looked at before; a model may also be an operator's.
    if segment::leads_elsewhere(&to.path) {
        return Err(PrepareFault::Address("the path has a segment of dots".to_owned()));
    }
    let uri = site.base_url.join(&to.path, to.query.as_deref()).map_err(|error| PrepareFault::Address(error.to_string()))?;
    let mut headers = order.take_headers();
    let is_claude = order.key().kind().family() == Family::Claude;
    let version = is_claude.then(|| headers.get(ANTHROPIC_VERSION).cloned()).flatten();
    prove(&order, &mut headers)?;
    if let Some(version) = version {
        headers.insert(ANTHROPIC_VERSION, version);
    }
    let (_, draft, via) = order.into_parts();
    let own = HeaderValue::from_static(concat!("gproxy/", env!("CARGO_PKG_VERSION")));
    headers.insert(USER_AGENT, site.user_agent.clone().unwrap_or(own));
    // Bytes pass as they are, and the meter must be able to read them.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let body = draft.payload.into_body();
    Ok(Dispatch::Send(Box::new(UpstreamRequest { method: draft.method, uri, headers, body, profile: via.profile, timers: via.timers })))
}

/// The credential's secret of an order.
///
/// # Errors
/// [`PrepareFault::NoCredential`].
pub fn secret(order: &Order) -> Result<&crate::base::Secret<String>, PrepareFault> {
    order.via().secret.as_deref().ok_or(PrepareFault::NoCredential)
}
