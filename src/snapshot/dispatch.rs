//! How a provider's calls are served: its operator's rules, and under them what its channel's nature suggests.
//!
//! The suggestion is worked out from what the channel serves, call by call, so an operation that a new version brings
//! reaches providers that were made long before.

use crate::{
    channel::Channel,
    protocol::{
        Family, Operation, OperationKey, OperationKind,
        dispatch::{DispatchFault, DispatchRule, Implementation, parse, shape_of},
    },
};

/// Dialects by how well they take what another one says.
const DIALECTS: [OperationKind; 4] = [
    OperationKind::OpenAiChatCompletions,
    OperationKind::OpenAiResponses,
    OperationKind::ClaudeMessages,
    OperationKind::GeminiGenerateContent,
];

/// The rules of one provider.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<DispatchRule>);

impl Rules {
    /// Reads an operator's rules; those that cannot be used are given beside.
    pub(super) fn read(json: Option<&str>) -> (Self, Vec<DispatchFault>) {
        let (rules, faults) = json.map_or_else(Default::default, parse);
        (Self(rules), faults)
    }

    /// What is done with a call to a provider of `channel`.
    #[must_use]
    pub fn of(&self, key: OperationKey, channel: &dyn Channel) -> Implementation {
        match self.0.iter().find(|rule| rule.route == key) {
            Some(rule) => rule.implementation,
            None => suggested(key, channel),
        }
    }
}

/// What a channel's nature suggests.
fn suggested(key: OperationKey, channel: &dyn Channel) -> Implementation {
    if channel.serves(key) {
        return Implementation::Passthrough;
    }
    let served = |operation: Operation, kind: OperationKind| OperationKey::new(operation, kind).filter(|key| channel.serves(*key));
    let found = match key.operation() {
        Operation::GenerateContent => content(channel, [Operation::GenerateContent, Operation::StreamGenerateContent]),
        Operation::StreamGenerateContent => content(channel, [Operation::StreamGenerateContent, Operation::GenerateContent]),
        Operation::CreateCompletion | Operation::CompactContent => content(channel, [Operation::GenerateContent; 2]),
        operation @ (Operation::CountTokens | Operation::ListModels | Operation::GetModel | Operation::CreateEmbedding) => {
            [Family::OpenAi, Family::Claude, Family::Gemini].into_iter().find_map(|family| served(operation, shape_of(family)))
        }
        Operation::BatchCreateEmbedding => served(Operation::CreateEmbedding, OperationKind::OpenAi),
        Operation::CreateImage | Operation::EditImage => served(Operation::GenerateContent, OperationKind::GeminiGenerateContent),
        _ => None,
    };
    match (found, key.operation()) {
        (Some(target), _) => Implementation::TransformTo(target),
        (None, Operation::CountTokens | Operation::ListModels | Operation::GetModel) => Implementation::Local,
        (None, _) => Implementation::Unsupported,
    }
}

/// The dialect in which a channel takes content, and the first of two ways to ask that it has.
fn content(channel: &dyn Channel, ways: [Operation; 2]) -> Option<OperationKey> {
    let dialects = channel.prefers().into_iter().chain(DIALECTS);
    dialects.flat_map(|kind| ways.map(|way| OperationKey::new(way, kind))).flatten().find(|key| channel.serves(*key))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Implementation, Operation as O, OperationKey, OperationKind as K, Rules};
    use crate::{
        channel::{self, Channel},
        testing::platform,
    };

    fn key(operation: O, kind: K) -> OperationKey {
        OperationKey::new(operation, kind).unwrap()
    }

    fn made(id: &str) -> Arc<dyn Channel> {
        channel::build(channel::find(id).unwrap(), "{}", &platform()).unwrap()
    }

    #[test]
    fn what_is_foreign_goes_the_channels_own_way() {
        for (channel, operation, from, wanted) in [
            ("openai", O::GenerateContent, K::OpenAiChatCompletions, None),
            ("openai", O::GenerateContent, K::ClaudeMessages, Some(key(O::GenerateContent, K::OpenAiResponses))),
            ("openai", O::StreamGenerateContent, K::GeminiGenerateContent, Some(key(O::StreamGenerateContent, K::OpenAiResponses))),
            ("anthropic", O::GenerateContent, K::OpenAiResponses, Some(key(O::GenerateContent, K::ClaudeMessages))),
            ("anthropic", O::CountTokens, K::Gemini, Some(key(O::CountTokens, K::Claude))),
            ("aistudio", O::StreamGenerateContent, K::ClaudeMessages, Some(key(O::StreamGenerateContent, K::GeminiGenerateContent))),
            ("nvidia", O::GenerateContent, K::ClaudeMessages, Some(key(O::GenerateContent, K::OpenAiChatCompletions))),
            ("nvidia", O::CompactContent, K::OpenAi, Some(key(O::GenerateContent, K::OpenAiChatCompletions))),
            ("aistudio", O::ListModels, K::Claude, Some(key(O::ListModels, K::OpenAi))),
        ] {
            let wanted = wanted.map_or(Implementation::Passthrough, Implementation::TransformTo);
            assert_eq!(Rules::default().of(key(operation, from), &*made(channel)), wanted, "{channel} {operation} {from}");
        }
        assert_eq!(Rules::default().of(key(O::CountTokens, K::Claude), &*made("nvidia")), Implementation::Local);
        assert_eq!(Rules::default().of(key(O::CreateSpeech, K::OpenAi), &*made("anthropic")), Implementation::Unsupported);
    }

    #[test]
    fn the_operators_rules_come_first() {
        let json = r#"{"rules":[{"route":{"operation":"GenerateContent","protocol":"Claude"},"implementation":"Unsupported"}]}"#;
        let (rules, faults) = Rules::read(Some(json));
        assert!(faults.is_empty());
        assert_eq!(rules.of(key(O::GenerateContent, K::ClaudeMessages), &*made("openai")), Implementation::Unsupported);
        assert_eq!(rules.of(key(O::GenerateContent, K::OpenAiResponses), &*made("openai")), Implementation::Passthrough);
    }
}
