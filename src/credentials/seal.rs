//! Seals secrets for rest under one key of the operator's, and opens them again.
//!
//! A sealed text is `enc:v2:<nonce>:<ciphertext>` in base64url: XChaCha20-Poly1305 under a key that HKDF-SHA256 derives
//! from the operator's secret. Each is bound to its place, so a text that is moved to another column does not open.

use std::fmt;

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::{base::Secret, runtime::Entropy};

const MARK: &str = "enc:v2:";
/// The form of earlier versions: the key is the secret's SHA-256, and nothing binds a text to its place.
const OLD_MARK: &str = "enc:v1:";
const INFO: &[u8] = b"gproxy: secrets at rest, v2";
/// What the key of the usage rows' seals is derived for.
const ROWS: &[u8] = b"gproxy: seals of usage rows, v1";

/// Base64url without padding, read with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// The text is not sealed.
    #[error("text is not sealed; expected it to begin with enc:v2:")]
    Plain,
    /// The text has not the form of a sealed one.
    #[error("sealed text is damaged")]
    Damaged,
    /// It was sealed under another key or for another place, or was changed since.
    #[error("sealed text does not open: it was sealed with another database secret key, or changed since")]
    Refused,
}

/// Seals and opens.
#[derive(Clone)]
pub struct Sealer {
    key: Secret<[u8; 32]>,
    old_key: Secret<[u8; 32]>,
}

impl Sealer {
    /// Derives the keys from the operator's secret. Whoever reads the configuration refuses an empty one.
    #[must_use]
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "HKDF-SHA256 gives up to 8160 bytes")]
    #[expect(clippy::needless_pass_by_value, reason = "the secret is wiped here, where its last use is")]
    pub fn new(secret: Secret<String>) -> Self {
        let bytes = secret.expose().as_bytes();
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, bytes).expand(INFO, &mut key).expect("32 bytes are few");
        let sealer = Self { key: Secret::new(key), old_key: Secret::new(Sha256::digest(bytes).into()) };
        key.zeroize();
        sealer
    }

    /// The key of the usage rows' seals.
    #[must_use]
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "HKDF-SHA256 gives up to 8160 bytes")]
    pub fn row_key(&self) -> Secret<[u8; 32]> {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, self.key.expose()).expand(ROWS, &mut key).expect("32 bytes are few");
        let secret = Secret::new(key);
        key.zeroize();
        secret
    }

    /// Seals a text for one place, such as `credentials.secret`. Each time with another nonce.
    #[must_use]
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "the cipher takes texts of up to 256 GB")]
    pub fn seal(&self, context: &str, plain: &str, entropy: &dyn Entropy) -> String {
        let mut nonce = [0; 24];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: plain.as_bytes(), aad: context.as_bytes() };
        let cipher = XChaCha20Poly1305::new(self.key.expose().into());
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).expect("a text in memory is shorter");
        format!("{MARK}{}:{}", BASE64.encode(nonce), BASE64.encode(sealed))
    }

    /// Opens a text that was sealed for the same place, or by an earlier version.
    ///
    /// # Errors
    /// [`SealFault`].
    pub fn open(&self, context: &str, sealed: &str) -> Result<Secret<String>, SealFault> {
        let (key, rest, context) = match (sealed.strip_prefix(MARK), sealed.strip_prefix(OLD_MARK)) {
            (Some(rest), _) => (&self.key, rest, context),
            (None, Some(rest)) => (&self.old_key, rest, ""),
            (None, None) => return Err(SealFault::Plain),
        };
        let (nonce, sealed) = rest.split_once(':').ok_or(SealFault::Damaged)?;
        let nonce = BASE64.decode(nonce).ok().and_then(|nonce| <[u8; 24]>::try_from(nonce).ok()).ok_or(SealFault::Damaged)?;
        let sealed = BASE64.decode(sealed).map_err(|_| SealFault::Damaged)?;
        let payload = Payload { msg: &sealed, aad: context.as_bytes() };
        let plain = XChaCha20Poly1305::new(key.expose().into()).decrypt(&XNonce::from(nonce), payload).map_err(|_| SealFault::Refused)?;
        String::from_utf8(plain).map(Secret::new).map_err(|error| {
            error.into_bytes().zeroize();
            SealFault::Damaged
        })
    }

    /// Whether a text is a sealed one, of any version.
    #[must_use]
    pub fn is_sealed(text: &str) -> bool {
        text.starts_with(MARK) || text.starts_with(OLD_MARK)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(***)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default)]
    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            out.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    fn sealer(secret: &str) -> Sealer {
        Sealer::new(Secret::new(secret.to_owned()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_sealed_opens_again_and_nothing_else_does(plain in ".{0,200}", at in any::<prop::sample::Index>()) {
            let (ours, entropy) = (sealer("a key"), Counting::default());
            let sealed = ours.seal("credentials.secret", &plain, &entropy);
            prop_assert!(Sealer::is_sealed(&sealed));
            let opened = ours.open("credentials.secret", &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &plain);
            prop_assert_eq!(ours.open("settings.hf_token", &sealed), Err(SealFault::Refused));
            prop_assert_eq!(sealer("another key").open("credentials.secret", &sealed), Err(SealFault::Refused));
            // Any one character changed, anywhere.
            let at = at.index(sealed.len());
            let other = if sealed.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
            prop_assert!(ours.open("credentials.secret", &changed).is_err());
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_the_same_way_twice() {
        let (sealer, entropy) = (sealer("a key"), Counting::default());
        assert_ne!(sealer.seal("x", "secret", &entropy), sealer.seal("x", "secret", &entropy));
    }

    #[test]
    fn the_older_form_opens_with_or_without_padding() {
        let cipher = XChaCha20Poly1305::new((&<[u8; 32]>::from(Sha256::digest(b"a key"))).into());
        let nonce = [9; 24];
        let sealed = cipher.encrypt(&XNonce::from(nonce), b"{\"api_key\":\"k\"}".as_ref()).unwrap();
        let padded = base64::engine::general_purpose::URL_SAFE;
        for text in [
            format!("enc:v1:{}:{}", BASE64.encode(nonce), BASE64.encode(&sealed)),
            format!("enc:v1:{}:{}", padded.encode(nonce), padded.encode(&sealed)),
        ] {
            assert_eq!(sealer("a key").open("credentials.secret", &text).unwrap().expose(), "{\"api_key\":\"k\"}");
            assert_eq!(sealer("b key").open("credentials.secret", &text), Err(SealFault::Refused));
        }
    }

    #[test]
    fn the_bytes_of_version_2_never_change() {
        let sealed = sealer("a key").seal("credentials.secret", "secret", &Counting::default());
        assert_eq!(sealed, "enc:v2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYX:L7aVPJtrMTfsLrNoR5rkKQFU3sgenQ");
    }

    #[test]
    fn each_flaw_has_its_own_fault() {
        for (text, fault) in [
            ("sk-plain", SealFault::Plain),
            ("", SealFault::Plain),
            ("enc:v3:AAAA:AAAA", SealFault::Plain),
            ("enc:v2:", SealFault::Damaged),
            ("enc:v2:AAAA:AAAA", SealFault::Damaged),
            ("enc:v2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYX:!", SealFault::Damaged),
            ("enc:v2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYX:", SealFault::Refused),
            ("enc:v2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYX:AAAA", SealFault::Refused),
        ] {
            assert_eq!(sealer("a key").open("x", text), Err(fault), "{text}");
        }
    }
}
