//! What a credential is renewed with, and where that rests: access tokens, the refresh token behind them, the right to renew.

use std::fmt;

use crate::{
    base::{CredentialId, Secret},
    runtime::BoxFuture,
    store::persist::StoreFault,
};

/// What a renewal gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What calls are made with.
    pub access_token: Secret<String>,
    /// Until when, Unix milliseconds.
    pub expires_at: u64,
    /// What the next renewal is asked with. Where the provider rotates it, the one before is worth nothing any more.
    pub refresh_token: Secret<String>,
}

impl Grant {
    /// Whether calls can still be made with it, so long before its end.
    #[must_use]
    pub fn lasts(&self, now_ms: u64, margin_ms: u64) -> bool {
        self.expires_at > now_ms.saturating_add(margin_ms)
    }
}

/// The right to renew one credential, which one instance has at a time.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The credential.
    pub credential: CredentialId,
    /// Who has it.
    pub holder: String,
    /// What the renewal is asked with.
    pub refresh_token: Secret<String>,
}

/// Whose turn a renewal is.
#[derive(Debug)]
pub enum Claim {
    /// Nobody's: another one renewed it meanwhile.
    Stands(Grant),
    /// Ours.
    Ours(Lease),
    /// Another instance's; it is worth asking again in a moment.
    Others,
    /// Nobody's any more: the provider refused the refresh token for good, and waits for another login.
    Refused,
}

/// What became of a renewal.
#[derive(Clone, Debug)]
pub enum Renewed {
    /// It gave this.
    Granted(Grant),
    /// The refresh token is refused for good.
    Refused,
    /// It failed for now.
    Failed,
}

/// Why a vault did not do it.
#[derive(Debug, thiserror::Error)]
pub enum VaultFault {
    /// The store is down, or others change it all the time.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The credential is gone, or holds another secret than when the call began.
    #[error("the credential was changed meanwhile")]
    Changed,
}

/// Where grants rest, sealed, so that they outlive the process and other instances see them.
pub trait Vault: Send + Sync + fmt::Debug {
    /// Asks for the right to renew a credential whose secret is `seed`. A grant that lasts and is not `stale` needs no renewal.
    fn claim<'a>(
        &'a self,
        id: CredentialId,
        seed: &'a Secret<String>,
        stale: Option<&'a Secret<String>>,
    ) -> BoxFuture<'a, Result<Claim, VaultFault>>;
    /// Writes down what became of a renewal, and gives the right back. After it a grant is safe to be used.
    fn close<'a>(&'a self, lease: &'a Lease, seed: &'a Secret<String>, renewed: &'a Renewed) -> BoxFuture<'a, Result<(), VaultFault>>;
}
