//! Dates: Unix seconds on one side, RFC 3339 on the other.

/// Unix seconds as RFC 3339 in UTC.
pub(crate) fn written(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// RFC 3339 or a bare date as Unix seconds; `None` for anything else, and for what lies before 1970.
pub(crate) fn read(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let mut seconds = days(year, month, day) * 86_400;
    if text.len() > 10 {
        seconds += number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
        seconds -= offset(text.get(19..)?)?;
    }
    u64::try_from(seconds).ok()
}

/// What stands behind the seconds: a fraction that is left out, then `Z` or hours and minutes.
fn offset(tail: &str) -> Option<i64> {
    let zone = tail.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    if matches!(zone, "Z" | "z" | "") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Days from the beginning of 1970 to a date of the Gregorian calendar. Years are counted from March, so that the odd day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + of_year - 719_468
}

/// The date of a day since the beginning of 1970.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::{read, written};

    #[test]
    fn a_date_comes_back_whatever_its_zone() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("2025-02-19T00:00:00Z", 1_739_923_200),
            ("2026-12-31T23:59:59Z", 1_798_761_599),
        ] {
            assert_eq!(read(text), Some(unix), "{text}");
            assert_eq!(written(unix), text);
        }
        assert_eq!(read("2025-02-19"), Some(1_739_923_200));
        assert_eq!(read("2025-02-19T01:30:00.250+01:30"), Some(1_739_923_200));
        assert_eq!(read("2025-02-18T23:00:00-01:00"), Some(1_739_923_200));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "soon", "2025-13-01", "1969-12-31T00:00:00Z", "2025-02-19T", "2025-02-19Tnow"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
