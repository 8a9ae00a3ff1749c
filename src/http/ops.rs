//! What machines ask a server about itself, without credentials: is it alive, is it ready, what has it counted.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_TYPE};

use crate::{pipeline::Engine, runtime::Body};

/// Whether the server wants new work.
#[derive(Debug, Default)]
pub struct Readiness {
    draining: AtomicBool,
}

impl Readiness {
    /// From now on balancers should look elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether it has begun to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// Whether what was counted is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Figures {
    /// To everybody who asks.
    #[default]
    Shown,
    /// To nobody.
    Hidden,
}

/// Answers an operations path; `None` where the path is not one.
#[must_use]
pub fn serve(engine: &Engine, (readiness, figures): (&Readiness, Figures), method: &Method, path: &str) -> Option<Response<Body>> {
    let answer = match path {
        "/livez" | "/health/liveliness" => text(StatusCode::OK, "ok\n"),
        "/readyz" | "/health/readiness" => ready(readiness),
        "/health" | "/healthz" | "/status" => health(engine, readiness),
        "/metrics" if figures == Figures::Shown => metrics(engine),
        "/" => page(engine, figures),
        _ => return None,
    };
    Some(if matches!(*method, Method::GET | Method::HEAD) { answer } else { not_allowed() })
}

fn ready(readiness: &Readiness) -> Response<Body> {
    if readiness.is_draining() { text(StatusCode::SERVICE_UNAVAILABLE, "draining\n") } else { text(StatusCode::OK, "ok\n") }
}

fn health(engine: &Engine, readiness: &Readiness) -> Response<Body> {
    let snapshot = engine.snapshot.load();
    let state = if readiness.is_draining() { "draining" } else { "ok" };
    let body = serde_json::json!({
        "status": state,
        "version": env!("CARGO_PKG_VERSION"),
        "providers": snapshot.providers().len(),
        "faults": snapshot.faults().len(),
        "in_flight": engine.in_flight(),
        "journal_backlog": engine.journal.backlog(),
    });
    let status = if readiness.is_draining() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    typed(status, "application/json", body.to_string())
}

fn metrics(engine: &Engine) -> Response<Body> {
    engine.metrics.queue_depth.set(i64::try_from(engine.journal.backlog()).unwrap_or(i64::MAX));
    match engine.metrics.render() {
        Ok(rendered) => typed(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", rendered),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n"),
    }
}

/// A small page for a person who opens the address in a browser.
fn page(engine: &Engine, figures: Figures) -> Response<Body> {
    let metrics = match figures {
        Figures::Shown => " &middot; <a href=\"/metrics\">metrics</a>",
        Figures::Hidden => "",
    };
    let providers = engine.snapshot.load().providers().len();
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>GPROXY</title>\
         <body style=\"font-family:sans-serif;max-width:40rem;margin:4rem auto\"><h1>GPROXY {}</h1>\
         <p>The gateway is running with {providers} provider(s).</p>\
         <p>Point an OpenAI client at <code>/v1</code>, an Anthropic or Gemini client at this address.</p>\
         <p><a href=\"/health\">health</a>{metrics}</p>",
        env!("CARGO_PKG_VERSION")
    );
    typed(StatusCode::OK, "text/html; charset=utf-8", html)
}

fn not_allowed() -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this path takes GET and HEAD\n");
    response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    typed(status, "text/plain; charset=utf-8", body.to_owned())
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
