//! What each route asks of its caller, read from its path: one place, for the dispatcher, the documentation and the tests.

use http::Method;

use super::openapi;
use crate::admin::role::{Access, Area};

/// What a caller must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing.
    Nothing,
    /// A key that works.
    Key,
    /// A role that opens this area ([`crate::admin::role::reach`]).
    Role(Area, Access),
    /// The role of an owner or an admin.
    Ruler,
}

impl Asks {
    /// What a route asks for. A path of no known area is shut to all but owners and admins.
    #[must_use]
    pub fn of(method: &Method, pattern: &str) -> Self {
        match Self::of_nothing(pattern) {
            Self::Ruler => area(pattern).map_or(Self::Ruler, |area| Self::Role(area, access(method, pattern))),
            asks @ (Self::Nothing | Self::Key | Self::Role(..)) => asks,
        }
    }

    /// What a path asks for at which there is no route.
    #[must_use]
    pub fn of_nothing(path: &str) -> Self {
        match path {
            "/login" | "/login/oidc" | "/login/oidc/callback" => Self::Nothing,
            openapi::PATH => Self::Key,
            path if path == "/user" || path.starts_with("/user/") => Self::Key,
            _ => Self::Ruler,
        }
    }
}

/// The area of a route: that of the last word of its path that names one.
fn area(pattern: &str) -> Option<Area> {
    match pattern {
        "/admin/requests/{id}" => Some(Area::Bodies),
        _ => pattern.rsplit('/').find_map(named),
    }
}

fn named(word: &str) -> Option<Area> {
    match word {
        "users" => Some(Area::Users),
        "keys" | "user-keys" => Some(Area::Keys),
        "orgs" => Some(Area::Organizations),
        "teams" => Some(Area::Teams),
        "permissions" | "route-permissions" => Some(Area::Permissions),
        "rate-limits" => Some(Area::Limits),
        "quotas" => Some(Area::Quotas),
        "price-rules" => Some(Area::Prices),
        "usage" | "usages" => Some(Area::Usage),
        "requests" => Some(Area::Requests),
        "channels" | "providers" | "models" | "provider-models" => Some(Area::Providers),
        "credentials" => Some(Area::Credentials),
        "routes" | "members" | "route-members" | "aliases" => Some(Area::Routing),
        "rule-sets" | "rules" | "provider-rule-sets" => Some(Area::Rules),
        "health" => Some(Area::Health),
        "settings" => Some(Area::Settings),
        "faults" => Some(Area::Faults),
        "audit" => Some(Area::Audit),
        "explain" => Some(Area::Explain),
        "doctor" => Some(Area::Doctor),
        _ => None,
    }
}

/// The first format asks by POST too, and so does whoever sends a whole call along.
fn access(method: &Method, pattern: &str) -> Access {
    let asks = *method == Method::GET || pattern.ends_with("/query") || pattern.ends_with("/summary") || pattern.ends_with("/explain");
    if asks { Access::Read } else { Access::Change }
}
