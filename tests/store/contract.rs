//! What every store must do, whatever it keeps its rows in.

mod audit;
mod health;
mod kept;
mod ledger;
mod records;

use gproxy::store::persist::{AuditLog, HealthBook, Kept, Ledger, Records};

/// Holds an empty store to the contract of [`Records`], [`Ledger`], [`Kept`], [`AuditLog`] and [`HealthBook`]. What it leaves behind is of no use.
pub(crate) async fn uphold_store_contract(store: &(impl Records + Ledger + Kept + AuditLog + HealthBook)) {
    store.ping().await.unwrap();
    records::uphold(store).await;
    ledger::uphold(store).await;
    kept::uphold(store).await;
    audit::uphold(store).await;
    health::uphold(store).await;
}
