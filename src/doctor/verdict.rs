//! What a turn could have read from its provider's cache, what it did not, why, and what that cost.
//!
//! An estimate: what could have been read is the prompt of the turn before, as the provider counted it. No provider says more.

use super::{Cause, outline::Marks, shift::Shift};
use crate::{
    base::{Bucket, Modality, Nanos, Usage},
    protocol::OperationKind,
};

/// Nobody caches a shorter prompt, in tokens.
const LEAST: u64 = 1024;
/// Some models cache none that is shorter than this.
const LEAST_OF_SOME: u64 = 4096;
/// Providers cache in steps, and count a little differently from turn to turn: as much is no miss.
const SLACK: u64 = 256;

/// A turn's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    /// Neither read from a cache nor written to one.
    pub(super) fresh: u64,
    pub(super) read: u64,
    pub(super) written: u64,
}

impl Tokens {
    pub(super) fn of(usage: &Usage) -> Self {
        let written = WRITES.iter().map(|bucket| usage.bucket(*bucket)).sum();
        Self { fresh: usage.bucket(Bucket::Input), read: usage.bucket(Bucket::CacheRead), written }
    }

    /// The whole prompt.
    pub(super) fn prompt(self) -> u64 {
        self.fresh.saturating_add(self.read).saturating_add(self.written)
    }
}

/// A turn beside the one before it.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) kind: OperationKind,
    /// How the prompt differs; `None` where the other one was of another dialect.
    pub(super) shift: Option<Shift>,
    pub(super) is_same_provider: bool,
    pub(super) is_same_credential: bool,
    pub(super) is_same_model: bool,
    /// How much time went by, and how long the prompt was kept.
    pub(super) gap_ms: u64,
    pub(super) ttl_ms: u64,
    /// The marks of the turn before, and of this one.
    pub(super) marks: [Marks; 2],
    /// The prompt of the turn before.
    pub(super) before: u64,
    pub(super) now: Tokens,
}

/// What is found of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// So many tokens could have been read.
    pub(super) could: u64,
    /// So many of them were not.
    pub(super) lost: u64,
    /// Why; `None` of a healthy turn.
    pub(super) cause: Option<Cause>,
}

impl Beside {
    pub(super) fn judge(&self) -> Verdict {
        let could = self.before.min(self.now.prompt());
        if could < LEAST && self.now.read == 0 {
            return Verdict { could: 0, lost: 0, cause: Some(Cause::TooShort) };
        }
        let lost = could.saturating_sub(self.now.read);
        if lost <= SLACK {
            return Verdict { could, lost: 0, cause: None };
        }
        match self.cause() {
            Cause::TooShort => Verdict { could: 0, lost: 0, cause: Some(Cause::TooShort) },
            cause => Verdict { could, lost, cause: Some(cause) },
        }
    }

    /// What of all that breaks a cache was the case; the first that would have done so by itself.
    fn cause(&self) -> Cause {
        let is_claude = self.kind == OperationKind::ClaudeMessages;
        let [was, is] = self.marks;
        // Nothing that was not marked could be found again, whatever else happened. Some vendors of the dialect want no marks.
        if is_claude && self.now.read == 0 && self.now.written == 0 && !(was.any && is.any) {
            return Cause::NoMark;
        }
        if !self.is_same_provider {
            return Cause::AnotherProvider;
        }
        if !self.is_same_model {
            return Cause::ModelChanged;
        }
        match &self.shift {
            Some(Shift::Tools(_)) => return Cause::ToolsChanged,
            Some(Shift::Changed(_)) => return Cause::PrefixChanged,
            Some(Shift::Grown) | None => {}
        }
        if !self.is_same_credential {
            return Cause::AnotherCredential;
        }
        if self.gap_ms > self.ttl_ms {
            return Cause::GapTooLong;
        }
        if is_claude && !was.talk {
            return Cause::MarksTooEarly;
        }
        let has_long_least = is_claude || self.kind == OperationKind::GeminiGenerateContent;
        if has_long_least && self.before < LEAST_OF_SOME && self.now.read == 0 && self.now.written == 0 {
            return Cause::TooShort;
        }
        Cause::Unknown
    }
}

/// Buckets of what is written to a cache, the longest life first.
const WRITES: [Bucket; 3] = [Bucket::CacheWrite1h, Bucket::CacheWrite30m, Bucket::CacheWrite5m];

/// The usage as it would be, had so many more tokens been read from the cache. What was written is what stands first in the prompt, so that
/// it is what would have been read; then what went by the cache.
pub(super) fn as_read(usage: &Usage, tokens: u64) -> Usage {
    let (mut usage, mut left) = (*usage, tokens);
    for bucket in WRITES.into_iter().chain([Bucket::Input]) {
        for modality in Modality::ALL {
            let moved = usage.get(bucket, modality).min(left);
            usage.set(bucket, modality, usage.get(bucket, modality) - moved);
            usage.set(Bucket::CacheRead, modality, usage.get(Bucket::CacheRead, modality).saturating_add(moved));
            left -= moved;
        }
    }
    usage
}

/// What lost tokens cost, by the price of the bill; `None` where there is none.
pub(super) fn price_of(lost: u64, usage: &Usage, price: impl Fn(&Usage) -> Option<Nanos>) -> Option<Nanos> {
    let difference = price(usage)?.checked_sub(price(&as_read(usage, lost))?)?;
    Some(difference.max(Nanos::ZERO))
}

#[cfg(test)]
mod tests {
    use super::{Beside, Bucket, Cause, Marks, Modality, Nanos, OperationKind, Shift, Tokens, Usage, Verdict, as_read, price_of};
    use crate::doctor::Place;

    fn beside(kind: OperationKind) -> Beside {
        let marks = Marks { any: true, talk: true, ..Marks::default() };
        Beside {
            kind,
            shift: Some(Shift::Grown),
            is_same_provider: true,
            is_same_credential: true,
            is_same_model: true,
            gap_ms: 10,
            ttl_ms: 300_000,
            marks: [marks; 2],
            before: 5000,
            now: Tokens { fresh: 6000, read: 0, written: 0 },
        }
    }

    const CHAT: OperationKind = OperationKind::OpenAiChatCompletions;
    const CLAUDE: OperationKind = OperationKind::ClaudeMessages;

    #[test]
    fn every_miss_has_the_first_cause_that_would_do() {
        let place = || Place { path: String::new(), byte: 0 };
        let none = [Marks::default(); 2];
        let early = [Marks { any: true, ..Marks::default() }; 2];
        let written = Tokens { fresh: 10, read: 0, written: 6000 };
        for (beside, cause) in [
            (beside(CHAT), Cause::Unknown),
            (Beside { gap_ms: 300_001, ..beside(CHAT) }, Cause::GapTooLong),
            (Beside { gap_ms: 300_001, is_same_credential: false, ..beside(CHAT) }, Cause::AnotherCredential),
            (Beside { shift: Some(Shift::Changed(place())), is_same_credential: false, ..beside(CHAT) }, Cause::PrefixChanged),
            (Beside { shift: Some(Shift::Tools(place())), ..beside(CHAT) }, Cause::ToolsChanged),
            (Beside { is_same_model: false, shift: Some(Shift::Tools(place())), ..beside(CHAT) }, Cause::ModelChanged),
            (Beside { is_same_provider: false, is_same_model: false, shift: None, ..beside(CHAT) }, Cause::AnotherProvider),
            (Beside { marks: none, ..beside(CHAT) }, Cause::Unknown),
            (Beside { marks: none, is_same_provider: false, ..beside(CLAUDE) }, Cause::NoMark),
            (Beside { marks: early, now: written, ..beside(CLAUDE) }, Cause::MarksTooEarly),
            (Beside { now: written, ..beside(CLAUDE) }, Cause::Unknown),
        ] {
            assert_eq!(beside.judge(), Verdict { could: 5000, lost: 5000, cause: Some(cause) }, "{beside:?}");
        }
    }

    #[test]
    fn what_is_too_short_loses_nothing_and_a_little_is_no_miss() {
        let short = Verdict { could: 0, lost: 0, cause: Some(Cause::TooShort) };
        assert_eq!(Beside { before: 1023, ..beside(CHAT) }.judge(), short);
        assert_eq!(Beside { before: 4095, ..beside(CLAUDE) }.judge(), short);
        assert_eq!(Beside { before: 4095, ..beside(OperationKind::GeminiGenerateContent) }.judge(), short);
        assert_eq!(Beside { before: 1024, ..beside(CHAT) }.judge().lost, 1024);
        let read = |read| Beside { now: Tokens { fresh: 6000 - read, read, written: 0 }, ..beside(CHAT) }.judge();
        assert_eq!(read(4744), Verdict { could: 5000, lost: 0, cause: None });
        assert_eq!(read(4743), Verdict { could: 5000, lost: 257, cause: Some(Cause::Unknown) });
        assert_eq!(read(5500).lost, 0, "more than was expected");
        let shrunk = Beside { now: Tokens { fresh: 2000, read: 0, written: 0 }, ..beside(CHAT) };
        assert_eq!(shrunk.judge().could, 2000, "no more than the prompt that there is");
    }

    #[test]
    fn what_was_written_is_what_would_have_been_read() {
        let mut usage = Usage::default();
        for (bucket, tokens) in [(Bucket::Input, 100), (Bucket::CacheRead, 7), (Bucket::CacheWrite5m, 40), (Bucket::CacheWrite1h, 20)] {
            usage.set(bucket, Modality::Text, tokens);
        }
        let buckets =
            |usage: &Usage| [Bucket::Input, Bucket::CacheRead, Bucket::CacheWrite5m, Bucket::CacheWrite1h].map(|b| usage.bucket(b));
        assert_eq!(buckets(&as_read(&usage, 30)), [100, 37, 30, 0]);
        assert_eq!(buckets(&as_read(&usage, 70)), [90, 77, 0, 0]);
        assert_eq!(buckets(&as_read(&usage, 1000)), [0, 167, 0, 0], "no more than there is");
        let price = |usage: &Usage| {
            let [input, read, write, long] = buckets(usage).map(|tokens| i64::try_from(tokens).unwrap());
            Some(Nanos::new(input * 10 + read + write * 12 + long * 20))
        };
        assert_eq!(price_of(30, &usage, price), Some(Nanos::new(20 * 19 + 10 * 11)));
        assert_eq!(price_of(30, &usage, |_| None), None);
        assert_eq!(price_of(30, &usage, |usage| price(usage).map(|sum| Nanos::new(-sum.get()))), Some(Nanos::ZERO));
    }
}
