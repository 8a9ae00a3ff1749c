//! What every store must do, whatever it keeps its rows in.

mod ledger;
mod records;

use gproxy::store::persist::{Ledger, Records};

/// Holds an empty store to the contract of [`Records`] and [`Ledger`]. What it leaves behind is of no use.
pub(crate) async fn uphold_store_contract(store: &(impl Records + Ledger)) {
    store.ping().await.unwrap();
    records::uphold(store).await;
    ledger::uphold(store).await;
}
