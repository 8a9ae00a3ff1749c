//! Vendors that speak `OpenAI`'s dialect at another address: a row of data, no code.

use super::{
    auth::{self, Proof},
    upstream::{self, Destination},
};
use crate::{
    channel::{Channel, Dispatch, Order, PrepareFault, Site},
    protocol::{Operation, OperationKey, OperationKind},
    runtime::Reply,
};

/// What there is to know of a plain vendor.
#[derive(Debug)]
pub struct VendorSpec {
    /// The channel's id.
    pub id: &'static str,
    /// Its address.
    pub base_url: &'static str,
    /// What it serves: operations with the kinds that it takes them in.
    pub cells: &'static [(Operation, OperationKind)],
    /// How it takes its key.
    pub proof: Proof,
}

/// Chat, legacy completions, embeddings and models: what nearly every compatible vendor has.
pub const OPENAI_COMPATIBLE: &[(Operation, OperationKind)] = &[
    (Operation::ListModels, OperationKind::OpenAi),
    (Operation::GetModel, OperationKind::OpenAi),
    (Operation::GenerateContent, OperationKind::OpenAiChatCompletions),
    (Operation::StreamGenerateContent, OperationKind::OpenAiChatCompletions),
    (Operation::CreateCompletion, OperationKind::OpenAi),
    (Operation::CreateEmbedding, OperationKind::OpenAi),
];

/// A vendor that takes Chat Completions at `/v1` with a Bearer key.
#[must_use]
pub const fn openai_compatible(id: &'static str, base_url: &'static str) -> VendorSpec {
    VendorSpec { id, base_url, cells: OPENAI_COMPATIBLE, proof: auth::always_bearer }
}

/// The channel of one provider of such a vendor.
#[derive(Debug)]
pub struct Vendor {
    spec: &'static VendorSpec,
    site: Site,
}

impl Vendor {
    /// Pairs what is known of the vendor with the provider's site.
    #[must_use]
    pub fn new(spec: &'static VendorSpec, site: Site) -> Self {
        Self { spec, site }
    }
}

/// Whether a table of cells has a key.
#[must_use]
pub fn has(cells: &[(Operation, OperationKind)], key: OperationKey) -> bool {
    cells.contains(&(key.operation(), key.kind()))
}

impl Channel for Vendor {
    fn id(&self) -> &'static str {
        self.spec.id
    }

    fn serves(&self, key: OperationKey) -> bool {
        has(self.spec.cells, key)
    }

    fn prefers(&self) -> Option<OperationKind> {
        None
    }

    fn prepare(&self, mut order: Order) -> Result<Dispatch, PrepareFault> {
        let to = Destination { path: order.take_path(), query: order.take_query() };
        upstream::request(&self.site, order, to, |order, headers| {
            (self.spec.proof)(order.key().kind().family(), upstream::secret(order)?, headers)
        })
    }

    fn receive(&self, _key: OperationKey, reply: Reply) -> Reply {
        reply
    }

    fn needs_credential(&self) -> bool {
        true
    }
}
