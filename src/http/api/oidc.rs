//! Sign-in by way of an identity provider: two addresses that a browser visits, and the cookie that it carries in between.

use http::{HeaderMap, HeaderValue, header::COOKIE};
use schemars::JsonSchema;

use super::{
    answer::{Answer, Json, Redirect, json, redirect},
    manage::LoginView,
    query::{Parameters, Question},
    route::{Call, Query, Route},
};
use crate::admin::{
    AdminFault,
    oidc::{self, Arrival, Departure},
};

/// The cookie's name. Where the way is encrypted no other host and no plain page can set one of this name (RFC 6265bis, section 4.1.3.2).
const PLAIN: &str = "gproxy-oidc";
const GUARDED: &str = "__Host-gproxy-oidc";

/// Both of them.
pub(super) fn routes() -> [Route; 2] {
    [
        Route::open::<(), Redirect>("/login/oidc", "Begin a sign-in: on to the identity provider", |call| Box::pin(depart(call))),
        Route::open::<Query<Callback>, Json<LoginView>>(
            "/login/oidc/callback",
            "End a sign-in: where the identity provider sends the browser back to, with a fresh key that expires after 12 hours",
            |call| Box::pin(arrive(call)),
        ),
    ]
}

/// What the identity provider sends back through the browser.
#[derive(Debug, JsonSchema)]
struct Callback {
    /// What stands for the person, once.
    code: Option<String>,
    /// Which sign-in it is the end of.
    state: Option<String>,
    /// The issuer.
    iss: Option<String>,
    /// Why nobody was let in.
    error: Option<String>,
}

impl Question for Callback {
    /// Providers send more than the standard asks for, and what they send is none of the caller's making.
    fn read(query: Option<&str>) -> Result<Self, AdminFault> {
        let mut given = Parameters::of(query);
        let mut take = |name| given.take(&[name]).map(|(_, value)| value);
        Ok(Self { code: take("code"), state: take("state"), iss: take("iss"), error: take("error") })
    }
}

async fn depart(call: Call<'_>) -> Answer<Redirect> {
    let Departure { location, passage, is_encrypted } = oidc::depart(call.control).await?;
    let age = oidc::LASTS_MS / 1000;
    redirect(&location).map(|reply| reply.carrying(cookie(&passage, age, is_encrypted)))
}

async fn arrive(call: Call<'_, Query<Callback>>) -> Answer<Json<LoginView>> {
    let Callback { code, state, iss, error } = call.question()?;
    let (passage, is_encrypted) = carried(call.headers);
    let arrival = Arrival { code, state, issuer: iss, error, passage };
    let session = oidc::arrive(call.control, arrival, call.peer).await?;
    json(&LoginView::of(session)).map(|reply| reply.carrying(cookie("", 0, is_encrypted)))
}

/// The cookie, for pages under `/` or `/login` and for no script. `Lax` lets it come along when the provider sends the browser back.
fn cookie(value: &str, age: u64, is_encrypted: bool) -> Option<HeaderValue> {
    let (name, rest) = if is_encrypted { (GUARDED, "Path=/; Secure") } else { (PLAIN, "Path=/login") };
    HeaderValue::try_from(format!("{name}={value}; {rest}; HttpOnly; SameSite=Lax; Max-Age={age}")).ok()
}

/// What the browser carries, and whether under the guarded name.
fn carried(headers: &HeaderMap) -> (Option<String>, bool) {
    let texts = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(name, _)| [PLAIN, GUARDED].contains(name));
    (found.map(|(_, value)| value.to_owned()), found.is_some_and(|(name, _)| name == GUARDED))
}
