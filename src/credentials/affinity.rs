//! Which credential knows a prompt already: providers cache prompts by account, so that a conversation is cheaper and
//! quicker where its earlier turns were.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use crate::base::{CredentialId, ProviderId};

/// The beginning of a prompt, as a digest.
pub type Digest = [u8; 16];

/// The most beginnings that are remembered of one provider, where its settings do not say.
pub(super) const MOST: usize = 4096;

/// Who knows which prompts. Bounded by provider; what is not asked for again in time is forgotten.
#[derive(Debug, Default)]
pub struct Affinity(Mutex<HashMap<ProviderId, Known>>);

/// What one provider's credentials know.
#[derive(Debug, Default)]
struct Known {
    bound: HashMap<Digest, Bound>,
    by_expiry: BTreeSet<(u64, Digest)>,
}

#[derive(Clone, Copy, Debug)]
struct Bound {
    credential: CredentialId,
    until_ms: u64,
}

impl Affinity {
    /// The credential that knows the first of these beginnings that anybody knows, and which one that is.
    #[must_use]
    pub fn find(&self, provider: ProviderId, beginnings: &[Digest], now_ms: u64) -> Option<(CredentialId, Digest)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&provider)?;
        beginnings.iter().find_map(|digest| {
            let bound = known.bound.get(digest).filter(|bound| bound.until_ms > now_ms)?;
            Some((bound.credential, *digest))
        })
    }

    /// Remembers that a credential knows these beginnings until a moment, Unix milliseconds; at most `most` of a provider.
    pub fn bind(
        &self,
        provider: ProviderId,
        beginnings: &[Digest],
        (credential, until_ms): (CredentialId, u64),
        (most, now_ms): (usize, u64),
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(provider).or_default();
        for digest in beginnings {
            known.forget(digest);
            known.make_room(most, now_ms);
            known.bound.insert(*digest, Bound { credential, until_ms });
            known.by_expiry.insert((until_ms, *digest));
        }
    }

    /// Forgets a beginning.
    pub fn forget(&self, provider: ProviderId, beginning: &Digest) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(&provider) {
            known.forget(beginning);
        }
    }
}

impl Known {
    fn forget(&mut self, digest: &Digest) {
        if let Some(bound) = self.bound.remove(digest) {
            self.by_expiry.remove(&(bound.until_ms, *digest));
        }
    }

    /// What has expired goes, then what expires first, until there is room for one more.
    fn make_room(&mut self, most: usize, now_ms: u64) {
        while let Some((until_ms, digest)) = self.by_expiry.first().copied()
            && (until_ms <= now_ms || self.bound.len() >= most.max(1))
        {
            self.forget(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Affinity, CredentialId, Digest, ProviderId};

    const ONE: ProviderId = ProviderId(1);

    fn digest(number: u8) -> Digest {
        [number; 16]
    }

    #[test]
    fn the_longest_beginning_that_is_known_wins_until_it_expires() {
        let affinity = Affinity::default();
        affinity.bind(ONE, &[digest(1)], (CredentialId(7), 100), (10, 0));
        affinity.bind(ONE, &[digest(2)], (CredentialId(8), 200), (10, 0));
        let find = |now| affinity.find(ONE, &[digest(3), digest(2), digest(1)], now).map(|(credential, _)| credential.0);
        assert_eq!([find(99), find(199), find(200)], [Some(8), Some(8), None]);
        assert_eq!(affinity.find(ProviderId(2), &[digest(1)], 0), None);
        affinity.forget(ONE, &digest(2));
        assert_eq!([find(99), find(100)], [Some(7), None]);
    }

    #[test]
    fn what_expires_first_makes_room() {
        let affinity = Affinity::default();
        for (number, until) in [(1, 50), (2, 500), (3, 400), (4, 300)] {
            affinity.bind(ONE, &[digest(number)], (CredentialId(number.into()), until), (3, 60));
        }
        let known = |number| affinity.find(ONE, &[digest(number)], 60).is_some();
        assert_eq!([1, 2, 3, 4].map(known), [false, true, true, true]);
        affinity.bind(ONE, &[digest(5)], (CredentialId(5), 450), (3, 60));
        assert_eq!([2, 3, 4, 5].map(known), [true, true, false, true]);
        affinity.bind(ONE, &[digest(3)], (CredentialId(9), 900), (3, 60));
        assert_eq!(affinity.find(ONE, &[digest(3)], 600).map(|(credential, _)| credential.0), Some(9));
    }
}
