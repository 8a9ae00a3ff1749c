//! Signatures, checked by ring, which TLS brings along.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::runtime::{PublicKey, Scheme, Signed, Verify};

/// Checks signatures with ring. RSA keys of less than 2048 bits sign nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signatures;

impl Verify for Signatures {
    fn verify(&self, key: &PublicKey, scheme: Scheme, signed: Signed<'_>) -> bool {
        if key.family() != scheme.family() {
            return false;
        }
        match key {
            PublicKey::Rsa { modulus, exponent } => rsa(scheme).is_some_and(|parameters| {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, signed.message, signed.signature).is_ok()
            }),
            PublicKey::P256(point) => by_point(&ECDSA_P256_SHA256_FIXED, point, signed),
            PublicKey::P384(point) => by_point(&ECDSA_P384_SHA384_FIXED, point, signed),
            PublicKey::Ed25519(point) => by_point(&ED25519, point, signed),
        }
    }
}

fn by_point(algorithm: &'static dyn VerificationAlgorithm, point: &[u8], signed: Signed<'_>) -> bool {
    UnparsedPublicKey::new(algorithm, point).verify(signed.message, signed.signature).is_ok()
}

fn rsa(scheme: Scheme) -> Option<&'static RsaParameters> {
    let parameters = match scheme {
        Scheme::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Scheme::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Scheme::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Scheme::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Scheme::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Scheme::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Scheme::Es256 | Scheme::Es384 | Scheme::EdDsa => return None,
    };
    Some(parameters)
}
