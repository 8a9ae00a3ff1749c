//! Passwords: argon2id, as PHC strings.

use std::sync::OnceLock;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};

use super::AdminFault;
use crate::runtime::Entropy;

/// How passwords are hashed.
#[derive(Debug, Default)]
pub struct Passwords {
    params: Params,
    /// Verified against where there is no user, so that the time tells nothing.
    decoy: OnceLock<String>,
}

impl Passwords {
    /// The least that argon2 allows. For tests only: it protects nothing.
    #[must_use]
    pub fn cheap() -> Self {
        Self { params: Params::new(Params::MIN_M_COST, 1, 1, None).unwrap_or_default(), decoy: OnceLock::new() }
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }

    /// Hashes a password with a salt of its own.
    ///
    /// # Errors
    /// [`AdminFault::Invalid`] on a blank password, or one that argon2 cannot take.
    pub fn hash(&self, password: &str, entropy: &dyn Entropy) -> Result<String, AdminFault> {
        if password.trim().is_empty() {
            return Err(AdminFault::invalid("password", "is blank; expected at least one character"));
        }
        if password.len() > 1024 {
            return Err(AdminFault::invalid("password", "is longer than 1024 bytes"));
        }
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let hash: PasswordHash = self
            .argon2()
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map_err(|error| AdminFault::invalid("password", format!("cannot be hashed: {error}")))?;
        Ok(hash.to_string())
    }

    /// Whether a password is behind a hash. The cost is the same without a hash.
    #[must_use]
    pub fn verify(&self, password: &str, hash: Option<&str>) -> bool {
        let decoy = || {
            self.decoy.get_or_init(|| {
                self.argon2().hash_password_with_salt(b"decoy", &[7; 16]).map(|hash: PasswordHash| hash.to_string()).unwrap_or_default()
            })
        };
        let standing = hash.unwrap_or_else(|| decoy().as_str());
        let right = self.argon2().verify_password(password.as_bytes(), standing).is_ok();
        right && hash.is_some()
    }
}

/// The least length of a password that somebody chooses here, in characters.
const LEAST: usize = 8;

/// Says what is wrong with a password that somebody chooses. What other gateways' people have already is not judged.
///
/// # Errors
/// In words, without the password.
pub fn judge(password: &str) -> Result<(), String> {
    match password.chars().count() {
        _ if password.trim().is_empty() => Err(format!("is blank; expected at least {LEAST} characters")),
        length if length < LEAST => Err(format!("has {length} characters; expected at least {LEAST}")),
        _ => Ok(()),
    }
}

/// Whether a text is an argon2id hash already.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    text.starts_with("$argon2id$") && PasswordHash::new(text).is_ok()
}
