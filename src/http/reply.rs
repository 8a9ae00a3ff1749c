//! From a refusal to a response in the caller's dialect.

use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};

use crate::{
    base::RequestId,
    pipeline::GatewayError,
    protocol::{Family, fault::Fault},
    runtime::Body,
};

/// The header that names a call.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-gproxy-request-id");

/// Writes a refusal in a family's shape.
#[must_use]
pub fn refuse(error: &GatewayError, family: Family, request_id: RequestId) -> Response<Body> {
    let id = request_id.to_string();
    let fault = Fault { kind: error.kind, message: &error.public, field: error.field.as_deref(), request_id: &id };
    let mut response = Response::new(Body::from(fault.body(family).to_string()));
    *response.status_mut() = StatusCode::from_u16(error.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(retry_after) = error.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
    }
    if let Some(more) = error.headers.as_deref() {
        headers.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    if let Some(allow) = error.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        headers.insert(ALLOW, allow);
    }
    if error.closes {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    name(&mut response, request_id);
    response
}

/// Puts the call's name on its response.
pub fn name<T>(response: &mut Response<T>, request_id: RequestId) {
    if let Ok(id) = HeaderValue::from_bytes(&request_id.digits()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}
