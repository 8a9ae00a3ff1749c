//! Which role opens which part of the control plane: the one table of it. What the table does not say is shut.

use crate::store::record::Role;

/// Declares the areas with their words.
macro_rules! areas {
    ($($(#[$doc:meta])* $area:ident = $word:literal,)+) => {
        /// A part of the control plane that a role opens or not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Area {
            $($(#[$doc])* $area),+
        }

        impl Area {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$area),+];

            /// Its word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$area => $word),+
                }
            }
        }
    };
}

areas! {
    /// Users, their roles and passwords.
    Users = "users",
    /// Keys of users.
    Keys = "keys",
    /// Organizations.
    Organizations = "organizations",
    /// Teams.
    Teams = "teams",
    /// What somebody may use.
    Permissions = "permissions",
    /// How much somebody may ask.
    Limits = "limits",
    /// How much somebody may spend.
    Quotas = "quotas",
    /// What models cost.
    Prices = "prices",
    /// What calls used.
    Usage = "usage",
    /// Which requests there were.
    Requests = "requests",
    /// What a request and its attempts said: headers and bodies.
    Bodies = "bodies",
    /// Providers, their models, and which channels there are.
    Providers = "providers",
    /// Secrets of providers.
    Credentials = "credentials",
    /// Routes, their members, and aliases.
    Routing = "routing",
    /// Rule sets, their rules, and where they apply.
    Rules = "rules",
    /// Who of the providers is resting or dead.
    Health = "health",
    /// What applies to the whole instance.
    Settings = "settings",
    /// What of the configuration does not work.
    Faults = "faults",
    /// What was done in the control plane.
    Audit = "audit",
    /// What would become of a call.
    Explain = "explain",
    /// What prompt caches lose.
    Doctor = "doctor",
}

/// What somebody does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Looks at it.
    Read,
    /// Makes, changes or takes away.
    Change,
}

impl Access {
    /// Both.
    pub const ALL: &'static [Self] = &[Self::Read, Self::Change];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Change => "change",
        }
    }
}

/// How far a role reaches in an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nowhere.
    Nothing,
    /// Over what belongs to its own organization.
    Organization,
    /// Everywhere.
    All,
}

/// One row: an area, who reads it, and who changes it, besides owners and admins.
struct Row(Area, &'static [Role], &'static [Role]);

const ORGANIZATION: Role = Role::OrganizationAdmin;
const BILLING: Role = Role::Billing;
const VIEWER: Role = Role::Viewer;
const OPERATOR: Role = Role::Operator;

const TABLE: &[Row] = &[
    Row(Area::Users, &[ORGANIZATION, BILLING, VIEWER], &[ORGANIZATION]),
    Row(Area::Keys, &[ORGANIZATION, VIEWER], &[ORGANIZATION]),
    Row(Area::Organizations, &[ORGANIZATION, BILLING, VIEWER], &[]),
    Row(Area::Teams, &[ORGANIZATION, BILLING, VIEWER], &[ORGANIZATION]),
    Row(Area::Permissions, &[ORGANIZATION, VIEWER], &[ORGANIZATION]),
    Row(Area::Limits, &[ORGANIZATION, BILLING, VIEWER], &[ORGANIZATION, BILLING]),
    Row(Area::Quotas, &[ORGANIZATION, BILLING, VIEWER], &[ORGANIZATION, BILLING]),
    Row(Area::Prices, &[BILLING, VIEWER], &[BILLING]),
    Row(Area::Usage, &[ORGANIZATION, BILLING, VIEWER], &[]),
    Row(Area::Requests, &[OPERATOR, VIEWER], &[]),
    Row(Area::Bodies, &[], &[]),
    Row(Area::Providers, &[OPERATOR, VIEWER], &[OPERATOR]),
    Row(Area::Credentials, &[OPERATOR, VIEWER], &[OPERATOR]),
    Row(Area::Routing, &[OPERATOR, VIEWER], &[OPERATOR]),
    Row(Area::Rules, &[OPERATOR, VIEWER], &[OPERATOR]),
    Row(Area::Health, &[OPERATOR, VIEWER], &[OPERATOR]),
    Row(Area::Settings, &[OPERATOR, VIEWER], &[]),
    Row(Area::Faults, &[OPERATOR, VIEWER], &[]),
    Row(Area::Audit, &[ORGANIZATION], &[]),
    Row(Area::Explain, &[OPERATOR, VIEWER], &[]),
    Row(Area::Doctor, &[ORGANIZATION, BILLING, OPERATOR, VIEWER], &[]),
];

/// How far a role reaches. Which users it may touch there is [`Role::governs`]'s to say.
#[must_use]
pub fn reach(role: Role, area: Area, access: Access) -> Reach {
    let listed = |row: &&Row| {
        row.0 == area
            && match access {
                Access::Read => row.1.contains(&role),
                Access::Change => row.2.contains(&role),
            }
    };
    match role {
        Role::Owner | Role::Admin => Reach::All,
        Role::Operator | Role::Viewer | Role::Billing if TABLE.iter().any(|row| listed(&row)) => Reach::All,
        Role::OrganizationAdmin if TABLE.iter().any(|row| listed(&row)) => Reach::Organization,
        Role::Operator | Role::Viewer | Role::Billing | Role::OrganizationAdmin | Role::Member => Reach::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Area, Reach, TABLE, reach};
    use crate::store::record::Role;

    #[test]
    fn every_area_has_one_row() {
        let rows: Vec<Area> = TABLE.iter().map(|row| row.0).collect();
        assert_eq!(rows, Area::ALL);
    }

    #[test]
    fn a_member_reaches_nothing_and_a_viewer_changes_nothing() {
        for area in Area::ALL {
            for access in Access::ALL {
                assert_eq!(reach(Role::Member, *area, *access), Reach::Nothing, "{area:?}");
            }
            assert_eq!(reach(Role::Viewer, *area, Access::Change), Reach::Nothing, "{area:?}");
        }
    }

    #[test]
    fn only_owners_govern_owners_and_nobody_governs_what_is_above() {
        for role in Role::ALL {
            assert_eq!(role.governs(Role::Owner), *role == Role::Owner, "{role}");
            // Who governs a role reaches everything that this role reaches.
            for other in Role::ALL.iter().filter(|other| role.governs(**other)) {
                for (area, access) in Area::ALL.iter().flat_map(|area| Access::ALL.iter().map(move |access| (*area, *access))) {
                    let wider = |reach: Reach| match reach {
                        Reach::Nothing => 0,
                        Reach::Organization => 1,
                        Reach::All => 2,
                    };
                    assert!(wider(reach(*role, area, access)) >= wider(reach(*other, area, access)), "{role} over {other} in {area:?}");
                }
            }
        }
    }
}
