//! The keys of the ledger's seals, from the operator's secret.

use crate::{
    base::Secret,
    credentials::Sealer,
    runtime::Entropy,
    store::persist::{SealKey, SealKeys},
};

/// What the seal of a kept key is bound to.
const CONTEXT: &str = "ledger.key";

/// The keys that a ledger's seals may be made with.
#[must_use]
pub fn keys(sealer: &Sealer) -> SealKeys {
    let opener = sealer.clone();
    SealKeys::new(SealKey::new(&sealer.row_key()), move |sealed| open(&opener, sealed).map(|key| SealKey::new(&key)))
}

/// A kept key; nothing where it does not open.
pub(super) fn open(sealer: &Sealer, sealed: &str) -> Option<Secret<[u8; 32]>> {
    let text = sealer.open(CONTEXT, sealed).ok()?;
    let mut key = [0; 32];
    if text.expose().len() != 2 * key.len() {
        return None;
    }
    for (place, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.expose().get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(Secret::new(key))
}

/// Seals a key to be kept.
pub(super) fn seal(sealer: &Sealer, key: &Secret<[u8; 32]>, entropy: &dyn Entropy) -> String {
    let text = Secret::new(key.expose().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    sealer.seal(CONTEXT, text.expose(), entropy)
}
