//! How each dialect calls the options of a request: losses are told in the sender's own words.

use super::Dialect;

/// An option of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transform) enum Field {
    Instructions,
    Tools,
    ToolChoice,
    ParallelCalls,
    Format,
    Thinking,
    Effort,
    Temperature,
    TopP,
    TopK,
    FrequencyPenalty,
    PresencePenalty,
    Seed,
    Stop,
    Logprobs,
    TopLogprobs,
    LogitBias,
    N,
    MaxTokens,
    CacheKey,
    CacheRetention,
    CacheMark,
    CachedContent,
    Previous,
    Conversation,
    Store,
    Background,
    User,
    Metadata,
    ServiceTier,
    Verbosity,
    Modalities,
}

/// The path of an option in a dialect's request. An option that the dialect does not have gets the canonical word.
pub(in crate::transform) const fn path(dialect: Dialect, field: Field) -> &'static str {
    match dialect {
        Dialect::Chat => chat(field),
        Dialect::Responses => responses(field),
        Dialect::Claude => claude(field),
        Dialect::Gemini => gemini(field),
    }
}

const fn chat(field: Field) -> &'static str {
    match field {
        Field::Instructions => "messages",
        Field::Format => "response_format",
        Field::Thinking | Field::Effort => "reasoning_effort",
        Field::MaxTokens => "max_completion_tokens",
        field => shared(field),
    }
}

const fn responses(field: Field) -> &'static str {
    match field {
        Field::Instructions => "instructions",
        Field::Format => "text.format",
        Field::Thinking => "reasoning",
        Field::Effort => "reasoning.effort",
        Field::MaxTokens => "max_output_tokens",
        Field::Verbosity => "text.verbosity",
        field => shared(field),
    }
}

const fn claude(field: Field) -> &'static str {
    match field {
        Field::Instructions => "system",
        Field::ParallelCalls => "tool_choice.disable_parallel_tool_use",
        Field::Format => "output_config.format",
        Field::Effort => "output_config.effort",
        Field::Stop => "stop_sequences",
        Field::CacheMark => "cache_control",
        Field::User => "metadata.user_id",
        field => shared(field),
    }
}

const fn gemini(field: Field) -> &'static str {
    match field {
        Field::Instructions => "systemInstruction",
        Field::ToolChoice => "toolConfig.functionCallingConfig",
        Field::Format => "generationConfig.responseSchema",
        Field::Thinking => "generationConfig.thinkingConfig",
        Field::Effort => "generationConfig.thinkingConfig.thinkingLevel",
        Field::Temperature => "generationConfig.temperature",
        Field::TopP => "generationConfig.topP",
        Field::TopK => "generationConfig.topK",
        Field::FrequencyPenalty => "generationConfig.frequencyPenalty",
        Field::PresencePenalty => "generationConfig.presencePenalty",
        Field::Seed => "generationConfig.seed",
        Field::Stop => "generationConfig.stopSequences",
        Field::Logprobs => "generationConfig.responseLogprobs",
        Field::TopLogprobs => "generationConfig.logprobs",
        Field::N => "generationConfig.candidateCount",
        Field::MaxTokens => "generationConfig.maxOutputTokens",
        Field::CachedContent => "cachedContent",
        Field::Metadata => "labels",
        Field::Modalities => "generationConfig.responseModalities",
        field => shared(field),
    }
}

const fn shared(field: Field) -> &'static str {
    match field {
        Field::Instructions => "instructions",
        Field::Tools => "tools",
        Field::ToolChoice => "tool_choice",
        Field::ParallelCalls => "parallel_tool_calls",
        Field::Format => "format",
        Field::Thinking => "thinking",
        Field::Effort => "effort",
        Field::Temperature => "temperature",
        Field::TopP => "top_p",
        Field::TopK => "top_k",
        Field::FrequencyPenalty => "frequency_penalty",
        Field::PresencePenalty => "presence_penalty",
        Field::Seed => "seed",
        Field::Stop => "stop",
        Field::Logprobs => "logprobs",
        Field::TopLogprobs => "top_logprobs",
        Field::LogitBias => "logit_bias",
        Field::N => "n",
        Field::MaxTokens => "max_tokens",
        Field::CacheKey => "prompt_cache_key",
        Field::CacheRetention => "prompt_cache_retention",
        Field::CacheMark => "cache_control",
        Field::CachedContent => "cachedContent",
        Field::Previous => "previous_response_id",
        Field::Conversation => "conversation",
        Field::Store => "store",
        Field::Background => "background",
        Field::User => "user",
        Field::Metadata => "metadata",
        Field::ServiceTier => "service_tier",
        Field::Verbosity => "verbosity",
        Field::Modalities => "modalities",
    }
}
