//! `[oidc]`: who else lets people in.

use super::{Finding, KNOBS, Layers, name, switch};
use crate::{
    admin::oidc::{EMAIL, Newcomers, RolesByClaim, Settings, is_safe},
    store::record::Role,
};

/// What every provider must be asked for.
const OPENID: &str = "openid";

impl Layers<'_> {
    /// All of it, or nothing where no issuer is named.
    pub(super) fn oidc(&self) -> Option<Settings> {
        let Some(issuer) = self.told("oidc-issuer") else {
            self.without_issuer();
            return None;
        };
        let issuer = issuer.value.expose().clone();
        let create = self.parsed("oidc-create", false, switch);
        let role = self.parsed("oidc-role", Role::Member, given_role);
        let organization = self.told("oidc-organization").map(|told| told.value.expose().clone());
        let newcomers = if create { Newcomers::Made { role, organization } } else { Newcomers::Refused };
        Some(Settings {
            issuer: self.parsed("oidc-issuer", issuer, address),
            client_id: self.required("oidc-client-id", |text| Ok(text.to_owned())),
            client_secret: self.told("oidc-client-secret").map(|told| told.value),
            redirect_url: self.required("oidc-redirect-url", address),
            scopes: self.scopes(),
            claim: self.parsed("oidc-claim", EMAIL.to_owned(), claim),
            allowed_domains: self.list("oidc-allowed-domains", Vec::new(), domain),
            newcomers,
            roles: self.roles(role),
        })
    }

    /// What is said of a provider that nobody named would be forgotten in silence.
    fn without_issuer(&self) {
        let others = KNOBS.iter().filter(|knob| knob.section == Some("oidc"));
        for told in others.filter_map(|knob| self.told(knob.flag)) {
            self.add(Finding::error(told.path, told.line, "needs an issuer beside it: oidc.issuer, --oidc-issuer or GPROXY_OIDC_ISSUER"));
        }
    }

    fn required(&self, flag: &'static str, read: impl FnOnce(&str) -> Result<String, String>) -> String {
        if self.told(flag).is_none() {
            self.add(Finding::error(format!("--{flag}"), None, "is required where an issuer is named"));
        }
        self.parsed(flag, String::new(), read)
    }

    fn scopes(&self) -> Vec<String> {
        let usual = [OPENID, EMAIL, "profile"].map(str::to_owned).to_vec();
        self.parsed("oidc-scopes", usual, |text| {
            let scopes: Vec<String> = text.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
            if scopes.iter().any(|scope| scope == OPENID) { Ok(scopes) } else { Err(format!("expected {OPENID} among them, not {text:?}")) }
        })
    }

    fn roles(&self, otherwise: Role) -> Option<RolesByClaim> {
        let by_value = self.list("oidc-roles", Vec::new(), |text| {
            let (value, role) = text.rsplit_once('=').ok_or_else(|| format!("expected value=role, not {text:?}"))?;
            Ok((value.trim().to_owned(), given_role(role.trim())?))
        });
        let Some(named) = self.told("oidc-role-claim") else {
            if let Some(told) = self.told("oidc-roles") {
                self.add(Finding::error(told.path, told.line, "needs to know which claim has these values: oidc.role_claim"));
            }
            return None;
        };
        if by_value.is_empty() {
            self.add(Finding::error(named.path, named.line, "needs to know what its values stand for: oidc.roles"));
        }
        let claim = self.parsed("oidc-role-claim", String::new(), claim);
        Some(RolesByClaim { claim, by_value, otherwise })
    }
}

/// A role that a provider may give. Owners are made by hand.
fn given_role(text: &str) -> Result<Role, String> {
    let roles = || Role::ALL.iter().filter(|role| **role != Role::Owner).map(|role| role.word());
    let found = Role::parse(text).filter(|role| *role != Role::Owner);
    found.ok_or_else(|| format!("expected one of {}, not {text:?}{}", roles().collect::<Vec<_>>().join(", "), name::hint(text, roles())))
}

fn address(text: &str) -> Result<String, String> {
    let is_whole = !text.contains(['?', '#', '@']);
    if is_safe(text) && is_whole {
        Ok(text.to_owned())
    } else {
        Err(format!("expected an https:// address, or http:// of this machine, without ? and #, not {text:?}"))
    }
}

fn claim(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && text.len() <= 256 && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_name { Ok(text.to_owned()) } else { Err(format!("expected the name of a claim, not {text:?}")) }
}

fn domain(text: &str) -> Result<String, String> {
    let is_domain = text.contains('.') && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.'));
    if is_domain { Ok(text.to_ascii_lowercase()) } else { Err(format!("expected a domain such as example.com, not {text:?}")) }
}
