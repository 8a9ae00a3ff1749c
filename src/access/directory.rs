//! Every key and whose it is, indexed for the request path.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::{
    allowance::{Allowance, Gathered},
    key::{Digest, parse_digest},
};
use crate::{
    base::{KeyId, Network, OrganizationId, TeamId, UserId},
    store::record::{
        ConfigRows, Delta, KeyRow, NewPermission, NewQuota, NewRateLimit, NewUser, Noun, OnDisconnect, Record, Role, Scope, ScopeKind,
        UserRow,
    },
};

/// A user as the request path sees it.
#[derive(Debug)]
pub(super) struct User {
    pub(super) id: UserId,
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    /// Whether it, its team and its organization are switched on.
    pub(super) enabled: bool,
    pub(super) organization: Option<OrganizationId>,
    pub(super) team: Option<TeamId>,
    /// Its own, its team's, its organization's; those that are empty are left out.
    pub(super) allowances: Box<[Arc<Allowance>]>,
}

/// A key as the request path sees it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) enabled: bool,
    pub(super) expires_at: Option<i64>,
    /// From where it works; `None` for everywhere.
    pub(super) networks: Option<Box<[Network]>>,
    pub(super) on_disconnect: OnDisconnect,
    pub(super) user: Arc<User>,
    /// Its own, where it has one.
    pub(super) allowance: Option<Arc<Allowance>>,
}

type Shard = HashMap<Digest, Arc<Key>, BuildHasherDefault<First>>;

/// Into how many parts the keys are cut, by their digests' first byte: a change copies the parts that it touches.
const SHARDS: usize = 256;

/// Every key by its digest.
#[derive(Clone, Debug)]
pub struct Directory {
    shards: Box<[Arc<Shard>]>,
}

impl Default for Directory {
    fn default() -> Self {
        Self { shards: std::iter::repeat_with(Arc::default).take(SHARDS).collect() }
    }
}

/// A digest is as good as random already: eight of its bytes serve as its hash.
#[derive(Debug, Default)]
struct First(u64);

impl Hasher for First {
    fn write(&mut self, bytes: &[u8]) {
        // The first byte says nothing within a shard.
        if let Some(word) = bytes.get(1..).and_then(|rest| rest.first_chunk()) {
            self.0 = u64::from_le_bytes(*word);
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
    pub fn build(rows: &ConfigRows) -> Self {
        let mut shards: Vec<Shard> = std::iter::repeat_with(Shard::default).take(SHARDS).collect();
        let mut people = People::of(rows, None);
        for row in &rows.keys {
            if let Some((digest, key)) = people.key(rows, row) {
                shards[usize::from(digest[0])].insert(digest, key);
            }
        }
        Self { shards: shards.into_iter().map(Arc::new).collect() }
    }

    /// The same after a change: from `before` to `rows` by `delta`. Keys that nothing touched are shared.
    #[must_use]
    pub fn update(&self, before: &ConfigRows, rows: &ConfigRows, delta: &Delta) -> Self {
        let touched = Touched::by(before, rows, delta);
        if touched.is_none() {
            return self.clone();
        }
        let mut next = self.clone();
        let mut people = People::of(rows, Some(&touched));
        let is_touched = |row: &KeyRow| touched.keys.contains(&row.id) || touched.users.contains(&row.user_id);
        for row in before.keys.iter().filter(|row| is_touched(row)) {
            if let Some(digest) = parse_digest(&row.digest) {
                Arc::make_mut(&mut next.shards[usize::from(digest[0])]).remove(&digest);
            }
        }
        for row in rows.keys.iter().filter(|row| is_touched(row)) {
            if let Some((digest, key)) = people.key(rows, row) {
                Arc::make_mut(&mut next.shards[usize::from(digest[0])]).insert(digest, key);
            }
        }
        next
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<&Arc<Key>> {
        self.shards[usize::from(digest[0])].get(digest)
    }
}

/// Users made ready as their keys ask for them.
struct People {
    gathered: Gathered,
    shared: HashMap<Scope, Option<Arc<Allowance>>>,
    users: HashMap<UserId, Option<Arc<User>>>,
}

impl People {
    /// With the allowances of all scopes, or of those that were touched.
    fn of(rows: &ConfigRows, touched: Option<&Touched>) -> Self {
        let wanted = |scope: Scope| match (touched, scope.kind) {
            (None, _) | (Some(_), ScopeKind::Team | ScopeKind::Organization) => true,
            (Some(touched), ScopeKind::User) => touched.users.contains(&UserId(scope.id)),
            (Some(touched), ScopeKind::Key) => {
                touched.keys.contains(&KeyId(scope.id))
                    || rows.keys.get(KeyId(scope.id)).is_some_and(|key| touched.users.contains(&key.user_id))
            }
        };
        Self { gathered: Gathered::of(rows, wanted), shared: HashMap::new(), users: HashMap::new() }
    }

    fn key(&mut self, rows: &ConfigRows, row: &KeyRow) -> Option<(Digest, Arc<Key>)> {
        let user = match self.users.get(&row.user_id) {
            Some(user) => user.clone(),
            None => {
                let user = rows.users.get(row.user_id).map(|row| Arc::new(self.user(rows, row)));
                self.users.insert(row.user_id, user.clone());
                user
            }
        }?;
        let key = Key {
            id: row.id,
            enabled: row.enabled,
            expires_at: row.expires_at,
            networks: row.allowed_ips.as_deref().map(networks),
            on_disconnect: row.on_disconnect,
            user,
            allowance: Some(self.gathered.take(row.id)).filter(|own| !own.is_empty()).map(Arc::new),
        };
        Some((parse_digest(&row.digest)?, Arc::new(key)))
    }

    fn user(&mut self, rows: &ConfigRows, row: &UserRow) -> User {
        let team = row.team_id.and_then(|id| rows.teams.get(id));
        let organization = row.organization_id.and_then(|id| rows.organizations.get(id));
        let scopes = [Some(Scope::from(row.id)), row.team_id.map(Into::into), row.organization_id.map(Into::into)];
        User {
            id: row.id,
            name: row.name.as_str().into(),
            role: row.role,
            enabled: row.enabled && team.is_none_or(|team| team.enabled) && organization.is_none_or(|organization| organization.enabled),
            organization: row.organization_id,
            team: row.team_id,
            allowances: scopes.into_iter().flatten().filter_map(|scope| self.shared(scope)).collect(),
        }
    }

    fn shared(&mut self, scope: Scope) -> Option<Arc<Allowance>> {
        let Self { gathered, shared, .. } = self;
        let of = || Some(gathered.take(scope)).filter(|own| !own.is_empty()).map(Arc::new);
        shared.entry(scope).or_insert_with(of).clone()
    }
}

/// The networks of a key. What is no network admits nobody; it is told as a fault.
fn networks(list: &str) -> Box<[Network]> {
    list.split(',').filter_map(|one| one.trim().parse().ok()).collect()
}

/// Whose keys have to be made ready anew.
#[derive(Debug, Default)]
struct Touched {
    users: HashSet<UserId>,
    keys: HashSet<KeyId>,
}

impl Touched {
    fn by(before: &ConfigRows, rows: &ConfigRows, delta: &Delta) -> Self {
        let mut touched = Self::default();
        let gone = |noun: Noun| delta.gone.iter().filter(move |(of, _)| *of == noun).map(|(_, id)| *id);
        touched.keys.extend(delta.rows.keys.iter().map(|row| row.id).chain(gone(Noun::Key).map(KeyId)));
        touched.users.extend(delta.rows.users.iter().map(|row| row.id).chain(gone(Noun::User).map(UserId)));
        let mut scopes: Vec<Scope> = Vec::new();
        scopes.extend(delta.rows.teams.iter().map(|row| Scope::from(row.id)));
        scopes.extend(delta.rows.organizations.iter().map(|row| Scope::from(row.id)));
        scopes.extend(scopes_of::<NewPermission>(before, delta));
        scopes.extend(scopes_of::<NewRateLimit>(before, delta));
        scopes.extend(scopes_of::<NewQuota>(before, delta));
        for scope in scopes {
            match scope.kind {
                ScopeKind::Key => drop(touched.keys.insert(KeyId(scope.id))),
                ScopeKind::User => drop(touched.users.insert(UserId(scope.id))),
                ScopeKind::Team => touched.members(rows, |user| user.team_id == Some(TeamId(scope.id))),
                ScopeKind::Organization => touched.members(rows, |user| user.organization_id == Some(OrganizationId(scope.id))),
            }
        }
        // A key stands on its user, and all keys of a user stand on the same one.
        touched.users.extend(touched.keys.iter().filter_map(|id| rows.keys.get(*id)).map(|key| key.user_id));
        touched
    }

    fn members(&mut self, rows: &ConfigRows, is_one: impl Fn(&NewUser) -> bool) {
        self.users.extend(rows.users.iter().filter(|user| is_one(user)).map(|user| user.id));
    }

    fn is_none(&self) -> bool {
        self.users.is_empty() && self.keys.is_empty()
    }
}

/// Whose the touched allowances of one noun are and were.
fn scopes_of<N: Record>(before: &ConfigRows, delta: &Delta) -> Vec<Scope> {
    let now = N::table(&delta.rows);
    let gone: HashSet<i64> = delta.gone.iter().filter(|(noun, _)| *noun == N::NOUN).map(|(_, id)| *id).collect();
    if now.is_empty() && gone.is_empty() {
        return Vec::new();
    }
    let was = N::table(before).iter().filter(|row| now.get(row.id).is_some() || gone.contains(&row.id.into()));
    was.chain(now.iter()).filter_map(|row| row.row.scope()).collect()
}
