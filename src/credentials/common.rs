//! Who knows which prompts, as instances on one Redis tell each other: a key with an end for each beginning.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future::join_all, stream};

use super::affinity::{Bound, Chooser, Digest, Learnt};
use crate::store::cache::{Cache, CacheFault};

/// So many beginnings are asked for at once: the session, and the last ones.
const MOST: usize = 16;
/// Keys that are written at a time.
const AT_A_TIME: usize = 64;

/// Who knows the first of these beginnings that any instance knows; nobody where the cache does not say.
pub async fn fetch(cache: &dyn Cache, chooser: Chooser, beginnings: &[Digest]) -> Option<Learnt> {
    let asked = beginnings.iter().take(MOST).map(|digest| async move {
        let text = cache.get(&key(chooser, digest)).await.ok()??;
        Some((chooser, *digest, parsed(&text)?))
    });
    join_all(asked).await.into_iter().flatten().next()
}

/// Tells other instances what was learnt, for as long as it is remembered.
///
/// # Errors
/// Of the cache: some of it may be told.
pub async fn tell(cache: &dyn Cache, learnt: &[Learnt], now_ms: u64) -> Result<(), CacheFault> {
    let tell = |(chooser, digest, bound): Learnt| {
        let ttl = Duration::from_millis(bound.until_ms.saturating_sub(now_ms).max(1));
        cache.set(&key(chooser, &digest), text(bound), Some(ttl))
    };
    stream::iter(learnt.iter().copied().map(tell)).buffer_unordered(AT_A_TIME).try_collect().await
}

fn key(chooser: Chooser, digest: &Digest) -> String {
    let digest = u128::from_be_bytes(*digest);
    match chooser {
        Chooser::Provider(id) => format!("affinity:p{id}:{digest:032x}"),
        Chooser::Route(id) => format!("affinity:r{id}:{digest:032x}"),
    }
}

fn text(Bound { who, since_ms, until_ms }: Bound) -> Bytes {
    format!("{who} {since_ms} {until_ms}").into()
}

fn parsed(text: &[u8]) -> Option<Bound> {
    let mut words = std::str::from_utf8(text).ok()?.split(' ');
    let bound = Bound { who: words.next()?.parse().ok()?, since_ms: words.next()?.parse().ok()?, until_ms: words.next()?.parse().ok()? };
    words.next().is_none().then_some(bound)
}

#[cfg(test)]
mod tests {
    use super::{Bound, parsed, text};

    #[test]
    fn what_is_told_is_read_and_nothing_else() {
        let bound = Bound { who: -7, since_ms: 1, until_ms: u64::MAX };
        assert_eq!(parsed(&text(bound)), Some(bound));
        for bad in ["", "1 2", "1 2 3 4", "a 2 3", "1 -2 3", "1  3"] {
            assert_eq!(parsed(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
