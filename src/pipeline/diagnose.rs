//! Shows the prompt-cache doctor what was sent, and what its provider counted. Only where an operator asks for it.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    engine::Engine,
    prefix,
    resolve::Resolved,
    trail::{Counted, Fact, Trail},
};
use crate::{
    base::{ProviderId, Usage},
    billing::Entry,
    doctor::{LARGEST, Sent, Session, Turn, Whose},
    protocol::{OperationGroup, OperationKey, OperationKind},
    runtime::{Body, UpstreamRequest},
    snapshot::Provider,
    store::record::{Begun, Ended, Source},
};

/// What the doctor is shown of a try.
pub(super) struct Shown {
    session: Option<Session>,
    provider: ProviderId,
    kind: OperationKind,
    /// The body as it is sent; `None` of one that the doctor would not keep.
    body: Option<Vec<u8>>,
    at_ms: u64,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("provider", &self.provider).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Notes what is about to be sent, where it is a prompt.
pub(super) fn show(
    engine: &Engine,
    (call, request): (&Resolved, &UpstreamRequest),
    (provider, key, trail): (&Provider, OperationKey, &mut Trail),
) {
    let Body::Pieces(pieces) = &request.body else { return };
    if key.operation().group() != OperationGroup::GenerateContent {
        return;
    }
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let joined = || {
        let mut body = Vec::with_capacity(length);
        for piece in pieces {
            body.extend_from_slice(piece);
        }
        body
    };
    let body = (length <= LARGEST).then(joined);
    let (provider, kind, at_ms) = (provider.id, key.kind(), engine.platform.clock.unix_ms());
    trail.note(Fact::Shown(Box::new(Shown { session: prefix::session(call), provider, kind, body, at_ms })));
}

impl Shown {
    /// Shows what became of it. What the provider did not count to its end says nothing of its cache.
    pub(super) fn settle(self, engine: &Engine, (begun, ended): (&Begun, Ended), (counted, price): (&Counted<'_>, Option<&Entry>)) {
        let is_counted = ended == Ended::Complete && counted.source == Source::Upstream;
        // Of a try that failed, where the next one was answered without sending anything.
        let is_of_another = self.provider != begun.provider_id;
        if !is_counted || is_of_another || !engine.snapshot.load().settings().cache_doctor {
            return;
        }
        let Self { session, provider: _, kind, body, at_ms } = self;
        let Begun { user_id, key_id, organization_id, provider_id, credential_id, model, .. } = begun;
        let turn = Turn {
            session,
            whose: Whose { user: *user_id, key: *key_id, organization: *organization_id },
            to: Sent { provider: *provider_id, credential: *credential_id, model: Arc::clone(model), kind, at_ms },
            body,
            usage: counted.usage,
        };
        let cost = |usage: &Usage| price?.bill(usage, counted.tier).ok().map(|(cost, _)| cost);
        engine.doctor.settle(turn, engine.platform.clock.unix_ms(), cost);
    }
}
