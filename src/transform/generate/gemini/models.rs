//! What each family of Gemini models takes.

use super::super::canon::Effort;

/// How a model is told how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinks {
    /// Not at all.
    No,
    /// By `thinkingBudget`, within these bounds.
    Budget { min: u64, max: u64 },
    /// By `thinkingLevel`: the lowest level, and whether there is one in the middle.
    Level { lowest: &'static str, medium: bool },
}

/// A family of models.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    prefix: &'static str,
    pub(super) thinks: Thinks,
    /// Whether thinking can be switched off.
    pub(super) off: bool,
    /// Whether it is of the third generation: calls need thought signatures, tools of Google's own and JSON go with functions,
    /// results may hold media.
    pub(super) third: bool,
    /// Whether its schemas may be JSON Schema.
    pub(super) json_schema: bool,
}

const fn family(prefix: &'static str, thinks: Thinks, off: bool, third: bool) -> Family {
    Family { prefix, thinks, off, third, json_schema: true }
}

/// The first that fits counts.
const FAMILIES: [Family; 14] = [
    family("gemini-3-pro", Thinks::Level { lowest: "LOW", medium: false }, false, true),
    family("gemini-3.1-pro", Thinks::Level { lowest: "LOW", medium: true }, false, true),
    family("gemini-3", Thinks::Level { lowest: "MINIMAL", medium: true }, false, true),
    family("gemini-2.5-pro", Thinks::Budget { min: 128, max: 32_768 }, false, false),
    family("gemini-2.5-flash-lite", Thinks::Budget { min: 512, max: 24_576 }, true, false),
    family("gemini-2.5", Thinks::Budget { min: 1, max: 24_576 }, true, false),
    family("gemini-2", Thinks::No, true, false),
    Family { json_schema: false, ..family("gemini-1", Thinks::No, true, false) },
    // Aliases of the newest, and models of tomorrow.
    family("gemini-pro-latest", Thinks::Level { lowest: "LOW", medium: true }, false, true),
    family("gemini-flash-latest", Thinks::Level { lowest: "MINIMAL", medium: true }, false, true),
    family("gemini-flash-lite-latest", Thinks::Level { lowest: "MINIMAL", medium: true }, false, true),
    family("gemini-4", Thinks::Level { lowest: "LOW", medium: true }, false, true),
    // Every thinking model since 2.5 takes a budget, the third generation still.
    family("gemini-", Thinks::Budget { min: 1, max: 24_576 }, true, true),
    family("", Thinks::Budget { min: 1, max: 24_576 }, true, false),
];

/// The family of a model.
pub(super) fn of(model: &str) -> Family {
    let name = model.rsplit('/').next().unwrap_or(model);
    FAMILIES.into_iter().find(|family| name.starts_with(family.prefix)).unwrap_or(FAMILIES[FAMILIES.len() - 1])
}

/// The level that an effort becomes, and whether it says the same.
pub(super) fn level(effort: Effort, lowest: &'static str, medium: bool) -> (&'static str, bool) {
    match effort {
        Effort::None => (lowest, false),
        Effort::Minimal => (lowest, lowest == "MINIMAL"),
        Effort::Low => ("LOW", true),
        Effort::Medium if medium => ("MEDIUM", true),
        Effort::High => ("HIGH", true),
        Effort::Medium | Effort::XHigh | Effort::Max => ("HIGH", false),
    }
}

/// The effort that a level means.
pub(super) fn effort(level: &str) -> Option<Effort> {
    [("MINIMAL", Effort::Minimal), ("LOW", Effort::Low), ("MEDIUM", Effort::Medium), ("HIGH", Effort::High), ("XHIGH", Effort::XHigh)]
        .into_iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(level))
        .map(|(_, effort)| effort)
}
