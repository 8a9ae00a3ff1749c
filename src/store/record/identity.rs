//! Who uses the gateway: organizations, teams, users, keys.

use super::{cell::words, noun::record};
use crate::base::{KeyId, OrganizationId, TeamId, UserId};

words! {
    /// What a user may do in the control plane. It opens no model.
    Role {
        /// Only its own keys, usage and limits.
        Member = "member",
        /// Its own organization: users, keys, teams, limits below the organization's own, usage.
        OrganizationAdmin = "organization_admin",
        /// Reads usage, prices, quotas and limits of everybody, and changes the last three.
        Billing = "billing",
        /// Reads everything but secrets.
        Viewer = "viewer",
        /// Changes providers, routes and rules, and resets health; no identities, no money.
        Operator = "operator",
        /// Everything but owners.
        Admin = "admin",
        /// Everything.
        Owner = "owner",
    }
}

impl Role {
    /// Whether the whole control plane is open to it.
    #[must_use]
    pub fn is_admin(self) -> bool {
        matches!(self, Self::Admin | Self::Owner)
    }

    /// Whether it may make, change and take away users of another role, and their keys. Nobody governs what is above it.
    #[must_use]
    pub fn governs(self, other: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => other != Self::Owner,
            Self::OrganizationAdmin => matches!(other, Self::Member | Self::OrganizationAdmin),
            Self::Operator | Self::Viewer | Self::Billing | Self::Member => false,
        }
    }
}

record! {
    /// A tenant: teams and users, with limits of its own.
    NewOrganization(OrganizationId) in "organizations", unique [name], named name {
        /// Unique.
        name: String,
        /// For people.
        description: Option<String>,
        /// Whether its users' keys work.
        enabled: bool,
    }
}

record! {
    /// A part of an organization. Users may belong to one team.
    NewTeam(TeamId) in "teams", unique [organization_id, name], named name {
        /// Its organization; with it, it goes.
        organization_id: OrganizationId,
        /// Unique in its organization.
        name: String,
        /// Whether its users' keys work.
        enabled: bool,
    }
}

record! {
    /// Somebody who uses the gateway.
    NewUser(UserId) in "users", unique [name], named name {
        /// Unique.
        name: String,
        /// Its organization, where it has one; with it, it goes.
        organization_id: Option<OrganizationId>,
        /// Its team, of the same organization.
        team_id: Option<TeamId>,
        /// What an identity provider calls it: issuer and subject, one blank between.
        external_id: Option<String>,
        /// An argon2id PHC string, or `None` for a user who cannot log in by password.
        password_hash: Option<String>,
        /// What it may do in the control plane.
        role: Role,
        /// Whether the user's keys work.
        enabled: bool,
    }
}

impl NewUser {
    /// A member without a password.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            organization_id: None,
            team_id: None,
            external_id: None,
            password_hash: None,
            role: Role::Member,
            enabled: true,
        }
    }

    /// Whether the whole control plane is open to it.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role.is_admin()
    }

    /// The same with the control plane opened or closed; a role that says so already stays.
    #[must_use]
    pub fn with_admin(self, is_admin: bool) -> Self {
        let role = match (self.role.is_admin(), is_admin) {
            (true, true) | (false, false) => self.role,
            (false, true) => Role::Admin,
            (true, false) => Role::Member,
        };
        Self { role, ..self }
    }
}

words! {
    /// What becomes of a provider's answer when its client hangs up.
    OnDisconnect {
        /// The provider's connection is closed; what was relayed is billed.
        Cancel = "cancel",
        /// The answer is read to its end and billed as told.
        Drain = "drain",
    }
}

record! {
    /// A key of a user. The secret itself is not kept.
    NewKey(KeyId) in "user_keys", unique [digest], named prefix {
        /// Its user; with it, it goes.
        user_id: UserId,
        /// Hexadecimal SHA-256 of the whole key: what look-ups go by.
        digest: String,
        /// The key's safe beginning, `sk-` and its public id.
        prefix: String,
        /// A name for people.
        label: Option<String>,
        /// When it stops working, Unix milliseconds.
        expires_at: Option<i64>,
        /// From where it works: addresses and networks (`10.0.0.0/8`), separated by commas; from everywhere where absent.
        allowed_ips: Option<String>,
        /// What a hung-up client means.
        on_disconnect: OnDisconnect,
        /// Whether it works.
        enabled: bool,
    }
}

impl NewKey {
    /// A key that works for ever and from everywhere.
    #[must_use]
    pub fn of(user_id: UserId, digest: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            user_id,
            digest: digest.into(),
            prefix: prefix.into(),
            label: None,
            expires_at: None,
            allowed_ips: None,
            on_disconnect: OnDisconnect::Cancel,
            enabled: true,
        }
    }
}
