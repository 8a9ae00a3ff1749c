//! Cross-origin access: on data routes only, for the origins that the operator names.

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
    },
};

use crate::runtime::Body;

/// Which origins may call from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    /// None.
    #[default]
    Nobody,
    /// Any: the keys in the requests are what protects.
    Any,
    /// These, as `scheme://host[:port]`.
    Only(Vec<String>),
}

impl Cors {
    /// Those of a list, in which `*` stands for all of them.
    #[must_use]
    pub fn of(origins: &[String]) -> Self {
        match origins {
            [] => Self::Nobody,
            origins if origins.iter().any(|origin| origin == "*") => Self::Any,
            origins => Self::Only(origins.to_vec()),
        }
    }

    fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::Any => true,
            Self::Only(origins) => origins.iter().any(|allowed| allowed == origin),
        }
    }

    /// Answers a preflight.
    #[must_use]
    pub fn preflight(&self, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        self.mark(request, response.headers_mut());
        if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            let headers = response.headers_mut();
            let methods = [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS].map(|method| method.to_string()).join(", ");
            if let Ok(methods) = HeaderValue::from_str(&methods) {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or(HeaderValue::from_static("*"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        }
        response
    }

    /// Marks a response for the browser that asked, where its origin is allowed.
    pub fn mark(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let Some(origin) = request.get(ORIGIN) else { return };
        if !origin.to_str().is_ok_and(|origin| self.allows(origin)) {
            return;
        }
        let allowed = if *self == Self::Any { HeaderValue::from_static("*") } else { origin.clone() };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        response.append(VARY, HeaderValue::from_static("origin"));
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::ACCESS_CONTROL_ALLOW_ORIGIN};

    use super::Cors;

    #[test]
    fn a_page_may_call_where_its_origin_is_named() {
        const A: &str = "https://a.example";
        for (origins, origin, allowed) in [
            (&[][..], Some(A), None),
            (&["*"][..], Some(A), Some("*")),
            (&["*"][..], None, None),
            (&[A, "*"][..], Some("https://b.example"), Some("*")),
            (&[A][..], Some(A), Some(A)),
            (&[A][..], Some("https://b.example"), None),
            (&[A][..], Some("null"), None),
            (&["https://b.example", A][..], Some(A), Some(A)),
        ] {
            let cors = Cors::of(&origins.iter().map(|origin| (*origin).to_owned()).collect::<Vec<_>>());
            let mut request = HeaderMap::new();
            if let Some(origin) = origin {
                request.insert("origin", HeaderValue::from_static(origin));
            }
            let mut answer = HeaderMap::new();
            cors.mark(&request, &mut answer);
            for headers in [&answer, cors.preflight(&request).headers()] {
                let told = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|told| told.to_str().unwrap());
                assert_eq!(told, allowed, "{origins:?} {origin:?}");
                assert_eq!(headers.is_empty(), allowed.is_none(), "{origins:?} {origin:?}");
            }
        }
        assert_eq!(Cors::default(), Cors::of(&[]));
    }
}
