//! The lab's own certificate, made anew at each start: for `localhost` and loopback addresses, signed by itself.
//!
//! It guards nothing. A gateway that shall trust it is told so by `SSL_CERT_FILE`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Tags of DER (X.690, 8.1.2).
const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Members by their numbers.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const ADDRESS: u8 = 0x87;

/// `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2.
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// `id-ecPublicKey`, 1.2.840.10045.2.1, and `secp256r1`, 1.2.840.10045.3.1.7.
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// `commonName`, 2.5.4.3, and `subjectAltName`, 2.5.29.17.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// A certificate and its key.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) der: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Certificate {
    /// Makes one.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn make() -> Result<Self, ring::error::Unspecified> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).map_err(|_| ring::error::Unspecified)?;
        let body = body(pair.public_key().as_ref());
        let signature = pair.sign(&random, &body)?;
        let der = der(SEQUENCE, &[&body, &algorithm(), &bits(signature.as_ref())]);
        Ok(Self { der: der.into(), key: PrivatePkcs8KeyDer::from(pkcs8.as_ref().to_vec()).into() })
    }
}

/// A certificate as text (RFC 7468).
pub(super) fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let lines: Vec<String> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// What is signed (RFC 5280, 4.1).
fn body(public_key: &[u8]) -> Vec<u8> {
    let name = der(SEQUENCE, &[&der(SET, &[&der(SEQUENCE, &[&der(OID, &[COMMON_NAME]), &der(UTF8, &[b"gproxy lab"])])])]);
    let validity = der(SEQUENCE, &[&der(UTC_TIME, &[b"250101000000Z"]), &der(TIME, &[b"99991231235959Z"])]);
    let key = der(SEQUENCE, &[&der(SEQUENCE, &[&der(OID, &[EC_KEY]), &der(OID, &[P256])]), &bits(public_key)]);
    let loopback = [&[127, 0, 0, 1][..], &std::net::Ipv6Addr::LOCALHOST.octets()].map(|address| der(ADDRESS, &[address]));
    let names = der(SEQUENCE, &[&der(DNS_NAME, &[b"localhost"]), &loopback[0], &loopback[1]]);
    let extension = der(SEQUENCE, &[&der(OID, &[SUBJECT_ALT_NAME]), &der(OCTETS, &[&names])]);
    let version = der(VERSION, &[&der(INTEGER, &[&[2]])]);
    let extensions = der(EXTENSIONS, &[&der(SEQUENCE, &[&extension])]);
    der(SEQUENCE, &[&version, &der(INTEGER, &[&[1]]), &algorithm(), &name, &validity, &name, &key, &extensions])
}

fn algorithm() -> Vec<u8> {
    der(SEQUENCE, &[&der(OID, &[ECDSA_SHA256])])
}

/// Whole bytes as a string of bits.
fn bits(bytes: &[u8]) -> Vec<u8> {
    der(BITS, &[&[0], bytes])
}

/// A tag, a length and a value made of parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = value.len().to_be_bytes();
    let mut out = vec![tag];
    // The shortest form is the only one (X.690, 10.1).
    match length {
        [.., low] if value.len() < 0x80 => out.push(low),
        [.., low] if value.len() < 0x100 => out.extend([0x81, low]),
        [.., high, low] => out.extend([0x82, high, low]),
    }
    out.extend(value);
    out
}
