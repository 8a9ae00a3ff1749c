//! A provider that needs no network and no key: it answers every operation of the catalogue, in every dialect.
//!
//! The same request always gets the same answer, so that a person can try the gateway and a test can rely on it.
//! Nothing is kept: the ids that it gives out carry what it must know again.

use http::HeaderMap;
use serde::Deserialize;

use crate::{
    channel::{Adapter, Dispatch, Order, PrepareFault, SettingsFault, Site},
    protocol::OperationKey,
};

mod answer;
mod chat;
mod claude;
mod document;
mod form;
mod gemini;
mod kept;
mod legacy;
mod media;
mod models;
mod read;
mod responses;
mod schema;
mod script;
mod vectors;

/// The demonstration.
#[derive(Debug)]
pub(super) struct Demo {
    site: Site,
    settings: Settings,
}

/// How slow it pretends to be. A request may say otherwise in `x-demo-delay-ms` and `x-demo-event-delay-ms`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Milliseconds before the first byte of a body.
    delay_ms: u64,
    /// Milliseconds between the events of a stream.
    event_delay_ms: u64,
}

impl Adapter for Demo {
    const ID: &'static str = "demo";
    const BASE_URL: Option<&'static str> = Some("http://demo.invalid");
    type Settings = Settings;

    fn build(site: Site, settings: Settings) -> Result<Self, SettingsFault> {
        Ok(Self { site, settings })
    }

    fn serves(&self, _key: OperationKey) -> bool {
        true
    }

    fn prepare(&self, order: Order) -> Result<Dispatch, PrepareFault> {
        let pace = self.settings.asked(&order.draft().headers);
        let family = order.key().kind().family();
        let answer = document::answer(order).unwrap_or_else(|refusal| answer::refused(family, &refusal));
        Ok(Dispatch::Answer(Box::new(answer.paced(pace, &self.site.platform.clock))))
    }

    fn needs_credential(&self) -> bool {
        false
    }
}

impl Settings {
    fn asked(self, headers: &HeaderMap) -> Self {
        let number = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            delay_ms: number("x-demo-delay-ms").unwrap_or(self.delay_ms),
            event_delay_ms: number("x-demo-event-delay-ms").unwrap_or(self.event_delay_ms),
        }
    }
}

#[cfg(test)]
mod tests;
