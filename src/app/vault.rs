//! Where renewed credentials rest: in their own rows, sealed like the rest. The right to renew one rests there too, so that instances
//! that share a database renew each credential once, with nothing else between them.
//!
//! Each write is made for the revision that was read and refused on any other, so of two who want the same right one gets it.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    admin::Control,
    base::{CredentialId, Secret},
    credentials::{Claim, Lease, Renewed, Vault, VaultFault},
    runtime::BoxFuture,
    snapshot::secret::{self, Kept, Standing},
    store::{
        persist::{RecordsExt as _, StoreFault},
        record::{CredentialRow, NewCredential},
    },
};

/// How long the right to renew lasts: longer than any renewal, short enough that nobody waits for an instance that died of it.
const LEASE: Duration = Duration::from_secs(30);
/// A grant that ends sooner is worth renewing.
const MARGIN_MS: u64 = 60_000;
/// How often a write is tried again that somebody else's change came before.
const TRIES: usize = 8;

/// The vault over the control plane's records.
#[derive(Debug)]
pub struct RecordVault {
    control: Arc<Control>,
}

/// A credential's row as it stands, and the revision that it stands in.
struct Seen {
    row: CredentialRow,
    kept: Kept,
    revision: i64,
}

impl RecordVault {
    /// Keeps in the control plane's records.
    #[must_use]
    pub fn new(control: Arc<Control>) -> Self {
        Self { control }
    }

    async fn look(&self, id: CredentialId, seed: &Secret<String>) -> Result<Seen, VaultFault> {
        // What changed since, and no more: others may have renewed it.
        self.control.refresh().await?;
        let snapshot = self.control.snapshot().load();
        let rows = snapshot.rows();
        let row = rows.credentials.get(id).cloned().ok_or(VaultFault::Changed)?;
        let kept = secret::open_kept(self.control.sealer(), row.provider_id, &row.secret_sealed).map_err(|_| VaultFault::Changed)?;
        if kept.api_key == *seed { Ok(Seen { row, kept, revision: rows.revision }) } else { Err(VaultFault::Changed) }
    }

    /// Writes a credential where nothing changed since it was seen.
    async fn write(&self, seen: &Seen, kept: &Kept) -> Result<(), StoreFault> {
        let secret_sealed = kept.seal(self.control.sealer(), seen.row.provider_id, &*self.control.platform().entropy);
        let row = NewCredential { secret_sealed, ..seen.row.row.clone() };
        self.control.records().save_at(seen.revision, seen.row.id, row).await.map(drop)
    }

    /// Decides on what stands, and writes what that comes to; on what stands then, where somebody else's change came before.
    async fn turn<T>(
        &self,
        (id, seed): (CredentialId, &Secret<String>),
        decide: impl Fn(&Kept) -> (T, Option<Kept>) + Send,
    ) -> Result<T, VaultFault> {
        let mut tries = 0;
        loop {
            let seen = self.look(id, seed).await?;
            let (decided, kept) = decide(&seen.kept);
            let Some(kept) = kept else { return Ok(decided) };
            match self.write(&seen, &kept).await {
                Ok(()) => return Ok(decided),
                Err(StoreFault::Moved) if tries < TRIES => tries += 1,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    fn holder(&self) -> String {
        let mut bytes = [0; 16];
        self.control.platform().entropy.fill(&mut bytes);
        bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
            // Writing to a text cannot fail.
            let _done = fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
            text
        })
    }
}

impl Vault for RecordVault {
    fn claim<'a>(
        &'a self,
        id: CredentialId,
        seed: &'a Secret<String>,
        stale: Option<&'a Secret<String>>,
    ) -> BoxFuture<'a, Result<Claim, VaultFault>> {
        let holder = self.holder();
        Box::pin(self.turn((id, seed), move |kept| claimed(kept, (id, stale), (&holder, self.control.now_ms()))))
    }

    fn close<'a>(&'a self, lease: &'a Lease, seed: &'a Secret<String>, renewed: &'a Renewed) -> BoxFuture<'a, Result<(), VaultFault>> {
        Box::pin(self.turn((lease.credential, seed), move |kept| closed(kept, lease, renewed)))
    }
}

/// Whose turn a renewal is, and what is written down of that.
fn claimed(
    kept: &Kept,
    (credential, stale): (CredentialId, Option<&Secret<String>>),
    (holder, now_ms): (&str, u64),
) -> (Claim, Option<Kept>) {
    match &kept.renewed {
        Some(Standing::Refused) => return (Claim::Refused, None),
        Some(Standing::Granted(grant)) if stale != Some(&grant.access_token) && grant.lasts(now_ms, MARGIN_MS) => {
            return (Claim::Stands(grant.clone()), None);
        }
        Some(Standing::Granted(_)) | None => {}
    }
    let span = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
    // One that ends later than any that is taken now was taken by a clock that was wrong.
    let is_taken = kept.lease.as_ref().is_some_and(|(_, until)| *until > now_ms && *until <= now_ms.saturating_add(span));
    if is_taken {
        return (Claim::Others, None);
    }
    let lease = Lease { credential, holder: holder.to_owned(), refresh_token: kept.refresh_token().clone() };
    let until = now_ms.saturating_add(span);
    (Claim::Ours(lease), Some(Kept { lease: Some((holder.to_owned(), until)), ..kept.clone() }))
}

/// What stands after a renewal. A grant is kept also by one whose lease is over, as long as nobody renewed since: it is in hand, and what it
/// was asked with may be worth nothing any more.
fn closed(kept: &Kept, lease: &Lease, renewed: &Renewed) -> ((), Option<Kept>) {
    let is_ours = kept.lease.as_ref().is_some_and(|(holder, _)| *holder == lease.holder);
    let is_next = *kept.refresh_token() == lease.refresh_token || kept.renewed == Some(Standing::Refused);
    let lease = if is_ours { None } else { kept.lease.clone() };
    let kept = match renewed {
        Renewed::Granted(grant) if is_next => Some(Kept { renewed: Some(Standing::Granted(grant.clone())), lease, ..kept.clone() }),
        Renewed::Refused if is_ours => Some(Kept { renewed: Some(Standing::Refused), lease, ..kept.clone() }),
        Renewed::Failed if is_ours => Some(Kept { lease, ..kept.clone() }),
        Renewed::Granted(_) | Renewed::Refused | Renewed::Failed => None,
    };
    ((), kept)
}

#[cfg(test)]
mod tests;
