//! Seals: keyed checksums by which a row shows that this program wrote it, and a sum of rows that none was taken away.
//!
//! A seal is the beginning of SHA-256 over a block of key and the values, each with its type and length. Only part of the digest
//! is given out, so it cannot be continued; seals that are added up cannot be made to fit without the key.

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{base::Secret, store::record::SEALS};

/// What seals are made with. Made of the operator's secret; the default is known to all, and finds accidents only.
#[derive(Clone)]
pub struct SealKey(Sha256);

impl SealKey {
    /// Of a secret of 32 bytes.
    #[must_use]
    pub fn new(secret: &Secret<[u8; 32]>) -> Self {
        Self::block(secret.expose())
    }

    fn block(key: &[u8; 32]) -> Self {
        // A whole block of the digest: its state is reckoned once, and copied for each seal.
        Self(Sha256::new().chain_update(key).chain_update([0; 32]))
    }

    /// The seal of what was written down; never zero.
    pub(super) fn seal(&self, sheet: &Sheet) -> i64 {
        let digest = self.0.clone().chain_update(&sheet.0).finalize();
        let first = digest.first_chunk::<8>().map_or(0, |bytes| i64::from_le_bytes(*bytes));
        first.rem_euclid(SEALS).max(1)
    }

    /// The whole digest of what was written down, hexadecimal.
    pub(super) fn mark(&self, sheet: &Sheet) -> String {
        self.0.clone().chain_update(&sheet.0).finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Default for SealKey {
    fn default() -> Self {
        Self::block(&[0; 32])
    }
}

/// The keys that a ledger's seals may be made with. A ledger keeps the key that it began with: where the operator's secret was replaced
/// since, it rests sealed beside the ledger.
#[derive(Clone)]
pub struct SealKeys {
    own: SealKey,
    kept: Arc<Unseal>,
}

/// Opens a kept key; nothing where it does not open.
type Unseal = dyn Fn(&str) -> Option<SealKey> + Send + Sync;

impl SealKeys {
    /// The key of the secret in use, and what opens one that is kept.
    #[must_use]
    pub fn new(own: SealKey, kept: impl Fn(&str) -> Option<SealKey> + Send + Sync + 'static) -> Self {
        Self { own, kept: Arc::new(kept) }
    }

    /// The key of a ledger that keeps one, or none. One that does not open is as good as another ledger's: proofs tell.
    pub(super) fn of(&self, kept: Option<&str>) -> SealKey {
        kept.and_then(|sealed| (self.kept)(sealed)).unwrap_or_else(|| self.own.clone())
    }
}

impl From<SealKey> for SealKeys {
    fn from(own: SealKey) -> Self {
        Self::new(own, |_| None)
    }
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKeys(***)")
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(***)")
    }
}

/// Values that are sealed together.
#[derive(Debug)]
pub(super) struct Sheet(Vec<u8>);

impl Sheet {
    /// Begins a sheet of one sort: sheets of two sorts never have one seal.
    pub(super) fn new(sort: u8) -> Self {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(sort);
        Self(bytes)
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.0.truncate(1);
    }

    pub(super) fn int(&mut self, figure: Option<i64>) {
        match figure {
            Some(figure) => {
                self.0.push(1);
                self.0.extend_from_slice(&figure.to_le_bytes());
            }
            None => self.0.push(0),
        }
    }

    pub(super) fn text(&mut self, text: Option<&str>) {
        let Some(text) = text else { return self.0.push(0) };
        // As the stores keep it: not all of them take NUL.
        if text.contains('\0') {
            return self.text(Some(&text.replace('\0', "\u{fffd}")));
        }
        self.0.push(2);
        self.0.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(values: &[&str]) -> Sheet {
        let mut sheet = Sheet::new(7);
        for value in values {
            sheet.text(Some(value));
        }
        sheet
    }

    #[test]
    fn a_seal_tells_keys_values_and_their_borders_apart() {
        let (known, ours) = (SealKey::default(), SealKey::new(&Secret::new([9; 32])));
        let seal = ours.seal(&sheet(&["ab", "c"]));
        assert_eq!(seal, ours.clone().seal(&sheet(&["ab", "c"])));
        for other in [known.seal(&sheet(&["ab", "c"])), ours.seal(&sheet(&["a", "bc"])), ours.seal(&sheet(&["ab", "c", ""]))] {
            assert_ne!(seal, other);
        }
        assert!((1..SEALS).contains(&seal));
    }

    #[test]
    fn what_a_store_changes_in_a_text_changes_no_seal() {
        let key = SealKey::default();
        assert_eq!(key.seal(&sheet(&["a\0b"])), key.seal(&sheet(&["a\u{fffd}b"])));
    }
}
