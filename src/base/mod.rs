//! Words that every floor may use. No logic beyond what a word means.

mod glob;
mod hash;
mod id;
mod secret;
mod usage;

pub use glob::Glob;
pub use hash::{QuickHasher, QuickMap};
pub use id::{CredentialId, KeyId, ModelId, ProviderId, RequestId, UserId};
pub use secret::Secret;
pub use usage::{Bucket, Counts, Modality, Usage};
