//! `gproxy doctor cache`: asks a running gateway what each session lost of its provider's prompt cache. And what that gateway does about
//! sessions that nobody goes on with: it forgets them in time.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header::AUTHORIZATION};

use super::{
    config::Config,
    flags::doctor::{Asked, Form},
};
use crate::{
    admin::doctor::{ReportView, SessionView},
    base::Secret,
    doctor::{Cause, Doctor},
    runtime::{Body, BodyFault, Platform, Profile, Timers, TransportFault, UpstreamRequest},
};

/// How often it is looked whether sessions are over.
const EVERY: Duration = Duration::from_mins(1);
/// The largest report, in bytes.
const LARGEST: u64 = 16 << 20;
/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Forgets sessions that are over, again and again. The platform ends the task at shutdown.
pub fn watch(doctor: Arc<Doctor>, platform: &Platform) {
    let clock = Arc::clone(&platform.clock);
    platform.spawn.spawn(Box::pin(async move {
        loop {
            clock.sleep(EVERY).await;
            doctor.expire(clock.unix_ms());
        }
    }));
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DoctorFault {
    /// There is no key to ask with.
    #[error("there is no key to ask with; expected one in --admin-key, GPROXY_ADMIN_KEY or the file's admin_key")]
    NoKey,
    /// The key, or the address, cannot be used.
    #[error("the {0} cannot be used")]
    Unusable(&'static str),
    /// Nobody answers there.
    #[error("no gateway answers at {address}")]
    Away {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: TransportFault,
    },
    /// Its answer broke off.
    #[error("the answer of {address} broke off")]
    Broken {
        /// Whose.
        address: String,
        /// Why.
        #[source]
        source: BodyFault,
    },
    /// It refuses.
    #[error("{address} refuses ({status}): {message}")]
    Refused {
        /// Who.
        address: String,
        /// With what.
        status: StatusCode,
        /// In which words.
        message: String,
    },
    /// What answers there is no gateway, or one of another version.
    #[error("what {address} answers is no report of this version")]
    Strange {
        /// Who.
        address: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Asks, and gives what is to be printed.
///
/// # Errors
/// [`DoctorFault`].
pub async fn run(asked: &Asked, config: &Config, platform: &Platform) -> Result<String, DoctorFault> {
    let in_file = || config.file.as_ref().and_then(|file| file.instance.admin_key.as_ref());
    let key = config.explicit.admin_key.as_ref().or_else(in_file).ok_or(DoctorFault::NoKey)?;
    let address = asked.url.as_deref().map_or_else(|| own_address(&config.host, config.port), |url| url.trim_end_matches('/').to_owned());
    let text = fetch(&address, &question(asked), (key, platform)).await?;
    let report: ReportView = serde_json::from_slice(&text).map_err(|source| DoctorFault::Strange { address: address.clone(), source })?;
    Ok(match asked.form {
        Form::Json => serde_json::to_string_pretty(&report).unwrap_or_default(),
        Form::Table => table(&report),
    })
}

/// Where a gateway of this configuration serves, as this machine reaches it.
fn own_address(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => format!("http://127.0.0.1:{port}"),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("http://[::1]:{port}"),
        Ok(IpAddr::V6(address)) => format!("http://[{address}]:{port}"),
        Ok(IpAddr::V4(_)) | Err(_) => format!("http://{host}:{port}"),
    }
}

fn question(asked: &Asked) -> String {
    let given = [
        ("limit", Some(asked.limit.to_string())),
        ("user_id", asked.user.map(|id| id.to_string())),
        ("provider_id", asked.provider.map(|id| id.to_string())),
        ("model", asked.model.clone()),
    ];
    let given = given.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    format!("/admin/doctor/cache?{query}")
}

async fn fetch(address: &str, path: &str, (key, platform): (&Secret<String>, &Platform)) -> Result<bytes::Bytes, DoctorFault> {
    let uri: Uri = format!("{address}{path}").parse().map_err(|_| DoctorFault::Unusable("address"))?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| DoctorFault::Unusable("key"))?;
    bearer.set_sensitive(true);
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
    let timers = Timers { head: PATIENCE, content: PATIENCE, idle: PATIENCE, total: PATIENCE, ..Timers::default() };
    let request = UpstreamRequest { method: Method::GET, uri, headers, body: Body::Empty, profile: Profile::default(), timers };
    let address = || address.to_owned();
    let reply = platform.transport.send(request).await.map_err(|source| DoctorFault::Away { address: address(), source })?;
    let status = reply.status;
    let body = reply.body.collect(LARGEST).await.map_err(|source| DoctorFault::Broken { address: address(), source })?;
    if status.is_success() {
        return Ok(body);
    }
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = told["error"]["message"].as_str().unwrap_or("it says no more").to_owned();
    Err(DoctorFault::Refused { address: address(), status, message })
}

const HEADS: [&str; 8] = ["session", "caller", "model", "turns", "hit rate", "lost USD", "first difference", "cause"];
/// No column is wider.
const WIDEST: usize = 48;

/// The report for people.
fn table(report: &ReportView) -> String {
    let mut text = String::new();
    if !report.is_on {
        text.push_str(
            "The doctor is off. Turn it on, while the gateway runs:\n  POST /admin/settings {\"cache_doctor\": true}\nor start it with \
             --cache-doctor (GPROXY_CACHE_DOCTOR, `cache_doctor` in [global]).\n",
        );
    }
    if report.sessions.is_empty() {
        let nothing = if report.is_on { "Nothing was seen yet, or nothing of what you ask for." } else { "" };
        text.push_str(nothing);
        return text.trim_end().to_owned();
    }
    let rows: Vec<[String; 8]> = std::iter::once(HEADS.map(str::to_owned)).chain(report.sessions.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    let totals = &report.totals;
    let shown = report.sessions.len();
    let _ = writeln!(
        text,
        "\n{shown} of {} sessions; all of them: {} turns, hit rate {}, {} tokens lost, {} USD",
        report.known,
        totals.turns,
        percent(totals.hit_rate),
        totals.lost_tokens,
        totals.lost
    );
    if totals.unpriced_tokens > 0 {
        let _ = writeln!(text, "{} of these tokens have no price, and are in no sum", totals.unpriced_tokens);
    }
    text.push_str(&remedies(report));
    text.trim_end().to_owned()
}

/// What helps against each cause that was found.
fn remedies(report: &ReportView) -> String {
    let found: BTreeMap<Cause, &str> =
        report.sessions.iter().flat_map(|session| &session.causes).map(|view| (view.cause, view.remedy.as_str())).collect();
    found.iter().map(|(cause, remedy)| format!("\n{cause}:\n  {}\n", plain(remedy))).collect()
}

fn row(session: &SessionView) -> [String; 8] {
    let caller = session.user.clone().unwrap_or_else(|| format!("user {}", session.user_id));
    let model = format!("{}/{}", session.provider.as_deref().unwrap_or("?"), session.model);
    let lost = if session.prompts.lost_tokens > 0 && session.prompts.unpriced_tokens == session.prompts.lost_tokens {
        "no price".to_owned()
    } else {
        session.prompts.lost.to_string()
    };
    let difference = session.first_difference.as_ref().map(|change| format!("{} at byte {}", change.path, change.byte));
    let cells = [
        session.session.clone(),
        caller,
        model,
        session.prompts.turns.to_string(),
        percent(session.prompts.hit_rate),
        lost,
        difference.unwrap_or_default(),
        session.cause.map(|cause| cause.to_string()).unwrap_or_default(),
    ];
    cells.map(|cell| cut(&plain(&cell)))
}

/// A text without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= WIDEST { text.to_owned() } else { text.chars().take(WIDEST - 1).chain(['…']).collect() }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
