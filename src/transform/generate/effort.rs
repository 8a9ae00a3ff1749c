//! How much to think: as a word, and as a budget of tokens.

/// How much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::transform) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

impl Effort {
    pub(in crate::transform) const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// OpenAI's word for it, which others took over.
    pub(in crate::transform) const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort of a word.
    pub(in crate::transform) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.word() == word)
    }

    /// The budget of thinking tokens nearest to it.
    pub(in crate::transform) const fn budget(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 1024,
            Self::Low => 2048,
            Self::Medium => 8192,
            Self::High => 16_384,
            Self::XHigh => 24_576,
            Self::Max => 32_768,
        }
    }

    /// The effort nearest to a budget of thinking tokens.
    pub(in crate::transform) const fn of_budget(budget: u64) -> Self {
        match budget {
            0 => Self::None,
            1..=1024 => Self::Minimal,
            1025..=4096 => Self::Low,
            4097..=12_288 => Self::Medium,
            12_289..=20_480 => Self::High,
            _ => Self::XHigh,
        }
    }
}

/// OpenAI's models whose default effort is `none`: they take a temperature unless told to think. Those before gpt-5.1
/// cannot be told not to, and gpt-5.5 and later think where nothing is said, as every `-codex` and `-pro` does
/// (OpenAI's guide to reasoning, `reasoning.effort`).
const AT_REST: [&str; 4] = ["gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-5.4"];

/// Whether one of OpenAI's models thinks where a request does not say how much; a provider's prefix does not count.
pub(super) fn thinks_unasked(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let rests = AT_REST.iter().any(|family| name.starts_with(family));
    !rests || ["-codex", "-pro"].iter().any(|kind| name.contains(kind))
}
