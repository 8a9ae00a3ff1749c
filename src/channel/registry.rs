//! The one list of channels. A folder's row stands beside its `mod` line; a plain vendor is a row only.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Adapter, Built, SettingsFault, Site,
    kit::{
        auth, settings,
        vendor::{Vendor, VendorSpec, openai_compatible},
    },
};
use crate::{
    protocol::{Operation, OperationKind},
    runtime::Platform,
};

#[path = "aistudio/mod.rs"]
mod aistudio;
#[path = "claude/mod.rs"]
mod claude;
#[path = "custom/mod.rs"]
mod custom;
#[path = "deepseek/mod.rs"]
mod deepseek;
#[path = "demo/mod.rs"]
mod demo;
#[path = "groq/mod.rs"]
mod groq;
#[path = "openai/mod.rs"]
mod openai;
#[path = "openrouter/mod.rs"]
mod openrouter;
#[path = "vertexexpress/mod.rs"]
mod vertexexpress;

/// One channel.
#[derive(Debug)]
pub struct ChannelRow {
    /// Its id.
    pub id: &'static str,
    /// Other ids that configuration may use for it.
    pub aliases: &'static [&'static str],
    /// Where it goes when the settings do not say.
    pub base_url: Option<&'static str>,
    maker: Maker,
}

#[derive(Debug)]
enum Maker {
    Folder(fn(Site, Map<String, Value>) -> Result<Built, SettingsFault>),
    Vendor(&'static VendorSpec),
}

const fn folder<A: Adapter>(aliases: &'static [&'static str]) -> ChannelRow {
    ChannelRow { id: A::ID, aliases, base_url: A::BASE_URL, maker: Maker::Folder(settings::adapter::<A>) }
}

const fn vendor(spec: &'static VendorSpec) -> ChannelRow {
    ChannelRow { id: spec.id, aliases: &[], base_url: Some(spec.base_url), maker: Maker::Vendor(spec) }
}

/// Every channel.
pub static CHANNELS: &[ChannelRow] = &[
    folder::<openai::OpenAi>(&[]),
    folder::<claude::Claude>(&["claude", "claudeapi"]),
    folder::<aistudio::AiStudio>(&[]),
    folder::<vertexexpress::VertexExpress>(&[]),
    folder::<deepseek::DeepSeek>(&[]),
    folder::<groq::Groq>(&[]),
    folder::<openrouter::OpenRouter>(&[]),
    folder::<custom::Custom>(&[]),
    folder::<demo::Demo>(&[]),
    vendor(&openai_compatible("nvidia", "https://integrate.api.nvidia.com")),
    vendor(&openai_compatible("xai", "https://api.x.ai")),
    vendor(&VendorSpec { id: "vercel", base_url: "https://ai-gateway.vercel.sh", cells: VERCEL, proof: auth::always_bearer }),
];

/// Three dialects and Claude's token count, all with the one Bearer key.
const VERCEL: &[(Operation, OperationKind)] = &[
    (Operation::ListModels, OperationKind::OpenAi),
    (Operation::GetModel, OperationKind::OpenAi),
    (Operation::GenerateContent, OperationKind::OpenAiChatCompletions),
    (Operation::StreamGenerateContent, OperationKind::OpenAiChatCompletions),
    (Operation::GenerateContent, OperationKind::OpenAiResponses),
    (Operation::StreamGenerateContent, OperationKind::OpenAiResponses),
    (Operation::GenerateContent, OperationKind::ClaudeMessages),
    (Operation::StreamGenerateContent, OperationKind::ClaudeMessages),
    (Operation::CountTokens, OperationKind::Claude),
    (Operation::CreateEmbedding, OperationKind::OpenAi),
];

/// Finds a channel by its id or an alias.
#[must_use]
pub fn find(id: &str) -> Option<&'static ChannelRow> {
    CHANNELS.iter().find(|row| row.id == id || row.aliases.contains(&id))
}

/// Makes the channel of one provider from its settings, a JSON object.
///
/// # Errors
/// [`SettingsFault`] naming the member, what it was and what was expected.
pub fn build(row: &'static ChannelRow, settings_json: &str, platform: &Platform) -> Result<Built, SettingsFault> {
    let (site, rest) = settings::split(settings_json, row.base_url, platform)?;
    match row.maker {
        Maker::Folder(make) => make(site, rest),
        Maker::Vendor(spec) => {
            settings::nothing_left(&rest)?;
            Ok(Arc::new(Vendor::new(spec, site)))
        }
    }
}
