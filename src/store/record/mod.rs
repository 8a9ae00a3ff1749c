//! Plain rows: the low form of configuration, and what calls leave behind.
//!
//! Times are Unix milliseconds. JSON is text. Sealed columns hold what `credentials::seal` wrote. A `New*` is what a caller
//! gives; a `*Row` is what the store keeps, with its id and times. All nouns stand in the list of [`noun`].

mod allowance;
mod audit;
mod call;
mod cell;
mod change;
mod health;
mod identity;
mod kept;
mod noun;
mod rollup;
mod routing;
mod rules;
mod settings;
mod table;
mod upstream;

pub use allowance::{Admission, NewPermission, NewPriceRule, NewQuota, NewRateLimit, PriceMatch, Scope, ScopeKind};
pub use audit::{AuditAction, AuditRow, NewAudit};
pub use call::{Begun, Billed, DownstreamRow, Ended, Entry, Phases, Source, UpstreamRow, UsageRow};
pub use cell::{Cell, CellKind, Datum, OnDelete};
pub use change::{Change, ChangeSet, Delta, Finish, Stamp, made_by};
pub(in crate::store) use change::{finished, maker};
pub use health::{HealthEventRow, HealthReset, HealthRow, HealthWord, NewHealthEvent, RestRow};
pub use identity::{NewKey, NewOrganization, NewTeam, NewUser, OnDisconnect, Role};
pub use kept::{Keep, KeptItem, KeptKind, KeptRow};
pub use noun::{
    AliasRow, ConfigRows, CredentialRow, KeyRow, Link, ModelRow, Noun, NounWork, OrganizationRow, PermissionRow, PriceRuleRow, ProviderRow,
    ProviderRuleSetRow, QuotaRow, RateLimitRow, Record, RouteMemberRow, RouteRow, Row, RowWork, RuleRow, RuleSetRow, Standing, Tabled,
    TeamRow, UserRow, link_of,
};
pub use rollup::{Dimensions, SEALS, Span, Sums};
pub use routing::{NewAlias, NewRoute, NewRouteMember, Strategy};
pub use rules::{NewProviderRuleSet, NewRule, NewRuleSet};
pub use settings::SettingsRow;
pub use table::Table;
pub use upstream::{NewCredential, NewModel, NewProvider};
