//! Which names and addresses configuration may use: one answer for the file, the admin API and the compiler.

/// First segments of paths that belong to the gateway itself.
const RESERVED: &[&str] = &[
    "admin",
    "assets",
    "console",
    "docs",
    "favicon.ico",
    "health",
    "healthz",
    "livez",
    "login",
    "logout",
    "metrics",
    "readyz",
    "user",
    "v1",
    "v1alpha",
    "v1beta",
    "v1beta1",
    "version",
];

/// Checks a provider's name: it is a path segment and the part of a model id before the slash.
///
/// # Errors
/// What was expected.
pub fn provider(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(format!("{name:?} is no provider name; expected 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.', a letter or digit first"));
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(format!("{name:?} is a path of the gateway itself; expected another name"));
    }
    Ok(())
}

/// Checks a user's name, a label, a pattern: text that people read.
///
/// # Errors
/// What was expected.
pub fn text(value: &str) -> Result<(), String> {
    if value.trim().is_empty() || value.trim() != value || value.chars().count() > 256 || value.chars().any(char::is_control) {
        return Err(format!("expected 1 to 256 characters without control characters or blanks at the ends, not {value:?}"));
    }
    Ok(())
}

/// Checks the address of an outbound proxy. The message leaves out a password in it.
///
/// # Errors
/// What was expected.
pub fn proxy(address: &str) -> Result<(), String> {
    let uri: Option<http::Uri> = address.parse().ok();
    let usable = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https" | "socks5" | "socks5h")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if usable { Ok(()) } else { Err(format!("expected http://, https:// or socks5:// with a host, not {:?}", without_userinfo(address))) }
}

/// An address with what stands before its `@` hidden.
#[must_use]
pub fn without_userinfo(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some(at) = rest[..authority_end].rfind('@') else { return address.to_owned() };
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    format!("{scheme}***@{}", &rest[at + 1..])
}

/// The known name that is nearest to `unknown`, where one is near.
#[must_use]
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro(name, unknown).max(strsim::normalized_damerau_levenshtein(name, unknown));
    known
        .into_iter()
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `; did you mean "x"?`, or nothing.
#[must_use]
pub fn hint<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(unknown, known).map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}
