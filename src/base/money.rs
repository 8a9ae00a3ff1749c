//! Money as whole numbers: nano-dollars, and prices of a million units. There is no float on any path.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Why a text is no amount of money, or an amount does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MoneyFault {
    /// Not digits with at most one point between them.
    #[error("{text:?} is no amount; expected decimal digits like \"12\" or \"0.25\"")]
    NotDecimal {
        /// What was given.
        text: Box<str>,
    },
    /// Finer than what is counted.
    #[error("{text:?} has more than {decimals} decimals")]
    TooFine {
        /// What was given.
        text: Box<str>,
        /// How many are counted.
        decimals: u32,
    },
    /// Below zero, where that cannot be.
    #[error("{text:?} is below zero")]
    Negative {
        /// What was given.
        text: Box<str>,
    },
    /// Beyond what 64 bits hold: about nine billion dollars.
    #[error("the amount is too large; at most 9223372036.854775807 dollars are counted")]
    TooLarge,
}

/// An amount in nano-dollars, from about minus to plus nine billion dollars. As text it is exact dollars: `0.000000001`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema)]
#[schemars(inline, description = "Dollars, exactly.")]
pub struct Nanos(#[schemars(with = "String", regex(pattern = r"^-?[0-9]+(\.[0-9]{1,9})?$"))] i64);

impl Nanos {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The most that is counted.
    pub const MAX: Self = Self(i64::MAX);

    /// Takes nano-dollars.
    #[must_use]
    pub const fn new(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Takes nano-dollars that were computed.
    ///
    /// # Errors
    /// [`MoneyFault::TooLarge`] where they do not fit into 64 bits.
    pub fn from_wide(nanos: i128) -> Result<Self, MoneyFault> {
        i64::try_from(nanos).map(Self).map_err(|_| MoneyFault::TooLarge)
    }

    /// Divides, and rounds once, half to even. The divisor is above zero.
    ///
    /// # Errors
    /// [`MoneyFault::TooLarge`] where the quotient does not fit, or the divisor is not above zero.
    pub fn rounded(dividend: i128, divisor: i128) -> Result<Self, MoneyFault> {
        Self::from_wide(half_even(dividend, divisor).ok_or(MoneyFault::TooLarge)?)
    }

    /// Reads dollars.
    ///
    /// # Errors
    /// [`MoneyFault`] where the text is no decimal number, has more than nine decimals, or is too large.
    pub fn parse(text: &str) -> Result<Self, MoneyFault> {
        Self::from_wide(scaled(text, 9)?)
    }

    /// The nano-dollars.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The nano-dollars, wide enough to compute with.
    #[must_use]
    pub fn wide(self) -> i128 {
        self.0.into()
    }

    /// The sum, where it fits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, where it fits.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.wide(), 9)
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(Self::parse, "dollars as a decimal string"))
    }
}

/// A price: nano-dollars for a million units, never below zero. As text it is exact dollars for a million units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Price(i64);

impl Price {
    /// What costs nothing, and says so.
    pub const FREE: Self = Self(0);

    /// Reads dollars for a million units.
    ///
    /// # Errors
    /// [`MoneyFault`] where the text is no decimal number, has more than nine decimals, is below zero, or too large.
    pub fn per_million(text: &str) -> Result<Self, MoneyFault> {
        Self::of(text, 9)
    }

    /// Reads dollars for one unit.
    ///
    /// # Errors
    /// [`MoneyFault`] where the text is no decimal number, has more than 15 decimals, is below zero, or too large.
    pub fn per_piece(text: &str) -> Result<Self, MoneyFault> {
        Self::of(text, 15)
    }

    fn of(text: &str, decimals: u32) -> Result<Self, MoneyFault> {
        let amount = Nanos::from_wide(scaled(text, decimals)?)?.0;
        if amount < 0 { Err(MoneyFault::Negative { text: text.into() }) } else { Ok(Self(amount)) }
    }

    /// Nano-dollars for a million units.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The same, wide enough to compute with.
    #[must_use]
    pub fn wide(self) -> i128 {
        self.0.into()
    }

    /// As dollars for one unit.
    #[must_use]
    pub fn piece(self) -> impl fmt::Display {
        Scaled(self.wide(), 15)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.wide(), 9)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(Self::per_million, "dollars for a million units as a decimal string"))
    }
}

/// A decimal number with a fixed number of decimals, as its whole digits.
struct Scaled(i128, u32);

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0, self.1)
    }
}

/// Reads a string by a parser; numbers are refused, since they may have gone through a float.
struct Text<T>(fn(&str) -> Result<T, MoneyFault>, &'static str);

impl<T> de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

/// Reads a decimal number as its digits with `decimals` decimals.
fn scaled(text: &str, decimals: u32) -> Result<i128, MoneyFault> {
    let not_decimal = || MoneyFault::NotDecimal { text: text.into() };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(not_decimal()),
        None => (digits, ""),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return Err(not_decimal());
    }
    let missing = u32::try_from(fraction.len()).ok().and_then(|len| decimals.checked_sub(len));
    let Some(missing) = missing else { return Err(MoneyFault::TooFine { text: text.into(), decimals }) };
    let all = || whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0');
    // Eighteen digits fit into 64 bits, and few amounts have more.
    let number = if whole.len() + decimals as usize <= 18 {
        i128::from(all().fold(0, |sum, digit| sum * 10 + i64::from(digit)) * 10_i64.pow(missing))
    } else {
        let number = all().try_fold(0_i128, |sum, digit| sum.checked_mul(10)?.checked_add(digit.into()));
        number.and_then(|number| number.checked_mul(10_i128.pow(missing))).ok_or(MoneyFault::TooLarge)?
    };
    Ok(if digits.len() < text.len() { -number } else { number })
}

/// Writes a number of `decimals` decimals without the zeros at its end.
fn write_scaled(f: &mut fmt::Formatter<'_>, number: i128, decimals: u32) -> fmt::Result {
    let unit = 10_u128.pow(decimals);
    let (whole, fraction) = (number.unsigned_abs() / unit, number.unsigned_abs() % unit);
    let sign = if number < 0 { "-" } else { "" };
    if fraction == 0 {
        return write!(f, "{sign}{whole}");
    }
    let mut width = decimals as usize;
    let mut fraction = fraction;
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }
    write!(f, "{sign}{whole}.{fraction:0width$}")
}

/// Divides, half to even; none where the divisor is not above zero.
fn half_even(dividend: i128, divisor: i128) -> Option<i128> {
    if divisor <= 0 {
        return None;
    }
    // One division of 128 bits costs more than all the rest.
    let floor = dividend.div_euclid(divisor);
    let rest = dividend.checked_sub(floor.checked_mul(divisor)?)?;
    // What is missing to the next whole number, so that nothing is doubled and nothing can overflow.
    let missing = divisor - rest;
    let up = rest > missing || (rest == missing && floor % 2 != 0);
    Some(if up { floor + 1 } else { floor })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MoneyFault, Nanos, Price};

    #[test]
    fn dollars_are_read_exactly_or_not_at_all() {
        for (text, nanos) in [
            ("0", 0),
            ("1", 1_000_000_000),
            ("0.25", 250_000_000),
            ("0.000000001", 1),
            ("-0.5", -500_000_000),
            ("9223372036.854775807", i64::MAX),
            ("-9223372036.854775808", i64::MIN),
            ("00012.50", 12_500_000_000),
        ] {
            assert_eq!(Nanos::parse(text), Ok(Nanos::new(nanos)), "{text}");
        }
        for text in ["", "-", ".5", "5.", "1e3", "+1", "1_000", " 1", "1,5", "--1", "1.2.3", "NaN", "٣"] {
            assert_eq!(Nanos::parse(text), Err(MoneyFault::NotDecimal { text: text.into() }), "{text}");
        }
        assert_eq!(Nanos::parse("0.0000000001"), Err(MoneyFault::TooFine { text: "0.0000000001".into(), decimals: 9 }));
        for text in ["9223372036.854775808", "99999999999999999999999999999999999999999999"] {
            assert_eq!(Nanos::parse(text), Err(MoneyFault::TooLarge), "{text}");
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (dividend, divisor, quotient) in [
            (5, 10, 0),
            (15, 10, 2),
            (25, 10, 2),
            (26, 10, 3),
            (24, 10, 2),
            (-5, 10, 0),
            (-15, 10, -2),
            (-25, 10, -2),
            (7, 1, 7),
            (1, 3, 0),
            (2, 3, 1),
        ] {
            assert_eq!(Nanos::rounded(dividend, divisor), Ok(Nanos::new(quotient)), "{dividend}/{divisor}");
        }
        assert_eq!(Nanos::rounded(i128::MAX, i128::MAX), Ok(Nanos::new(1)));
        assert_eq!(Nanos::rounded(1, 0), Err(MoneyFault::TooLarge));
        assert_eq!(Nanos::rounded(i128::MAX, 1), Err(MoneyFault::TooLarge));
    }

    #[test]
    fn a_price_is_of_a_million_or_of_one() {
        let price = Price::per_piece("0.04").expect("a price");
        assert_eq!((price.get(), price.to_string(), price.piece().to_string()), (40_000_000_000_000, "40000".into(), "0.04".into()));
        assert_eq!(Price::per_million("40000"), Ok(price));
        assert_eq!(Price::per_million("-1"), Err(MoneyFault::Negative { text: "-1".into() }));
    }

    #[test]
    fn json_holds_strings_only() {
        assert_eq!(serde_json::to_string(&Nanos::new(1_500_000_000)).expect("json"), r#""1.5""#);
        assert_eq!(serde_json::from_str::<Price>(r#""0.075""#).expect("a price").get(), 75_000_000);
        let fault = serde_json::from_str::<Nanos>("1.5").expect_err("a number").to_string();
        assert!(fault.contains("expected dollars as a decimal string"), "{fault}");
    }

    proptest! {
        #[test]
        fn text_says_the_same_amount(nanos: i64) {
            prop_assert_eq!(Nanos::parse(&Nanos::new(nanos).to_string()), Ok(Nanos::new(nanos)));
        }

        #[test]
        fn a_price_reads_back_both_ways(nanos in 0..=i64::MAX) {
            let price = Price(nanos);
            prop_assert_eq!(Price::per_million(&price.to_string()), Ok(price));
            prop_assert_eq!(Price::per_piece(&price.piece().to_string()), Ok(price));
        }

        #[test]
        fn rounding_is_never_further_than_a_half(dividend in -1_000_000_i128..1_000_000, divisor in 1_i128..1_000) {
            let quotient = Nanos::rounded(dividend, divisor).expect("small").wide();
            let off = (dividend - quotient * divisor).abs() * 2;
            prop_assert!(off < divisor || (off == divisor && quotient % 2 == 0));
        }
    }
}
