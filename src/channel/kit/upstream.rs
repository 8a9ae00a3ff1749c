//! From an order to a request: address, headers, body.

use http::{
    HeaderValue, Uri,
    header::{ACCEPT_ENCODING, USER_AGENT},
};

use super::auth::ANTHROPIC_VERSION;
use crate::{
    channel::{Dispatch, Order, PrepareFault, Site},
    runtime::UpstreamRequest,
};

/// Joins a base and a path; where the base ends in the version that the path begins with, one of them is dropped.
#[must_use]
pub fn join(base_url: &str, path: &str) -> String {
    for version in ["/v1", "/v1beta"] {
        let doubled = path.strip_prefix(version).is_some_and(|rest| rest.starts_with('/'));
        if let (Some(stem), true) = (base_url.strip_suffix(version), doubled) {
            return [stem, path].concat();
        }
    }
    [base_url, path].concat()
}

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
    let mut address = join(&site.base_url, &to.path);
    if let Some(query) = to.query.filter(|query| !query.is_empty()) {
        address.push('?');
        address.push_str(&query);
    }
    let uri = Uri::try_from(address).map_err(|error| PrepareFault::Address(error.to_string()))?;
    let mut headers = order.take_headers();
    let version = headers.get(ANTHROPIC_VERSION).cloned();
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

/// A base without the tail that people copy along from a vendor's page, for channels whose paths begin with it.
#[must_use]
pub fn without_tail(mut base_url: String, tails: &[&str]) -> String {
    for tail in tails {
        if let Some(stem) = base_url.strip_suffix(tail) {
            base_url.truncate(stem.len());
        }
    }
    base_url
}

/// The credential's secret of an order.
///
/// # Errors
/// [`PrepareFault::NoCredential`].
pub fn secret(order: &Order) -> Result<&crate::base::Secret<String>, PrepareFault> {
    order.via().secret.as_deref().ok_or(PrepareFault::NoCredential)
}
