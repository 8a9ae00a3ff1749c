//! What may stand in one column of a record, apart from any database.

use super::Noun;
use crate::base::{OrganizationId, ProviderId, RouteId, RuleSetId, TeamId, UserId};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// A text, or nothing.
    Text,
    /// A whole number, or nothing.
    Int,
    /// Yes or no.
    Bool,
}

/// The value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// A text, or nothing.
    Text(Option<String>),
    /// A whole number, or nothing.
    Int(Option<i64>),
    /// Yes or no.
    Bool(bool),
}

impl std::fmt::Display for Datum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text.as_deref().unwrap_or_default()),
            Self::Int(Some(number)) => number.fmt(f),
            Self::Int(None) => Ok(()),
            Self::Bool(flag) => flag.fmt(f),
        }
    }
}

/// What becomes of a row when the row that it names is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// It goes as well.
    Cascade,
    /// It stays, and names nothing any more.
    Clear,
}

/// The type of a record's member.
pub trait Cell: Sized {
    /// Its column's type.
    const KIND: CellKind;
    /// The noun whose id it is, where it is one.
    const LINK: Option<(Noun, OnDelete)> = None;
    /// Its value.
    fn datum(&self) -> Datum;
    /// Reads its value; `None` where it is of another type, or nothing where something has to be.
    fn from_datum(datum: Datum) -> Option<Self>;
    /// The id that it names, where it names one.
    fn named(&self) -> Option<i64> {
        None
    }
    /// Names another row, where it names one.
    fn rename(&mut self, _id: i64) {}
    /// Names nothing any more, where it may.
    fn unlink(&mut self) {}
}

impl Cell for String {
    const KIND: CellKind = CellKind::Text;

    fn datum(&self) -> Datum {
        Datum::Text(Some(self.clone()))
    }

    fn from_datum(datum: Datum) -> Option<Self> {
        Option::<Self>::from_datum(datum)?
    }
}

impl Cell for Option<String> {
    const KIND: CellKind = CellKind::Text;

    fn datum(&self) -> Datum {
        Datum::Text(self.clone())
    }

    fn from_datum(datum: Datum) -> Option<Self> {
        match datum {
            Datum::Text(text) => Some(text),
            Datum::Int(_) | Datum::Bool(_) => None,
        }
    }
}

impl Cell for i64 {
    const KIND: CellKind = CellKind::Int;

    fn datum(&self) -> Datum {
        Datum::Int(Some(*self))
    }

    fn from_datum(datum: Datum) -> Option<Self> {
        Option::<Self>::from_datum(datum)?
    }
}

impl Cell for Option<i64> {
    const KIND: CellKind = CellKind::Int;

    fn datum(&self) -> Datum {
        Datum::Int(*self)
    }

    fn from_datum(datum: Datum) -> Option<Self> {
        match datum {
            Datum::Int(number) => Some(number),
            Datum::Text(_) | Datum::Bool(_) => None,
        }
    }
}

impl Cell for bool {
    const KIND: CellKind = CellKind::Bool;

    fn datum(&self) -> Datum {
        Datum::Bool(*self)
    }

    fn from_datum(datum: Datum) -> Option<Self> {
        match datum {
            Datum::Bool(flag) => Some(flag),
            Datum::Text(_) | Datum::Int(_) => None,
        }
    }
}

macro_rules! links {
    ($($id:ident => $noun:ident),+ $(,)?) => {$(
        impl Cell for $id {
            const KIND: CellKind = CellKind::Int;
            const LINK: Option<(Noun, OnDelete)> = Some((Noun::$noun, OnDelete::Cascade));

            fn datum(&self) -> Datum {
                Datum::Int(Some(self.0))
            }

            fn from_datum(datum: Datum) -> Option<Self> {
                i64::from_datum(datum).map(Self)
            }

            fn named(&self) -> Option<i64> {
                Some(self.0)
            }

            fn rename(&mut self, id: i64) {
                self.0 = id;
            }
        }
    )+};
}

links! { UserId => User, ProviderId => Provider, OrganizationId => Organization, RouteId => Route, RuleSetId => RuleSet }

macro_rules! optional_links {
    ($($id:ident => $noun:ident, $policy:ident);+ $(;)?) => {$(
        impl Cell for Option<$id> {
            const KIND: CellKind = CellKind::Int;
            const LINK: Option<(Noun, OnDelete)> = Some((Noun::$noun, OnDelete::$policy));

            fn datum(&self) -> Datum {
                Datum::Int(self.map(|id| id.0))
            }

            fn from_datum(datum: Datum) -> Option<Self> {
                Option::<i64>::from_datum(datum).map(|id| id.map($id))
            }

            fn named(&self) -> Option<i64> {
                self.map(|id| id.0)
            }

            fn rename(&mut self, id: i64) {
                *self = self.map(|_| $id(id));
            }

            fn unlink(&mut self) {
                *self = None;
            }
        }
    )+};
}

// A price that lost its provider would hold for all of them, and a user who lost the organization would escape its limits:
// they go with it. A team is a mere grouping.
optional_links! { ProviderId => Provider, Cascade; OrganizationId => Organization, Cascade; TeamId => Team, Clear }

/// A closed set of words as a column. `$word` names the type; each variant has its word.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// The one with this word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl $crate::store::record::Cell for $name {
            const KIND: $crate::store::record::CellKind = $crate::store::record::CellKind::Text;

            fn datum(&self) -> $crate::store::record::Datum {
                $crate::store::record::Datum::Text(Some(self.word().to_owned()))
            }

            fn from_datum(datum: $crate::store::record::Datum) -> Option<Self> {
                Self::parse(&String::from_datum(datum)?)
            }
        }
    };
}
pub(super) use words;
