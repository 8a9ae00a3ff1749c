//! A provider's base address, taken apart once, so that a call's address is put together and not read again.

use http::{
    Uri,
    uri::{Authority, InvalidUri, PathAndQuery, Scheme},
};

/// Where a provider's paths begin: `https://host/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end.
    path: String,
}

impl BaseUrl {
    /// Reads an `http://` or `https://` address without a query; `None` where the text is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let http::uri::Parts { scheme, authority, path_and_query, .. } = text.trim_end_matches('/').parse::<Uri>().ok()?.into_parts();
        let scheme = scheme.filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme))?;
        let authority = authority.filter(|authority| !authority.host().is_empty())?;
        let path = path_and_query.filter(|path| path.query().is_none())?.path().trim_end_matches('/').to_owned();
        Some(Self { scheme, authority, path })
    }

    /// The same without the tail that people copy along from a vendor's page, for channels whose paths begin with it.
    #[must_use]
    pub fn without_tail(mut self, tails: &[&str]) -> Self {
        for tail in tails {
            if let Some(stem) = self.path.strip_suffix(tail) {
                self.path.truncate(stem.len());
            }
        }
        self
    }

    /// The address of a path under the base. The query comes without `?`; an empty one is none.
    ///
    /// # Errors
    /// The path or the query has bytes that an address cannot have.
    pub fn join(&self, path: &str, query: Option<&str>) -> Result<Uri, InvalidUri> {
        let mut whole = joined(&self.path, path);
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            whole.push('?');
            whole.push_str(query);
        }
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(whole)?);
        Ok(Uri::from_parts(parts).unwrap_or_default())
    }
}

/// Joins a base's path and a path under it; where the base ends in the version that the path begins with, one of them is dropped.
#[must_use]
pub fn joined(base: &str, path: &str) -> String {
    for version in ["/v1", "/v1beta"] {
        let doubled = path.strip_prefix(version).is_some_and(|rest| rest.starts_with('/'));
        if let (Some(stem), true) = (base.strip_suffix(version), doubled) {
            return [stem, path].concat();
        }
    }
    [base, path].concat()
}

#[cfg(test)]
mod tests {
    use super::BaseUrl;

    #[test]
    fn an_address_is_that_of_the_texts_put_together() {
        for (base, path, query, wanted) in [
            ("https://x.test", "/v1/models", None, "https://x.test/v1/models"),
            ("https://x.test/", "/v1/models", Some(""), "https://x.test/v1/models"),
            ("http://u:p@x.test:99/a//", "/v1/models", Some("a=b"), "http://u:p@x.test:99/a/v1/models?a=b"),
            ("https://x.test/a/v1", "/v1/models", None, "https://x.test/a/v1/models"),
            ("https://x.test/v1", "/v1beta/models", None, "https://x.test/v1/v1beta/models"),
            ("https://x.test/v1", "/v1models", None, "https://x.test/v1/v1models"),
        ] {
            let joined = BaseUrl::parse(base).and_then(|base| base.join(path, query).ok());
            assert_eq!(joined.map(|uri| uri.to_string()).as_deref(), Some(wanted), "{base} {path}");
        }
        assert!(BaseUrl::parse("https://x.test").is_some_and(|base| base.join("/a b", None).is_err()));
    }

    #[test]
    fn what_is_no_base_address_is_refused() {
        for text in ["", "x", "x.test", "/v1", "ftp://x.test", "https://", "https://x.test?a=b", "https://x.test/v1?"] {
            assert_eq!(BaseUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_tail_is_dropped_where_it_is_one() {
        let without = |base| BaseUrl::parse(base).map(|base| base.without_tail(&["/openai", "/v1beta"]).path);
        assert_eq!(without("https://x.test/v1beta/openai").as_deref(), Some(""));
        assert_eq!(without("https://x.test/openai/v2").as_deref(), Some("/openai/v2"));
    }
}
