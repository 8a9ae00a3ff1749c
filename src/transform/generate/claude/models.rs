//! What the models of the family take and refuse. Anthropic's own model pages say so; what is not listed here is taken to
//! be newer than everything that is.

use crate::transform::generate::canon::Effort;

/// How a model can be told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinks {
    /// Not at all.
    Never,
    /// With a budget of tokens.
    Budget,
    /// With a budget, or as much as it likes.
    Both,
    /// As much as it likes.
    Adaptive,
    /// As much as it likes; it cannot be told not to.
    Always,
}

/// Which sampling a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Samples {
    /// All of it.
    Freely,
    /// Temperature or `top_p`, not both.
    OneOf,
    /// None of it.
    Never,
}

/// What a model takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    /// The most tokens that it answers with.
    pub(super) limit: u64,
    /// Whether the limit is known to be so, and not only a guess for want of anything better.
    pub(super) known: bool,
    pub(super) thinks: Thinks,
    /// Kinds of effort that it knows, ascending; none where it knows no effort.
    pub(super) efforts: &'static [Effort],
    pub(super) samples: Samples,
    /// Whether it continues a turn of its own that ends the conversation.
    pub(super) prefill: bool,
    /// Whether the operator may speak within the conversation.
    pub(super) system_turns: bool,
    /// Whether it answers after a schema, and keeps to strict ones of tools.
    pub(super) schemas: bool,
}

const THREE: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High];
const FOUR: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High, Effort::Max];
const FIVE: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High, Effort::XHigh, Effort::Max];

const NEWEST: Model = Model {
    limit: 128_000,
    known: true,
    thinks: Thinks::Adaptive,
    efforts: FIVE,
    samples: Samples::Never,
    prefill: false,
    system_turns: true,
    schemas: true,
};
const OLDEST: Model = Model {
    limit: 4096,
    known: true,
    thinks: Thinks::Never,
    efforts: &[],
    samples: Samples::Freely,
    prefill: true,
    system_turns: false,
    schemas: false,
};
const FOURTH: Model = Model { limit: 64_000, thinks: Thinks::Budget, ..OLDEST };
const FOUR_FIVE: Model = Model { samples: Samples::OneOf, schemas: true, ..FOURTH };
const FOUR_SIX: Model = Model { thinks: Thinks::Both, efforts: FOUR, prefill: false, ..FOUR_FIVE };
/// Models of other makers behind Anthropic's shape.
const STRANGER: Model = Model { limit: 16_384, known: false, thinks: Thinks::Budget, ..OLDEST };

/// Beginnings of model ids, from `claude` on; the first that fits counts.
const TABLE: &[(&str, Model)] = &[
    ("claude-instant", OLDEST),
    ("claude-2", OLDEST),
    ("claude-3-7", FOURTH),
    ("claude-3-5", Model { limit: 8192, ..OLDEST }),
    ("claude-3", OLDEST),
    ("claude-haiku-4", FOUR_FIVE),
    ("claude-sonnet-4-6", FOUR_SIX),
    ("claude-sonnet-4-5", FOUR_FIVE),
    ("claude-sonnet-4", FOURTH),
    ("claude-opus-4-1", Model { limit: 32_000, ..FOUR_FIVE }),
    ("claude-opus-4-5", Model { efforts: THREE, ..FOUR_FIVE }),
    ("claude-opus-4-6", Model { limit: 128_000, ..FOUR_SIX }),
    ("claude-opus-4-7", Model { system_turns: false, ..NEWEST }),
    ("claude-opus-4-8", NEWEST),
    ("claude-opus-4", Model { limit: 32_000, ..FOURTH }),
    ("claude-fable", Model { thinks: Thinks::Always, ..NEWEST }),
    ("claude-mythos", Model { thinks: Thinks::Always, ..NEWEST }),
    ("claude", NEWEST),
];

/// What is known of the model that `id` names, whatever stands before its name (`anthropic/`, `us.anthropic.`).
pub(super) fn of(id: &str) -> Model {
    let id = id.to_ascii_lowercase().replace(['.', '@', '_'], "-");
    let Some(begin) = id.find("claude") else { return STRANGER };
    let name = &id[begin..];
    TABLE.iter().find(|(beginning, _)| name.starts_with(beginning)).map_or(STRANGER, |(_, model)| *model)
}

impl Model {
    /// The effort nearest to `wish` that the model knows: the next lower one, else its lowest.
    pub(super) fn effort(&self, wish: Effort) -> Option<Effort> {
        self.efforts.iter().rev().find(|known| **known <= wish).or(self.efforts.first()).copied()
    }
}
