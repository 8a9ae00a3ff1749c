//! How a noun's columns are called in a bundle, and by what its rows are told apart.

use serde_json::Value;

use super::Entry;
use crate::store::record::{Noun, NounWork, Record};

/// What the column of a member names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Nothing: it is a value.
    Nothing,
    /// A row of this noun.
    Row(Noun),
    /// A row of the noun that the member `scope` says.
    Owner,
}

/// Whether a column's value may stand open in a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// It may.
    Open,
    /// It rests sealed under the operator's key, and is a secret.
    AtRest,
    /// It is a secret.
    Always,
    /// It is an address, and a secret where it holds a password.
    Address,
    /// It is a JSON object, and a secret where a member of it is one.
    Settings,
}

/// A member of a bundle's entry.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The store's name of it.
    pub column: &'static str,
    /// The bundle's name of it.
    pub name: &'static str,
    /// What it names.
    pub names: Names,
    /// Whether it may stand open.
    pub secrecy: Secrecy,
}

/// A noun as a bundle shows it.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// The bundle's name of the noun's rows.
    pub section: &'static str,
    /// What an entry may have.
    pub members: Vec<Member>,
    identity: Vec<&'static str>,
}

impl Shape {
    /// The shape of a noun.
    pub(super) fn of(noun: Noun) -> Self {
        noun.with(Read)
    }

    /// The member of this name in bundles.
    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// What others call an entry: its one identifying value, or the array of them.
    pub(super) fn reference(&self, entry: &Entry) -> Value {
        let mut values: Vec<Value> = self.identity.iter().map(|name| entry.fields.get(*name).cloned().unwrap_or(Value::Null)).collect();
        match values.as_slice() {
            [Value::String(_)] => values.swap_remove(0),
            _ => Value::Array(values),
        }
    }
}

struct Read;

impl NounWork for Read {
    type Output = Shape;

    fn of<N: Record>(self) -> Shape {
        let columns = N::COLUMNS.iter().zip(N::LINKS);
        let members: Vec<Member> = columns
            .map(|((column, _), link)| {
                let names = match link {
                    Some(link) => Names::Row(link.noun),
                    None if N::SCOPED && *column == "scope_id" => Names::Owner,
                    None => Names::Nothing,
                };
                Member { column, name: name(column, names), names, secrecy: secrecy(column) }
            })
            .collect();
        let columns = if N::UNIQUE.is_empty() { usual(N::NOUN) } else { N::UNIQUE };
        let identity = members.iter().filter(|member| columns.contains(&member.column)).map(|member| member.name).collect();
        Shape { section: N::TABLE, members, identity }
    }
}

fn name(column: &'static str, names: Names) -> &'static str {
    match names {
        Names::Row(_) => column.strip_suffix("_id").unwrap_or(column),
        Names::Owner => "owner",
        Names::Nothing => column.strip_suffix("_sealed").unwrap_or(column),
    }
}

/// Columns are named alike wherever they hold the same.
pub(super) fn secrecy(column: &str) -> Secrecy {
    match column {
        "secret_sealed" | "hf_token_sealed" => Secrecy::AtRest,
        "password_hash" => Secrecy::Always,
        "proxy" => Secrecy::Address,
        "settings_json" => Secrecy::Settings,
        _ => Secrecy::Open,
    }
}

/// By what rows are told apart that the store lets stand twice. Those that are alike in it are told apart by their order.
fn usual(noun: Noun) -> &'static [&'static str] {
    match noun {
        Noun::Credential => &["provider_id", "name", "kind"],
        Noun::RouteMember => &["route_id", "provider_id", "upstream_model", "tier"],
        Noun::Rule => &["rule_set_id", "kind", "sort_order"],
        Noun::PriceRule => &["provider_id", "match_kind", "pattern"],
        Noun::Organization
        | Noun::Team
        | Noun::User
        | Noun::Key
        | Noun::Provider
        | Noun::Model
        | Noun::Route
        | Noun::Alias
        | Noun::RuleSet
        | Noun::ProviderRuleSet
        | Noun::Permission
        | Noun::RateLimit
        | Noun::Quota => &[],
    }
}
