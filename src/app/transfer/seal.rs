//! A bundle's secrets under a passphrase.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::TransferFault;
use crate::{base::Secret, credentials::Sealer, runtime::Entropy};

/// The most memory in KiB and the most passes that a bundle may ask for, so that a file cannot stop the machine.
const MOST: (u32, u32) = (1 << 20, 16);

/// How the key of a bundle is made of its passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealing {
    /// Always `argon2id`.
    kdf: Kdf,
    /// KiB.
    memory_kib: u32,
    /// Times that the memory is gone over.
    passes: u32,
    /// Base64url, without padding.
    salt: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kdf {
    Argon2id,
}

impl Sealing {
    /// A new one: 64 MiB, three passes.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        Self { kdf: Kdf::Argon2id, memory_kib: 64 << 10, passes: 3, salt: URL_SAFE_NO_PAD.encode(salt) }
    }

    /// What seals and opens under a passphrase.
    pub(super) fn sealer(&self, passphrase: &Secret<String>) -> Result<Sealer, TransferFault> {
        if passphrase.expose().trim().is_empty() {
            return Err(TransferFault::BlankPassphrase);
        }
        if self.memory_kib > MOST.0 || self.passes > MOST.1 {
            let Self { memory_kib, passes, .. } = self;
            let message = format!("asks for {memory_kib} KiB and {passes} passes; expected at most {} and {}", MOST.0, MOST.1);
            return Err(TransferFault::at("sealing", message));
        }
        let salt = URL_SAFE_NO_PAD.decode(&self.salt).map_err(|_| TransferFault::at("sealing.salt", "is not base64url"))?;
        let fault = |error: argon2::Error| TransferFault::Derivation(error.to_string());
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32)).map_err(fault)?;
        let mut key = [0; 32];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(passphrase.expose().as_bytes(), &salt, &mut key).map_err(fault)?;
        let sealer = Sealer::new(Secret::new(URL_SAFE_NO_PAD.encode(key)));
        key.zeroize();
        Ok(sealer)
    }
}
