//! What one-api and new-api mean by the numbers of their channels' types, and what serves the like here.

use super::Format;

/// What serves a channel here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upstream {
    /// A channel of the registry, at its own address where the file gives none.
    Channel(&'static str),
    /// An upstream of OpenAI's Chat dialect at this address where the file gives none.
    Chat(&'static str),
    /// An upstream of OpenAI's Chat dialect, whose address the file has to give.
    ChatAt,
    /// Nothing, and this is what it was.
    Nothing(&'static str),
}

use Upstream::{Channel, Chat, ChatAt, Nothing};

/// What serves a type of channel here; `None` for a number that is not known.
pub(super) fn upstream(format: Format, kind: i64) -> Option<Upstream> {
    shared(kind).or_else(|| match format {
        Format::NewApi => new_api(kind),
        Format::OneApi | Format::LiteLlm | Format::Reference => one_api(kind),
    })
}

/// The numbers that both use for the same.
fn shared(kind: i64) -> Option<Upstream> {
    Some(match kind {
        1 => Channel("openai"),
        3 => Nothing("Azure OpenAI"),
        6 => Chat("https://api.openaimax.com"),
        7 => Chat("https://api.ohmygpt.com"),
        8 => ChatAt,
        9 => Chat("https://api.caipacity.com"),
        10 => Chat("https://api.aiproxy.io"),
        11 => Nothing("PaLM"),
        12 => Chat("https://api.api2gpt.com"),
        13 => Chat("https://api.aigc2d.com"),
        14 => Channel("anthropic"),
        15 => Nothing("Baidu"),
        16 => Nothing("Zhipu"),
        17 => Chat("https://dashscope.aliyuncs.com/compatible-mode"),
        18 => Nothing("Xunfei"),
        19 => Nothing("360"),
        20 => Channel("openrouter"),
        21 => Nothing("AI Proxy's library"),
        22 => Nothing("FastGPT"),
        23 => Nothing("Tencent"),
        24 => Channel("aistudio"),
        25 => Chat("https://api.moonshot.cn"),
        31 => Chat("https://api.lingyiwanwu.com"),
        33 => Nothing("AWS Bedrock"),
        _ => return None,
    })
}

fn one_api(kind: i64) -> Option<Upstream> {
    Some(match kind {
        2 => Chat("https://oa.api2d.net"),
        4 => Chat("https://api.closeai-proxy.xyz"),
        5 => Chat("https://api.openai-sb.com"),
        26 => Chat("https://api.baichuan-ai.com"),
        27 => Nothing("MiniMax"),
        28 => Chat("https://api.mistral.ai"),
        29 => Channel("groq"),
        30 => Chat("http://localhost:11434"),
        32 => Chat("https://api.stepfun.com"),
        34 => Nothing("Coze"),
        35 => Nothing("Cohere"),
        36 => Channel("deepseek"),
        37 => Nothing("Cloudflare"),
        38 => Nothing("DeepL"),
        39 => Chat("https://api.together.xyz"),
        40 => Nothing("Doubao"),
        41 => Nothing("Novita"),
        42 => Nothing("Vertex AI"),
        44 => Chat("https://api.siliconflow.cn"),
        45 => Channel("xai"),
        50 => ChatAt,
        _ => return None,
    })
}

fn new_api(kind: i64) -> Option<Upstream> {
    Some(match kind {
        2 | 5 => Nothing("Midjourney"),
        4 => Chat("http://localhost:11434"),
        26 => Nothing("Zhipu"),
        27 => Nothing("Perplexity"),
        34 => Nothing("Cohere"),
        35 => Nothing("MiniMax"),
        36 => Nothing("Suno"),
        37 => Nothing("Dify"),
        38 => Nothing("Jina"),
        39 => Nothing("Cloudflare"),
        40 => Chat("https://api.siliconflow.cn"),
        41 => Nothing("Vertex AI"),
        42 => Chat("https://api.mistral.ai"),
        43 => Channel("deepseek"),
        44 => Nothing("Moka"),
        45 => Nothing("VolcEngine"),
        46 => Nothing("Baidu"),
        47 => ChatAt,
        48 => Channel("xai"),
        49 => Nothing("Coze"),
        50..=52 | 54..=56 => Nothing("a maker of pictures and films"),
        53 => Nothing("Submodel"),
        57 => Nothing("Codex"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel;

    #[test]
    fn every_channel_that_is_named_is_registered() {
        for format in [Format::OneApi, Format::NewApi] {
            for kind in 0..60 {
                if let Some(Channel(id)) = upstream(format, kind) {
                    assert!(channel::find(id).is_some(), "{format} {kind}: {id}");
                }
            }
        }
        assert_eq!(upstream(Format::OneApi, 36), Some(Channel("deepseek")));
        assert_eq!(upstream(Format::NewApi, 36), Some(Nothing("Suno")));
        assert_eq!(upstream(Format::NewApi, 0), None);
    }
}
