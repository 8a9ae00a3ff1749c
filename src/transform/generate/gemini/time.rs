//! `createTime`: RFC 3339 to seconds and back, without a library of calendars.

/// Unix seconds of a time such as `2026-11-25T20:04:00.123456Z`; `None` for other forms.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    if text.as_bytes().get(10) != Some(&b'T') || !text.ends_with('Z') {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let clock = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    Some(days(year, month, day)? * 86_400 + clock)
}

/// Days since 1970 of a date; the year begins in March, so that the leap day is its last.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month <= 2 { (year.checked_sub(1)?, month + 9) } else { (year, month - 3) };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    (before + (month * 153 + 2) / 5 + day - 1).checked_sub(719_468)
}

/// The same time in words.
pub(super) fn words(seconds: u64) -> String {
    let (days, clock) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", clock / 3600, clock % 3600 / 60, clock % 60)
}

#[cfg(test)]
mod tests {
    use super::{seconds, words};

    #[test]
    fn times_come_back() {
        for (text, unix) in [("1970-01-01T00:00:00Z", 0), ("2000-02-29T12:00:01Z", 951_825_601), ("2026-11-25T20:04:00Z", 1_795_637_040)] {
            assert_eq!(seconds(text), Some(unix), "{text}");
            assert_eq!(words(unix), text);
        }
        assert_eq!(seconds("2026-11-25T20:04:00.123456Z"), Some(1_795_637_040));
        assert_eq!(seconds("yesterday"), None);
    }
}
