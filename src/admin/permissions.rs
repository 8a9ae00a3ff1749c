//! Permissions: what a user may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminFault, plain, reach, users};
use crate::{
    base::{PermissionId, UserId},
    snapshot::name,
    store::record::{NewPermission, PermissionRow},
};

/// A permission as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PermissionView {
    /// Its id.
    pub id: PermissionId,
    /// Whose.
    pub user_id: UserId,
    /// A glob over `provider/model`.
    pub pattern: String,
    /// Unix milliseconds.
    pub created_at: i64,
}

impl From<&PermissionRow> for PermissionView {
    fn from(row: &PermissionRow) -> Self {
        Self { id: row.id, user_id: UserId(row.scope_id), pattern: row.pattern.clone(), created_at: row.created_at }
    }
}

/// Makes a permission.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserPermissionInput")]
pub struct PermissionInput {
    /// A glob over `provider/model`; `*` is everything.
    pub pattern: String,
}

/// What a user may use.
///
/// # Errors
/// [`AdminFault::Missing`] where there is no such user.
pub async fn list(admin: Admin<'_>, of: UserId) -> Result<Vec<PermissionView>, AdminFault> {
    let rows = admin.control().records().load().await?;
    users::find_seen(admin, &rows, of)?;
    Ok(rows.permissions.iter().filter(|row| row.is_of(of)).map(PermissionView::from).collect())
}

/// Makes a permission; the same one again is the same one.
///
/// # Errors
/// [`AdminFault`].
pub async fn save(admin: Admin<'_>, of: UserId, input: PermissionInput) -> Result<PermissionView, AdminFault> {
    let rows = admin.control().records().load().await?;
    users::find_seen(admin, &rows, of)?;
    name::text(&input.pattern).map_err(|message| AdminFault::invalid("pattern", message))?;
    let row = NewPermission::of(of, input.pattern);
    admin.may_keep(&rows, &row)?;
    if let Some(own) = admin.within() {
        reach::within_permissions(&rows, own, &row)?;
    }
    let saved = admin.actor().ensure(&rows, row).await?;
    Ok(PermissionView::from(&saved))
}

/// Forgets a permission.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn delete(admin: Admin<'_>, id: PermissionId) -> Result<(), AdminFault> {
    plain::delete::<NewPermission>(admin, id.0).await
}
