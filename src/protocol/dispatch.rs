//! How a provider's calls are served: as they come, in another shape, by the gateway itself, or not at all.
//!
//! The vocabulary of the operator's rules, and reading them from JSON. Three spellings are read: the reference's first
//! format (`ModelList`, `OpenAiChatCompletion`, `{"TransformTo": {...}}`), its second (`model_list`,
//! `openai_chat_completions`), and our own ids.

use serde_json::Value;

use super::{Family, Operation, OperationKey, OperationKind};

/// What is done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    /// It goes to the provider as it came.
    Passthrough,
    /// It goes to the provider as this operation in this shape, and the answer comes back in its own.
    TransformTo(OperationKey),
    /// The gateway answers it.
    Local,
    /// It is refused.
    Unsupported,
}

/// One rule of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DispatchRule {
    /// The calls that it is about.
    pub route: OperationKey,
    /// What is done with them.
    pub implementation: Implementation,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct DispatchFault {
    /// Where, dotted: `rules[2].route`.
    pub path: String,
    /// What it was and what was expected.
    pub message: String,
}

/// Reads `{"rules": [{"route": {...}, "implementation": ...}]}`. A rule that cannot be used is a fault, the others stand.
#[must_use]
pub fn parse(json: &str) -> (Vec<DispatchRule>, Vec<DispatchFault>) {
    let (mut rules, mut faults) = (Vec::new(), Vec::new());
    let fault = |path: &str, message: &str| DispatchFault { path: path.to_owned(), message: message.to_owned() };
    let Ok(value) = serde_json::from_str::<Value>(json) else {
        return (rules, vec![fault("dispatch", "is no JSON; expected {\"rules\": [...]}")]);
    };
    for (at, rule) in value["rules"].as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
        match (key(&rule["route"]), implementation(&rule["implementation"])) {
            (Ok(route), Ok(implementation)) => rules.push(DispatchRule { route, implementation }),
            (Err(message), _) => faults.push(fault(&format!("rules[{at}].route"), &message)),
            (_, Err(message)) => faults.push(fault(&format!("rules[{at}].implementation"), &message)),
        }
    }
    (rules, faults)
}

/// The key that one end of a rule names.
fn key(end: &Value) -> Result<OperationKey, String> {
    let (operation, protocol) =
        (end["operation"].as_str().unwrap_or_default(), end["protocol"].as_str().or(end["kind"].as_str()).unwrap_or_default());
    let operation = operation_of(operation).ok_or_else(|| format!("unknown operation {operation:?}"))?;
    let generates = matches!(operation, Operation::GenerateContent | Operation::StreamGenerateContent);
    let kind = kind_of(protocol, generates).ok_or_else(|| format!("unknown protocol {protocol:?}"))?;
    OperationKey::new(operation, kind).ok_or_else(|| format!("{operation} has no {kind} shape"))
}

fn implementation(value: &Value) -> Result<Implementation, String> {
    let word = value.as_str().map(squeezed);
    match word.as_deref() {
        Some("passthrough") => Ok(Implementation::Passthrough),
        Some("local") => Ok(Implementation::Local),
        Some("unsupported") => Ok(Implementation::Unsupported),
        Some(_) => Err(format!("unknown implementation {value}; expected Passthrough, Local, Unsupported or TransformTo")),
        None => {
            let to = [&value["TransformTo"], &value["transform_to"]].into_iter().find(|to| to.is_object());
            let to = to.ok_or("expected Passthrough, Local, Unsupported or {\"TransformTo\": {\"destination\": {...}}}")?;
            key(&to["destination"]).map(Implementation::TransformTo)
        }
    }
}

/// A name without case and separators, since the formats differ in nothing else.
fn squeezed(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn operation_of(name: &str) -> Option<Operation> {
    Some(match squeezed(name).as_str() {
        "modellist" => Operation::ListModels,
        "modelget" => Operation::GetModel,
        "counttoken" => Operation::CountTokens,
        "videoget" => Operation::RetrieveVideo,
        "videocontentget" => Operation::DownloadVideo,
        "streamcreateimage" => Operation::CreateImage,
        "createimageedit" | "streamcreateimageedit" => Operation::EditImage,
        "openairesponsewebsocket" => Operation::StreamGenerateContent,
        "geminilive" => Operation::ConnectRealtime,
        "embedding" => Operation::CreateEmbedding,
        "compact" => Operation::CompactContent,
        squeezed_name => return Operation::ALL.iter().copied().find(|operation| squeezed(operation.id()) == squeezed_name),
    })
}

fn kind_of(name: &str, generates: bool) -> Option<OperationKind> {
    let named = squeezed(name);
    if generates {
        return Some(match named.as_str() {
            "openai" | "openairesponse" | "openairesponses" => OperationKind::OpenAiResponses,
            "openairesponseswebsocket" => OperationKind::OpenAiResponsesWebSocket,
            "openaichatcompletion" | "openaichatcompletions" => OperationKind::OpenAiChatCompletions,
            "claude" | "claudemessages" | "anthropic" => OperationKind::ClaudeMessages,
            "gemini" | "geminindjson" | "geminigeneratecontent" => OperationKind::GeminiGenerateContent,
            _ => return None,
        });
    }
    Some(match named.as_str() {
        "openai" | "openaichatcompletion" | "openaichatcompletions" | "openairesponse" | "openairesponses" => OperationKind::OpenAi,
        "claude" | "anthropic" => OperationKind::Claude,
        "gemini" | "geminindjson" => OperationKind::Gemini,
        _ => return None,
    })
}

/// A family's shape of anything but generation.
#[must_use]
pub const fn shape_of(family: Family) -> OperationKind {
    match family {
        Family::OpenAi => OperationKind::OpenAi,
        Family::Claude => OperationKind::Claude,
        Family::Gemini => OperationKind::Gemini,
    }
}

#[cfg(test)]
mod tests {
    use super::{DispatchRule, Implementation, Operation as O, OperationKey, OperationKind as K, parse};

    fn key(operation: O, kind: K) -> OperationKey {
        OperationKey::new(operation, kind).unwrap()
    }

    #[test]
    fn every_spelling_of_a_rule_means_the_same() {
        let wanted = DispatchRule {
            route: key(O::StreamGenerateContent, K::ClaudeMessages),
            implementation: Implementation::TransformTo(key(O::StreamGenerateContent, K::OpenAiChatCompletions)),
        };
        for (operation, from, to, verb) in [
            ("StreamGenerateContent", "Claude", "OpenAiChatCompletion", "TransformTo"),
            ("stream_generate_content", "claude", "openai_chat_completions", "transform_to"),
            ("stream_generate_content", "claude_messages", "open_ai_chat_completions", "TransformTo"),
        ] {
            let json = format!(
                r#"{{"rules":[{{"route":{{"operation":"{operation}","protocol":"{from}"}},
                    "implementation":{{"{verb}":{{"destination":{{"operation":"{operation}","protocol":"{to}"}}}}}}}}]}}"#
            );
            assert_eq!(parse(&json), (vec![wanted], vec![]), "{json}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_used_is_named_and_the_others_stand() {
        let json = r#"{"rules":[
            {"route":{"operation":"CountToken","protocol":"OpenAi"},"implementation":"Local"},
            {"route":{"operation":"Fly","protocol":"OpenAi"},"implementation":"Local"},
            {"route":{"operation":"ModelList","protocol":"Latin"},"implementation":"Local"},
            {"route":{"operation":"ModelList","protocol":"Claude"},"implementation":"Maybe"}]}"#;
        let (rules, faults) = parse(json);
        assert_eq!(rules, [DispatchRule { route: key(O::CountTokens, K::OpenAi), implementation: Implementation::Local }]);
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "rules[1].route: unknown operation \"Fly\"",
                "rules[2].route: unknown protocol \"Latin\"",
                "rules[3].implementation: unknown implementation \"Maybe\"; expected Passthrough, Local, Unsupported or TransformTo",
            ]
        );
    }
}
