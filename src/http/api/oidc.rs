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
    AdminFault, Control,
    oidc::{self, Arrival, Departure},
};

/// The cookie's name, and where it goes along. Under the guarded name no other host and no plain page can set one (RFC 6265bis, section
/// 4.1.3.2), so that nobody can slip a browser a sign-in of his own; where the way is encrypted no other name counts.
const PLAIN: (&str, &str) = ("gproxy-oidc", "Path=/login");
const GUARDED: (&str, &str) = ("__Host-gproxy-oidc", "Path=/; Secure");

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
    let Departure { location, passage } = oidc::depart(call.control).await?;
    redirect(&location).map(|reply| reply.carrying(cookie(call.control, &passage, oidc::LASTS_MS / 1000)))
}

async fn arrive(call: Call<'_, Query<Callback>>) -> Answer<Json<LoginView>> {
    let Callback { code, state, iss, error } = call.question()?;
    let passage = carried(call.headers, kind(call.control).0).map(str::to_owned);
    let arrival = Arrival { code, state, issuer: iss, error, passage };
    let session = oidc::arrive(call.control, arrival, call.peer).await?;
    json(&LoginView::of(session)).map(|reply| reply.carrying(cookie(call.control, "", 0)))
}

fn kind(control: &Control) -> (&'static str, &'static str) {
    if oidc::is_encrypted(control) { GUARDED } else { PLAIN }
}

/// The cookie, which no script sees. `Lax` lets it come along when the provider sends the browser back.
fn cookie(control: &Control, value: &str, age: u64) -> Option<HeaderValue> {
    let (name, place) = kind(control);
    HeaderValue::try_from(format!("{name}={value}; {place}; HttpOnly; SameSite=Lax; Max-Age={age}")).ok()
}

/// What the browser carries under a name.
fn carried<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let texts = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}
