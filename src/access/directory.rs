//! Every key and whose it is, indexed for the request path.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::key::{Digest, parse_digest};
use crate::{
    base::{Glob, KeyId, UserId},
    store::record::{KeyRow, PermissionRow, UserRow},
};

/// A user as the request path sees it.
#[derive(Debug)]
pub(super) struct User {
    pub(super) id: UserId,
    pub(super) name: Arc<str>,
    pub(super) is_admin: bool,
    pub(super) enabled: bool,
    pub(super) permissions: Box<[Glob]>,
}

/// A key as the request path sees it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) enabled: bool,
    pub(super) expires_at: Option<i64>,
    pub(super) user: Arc<User>,
}

/// Every key by its digest.
#[derive(Debug, Default)]
pub struct Directory {
    keys: HashMap<Digest, Key, BuildHasherDefault<First>>,
}

/// A digest is as good as random already: its first eight bytes serve as its hash.
#[derive(Debug, Default)]
struct First(u64);

impl Hasher for First {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Directory {
    /// Indexes the rows. A key whose user is gone, or whose digest is not one, is left out.
    #[must_use]
    pub fn build(users: &[UserRow], keys: &[KeyRow], permissions: &[PermissionRow]) -> Self {
        let mut globs: HashMap<UserId, Vec<Glob>> = HashMap::new();
        for permission in permissions {
            globs.entry(permission.user_id).or_default().push(Glob::new(&permission.pattern));
        }
        let users: HashMap<UserId, Arc<User>> = users
            .iter()
            .map(|row| {
                let permissions = globs.remove(&row.id).unwrap_or_default().into_boxed_slice();
                let user = User { id: row.id, name: row.name.as_str().into(), is_admin: row.is_admin, enabled: row.enabled, permissions };
                (row.id, Arc::new(user))
            })
            .collect();
        let keys = keys.iter().filter_map(|row| {
            let user = users.get(&row.user_id)?;
            let key = Key { id: row.id, enabled: row.enabled, expires_at: row.expires_at, user: Arc::clone(user) };
            Some((parse_digest(&row.digest)?, key))
        });
        Self { keys: keys.collect() }
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<&Key> {
        self.keys.get(digest)
    }
}
