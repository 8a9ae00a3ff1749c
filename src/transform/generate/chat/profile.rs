//! What the models behind Chat Completions take, as far as it differs: one table.
//!
//! OpenAI's own members are always written; a vendor's channel strips what that vendor refuses. This table is for what the
//! shape itself leaves open: which of two names, how thinking is asked for, what a family answers with a 400.

use super::super::canon::Effort;

/// How a model's thinking is steered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knob {
    /// Not at all.
    Absent,
    /// `reasoning_effort`, between a lowest and a highest word.
    Effort(Effort, Effort),
    /// `thinking: {"type": "enabled" | "disabled"}`.
    Switch,
    /// `enable_thinking` and `thinking_budget`.
    Budget,
}

/// Which sampling a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tuning {
    /// All of it.
    Free,
    /// All of it, unless it thinks.
    FreeUnlessThinking,
    /// None: temperature, penalties, stop sequences and log probabilities are answered with 400.
    Fixed,
}

/// How points of the prompt are marked for the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// They cannot be.
    Absent,
    /// `prompt_cache_breakpoint`.
    Breakpoint,
    /// `cache_control`, in Anthropic's words.
    Control,
}

/// What a model takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile {
    /// One of OpenAI's own: `max_completion_tokens`, `developer`, no members beyond the documented ones.
    pub(super) openai: bool,
    pub(super) knob: Knob,
    pub(super) tuning: Tuning,
    pub(super) marks: Marks,
    /// Whether earlier reasoning is to come back as `reasoning_content`.
    pub(super) wants_reasoning: bool,
    /// Whether `web_search_options` is taken.
    pub(super) searches: bool,
    /// Whether thought signatures of Google's are taken.
    pub(super) google: bool,
}

const PLAIN: Profile = Profile {
    openai: false,
    knob: Knob::Absent,
    tuning: Tuning::Free,
    marks: Marks::Absent,
    wants_reasoning: false,
    searches: false,
    google: false,
};
const OPENAI: Profile = Profile { openai: true, ..PLAIN };
const SWITCHED: Profile = Profile { knob: Knob::Switch, wants_reasoning: true, ..PLAIN };

const fn reasons(lowest: Effort, highest: Effort, tuning: Tuning) -> Profile {
    Profile { knob: Knob::Effort(lowest, highest), tuning, ..OPENAI }
}

/// The first prefix that fits counts.
const TABLE: &[(&str, Profile)] = &[
    ("gpt-oss", Profile { knob: Knob::Effort(Effort::Low, Effort::High), ..PLAIN }),
    ("gpt-5.1", reasons(Effort::None, Effort::High, Tuning::FreeUnlessThinking)),
    ("gpt-5.2", reasons(Effort::None, Effort::XHigh, Tuning::FreeUnlessThinking)),
    ("gpt-5.3", reasons(Effort::None, Effort::XHigh, Tuning::FreeUnlessThinking)),
    ("gpt-5.4", reasons(Effort::None, Effort::XHigh, Tuning::FreeUnlessThinking)),
    ("gpt-5.5", reasons(Effort::None, Effort::XHigh, Tuning::FreeUnlessThinking)),
    ("gpt-5.", Profile { marks: Marks::Breakpoint, ..reasons(Effort::None, Effort::Max, Tuning::FreeUnlessThinking) }),
    ("gpt-5-chat", OPENAI),
    ("gpt-5-search", Profile { searches: true, ..OPENAI }),
    ("gpt-5", reasons(Effort::Minimal, Effort::High, Tuning::Fixed)),
    ("gpt-4o-search", Profile { searches: true, tuning: Tuning::Fixed, ..OPENAI }),
    ("gpt-4o-mini-search", Profile { searches: true, tuning: Tuning::Fixed, ..OPENAI }),
    ("gpt-", OPENAI),
    ("chatgpt-", OPENAI),
    ("o1-mini", Profile { tuning: Tuning::Fixed, ..OPENAI }),
    ("o1", reasons(Effort::Low, Effort::High, Tuning::Fixed)),
    ("o3", reasons(Effort::Low, Effort::High, Tuning::Fixed)),
    ("o4", reasons(Effort::Low, Effort::High, Tuning::Fixed)),
    ("codex-", reasons(Effort::Low, Effort::High, Tuning::Fixed)),
    ("grok-3-mini", Profile { knob: Knob::Effort(Effort::Low, Effort::High), ..PLAIN }),
    ("gemini-", Profile { knob: Knob::Effort(Effort::None, Effort::High), google: true, ..PLAIN }),
    ("claude-", Profile { knob: Knob::Effort(Effort::Low, Effort::High), marks: Marks::Control, ..PLAIN }),
    ("sonar", Profile { searches: true, ..PLAIN }),
    ("deepseek", SWITCHED),
    ("kimi", SWITCHED),
    ("glm", SWITCHED),
    ("mimo", SWITCHED),
    ("doubao", SWITCHED),
    ("minimax", Profile { wants_reasoning: true, ..PLAIN }),
    ("qwen", Profile { knob: Knob::Budget, ..PLAIN }),
    ("qwq", Profile { knob: Knob::Budget, ..PLAIN }),
];

/// What the model of this id takes; a vendor's prefix (`openai/`, `ft:`) does not count.
pub(super) fn profile(model: &str) -> Profile {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name).to_ascii_lowercase();
    TABLE.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(PLAIN, |(_, profile)| *profile)
}
