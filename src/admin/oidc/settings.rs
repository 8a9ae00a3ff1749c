//! What an operator says of the identity provider, and whom it lets in.

use crate::{base::Secret, store::record::Role};

/// The claim by which people are known, where nothing else is said.
pub const EMAIL: &str = "email";

/// What an operator says of the identity provider.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer, exactly as its tokens name it.
    pub issuer: String,
    /// The gateway's id there.
    pub client_id: String,
    /// Its secret, where it has one.
    pub client_secret: Option<Secret<String>>,
    /// Where the provider sends people back to, exactly as it is registered there.
    pub redirect_url: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that is a user's name here.
    pub claim: String,
    /// Whose addresses may come in; everybody's where there is none.
    pub allowed_domains: Vec<String>,
    /// What becomes of somebody who is no user yet.
    pub newcomers: Newcomers,
    /// What a claim says of roles, where it may say anything.
    pub roles: Option<RolesByClaim>,
}

impl Settings {
    /// Whether the way back is encrypted, so that the cookie may be kept to such ways.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.redirect_url.starts_with("https://")
    }
}

/// What becomes of somebody who is no user yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Newcomers {
    /// It is told so.
    #[default]
    Refused,
    /// It becomes one.
    Made {
        /// With this role.
        role: Role,
        /// In the organization of this name.
        organization: Option<String>,
    },
}

/// What a claim says of roles. At each sign-in a user gets the highest that one of the claim's values stands for, or the one for all
/// others. Owners are left as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolesByClaim {
    /// Which claim: a text, or a list of texts.
    pub claim: String,
    /// What its values stand for.
    pub by_value: Vec<(String, Role)>,
    /// The role of whom none of them fits.
    pub otherwise: Role,
}

impl RolesByClaim {
    /// The role that values stand for.
    #[must_use]
    pub fn role<'a>(&self, values: impl Iterator<Item = &'a str>) -> Role {
        let known = |value: &'a str| self.by_value.iter().filter(move |(known, _)| known == value).map(|(_, role)| *role);
        values.flat_map(known).max_by_key(|role| rank(*role)).unwrap_or(self.otherwise)
    }
}

/// How high a role is: by its place among all of them.
fn rank(role: Role) -> usize {
    Role::ALL.iter().position(|other| *other == role).unwrap_or(0)
}
