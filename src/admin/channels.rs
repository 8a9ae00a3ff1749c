//! Which channels there are.

use schemars::JsonSchema;
use serde::Serialize;

use super::Admin;
use crate::channel::CHANNELS;

/// A channel as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChannelView {
    /// Its id.
    pub id: &'static str,
    /// Other ids that configuration may use for it.
    pub aliases: &'static [&'static str],
    /// Where it goes when the settings do not say.
    pub base_url: Option<&'static str>,
    /// Whether the settings must say where it goes.
    pub base_url_required: bool,
}

/// All channels.
#[must_use]
pub fn list(_admin: Admin<'_>) -> Vec<ChannelView> {
    let view = |row: &crate::channel::ChannelRow| ChannelView {
        id: row.id,
        aliases: row.aliases,
        base_url: row.base_url,
        base_url_required: row.base_url.is_none(),
    };
    CHANNELS.iter().map(view).collect()
}
