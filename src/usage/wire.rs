//! The numbers of a provider's usage object as it names them, before they become buckets.
//!
//! Events of one stream are merged here, by field: totals of one event and details of another then still fit together,
//! which they would not if buckets were merged.

use crate::base::Modality;

/// A number that some provider reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Tokens of the prompt; with or without its cached part, as the dialect has it.
    Prompt,
    /// Tokens of the answer; with or without reasoning, as the dialect has it.
    Completion,
    /// All tokens.
    Total,
    /// Prompt tokens read from a cache.
    Cached,
    /// Prompt tokens that missed the cache, where a provider says no more about the prompt.
    Missed,
    /// Prompt tokens written to a cache whose life is not told.
    Written,
    /// Those written for 5 minutes.
    Written5m,
    /// Those written for an hour.
    Written1h,
    /// Answer tokens of reasoning.
    Reasoning,
    /// Prompt tokens that the provider's own tools added.
    ToolPrompt,
    /// Searches of the web.
    Searches,
    /// Thousandths of a second.
    Millis,
    /// Claude: the prompt's fresh tokens over all turns of the model.
    TurnPrompt,
    /// Claude: the answer's over all turns.
    TurnCompletion,
    /// Claude: cache reads over all turns.
    TurnCached,
    /// Claude: cache writes over all turns.
    TurnWritten,
    /// Claude: 5-minute cache writes over all turns.
    TurnWritten5m,
    /// Claude: 1-hour cache writes over all turns.
    TurnWritten1h,
    /// Claude: reasoning over all turns.
    TurnReasoning,
    /// `OpenAI`: what another model read to make a picture.
    SidePrompt,
    /// `OpenAI`: the pictures that it made.
    SideCompletion,
    /// Part of [`Field::Prompt`].
    PromptOf(Modality),
    /// Part of [`Field::Cached`].
    CachedOf(Modality),
    /// Part of [`Field::Completion`].
    CompletionOf(Modality),
    /// Part of [`Field::ToolPrompt`].
    ToolPromptOf(Modality),
    /// Part of [`Field::SidePrompt`].
    SidePromptOf(Modality),
    /// Part of [`Field::SideCompletion`].
    SideCompletionOf(Modality),
}

const PLAIN: usize = 21;
const FIELDS: usize = PLAIN + 6 * 4;
/// No number is larger, so that sums of them cannot overflow, whatever a provider writes.
const MOST: u64 = 1 << 48;

impl Field {
    const fn place(self) -> usize {
        match self {
            Self::Prompt => 0,
            Self::Completion => 1,
            Self::Total => 2,
            Self::Cached => 3,
            Self::Missed => 4,
            Self::Written => 5,
            Self::Written5m => 6,
            Self::Written1h => 7,
            Self::Reasoning => 8,
            Self::ToolPrompt => 9,
            Self::Searches => 10,
            Self::Millis => 11,
            Self::TurnPrompt => 12,
            Self::TurnCompletion => 13,
            Self::TurnCached => 14,
            Self::TurnWritten => 15,
            Self::TurnWritten5m => 16,
            Self::TurnWritten1h => 17,
            Self::TurnReasoning => 18,
            Self::SidePrompt => 19,
            Self::SideCompletion => 20,
            Self::PromptOf(modality) => PLAIN + modality as usize,
            Self::CachedOf(modality) => PLAIN + 4 + modality as usize,
            Self::CompletionOf(modality) => PLAIN + 8 + modality as usize,
            Self::ToolPromptOf(modality) => PLAIN + 12 + modality as usize,
            Self::SidePromptOf(modality) => PLAIN + 16 + modality as usize,
            Self::SideCompletionOf(modality) => PLAIN + 20 + modality as usize,
        }
    }
}

/// The numbers seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wire {
    numbers: [u64; FIELDS],
    seen: u64,
}

impl Default for Wire {
    fn default() -> Self {
        Self { numbers: [0; FIELDS], seen: 0 }
    }
}

impl Wire {
    /// Whether nothing was reported.
    pub(super) fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// Whether the field was reported.
    pub(super) fn has(&self, field: Field) -> bool {
        self.seen >> field.place() & 1 == 1
    }

    /// The field's number; zero where it was not reported.
    pub(super) fn get(&self, field: Field) -> u64 {
        self.numbers[field.place()]
    }

    /// The numbers of a field's modalities.
    pub(super) fn parts(&self, of: fn(Modality) -> Field) -> Parts {
        Parts(Modality::ALL.map(|modality| self.get(of(modality))))
    }

    /// Reports a number; of two the larger stands.
    pub(super) fn raise(&mut self, field: Field, number: u64) {
        let slot = &mut self.numbers[field.place()];
        *slot = (*slot).max(number.min(MOST));
        self.seen |= 1 << field.place();
    }

    /// Reports a further part of a number.
    pub(super) fn add(&mut self, field: Field, number: u64) {
        let slot = &mut self.numbers[field.place()];
        *slot = slot.saturating_add(number).min(MOST);
        self.seen |= 1 << field.place();
    }

    /// Takes the larger of each field.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.numbers.iter_mut().zip(&other.numbers) {
            *mine = (*mine).max(*theirs);
        }
        self.seen |= other.seen;
    }
}

/// Tokens by modality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts(pub(super) [u64; 4]);

impl Parts {
    /// Divides `total` as `details` say; what they leave open is `rest`, what they have too much is cut off, words first.
    pub(super) fn of(total: u64, details: Self, rest: Modality) -> Self {
        let mut left = total;
        let mut parts = Self::default();
        for modality in [Modality::Image, Modality::Audio, Modality::Video, Modality::Text] {
            let part = details.0[modality as usize].min(left);
            parts.0[modality as usize] = part;
            left -= part;
        }
        parts.0[rest as usize] += left;
        parts
    }

    /// Takes `taken` out, each modality from its own as far as that goes, the excess from the others, words first.
    pub(super) fn without(mut self, taken: Self) -> Self {
        let mut excess = 0_u64;
        for (mine, theirs) in self.0.iter_mut().zip(taken.0) {
            excess = excess.saturating_add(theirs.saturating_sub(*mine));
            *mine = mine.saturating_sub(theirs);
        }
        for mine in &mut self.0 {
            let more = excess.min(*mine);
            *mine -= more;
            excess -= more;
        }
        self
    }

    /// Which of these parts `number` tokens without a modality are: words first. What goes beyond them is words too.
    pub(super) fn first(self, number: u64) -> Self {
        let mut left = number;
        let mut first = Self::default();
        for (slot, mine) in first.0.iter_mut().zip(self.0) {
            *slot = left.min(mine);
            left -= *slot;
        }
        first.0[Modality::Text as usize] += left;
        first
    }
}

/// A JSON number in thousandths, cut off; zero where it is negative.
pub(super) fn thousandths(number: &[u8]) -> u64 {
    let (mantissa, exponent) = match number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&number[..at], std::str::from_utf8(&number[at + 1..]).ok().and_then(|text| text.parse::<i32>().ok()).unwrap_or(0)),
        None => (number, 0),
    };
    let mut value = 0_u64;
    let mut shift = exponent.saturating_add(3);
    let mut fraction = false;
    for byte in mantissa {
        match byte {
            b'0'..=b'9' if !fraction || shift > 0 => {
                value = value.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                shift -= i32::from(fraction);
            }
            b'.' => fraction = true,
            b'-' => return 0,
            _ => {}
        }
    }
    let factor = 10_u64.saturating_pow(shift.unsigned_abs());
    if shift >= 0 { value.saturating_mul(factor) } else { value / factor }
}

/// A JSON number as a whole one, cut off; zero where it is negative.
pub(super) fn whole(number: &[u8]) -> u64 {
    let mut value = 0_u64;
    for byte in number {
        if !byte.is_ascii_digit() {
            return thousandths(number) / 1000;
        }
        value = value.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
    }
    value
}
