//! LiteLLM's vendors: what stands before the slash of a deployment's model, and what serves it here.

/// A vendor, and what serves it.
#[derive(Debug)]
pub(super) struct Vendor {
    /// What its provider is called here.
    pub name: &'static str,
    /// The channel.
    pub channel: &'static str,
    /// Where it is, where the channel does not know.
    pub address: Option<&'static str>,
    /// The variable that is asked where a deployment gives no key.
    pub variable: Option<&'static str>,
    words: &'static [&'static str],
}

const fn own(words: &'static [&'static str], name: &'static str, channel: &'static str, variable: &'static str) -> Vendor {
    Vendor { name, channel, address: None, variable: Some(variable), words }
}

const fn chat(words: &'static [&'static str], name: &'static str, address: &'static str, variable: Option<&'static str>) -> Vendor {
    Vendor { name, channel: "custom", address: Some(address), variable, words }
}

static VENDORS: &[Vendor] = &[
    own(&["openai", "custom_openai", "text-completion-openai"], "openai", "openai", "OPENAI_API_KEY"),
    own(&["anthropic"], "anthropic", "anthropic", "ANTHROPIC_API_KEY"),
    own(&["gemini"], "gemini", "aistudio", "GEMINI_API_KEY"),
    own(&["openrouter"], "openrouter", "openrouter", "OPENROUTER_API_KEY"),
    own(&["groq"], "groq", "groq", "GROQ_API_KEY"),
    own(&["deepseek"], "deepseek", "deepseek", "DEEPSEEK_API_KEY"),
    own(&["xai"], "xai", "xai", "XAI_API_KEY"),
    own(&["nvidia_nim"], "nvidia", "nvidia", "NVIDIA_NIM_API_KEY"),
    own(&["vercel_ai_gateway"], "vercel", "vercel", "VERCEL_AI_GATEWAY_API_KEY"),
    chat(&["mistral"], "mistral", "https://api.mistral.ai", Some("MISTRAL_API_KEY")),
    chat(&["together_ai"], "together", "https://api.together.xyz", Some("TOGETHERAI_API_KEY")),
    chat(&["fireworks_ai"], "fireworks", "https://api.fireworks.ai/inference", Some("FIREWORKS_AI_API_KEY")),
    chat(&["moonshot"], "moonshot", "https://api.moonshot.ai", Some("MOONSHOT_API_KEY")),
    chat(&["dashscope"], "dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode", Some("DASHSCOPE_API_KEY")),
    chat(&["ollama", "ollama_chat"], "ollama", "http://localhost:11434", None),
];

/// Upstreams that speak OpenAI's Chat wherever the deployment says that they are.
static ANYWHERE: Vendor = Vendor {
    name: "custom",
    channel: "custom",
    address: None,
    variable: None,
    words: &["hosted_vllm", "vllm", "lm_studio", "llamafile", "openai_like", "litellm_proxy", "xinference", "docker_model_runner"],
};

/// Vendors that nothing here serves, with the reason.
const UNSERVED: &[(&[&str], &str)] = &[
    (&["azure", "azure_ai", "azure_text"], "Azure has no channel here"),
    (&["bedrock", "bedrock_converse", "sagemaker", "sagemaker_chat"], "AWS has no channel here"),
    (&["vertex_ai", "vertex_ai_beta"], "Vertex AI with a service account has no channel here"),
];

/// What serves a deployment, and the upstream's name of its model; or why nothing does.
pub(super) fn find<'a>(model: &'a str, told: Option<&str>, base: Option<&str>) -> Result<(&'static Vendor, &'a str), String> {
    let split = model.split_once('/');
    let (word, rest) = match (told, split) {
        (Some(told), Some((word, rest))) if word == told => (told, rest),
        (Some(told), _) => (told, model),
        (None, Some((word, rest))) if is_word(word) => (word, rest),
        (None, _) => (guessed(model, base).ok_or_else(|| "its vendor is not told by its model; expected vendor/model".to_owned())?, model),
    };
    if let Some((_, why)) = UNSERVED.iter().find(|(words, _)| words.contains(&word)) {
        return Err((*why).to_owned());
    }
    if ANYWHERE.words.contains(&word) {
        return if base.is_some() { Ok((&ANYWHERE, rest)) } else { Err(format!("{word} has no api_base whose value is known")) };
    }
    let vendor = VENDORS.iter().find(|vendor| vendor.words.contains(&word));
    vendor.map(|vendor| (vendor, rest)).ok_or_else(|| format!("the vendor {word:?} has no channel here"))
}

fn is_word(word: &str) -> bool {
    let known = VENDORS.iter().chain([&ANYWHERE]).any(|vendor| vendor.words.contains(&word));
    known || UNSERVED.iter().any(|(words, _)| words.contains(&word)) || word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// The vendor of a model without one: by its family's name, or OpenAI's dialect at an address of its own.
fn guessed(model: &str, base: Option<&str>) -> Option<&'static str> {
    let openai = ["gpt-", "o1", "o3", "o4", "chatgpt-", "text-embedding-", "dall-e-", "whisper-", "tts-", "omni-moderation", "ft:gpt-"];
    if base.is_some() || openai.iter().any(|family| model.starts_with(family)) {
        Some("openai")
    } else if model.starts_with("claude-") {
        Some("anthropic")
    } else {
        None
    }
}

/// Whether an address is the vendor's own.
pub(super) fn is_home(vendor: &Vendor, base: &str) -> bool {
    let home = crate::channel::find(vendor.channel).and_then(|row| row.base_url);
    home.is_some_and(|home| base.trim_end_matches("/v1beta").trim_end_matches("/v1") == home)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel;

    #[test]
    fn a_deployment_finds_what_serves_it() {
        let find = |model, told, base| find(model, told, base).map(|(vendor, rest)| (vendor.channel, rest));
        assert_eq!(find("openai/gpt-6", None, None), Ok(("openai", "gpt-6")));
        assert_eq!(find("gpt-6", None, None), Ok(("openai", "gpt-6")));
        assert_eq!(find("claude-x", None, None), Ok(("anthropic", "claude-x")));
        assert_eq!(find("openrouter/meta/llama", None, None), Ok(("openrouter", "meta/llama")));
        assert_eq!(find("meta-llama/Llama-3", Some("hosted_vllm"), Some("http://x")), Ok(("custom", "meta-llama/Llama-3")));
        assert_eq!(find("Qwen/Qwen3", None, Some("http://x")), Ok(("openai", "Qwen/Qwen3")));
        assert_eq!(find("hosted_vllm/x", None, None), Err("hosted_vllm has no api_base whose value is known".into()));
        assert_eq!(find("azure/x", None, None), Err("Azure has no channel here".into()));
        assert_eq!(find("cohere/command", None, None), Err("the vendor \"cohere\" has no channel here".into()));
        assert_eq!(find("mystery", None, None), Err("its vendor is not told by its model; expected vendor/model".into()));
        assert!(VENDORS.iter().all(|vendor| channel::find(vendor.channel).is_some()));
    }
}
