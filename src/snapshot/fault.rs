//! Why a record could not be compiled.

use schemars::JsonSchema;
use serde::Serialize;

/// One record that does not serve, or not fully, and why. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// The noun: `provider`, `credential`, `user`, `key`, `permission`, `settings`, `file`.
    pub what: &'static str,
    /// Which one.
    pub name: String,
    /// The member at fault, dotted.
    pub path: String,
    /// What it was and what was expected.
    pub message: String,
}

impl Fault {
    /// Makes a fault.
    pub fn new(what: &'static str, name: impl Into<String>, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { what, name: name.into(), path: path.into(), message: message.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}: {}: {}", self.what, self.name, self.path, self.message)
    }
}
