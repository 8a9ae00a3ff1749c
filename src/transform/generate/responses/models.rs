//! What the families of models take, as far as requests of other dialects need to know.

use super::super::canon::Effort;

/// What a family of models takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Efforts of thinking, from least to most; none for models that do not think.
    pub(super) efforts: &'static [Effort],
    /// Whether temperature and top-p are taken.
    pub(super) sampling: Sampling,
    /// Whether a point of the prompt can be marked for the cache.
    pub(super) marks: bool,
    /// Whether the family is known at all.
    pub(super) known: bool,
}

/// When temperature and top-p are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    Always,
    /// Only where thinking is off.
    Unthinking,
    Never,
}

const ALL: &[Effort] = &Effort::ALL;
const O: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High];
const FIVE: &[Effort] = &[Effort::Minimal, Effort::Low, Effort::Medium, Effort::High];
const FIVE_ONE: &[Effort] = &[Effort::None, Effort::Low, Effort::Medium, Effort::High];
const FIVE_TWO: &[Effort] = &[Effort::None, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh];
const FIVE_SIX: &[Effort] = &[Effort::None, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh, Effort::Max];

/// Prefixes, the first that fits counts.
const FAMILIES: &[(&str, Family)] = &[
    ("gpt-5.6", family(FIVE_SIX, Sampling::Unthinking, true)),
    ("gpt-5.5", family(FIVE_TWO, Sampling::Unthinking, false)),
    ("gpt-5.4", family(FIVE_TWO, Sampling::Unthinking, false)),
    ("gpt-5.3", family(FIVE_TWO, Sampling::Unthinking, false)),
    ("gpt-5.2", family(FIVE_TWO, Sampling::Unthinking, false)),
    ("gpt-5.1", family(FIVE_ONE, Sampling::Unthinking, false)),
    ("gpt-5-codex", family(O, Sampling::Never, false)),
    ("gpt-5-pro", family(&[Effort::High], Sampling::Never, false)),
    ("gpt-5-chat", family(&[], Sampling::Always, false)),
    ("gpt-5", family(FIVE, Sampling::Never, false)),
    ("codex-", family(O, Sampling::Never, false)),
    ("o1", family(O, Sampling::Never, false)),
    ("o3", family(O, Sampling::Never, false)),
    ("o4", family(O, Sampling::Never, false)),
    ("gpt-4", family(&[], Sampling::Always, false)),
    ("gpt-3", family(&[], Sampling::Always, false)),
    ("chatgpt-", family(&[], Sampling::Always, false)),
];

const fn family(efforts: &'static [Effort], sampling: Sampling, marks: bool) -> Family {
    Family { efforts, sampling, marks, known: true }
}

/// The family of a model, whatever provider's prefix it carries. An unknown one takes all.
pub(super) fn of(model: &str) -> Family {
    let name = model.rsplit('/').next().unwrap_or(model);
    FAMILIES
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix))
        .map_or(Family { efforts: ALL, sampling: Sampling::Always, marks: false, known: false }, |(_, family)| *family)
}

impl Family {
    /// Whether the family is known to think.
    pub(super) fn thinks(&self) -> bool {
        self.known && !self.efforts.is_empty()
    }

    /// The nearest effort that it takes: the next higher one, else its highest. `None` where it does not think.
    pub(super) fn nearest(&self, effort: Effort) -> Option<Effort> {
        self.efforts.iter().find(|own| **own >= effort).or(self.efforts.last()).copied()
    }
}
