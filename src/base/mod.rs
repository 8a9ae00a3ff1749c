//! Words that every floor may use. No logic beyond what a word means.

mod glob;
mod hash;
mod id;
mod money;
mod secret;
mod usage;

pub use glob::Glob;
pub use hash::QuickMap;
pub use id::{CredentialId, KeyId, ModelId, ProviderId, RequestId, UserId};
pub use money::{MoneyFault, Nanos, Price};
pub use secret::Secret;
pub use usage::{Bucket, Counts, Modality, Usage};
