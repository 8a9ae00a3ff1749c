//! What routes, aliases and rule sets must be before they are kept.

use serde_json::{Map, Value, json};

use super::{
    AdminFault,
    plain::{Plain, not_negative, text},
};
use crate::{
    base::AliasId,
    route::Aliases,
    snapshot::{name, rules},
    store::record::{ConfigRows, NewAlias, NewProviderRuleSet, NewRoute, NewRouteMember, NewRule, NewRuleSet, Standing},
};

impl Plain for NewRoute {
    const JSON: &'static [&'static str] = &["settings_json"];

    fn defaults() -> Value {
        json!({ "namespace": "", "strategy": "failover", "enabled": true })
    }

    fn check(&self, rows: &ConfigRows, standing: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        text("name", &self.name)?;
        if self.name.matches('*').count() > 1 {
            return Err(AdminFault::invalid("name", format!("is {:?}; expected at most one \"*\"", self.name)));
        }
        if !self.namespace.is_empty() {
            name::provider(&self.namespace).map_err(|message| AdminFault::invalid("namespace", message))?;
            if rows.providers.iter().any(|provider| provider.name == self.namespace) {
                return Err(AdminFault::invalid("namespace", format!("is {:?}, the name of a provider; expected another", self.namespace)));
            }
        }
        if !self.name.contains('*')
            && let Some(route) = standing
            && let Some(member) =
                rows.route_members.iter().find(|member| member.route_id == route.id && member.upstream_model.contains('*'))
        {
            let message = format!("has no \"*\" that the member {:?} could repeat; change the member first", member.upstream_model);
            return Err(AdminFault::invalid("name", message));
        }
        match self.settings_json.as_deref().map(serde_json::from_str::<Map<String, Value>>) {
            Some(Err(_)) => Err(AdminFault::invalid("settings_json", "expected a JSON object, or null")),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

impl Plain for NewRouteMember {
    fn defaults() -> Value {
        json!({ "weight": 100, "tier": 0, "enabled": true })
    }

    fn check(&self, rows: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        text("upstream_model", &self.upstream_model)?;
        not_negative(&[("weight", Some(self.weight)), ("tier", Some(self.tier))])?;
        let runs = self.upstream_model.matches('*').count();
        let repeats = rows.routes.get(self.route_id).is_none_or(|route| route.name.contains('*'));
        match runs {
            0 => Ok(()),
            1 if repeats => Ok(()),
            1 => Err(AdminFault::invalid("upstream_model", "has a \"*\", but the route's name has none that it could repeat")),
            _ => Err(AdminFault::invalid("upstream_model", format!("is {:?}; expected at most one \"*\"", self.upstream_model))),
        }
    }
}

impl Plain for NewAlias {
    fn defaults() -> Value {
        json!({ "provider": "*", "sort_order": 0, "enabled": true })
    }

    fn check(&self, rows: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        text("alias", &self.alias)?;
        text("target", &self.target)?;
        let names = || rows.providers.iter().map(|provider| provider.name.as_str());
        if self.provider != "*" && !names().any(|name| name == self.provider) {
            let message = format!("is {:?}; expected \"*\" or a provider{}", self.provider, name::hint(&self.provider, names()));
            return Err(AdminFault::invalid("provider", message));
        }
        let row = Standing { id: AliasId(0), row: self.clone(), created_at: 0, updated_at: 0 };
        match Aliases::compile(vec![&row]).1.pop() {
            Some((_, message)) => Err(AdminFault::invalid("alias", message)),
            None => Ok(()),
        }
    }
}

impl Plain for NewRuleSet {
    fn check(&self, _: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        text("name", &self.name)
    }
}

impl Plain for NewRule {
    const JSON: &'static [&'static str] = &["config_json", "filter_operation_keys"];

    fn defaults() -> Value {
        json!({ "sort_order": 0, "enabled": true })
    }

    fn check(&self, _: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        rules::check(self)
            .map_err(|wrong| AdminFault::invalid(wrong.path.clone(), format!("is {}; expected {}", wrong.was, wrong.expected)))
    }
}

impl Plain for NewProviderRuleSet {
    fn defaults() -> Value {
        json!({ "sort_order": 0, "enabled": true })
    }

    fn check(&self, _: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        Ok(())
    }
}
