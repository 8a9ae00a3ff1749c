//! What is kept of callers' responses and conversations.

use std::fmt;

use super::Stored;
use crate::{
    base::UserId,
    store::record::{Keep, KeptItem, KeptRow},
};

/// What one response of a line brings to the calls that go on from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: String,
    /// A JSON array: what its call brought along.
    pub input_json: String,
    /// What was answered.
    pub output: Vec<KeptItem>,
}

/// Which items of a thing to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Behind this item, in the order asked for; one that is not there gives nothing.
    pub after: Option<String>,
    /// Whether the last item comes first.
    pub newest_first: bool,
    /// How many at most.
    pub limit: u64,
}

/// Things by user and id. Whether one has expired is its reader's to judge, but for `expire`.
pub trait Kept: Send + Sync + fmt::Debug {
    /// Keeps things in one transaction. One that stands gets the new body and expiry, and the items behind those it has.
    /// [`super::StoreFault::Missing`] for a user that is gone.
    fn keep(&self, things: Vec<Keep>) -> Stored<'_, ()>;
    /// A thing.
    fn find(&self, user: UserId, id: String) -> Stored<'_, Option<KeptRow>>;
    /// The line of responses that ends with this one, first to last; empty where one of them is gone.
    fn line(&self, last: KeptRow) -> Stored<'_, Vec<Link>>;
    /// Items of a thing.
    fn items(&self, user: UserId, owner: String, page: Page) -> Stored<'_, Vec<KeptItem>>;
    /// Items by their ids wherever they are kept, each once, of things that expire after `now_ms`; in no order.
    fn named(&self, user: UserId, ids: Vec<String>, now_ms: i64) -> Stored<'_, Vec<KeptItem>>;
    /// Forgets a thing and its items; tells whether it was there.
    fn forget(&self, user: UserId, id: String) -> Stored<'_, bool>;
    /// Forgets one item of a thing; tells whether it was there.
    fn forget_item(&self, user: UserId, owner: String, id: String) -> Stored<'_, bool>;
    /// Forgets at most `most` things that had expired at `now_ms`, and tells how many. A response is held by those that go on
    /// from its line.
    fn expire(&self, now_ms: i64, most: u64) -> Stored<'_, u64>;
}
