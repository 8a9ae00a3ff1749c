//! What every store must do, whatever it keeps its rows in.

mod kept;
mod ledger;
mod records;

use gproxy::store::persist::{Kept, Ledger, Records};

/// Holds an empty store to the contract of [`Records`], [`Ledger`] and [`Kept`]. What it leaves behind is of no use.
pub(crate) async fn uphold_store_contract(store: &(impl Records + Ledger + Kept)) {
    store.ping().await.unwrap();
    records::uphold(store).await;
    ledger::uphold(store).await;
    kept::uphold(store).await;
}
