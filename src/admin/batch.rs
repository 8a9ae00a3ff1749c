//! Many rows of one noun switched on, switched off or forgotten at once: all of them or none.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminFault, keys, users};
use crate::store::{
    persist::StoreFault,
    record::{Change, ChangeSet, ConfigRows, Datum, NewAudit, Noun, Record, Standing},
};

/// How many rows one call names at most.
pub const MOST: usize = 1000;
/// How often a batch is tried again that another change came before.
const TRIES: usize = 8;

/// What is done with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BatchAction")]
pub enum Deed {
    /// It is switched on.
    Enable,
    /// It is switched off.
    Disable,
    /// It is forgotten, with what hangs on it.
    Delete,
}

/// Which rows, and what is done with them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchInput {
    /// What is done with each.
    pub action: Deed,
    /// Which ones.
    #[schemars(length(min = 1, max = MOST))]
    pub ids: Vec<i64>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BatchView {
    /// Rows that were switched or forgotten.
    pub changed: usize,
    /// Rows that were so already.
    pub unchanged: usize,
}

/// Does the same with many rows of a noun, in one transaction.
///
/// # Errors
/// [`AdminFault`] of the first row that it cannot be done with; then it is done with none.
pub async fn run<N: Record>(admin: Admin<'_>, input: BatchInput) -> Result<BatchView, AdminFault> {
    let ids: BTreeSet<i64> = input.ids.iter().copied().collect();
    if !(1..=MOST).contains(&input.ids.len()) {
        return Err(AdminFault::invalid("ids", format!("has {} ids; expected 1 to {MOST}", input.ids.len())));
    }
    let mut tries = 0;
    loop {
        match run_once::<N>(admin, input.action, &ids).await {
            Err(AdminFault::Store(StoreFault::Moved)) if tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

/// The same, on what stands now. A renewal may write a new refresh token beside us, which must not be overwritten with the former.
async fn run_once<N: Record>(admin: Admin<'_>, deed: Deed, ids: &BTreeSet<i64>) -> Result<BatchView, AdminFault> {
    let rows = admin.control().records().load().await?;
    let mut after = rows.clone();
    let mut work: Vec<(Change, NewAudit)> = Vec::with_capacity(ids.len());
    for id in ids {
        let standing = seen::<N>(admin, &rows, *id)?;
        may_touch(admin, &rows, (standing, deed))?;
        let id = standing.id;
        match switched(&standing.row, deed)? {
            Some(row) if row == standing.row => {}
            Some(row) => {
                work.push(admin.actor().saving(&rows, Some(id), &row));
                N::table_mut(&mut after).put(Standing { row, ..standing.clone() });
            }
            None => {
                work.push(admin.actor().deleting::<N>(&rows, id)?);
                N::table_mut(&mut after).take(id);
            }
        }
    }
    admin.may_shut_out(&rows, &after)?;
    let changed = work.len();
    if changed > 0 {
        let (changes, audit) = work.into_iter().unzip();
        admin.actor().apply(ChangeSet { changes, audit, base: Some(rows.revision), ..ChangeSet::default() }).await?;
    }
    Ok(BatchView { changed, unchanged: ids.len() - changed })
}

/// A row that the caller reaches.
fn seen<'a, N: Record>(admin: Admin<'_>, rows: &'a ConfigRows, id: i64) -> Result<&'a Standing<N>, AdminFault> {
    let found = N::table(rows).get(id.into()).filter(|row| match N::NOUN {
        Noun::User | Noun::Key => admin.within().is_none() || super::reach::organization_of(rows, &row.row, id) == admin.within(),
        Noun::Organization
        | Noun::Team
        | Noun::Provider
        | Noun::Credential
        | Noun::Model
        | Noun::Route
        | Noun::RouteMember
        | Noun::Alias
        | Noun::RuleSet
        | Noun::Rule
        | Noun::ProviderRuleSet
        | Noun::Permission
        | Noun::RateLimit
        | Noun::Quota
        | Noun::PriceRule => admin.sees_row(rows, row),
    });
    found.ok_or_else(|| AdminFault::missing(N::NOUN.name(), id))
}

/// Refuses what the caller could not do with the row alone.
fn may_touch<N: Record>(admin: Admin<'_>, rows: &ConfigRows, (row, deed): (&Standing<N>, Deed)) -> Result<(), AdminFault> {
    let id: i64 = row.id.into();
    match N::NOUN {
        Noun::User => users::find_touched(admin, rows, id.into()).map(drop),
        Noun::Key => {
            if deed != Deed::Delete {
                keys::may_give_keys(admin.caller(), rows)?;
            }
            keys::touched(admin, rows, id.into())
        }
        Noun::Provider | Noun::Credential | Noun::Model => admin.may_configure(),
        Noun::Organization if deed == Deed::Delete && rows.users.iter().any(|user| user.organization_id == Some(id.into())) => {
            Err(AdminFault::Conflict(format!("organization {id} has users; delete them or move them elsewhere first")))
        }
        Noun::Organization
        | Noun::Team
        | Noun::Route
        | Noun::RouteMember
        | Noun::Alias
        | Noun::RuleSet
        | Noun::Rule
        | Noun::ProviderRuleSet
        | Noun::Permission
        | Noun::RateLimit
        | Noun::Quota
        | Noun::PriceRule => admin.may_keep(rows, &row.row),
    }
}

/// The row as it is switched; none where it is forgotten.
fn switched<N: Record>(row: &N, deed: Deed) -> Result<Option<N>, AdminFault> {
    let is_on = match deed {
        Deed::Enable => true,
        Deed::Disable => false,
        Deed::Delete => return Ok(None),
    };
    let mut data = row.data();
    let place = N::COLUMNS.iter().position(|(column, _)| *column == "enabled");
    if let Some(switch) = place.and_then(|place| data.get_mut(place)) {
        *switch = Datum::Bool(is_on);
        return N::read(data).map(Some).ok_or_else(|| AdminFault::Conflict("the row cannot be read".to_owned()));
    }
    Err(AdminFault::invalid("action", format!("expected \"delete\", for a {} has no switch", N::NOUN.name().replace('_', " "))))
}
