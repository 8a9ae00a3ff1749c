//! OpenAI's own API: every operation of its family, by the same paths.

use serde::Deserialize;

use crate::{
    channel::{
        Adapter, Dispatch, Order, PrepareFault, SettingsFault, Site,
        kit::{
            auth,
            upstream::{self, Destination},
        },
    },
    protocol::{Family, OperationKey},
};

/// A provider at OpenAI's API.
#[derive(Debug)]
pub(super) struct OpenAi {
    site: Site,
}

/// It has no settings of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {}

impl Adapter for OpenAi {
    const ID: &'static str = "openai";
    const BASE_URL: Option<&'static str> = Some("https://api.openai.com");
    type Settings = Settings;

    fn build(site: Site, _settings: Settings) -> Result<Self, SettingsFault> {
        Ok(Self { site })
    }

    fn serves(&self, key: OperationKey) -> bool {
        key.kind().family() == Family::OpenAi
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        let to = Destination { path: order.take_path(), query: order.take_query() };
        upstream::request(&self.site, order, to, |order, headers| auth::bearer(upstream::secret(order)?, headers))
    }
}
