//! A tariff: what each unit costs, in bands of prompt length and service tier, as text and as JSON.
//!
//! The text form is that of the shipped catalogue, the JSON form that of the operator's rules (see `docs/prices.md`):
//! `input=1.25 cache_read=0.125 output=10; above=200000 input=2.5 output=15; tier=batch times=0.5`.

use std::fmt;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::base::{Bucket, Modality, MoneyFault, Price};

/// Multipliers are counted in millionths.
pub(super) const WHOLE: u32 = 1_000_000;
/// Prices of tokens come before those of pieces.
pub(super) const TOKEN_UNITS: usize = Bucket::ALL.len() * Modality::ALL.len();

/// A view marks the bands that hold in 64 bits.
const MOST_BANDS: usize = 64;

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// A token.
    Tokens(Bucket, Modality),
    /// Something that is counted by the piece.
    Piece(Piece),
}

/// What is counted by the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// The request itself.
    Request,
    /// An image that was made.
    Image,
    /// A second of audio or video.
    Second,
    /// A search that the provider ran.
    Search,
}

impl Piece {
    /// Every piece, in the order of [`Parts`](super::Parts).
    pub const ALL: [Self; 4] = [Self::Request, Self::Image, Self::Second, Self::Search];

    fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Image => "image",
            Self::Second => "second",
            Self::Search => "search",
        }
    }
}

fn bucket_name(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Input => "input",
        Bucket::CacheRead => "cache_read",
        Bucket::CacheWrite5m => "cache_write_5m",
        Bucket::CacheWrite30m => "cache_write_30m",
        Bucket::CacheWrite1h => "cache_write_1h",
        Bucket::Output => "output",
        Bucket::Reasoning => "reasoning",
    }
}

fn modality_name(modality: Modality) -> &'static str {
    match modality {
        Modality::Text => "text",
        Modality::Image => "image",
        Modality::Audio => "audio",
        Modality::Video => "video",
    }
}

impl Unit {
    /// Every unit, in the order in which they are written.
    pub fn all() -> impl Iterator<Item = Self> {
        let tokens = Bucket::ALL.into_iter().flat_map(|bucket| Modality::ALL.map(|modality| Self::Tokens(bucket, modality)));
        tokens.chain(Piece::ALL.map(Self::Piece))
    }

    /// Reads `cache_read`, `input.audio` or `image`; tokens without a modality are text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (bucket, modality) = name.split_once('.').map_or((name, None), |(bucket, modality)| (bucket, Some(modality)));
        if let Some(bucket) = Bucket::ALL.into_iter().find(|known| bucket_name(*known) == bucket) {
            let Some(modality) = modality else { return Some(Self::Tokens(bucket, Modality::Text)) };
            let modality = Modality::ALL.into_iter().find(|known| modality_name(*known) == modality);
            return modality.map(|modality| Self::Tokens(bucket, modality));
        }
        Piece::ALL.into_iter().find(|piece| piece.name() == name).map(Self::Piece)
    }

    /// Its place among all units.
    pub(super) fn slot(self) -> usize {
        match self {
            Self::Tokens(bucket, modality) => bucket as usize * Modality::ALL.len() + modality as usize,
            Self::Piece(piece) => TOKEN_UNITS + piece as usize,
        }
    }

    fn price(self, text: &str) -> Result<Price, MoneyFault> {
        match self {
            Self::Tokens(..) => Price::per_million(text),
            Self::Piece(_) => Price::per_piece(text),
        }
    }

    /// Dollars for a million tokens, or for a piece.
    fn show(self, price: Price) -> String {
        match self {
            Self::Tokens(..) => price.to_string(),
            Self::Piece(_) => price.piece().to_string(),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Tokens(bucket, Modality::Text) => f.write_str(bucket_name(bucket)),
            Self::Tokens(bucket, modality) => write!(f, "{}.{}", bucket_name(bucket), modality_name(modality)),
            Self::Piece(piece) => f.write_str(piece.name()),
        }
    }
}

/// Prices that hold for prompts above a length, and for one service tier where one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// The prompt has more tokens than this, cached ones included; 0 for every prompt.
    pub above: u64,
    /// The service tier that the upstream must report; none for every tier.
    pub tier: Option<Box<str>>,
    /// What prices of tokens that this tier does not give itself are multiplied by, in millionths.
    times: Option<u32>,
    /// A bit for each unit that has a price here.
    units: u32,
    /// The prices, in the order of their units.
    prices: Box<[Price]>,
}

impl Band {
    /// The price that the band itself gives.
    #[must_use]
    pub fn get(&self, unit: Unit) -> Option<Price> {
        self.at(unit.slot())
    }

    /// The price of the unit in a slot.
    pub(super) fn at(&self, slot: usize) -> Option<Price> {
        let bit = 1_u32 << slot;
        if self.units & bit == 0 {
            return None;
        }
        self.prices.get((self.units & (bit - 1)).count_ones() as usize).copied()
    }

    /// Every price that the band itself gives.
    pub fn cells(&self) -> impl Iterator<Item = (Unit, Price)> {
        Unit::all().filter_map(|unit| Some((unit, self.get(unit)?)))
    }

    /// Whether a token has a price here.
    pub(super) fn prices_tokens(&self) -> bool {
        self.units & ((1 << TOKEN_UNITS) - 1) != 0
    }

    /// Whether a token of a modality has a price here, in any bucket.
    pub(super) fn gives(&self, modality: Modality) -> bool {
        Bucket::ALL.iter().any(|bucket| self.units & 1 << Unit::Tokens(*bucket, modality).slot() != 0)
    }

    /// What prices of tokens are multiplied by, in millionths, where the tier has a multiplier.
    #[must_use]
    pub fn times(&self) -> Option<u32> {
        self.times
    }
}

/// Why a tariff could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RatesFault {
    /// Not a name of a unit.
    #[error(
        "{name:?} is nothing that has a price; expected one of input, cache_read, output, image and so on, or above, tier, times, bands"
    )]
    UnknownUnit {
        /// What was given.
        name: Box<str>,
    },
    /// A price is no amount.
    #[error("{name}: {fault}")]
    Money {
        /// The unit.
        name: Box<str>,
        /// What is wrong with it.
        fault: MoneyFault,
    },
    /// A member is not of its type.
    #[error("{name} is {found}; expected {expected}")]
    Type {
        /// The member.
        name: Box<str>,
        /// What was given.
        found: Box<str>,
        /// What it may be.
        expected: &'static str,
    },
    /// A name or a band stands twice.
    #[error("{name} stands twice")]
    Twice {
        /// The name.
        name: Box<str>,
    },
    /// A multiplier without a tier that it belongs to, or a tier without any effect.
    #[error("a band needs prices, or a tier with times")]
    Idle,
    /// More bands than are looked through.
    #[error("{bands} bands; at most {MOST_BANDS}")]
    Many {
        /// How many were given.
        bands: usize,
    },
    /// Not JSON.
    #[error("not JSON: {reason}")]
    Json {
        /// Why.
        reason: Box<str>,
    },
}

/// All prices of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// The longest prompts first; at one length a tier's own band before that of all tiers.
    bands: Box<[Band]>,
}

impl Tariff {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`RatesFault`] naming the entry, what it was and what was expected.
    pub fn parse(text: &str) -> Result<Self, RatesFault> {
        let mut drafts = Vec::new();
        for part in text.split(';') {
            let mut draft = Draft::default();
            for word in part.split_ascii_whitespace() {
                let (name, value) = word.split_once('=').ok_or_else(|| RatesFault::UnknownUnit { name: word.into() })?;
                draft.put(name, value)?;
            }
            drafts.push(draft);
        }
        Self::compile(drafts)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`RatesFault`] naming the member, what it was and what was expected.
    pub fn from_json(text: &str) -> Result<Self, RatesFault> {
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Self::from_members(&members),
            Ok(other) => Err(RatesFault::Type { name: "rates".into(), found: other.to_string().into(), expected: "an object" }),
            Err(fault) => Err(RatesFault::Json { reason: fault.to_string().into() }),
        }
    }

    fn from_members(members: &Map<String, Value>) -> Result<Self, RatesFault> {
        let mut base = Draft::default();
        let mut drafts = Vec::new();
        for (name, value) in members {
            if name == "bands" {
                let wrong = || RatesFault::Type { name: "bands".into(), found: value.to_string().into(), expected: "a list of objects" };
                for band in value.as_array().ok_or_else(wrong)? {
                    drafts.push(Draft::from_members(band.as_object().ok_or_else(wrong)?)?);
                }
            } else {
                base.put_json(name, value)?;
            }
        }
        drafts.push(base);
        Self::compile(drafts)
    }

    fn compile(drafts: Vec<Draft>) -> Result<Self, RatesFault> {
        if drafts.len() > MOST_BANDS {
            return Err(RatesFault::Many { bands: drafts.len() });
        }
        let mut bands = drafts.into_iter().map(Draft::finish).collect::<Result<Vec<_>, _>>()?;
        bands.sort_by(|a, b| (b.above, b.tier.is_some(), &a.tier).cmp(&(a.above, a.tier.is_some(), &b.tier)));
        if let Some(pair) = bands.windows(2).find(|pair| (pair[0].above, &pair[0].tier) == (pair[1].above, &pair[1].tier)) {
            let tier = pair[0].tier.as_deref().map(|tier| format!(" tier={tier}")).unwrap_or_default();
            return Err(RatesFault::Twice { name: format!("the band above={}{tier}", pair[0].above).into() });
        }
        Ok(Self { bands: bands.into() })
    }

    /// Every band; those of the longest prompts first, at one length a tier's own before that of all tiers.
    #[must_use]
    pub fn bands(&self) -> &[Band] {
        &self.bands
    }

    /// The bands as they are written: the plain one first.
    fn written(&self) -> impl Iterator<Item = &Band> {
        let plain = self.bands.iter().rev().filter(|band| band.tier.is_none());
        let mut tiers: Vec<&Band> = self.bands.iter().filter(|band| band.tier.is_some()).collect();
        tiers.sort_by_key(|band| (&band.tier, band.above));
        plain.chain(tiers)
    }

    /// The JSON form, as [`from_json`](Self::from_json) reads it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut base = Map::new();
        let mut more = Vec::new();
        for band in self.written() {
            let members = band.members();
            if band.above == 0 && band.tier.is_none() { base.extend(members) } else { more.push(Value::Object(members)) }
        }
        if !more.is_empty() {
            base.insert("bands".to_owned(), Value::Array(more));
        }
        Value::Object(base).to_string()
    }
}

impl Band {
    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        if self.above > 0 {
            members.insert("above".to_owned(), self.above.into());
        }
        if let Some(tier) = &self.tier {
            members.insert("tier".to_owned(), Value::from(&**tier));
        }
        if let Some(times) = self.times {
            members.insert("times".to_owned(), multiplier(times).into());
        }
        members.extend(self.cells().map(|(unit, price)| (unit.to_string(), unit.show(price).into())));
        members
    }
}

impl fmt::Display for Tariff {
    /// The text form, as [`parse`](Self::parse) reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, band) in self.written().enumerate() {
            let mut words = Vec::new();
            if band.above > 0 {
                words.push(format!("above={}", band.above));
            }
            words.extend(band.tier.iter().map(|tier| format!("tier={tier}")));
            words.extend(band.times.iter().map(|times| format!("times={}", multiplier(*times))));
            words.extend(band.cells().map(|(unit, price)| format!("{unit}={}", unit.show(price))));
            write!(f, "{}{}", if at > 0 { "; " } else { "" }, words.join(" "))?;
        }
        Ok(())
    }
}

/// A multiplier as text: a price of a million units at that rate has the same digits.
fn multiplier(times: u32) -> String {
    let text = format!("{}.{:06}", times / WHOLE, times % WHOLE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A band that is being read.
#[derive(Debug, Default)]
struct Draft {
    above: Option<u64>,
    tier: Option<Box<str>>,
    times: Option<u32>,
    units: u32,
    cells: Vec<(usize, Price)>,
}

impl Draft {
    fn from_members(members: &Map<String, Value>) -> Result<Self, RatesFault> {
        let mut draft = Self::default();
        for (name, value) in members {
            draft.put_json(name, value)?;
        }
        Ok(draft)
    }

    fn put_json(&mut self, name: &str, value: &Value) -> Result<(), RatesFault> {
        match value {
            Value::String(text) => self.put(name, text),
            Value::Number(number) if name == "above" => self.put(name, &number.to_string()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                let expected = if name == "above" { "a number of tokens" } else { "a string like \"1.25\"" };
                Err(RatesFault::Type { name: name.into(), found: value.to_string().into(), expected })
            }
        }
    }

    fn put(&mut self, name: &str, value: &str) -> Result<(), RatesFault> {
        let wrong = |expected| RatesFault::Type { name: name.into(), found: format!("{value:?}").into(), expected };
        let twice = match name {
            "above" => {
                let above = value.parse().ok().filter(|above| *above > 0);
                self.above.replace(above.ok_or_else(|| wrong("a number of tokens above 0"))?).is_some()
            }
            "tier" => {
                let fine = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
                self.tier
                    .replace(fine.then(|| value.to_ascii_lowercase().into()).ok_or_else(|| wrong("a name of letters, digits, -, _ and ."))?)
                    .is_some()
            }
            "times" => self.times.replace(times(value).ok_or_else(|| wrong("a multiplier like \"0.5\", at most 1000"))?).is_some(),
            _ => {
                let unit = Unit::parse(name).ok_or_else(|| RatesFault::UnknownUnit { name: name.into() })?;
                let price = unit.price(value).map_err(|fault| RatesFault::Money { name: name.into(), fault })?;
                let bit = 1 << unit.slot();
                self.cells.push((unit.slot(), price));
                let twice = self.units & bit != 0;
                self.units |= bit;
                twice
            }
        };
        if twice { Err(RatesFault::Twice { name: name.into() }) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<Band, RatesFault> {
        let idle = self.cells.is_empty() && self.times.is_none();
        if idle || (self.times.is_some() && self.tier.is_none()) {
            return Err(RatesFault::Idle);
        }
        self.cells.sort_unstable_by_key(|(slot, _)| *slot);
        let prices = self.cells.iter().map(|(_, price)| *price).collect();
        Ok(Band { above: self.above.unwrap_or(0), tier: self.tier, times: self.times, units: self.units, prices })
    }
}

/// Millionths of a multiplier with at most six decimals, up to 1000.
fn times(text: &str) -> Option<u32> {
    // Nine decimals are read as money is; the last three must be zeros.
    let nano = Price::per_million(text).ok()?.get();
    let millionths = u32::try_from(nano / 1000).ok()?;
    (nano % 1000 == 0 && millionths <= 1000 * WHOLE).then_some(millionths)
}
