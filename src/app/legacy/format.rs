//! The formats that are read, and how each is told from the others.

use std::{collections::BTreeMap, fmt};

/// A format of other gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// LiteLLM's proxy configuration, YAML.
    LiteLlm,
    /// one-api's SQLite file.
    OneApi,
    /// new-api's SQLite file: one-api's tables, and more.
    NewApi,
    /// The reference's SQLite file or bundle, of any version that has a reader.
    Reference,
}

impl Format {
    /// All of them. Where two would fit a file the first is meant.
    pub const ALL: &'static [Self] = &[Self::LiteLlm, Self::NewApi, Self::OneApi, Self::Reference];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LiteLlm => "litellm",
            Self::OneApi => "one-api",
            Self::NewApi => "new-api",
            Self::Reference => "reference",
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// What a file of it has, for people.
    #[must_use]
    pub fn has(self) -> &'static str {
        match self {
            Self::LiteLlm => "YAML with model_list",
            Self::OneApi => "SQLite with the tables channels, tokens, users",
            Self::NewApi => "SQLite with the tables channels, tokens (and in it model_limits_enabled), users",
            Self::Reference => "SQLite with the tables providers, credentials, users, user_keys, or JSON with schema_version 1 and orgs",
        }
    }

    /// Whether a database's tables, each with its columns, are those of this format.
    #[must_use]
    pub(super) fn fits(self, tables: &BTreeMap<String, Vec<String>>) -> bool {
        let all = |names: &[&str]| names.iter().all(|name| tables.contains_key(*name));
        let limits = || tables.get("tokens").is_some_and(|columns| columns.iter().any(|column| column == "model_limits_enabled"));
        match self {
            Self::LiteLlm => false,
            Self::OneApi => all(&["channels", "tokens", "users"]),
            Self::NewApi => all(&["channels", "tokens", "users"]) && limits(),
            Self::Reference => all(&["providers", "credentials", "users", "user_keys"]),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
