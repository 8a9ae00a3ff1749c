//! The nouns of configuration: what each one's table looks like, what it hangs on, and all of them in one list.

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Cell, CellKind, Datum, OnDelete, Table};

/// A column that holds the id of another noun's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The column.
    pub column: &'static str,
    /// What it names.
    pub noun: Noun,
    /// What becomes of the row when that is forgotten.
    pub on_delete: OnDelete,
}

/// The link of a member of type `C`, where it is one.
#[must_use]
pub const fn link_of<C: Cell>(column: &'static str) -> Option<Link> {
    match C::LINK {
        Some((noun, on_delete)) => Some(Link { column, noun, on_delete }),
        None => None,
    }
}

/// A noun with a table of its own. Every table has the columns `id`, `created_at` and `updated_at` besides.
pub trait Record: Tabled + Clone + PartialEq + Debug + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Its row's id.
    type Id: Copy + Ord + Debug + std::fmt::Display + From<i64> + Into<i64> + Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// Its table.
    const TABLE: &'static str;
    /// Its columns.
    const COLUMNS: &'static [(&'static str, CellKind)];
    /// The columns that no two rows may have alike; none where any rows may stand.
    const UNIQUE: &'static [&'static str];
    /// Its columns' links.
    const LINKS: &'static [Option<Link>];
    /// Whether it hangs on the noun of its columns `scope` and `scope_id`.
    const SCOPED: bool;

    /// Its values, in the order of the columns.
    fn data(&self) -> Vec<Datum>;
    /// Reads its values; `None` where one is of another type.
    fn read(data: Vec<Datum>) -> Option<Self>;
    /// The ids that it names, each with its link; that of its scope too.
    fn links(&self) -> Vec<(Link, i64)>;
    /// Names other rows; `other` is asked for each id.
    fn relink(&mut self, other: impl Fn(i64) -> i64);
    /// Names nothing any more in one of its columns.
    fn unlink(&mut self, column: &str);
    /// Whose it is, where it is a scope's.
    fn scope(&self) -> Option<super::Scope> {
        None
    }
    /// Whether no two such rows may stand.
    fn is_alike(&self, other: &Self) -> bool;
    /// What a fault calls it.
    fn own_name(&self) -> String;
}

/// Where a noun stands among all of them.
pub trait Tabled: Sized {
    /// Which noun it is.
    const NOUN: Noun;
    /// Its rows.
    fn table(rows: &ConfigRows) -> &Table<Self>
    where
        Self: Record;
    /// Its rows.
    fn table_mut(rows: &mut ConfigRows) -> &mut Table<Self>
    where
        Self: Record;
    /// It, as any noun's row.
    fn into_row(self) -> Row;
}

/// A row as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(bound = "")]
#[schemars(bound = "", inline)]
pub struct Standing<N: Record> {
    /// Its id.
    pub id: N::Id,
    /// What was given.
    #[serde(flatten)]
    pub row: N,
    /// When it was made, Unix milliseconds.
    pub created_at: i64,
    /// When it was last changed, Unix milliseconds.
    pub updated_at: i64,
}

impl<N: Record> std::ops::Deref for Standing<N> {
    type Target = N;

    fn deref(&self) -> &N {
        &self.row
    }
}

/// Work that is the same for every noun.
pub trait NounWork {
    /// What it gives.
    type Output;
    /// Does it for one noun.
    fn of<N: Record>(self) -> Self::Output;
}

/// Work on one row of any noun.
pub trait RowWork {
    /// What it gives.
    type Output;
    /// Does it.
    fn on<N: Record>(self, row: N) -> Self::Output;
}

macro_rules! nouns {
    ($($(#[$doc:meta])* $noun:ident($record:ident, $row:ident) in $field:ident, $name:literal;)+) => {
        /// What configuration is made of. Parents stand before their children.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Noun {
            $($(#[$doc])* $noun),+
        }

        impl Noun {
            /// All of them, parents before children.
            pub const ALL: &'static [Self] = &[$(Self::$noun),+];

            /// What a fault calls it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$noun => $name),+
                }
            }

            /// The noun of a name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|noun| noun.name() == name)
            }

            /// Does work for it.
            pub fn with<W: NounWork>(self, work: W) -> W::Output {
                match self {
                    $(Self::$noun => work.of::<super::$record>()),+
                }
            }
        }

        /// A row of any noun, as a caller gives it.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Row {
            $($(#[$doc])* $noun(super::$record)),+
        }

        impl Row {
            /// Its noun.
            #[must_use]
            pub fn noun(&self) -> Noun {
                match self {
                    $(Self::$noun(_) => Noun::$noun),+
                }
            }

            /// Does work on it.
            pub fn with<W: RowWork>(self, work: W) -> W::Output {
                match self {
                    $(Self::$noun(row) => work.on(row)),+
                }
            }
        }

        $(
            #[doc = concat!("A kept ", $name, ".")]
            pub type $row = Standing<super::$record>;
        )+

        /// All configuration. Cloning it shares the rows.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct ConfigRows {
            /// Counts every change of the store that they come from.
            pub revision: i64,
            /// The instance's settings.
            pub settings: super::SettingsRow,
            $($(#[$doc])* pub $field: Table<super::$record>,)+
        }

        $(
            impl Tabled for super::$record {
                const NOUN: Noun = Noun::$noun;

                fn table(rows: &ConfigRows) -> &Table<Self> {
                    &rows.$field
                }

                fn table_mut(rows: &mut ConfigRows) -> &mut Table<Self> {
                    &mut rows.$field
                }

                fn into_row(self) -> Row {
                    Row::$noun(self)
                }
            }
        )+
    };
}

nouns! {
    /// A tenant: teams and users, with limits of its own.
    Organization(NewOrganization, OrganizationRow) in organizations, "organization";
    /// A part of an organization.
    Team(NewTeam, TeamRow) in teams, "team";
    /// Somebody who uses the gateway.
    User(NewUser, UserRow) in users, "user";
    /// A key of a user.
    Key(NewKey, KeyRow) in keys, "key";
    /// An instance of a channel under a name of its own.
    Provider(NewProvider, ProviderRow) in providers, "provider";
    /// A secret of a provider.
    Credential(NewCredential, CredentialRow) in credentials, "credential";
    /// A model of a provider.
    Model(NewModel, ModelRow) in models, "model";
    /// A name of the gateway's own that stands for models of providers.
    Route(NewRoute, RouteRow) in routes, "route";
    /// A model of a provider behind a route.
    RouteMember(NewRouteMember, RouteMemberRow) in route_members, "route_member";
    /// Another name of a model.
    Alias(NewAlias, AliasRow) in aliases, "alias";
    /// Rules that providers share.
    RuleSet(NewRuleSet, RuleSetRow) in rule_sets, "rule_set";
    /// A rule of a set.
    Rule(NewRule, RuleRow) in rules, "rule";
    /// A set's place at a provider.
    ProviderRuleSet(NewProviderRuleSet, ProviderRuleSetRow) in provider_rule_sets, "provider_rule_set";
    /// What somebody may use.
    Permission(NewPermission, PermissionRow) in permissions, "permission";
    /// How much somebody may ask in a span of time.
    RateLimit(NewRateLimit, RateLimitRow) in rate_limits, "rate_limit";
    /// How much somebody may spend.
    Quota(NewQuota, QuotaRow) in quotas, "quota";
    /// What the operator says that models cost.
    PriceRule(NewPriceRule, PriceRuleRow) in price_rules, "price_rule";
}

/// Declares a record: its struct, and how its members become columns.
macro_rules! record {
    (
        $(#[$doc:meta])*
        $record:ident($id:ty) in $table:literal, unique [$($unique:ident),*], named $named:ident $(, scoped $scoped:ident)? {
            $($(#[$member_doc:meta])* $member:ident: $type:ty,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub struct $record {
            $($(#[$member_doc])* pub $member: $type,)+
        }

        impl $crate::store::record::Record for $record {
            type Id = $id;
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [(&'static str, $crate::store::record::CellKind)] =
                &[$((stringify!($member), <$type as $crate::store::record::Cell>::KIND)),+];
            const UNIQUE: &'static [&'static str] = &[$(stringify!($unique)),*];
            const LINKS: &'static [Option<$crate::store::record::Link>] =
                &[$($crate::store::record::link_of::<$type>(stringify!($member))),+];
            const SCOPED: bool = false $(|| { stringify!($scoped); true })?;

            fn data(&self) -> Vec<$crate::store::record::Datum> {
                vec![$($crate::store::record::Cell::datum(&self.$member)),+]
            }

            fn read(data: Vec<$crate::store::record::Datum>) -> Option<Self> {
                let mut data = data.into_iter();
                $(let $member = $crate::store::record::Cell::from_datum(data.next()?)?;)+
                Some(Self { $($member),+ })
            }

            fn links(&self) -> Vec<($crate::store::record::Link, i64)> {
                let mut links = Vec::new();
                $(
                    if let (Some(link), Some(id)) = (
                        $crate::store::record::link_of::<$type>(stringify!($member)),
                        $crate::store::record::Cell::named(&self.$member),
                    ) {
                        links.push((link, id));
                    }
                )+
                $(links.push((self.scope.link(), self.$scoped));)?
                links
            }

            $(
                fn scope(&self) -> Option<$crate::store::record::Scope> {
                    Some($crate::store::record::Scope { kind: self.scope, id: self.$scoped })
                }
            )?

            fn relink(&mut self, other: impl Fn(i64) -> i64) {
                $(
                    if let Some(id) = $crate::store::record::Cell::named(&self.$member) {
                        $crate::store::record::Cell::rename(&mut self.$member, other(id));
                    }
                )+
                $(self.$scoped = other(self.$scoped);)?
            }

            fn unlink(&mut self, column: &str) {
                $(
                    if column == stringify!($member) {
                        $crate::store::record::Cell::unlink(&mut self.$member);
                    }
                )+
            }

            fn is_alike(&self, other: &Self) -> bool {
                let _ = other;
                !Self::UNIQUE.is_empty() $(&& self.$unique == other.$unique)*
            }

            fn own_name(&self) -> String {
                $crate::store::record::Cell::datum(&self.$named).to_string()
            }
        }
    };
}
pub(super) use record;
