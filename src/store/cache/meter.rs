//! What is counted: whose, by which record, in which unit, over which window.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::store::record;

/// Whose limit or quota it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum ScopeKind {
    /// One key.
    Key = 0,
    /// A user, over all keys.
    User = 1,
    /// A team.
    Team = 2,
    /// An organization.
    Organization = 3,
}

/// What a meter counts, and with that how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Counts {
    /// Requests: spent on admission.
    Requests = 0,
    /// Tokens: reserved, then settled.
    Tokens = 1,
    /// Nano-dollars: reserved, then settled.
    NanoDollars = 2,
    /// Requests under way: reserved, and given back at the end.
    Concurrency = 3,
}

impl ScopeKind {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::User => "user",
            Self::Team => "team",
            Self::Organization => "organization",
        }
    }
}

impl From<record::ScopeKind> for ScopeKind {
    fn from(kind: record::ScopeKind) -> Self {
        match kind {
            record::ScopeKind::Key => Self::Key,
            record::ScopeKind::User => Self::User,
            record::ScopeKind::Team => Self::Team,
            record::ScopeKind::Organization => Self::Organization,
        }
    }
}

impl Counts {
    /// Each, in order of their numbers.
    pub const ALL: [Self; 4] = [Self::Requests, Self::Tokens, Self::NanoDollars, Self::Concurrency];
}

/// Over which time is counted. All in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Window {
    /// The last so many milliseconds, at least [`SLOTS`]: also the rolling five hours and seven days of quotas.
    ///
    /// Counted in [`SLOTS`] slots, whole milliseconds long. No span of this length ever holds more than the limit; what is spent is
    /// forgotten a slot (a sixtieth of the length) and 60 ms after it left the window at the latest.
    Sliding(u64),
    /// For ever.
    Total,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first day of a month to that of the next.
    Month,
}

/// Slots of a sliding window.
pub const SLOTS: u64 = 60;

const DAY_MS: u64 = 86_400_000;
/// The first of January 1970 was a Thursday: three days after a Monday.
const DAYS_SINCE_MONDAY: u64 = 3;

impl Window {
    /// Its span in words.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Sliding(60_000) => "minute".to_owned(),
            Self::Sliding(DAY_MS) | Self::Day => "day".to_owned(),
            Self::Sliding(length) => format!("{} hours", length / 3_600_000),
            Self::Total => "total".to_owned(),
            Self::Week => "week".to_owned(),
            Self::Month => "month".to_owned(),
        }
    }

    /// Number of the window, or of the sliding window's slot, that holds a moment. Numbers grow with time.
    #[must_use]
    pub fn place(self, at_ms: u64) -> u64 {
        let day = at_ms / DAY_MS;
        match self {
            Self::Sliding(length) => at_ms / slot_ms(length),
            Self::Total => 0,
            Self::Day => day,
            Self::Week => (day + DAYS_SINCE_MONDAY) / 7,
            Self::Month => month(day),
        }
    }

    /// The moment at which the window, or slot, of this number begins, Unix milliseconds.
    #[must_use]
    pub fn begins(self, place: u64) -> u64 {
        match self {
            Self::Sliding(length) => place.saturating_mul(slot_ms(length)),
            Self::Total => 0,
            Self::Day => place.saturating_mul(DAY_MS),
            Self::Week => (place.saturating_mul(7)).saturating_sub(DAYS_SINCE_MONDAY).saturating_mul(DAY_MS),
            Self::Month => first_day(place).saturating_mul(DAY_MS),
        }
    }

    /// The moment at which what was spent in this place no longer counts; `None`: never.
    #[must_use]
    pub fn forgets(self, place: u64) -> Option<u64> {
        match self {
            Self::Sliding(_) => Some(self.begins(place.saturating_add(SLOTS + 1))),
            Self::Total => None,
            Self::Day | Self::Week | Self::Month => Some(self.begins(place.saturating_add(1))),
        }
    }
}

/// Length of a slot. Rounded up, so that [`SLOTS`] of them hold the window.
fn slot_ms(length: u64) -> u64 {
    length.div_ceil(SLOTS).max(1)
}

/// Months since January 1970, of a day since then.
///
/// A year is taken to begin in March, so that the day that leap years add is its last.
fn month(day: u64) -> u64 {
    // From the first of March of the year 1600 to 1970 there are 135,080 days: a multiple of 400 years begins there.
    let day = day + 135_080;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    (1600 + era * 400 + year) * 12 + march + 2 - 1970 * 12
}

/// The day since 1970 on which the month of this number begins.
fn first_day(month: u64) -> u64 {
    // Months since March of the year 1600.
    let months = month.saturating_add(1970 * 12 - 1600 * 12 - 2);
    let (year, march) = (months / 12, months % 12);
    let day = year.saturating_mul(365).saturating_add(year / 4 + year / 400 - year / 100) + (153 * march + 2) / 5;
    day.saturating_sub(135_080)
}

/// One counter: what one limit or quota of one scope counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Meter {
    /// Whose.
    pub kind: ScopeKind,
    /// The scope's id.
    pub scope: i64,
    /// The id of the record of the limit or quota.
    pub record: i64,
    /// What.
    pub counts: Counts,
    /// Over which time. Of no matter to concurrency.
    pub window: Window,
}

impl Meter {
    /// Whether a draw is spent at once, and nothing is reserved.
    #[must_use]
    pub const fn spends_at_once(&self) -> bool {
        match self.counts {
            Counts::Requests => true,
            Counts::Tokens | Counts::NanoDollars | Counts::Concurrency => false,
        }
    }

    /// Whether a settlement spends here.
    #[must_use]
    pub const fn settles(&self) -> bool {
        match self.counts {
            Counts::Tokens | Counts::NanoDollars => true,
            Counts::Requests | Counts::Concurrency => false,
        }
    }
}

impl Hash for Meter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let window = match self.window {
            Window::Sliding(length) => length,
            Window::Total => u64::MAX,
            Window::Day => u64::MAX - 1,
            Window::Week => u64::MAX - 2,
            Window::Month => u64::MAX - 3,
        };
        // Three words in place of six: this is looked up a dozen times for each request.
        state.write_u64(self.scope.cast_unsigned() << 4 | (self.kind as u64) << 2 | self.counts as u64);
        state.write_u64(self.record.cast_unsigned());
        state.write_u64(window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn calendar_windows_begin_where_the_calendar_says() {
        // Moments and beginnings from an independent calendar.
        for (window, at, begins, ends) in [
            (Window::Day, 1_709_164_800_000 + 5 * HOUR, 1_709_164_800_000, 1_709_251_200_000),
            (Window::Week, 1_709_164_800_000, 1_708_905_600_000, 1_709_510_400_000),
            (Window::Month, 1_709_164_800_000, 1_706_745_600_000, 1_709_251_200_000),
            (Window::Month, 1_735_689_599_999, 1_733_011_200_000, 1_735_689_600_000),
            (Window::Month, 1_735_689_600_000, 1_735_689_600_000, 1_738_368_000_000),
            (Window::Month, 4_107_542_399_999, 4_105_123_200_000, 4_107_542_400_000),
            (Window::Month, 0, 0, 2_678_400_000),
        ] {
            let place = window.place(at);
            assert_eq!((window.begins(place), window.forgets(place)), (begins, Some(ends)), "{window:?} at {at}");
        }
    }

    #[test]
    fn every_day_of_five_centuries_lies_in_its_month() {
        let mut months = 0;
        for day in 0..182_621 {
            let at = day * DAY_MS;
            let place = Window::Month.place(at);
            assert!(Window::Month.begins(place) <= at && at < Window::Month.begins(place + 1), "day {day}");
            assert!(place == months || place == months + 1, "day {day}");
            months = place;
        }
        assert_eq!(months, 500 * 12 - 1);
    }

    #[test]
    fn a_week_begins_on_monday() {
        let place = Window::Week.place(0);
        assert_eq!((Window::Week.begins(place + 1), Window::Week.forgets(place)), (4 * DAY_MS, Some(4 * DAY_MS)));
    }

    #[test]
    fn a_slot_is_forgotten_when_the_whole_of_it_left_the_window() {
        for length in [1, 59, 60, 61, 1_000, 60_000, 5 * HOUR, 7 * DAY_MS] {
            let window = Window::Sliding(length);
            for at in [0, 1, 59_999, 1_760_000_012_345_u64] {
                let forgets = window.forgets(window.place(at)).unwrap();
                assert!(forgets > at + length, "{length} at {at}: {forgets}");
                assert!(forgets <= at + length + length.div_ceil(SLOTS) + SLOTS, "{length} at {at}: {forgets}");
            }
        }
    }
}
