//! Words that every floor may use. No logic beyond what a word means.

mod glob;
mod hash;
mod id;
mod money;
mod network;
mod secret;
mod usage;

pub use glob::Glob;
pub use hash::{QuickHasher, QuickMap};
pub use id::{
    AliasId, CredentialId, KeyId, ModelId, OrganizationId, PermissionId, PriceRuleId, ProviderId, ProviderRuleSetId, QuotaId, RateLimitId,
    RequestId, RouteId, RouteMemberId, RuleId, RuleSetId, TeamId, UserId,
};
pub use money::{MoneyFault, Nanos, Price};
pub use network::{Network, NoNetwork};
pub use secret::Secret;
pub use usage::{Bucket, Counts, Modality, Usage};
