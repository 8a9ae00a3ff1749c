//! What a browser carries from the beginning of a sign-in to its end, sealed: state, nonce, and the verifier of PKCE.
//!
//! The provider and the browser's address bar see the state, the nonce and the verifier's digest; the verifier itself only the
//! gateway reads. Whoever was talked into ending another's sign-in has another's passage, or none.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{credentials::Sealer, runtime::Entropy};

/// How long somebody may take at the provider.
pub const LASTS_MS: u64 = 10 * 60 * 1000;

/// What passages are sealed for: nothing else that is sealed opens as one.
const PLACE: &str = "login.oidc";

/// A sign-in that was begun.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Passage {
    /// What the provider gives back to us with the code.
    pub(super) state: String,
    /// What the ID token must hold.
    pub(super) nonce: String,
    /// What the code is exchanged with (RFC 7636).
    pub(super) verifier: String,
    /// When it was begun, Unix milliseconds.
    pub(super) since_ms: u64,
}

impl Passage {
    /// A new one.
    pub(super) fn begin(entropy: &dyn Entropy, now_ms: u64) -> Self {
        let random = || {
            let mut bytes = [0; 32];
            entropy.fill(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        Self { state: random(), nonce: random(), verifier: random(), since_ms: now_ms }
    }

    /// The verifier's digest, which the provider is shown first.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }

    /// The form that a browser carries.
    pub(super) fn seal(&self, sealer: &Sealer, entropy: &dyn Entropy) -> String {
        let text = serde_json::json!(self).to_string();
        sealer.seal(PLACE, &text, entropy)
    }

    /// The passage that a browser carries, where it is ours, not over, and of this state.
    pub(super) fn open(sealed: &str, state: &str, (sealer, now_ms): (&Sealer, u64)) -> Option<Self> {
        let text = sealer.open(PLACE, sealed).ok()?;
        let passage: Self = serde_json::from_str(text.expose()).ok()?;
        let is_open = passage.since_ms <= now_ms && now_ms - passage.since_ms < LASTS_MS;
        let is_same = bool::from(passage.state.as_bytes().ct_eq(state.as_bytes()));
        (is_open && is_same).then_some(passage)
    }
}
