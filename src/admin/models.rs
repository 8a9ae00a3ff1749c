//! Models of providers, as their operator lists them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminFault, input::clearable, providers};
use crate::{
    base::{ModelId, ProviderId},
    snapshot::name,
    store::record::{ConfigRows, ModelRow, NewModel},
};

/// A model as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModelView {
    /// Its id.
    pub id: ModelId,
    /// Its provider.
    pub provider_id: ProviderId,
    /// The upstream's id.
    pub model_id: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// Whether it is listed.
    pub enabled: bool,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

impl From<&ModelRow> for ModelView {
    fn from(row: &ModelRow) -> Self {
        Self {
            id: row.id,
            provider_id: row.provider_id,
            model_id: row.model_id.clone(),
            display_name: row.display_name.clone(),
            enabled: row.enabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Makes or changes a model. With an `id` what is absent stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelInput {
    /// Which one to change.
    pub id: Option<ModelId>,
    /// The upstream's id.
    pub model_id: Option<String>,
    /// A name for people.
    #[serde(deserialize_with = "clearable")]
    pub display_name: Option<Option<String>>,
    /// Whether it is listed; `true` for a new one.
    pub enabled: Option<bool>,
}

/// Models of a provider.
///
/// # Errors
/// [`AdminFault::Missing`] where there is no such provider.
pub async fn list(admin: Admin<'_>, of: ProviderId) -> Result<Vec<ModelView>, AdminFault> {
    let rows = admin.control().records().load().await?;
    providers::find(&rows, of)?;
    Ok(rows.models.iter().filter(|row| row.provider_id == of).map(ModelView::from).collect())
}

/// One model.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn get(admin: Admin<'_>, id: ModelId) -> Result<ModelView, AdminFault> {
    let rows = admin.control().records().load().await?;
    find(&rows, id).map(ModelView::from)
}

/// Makes or changes a model; `of` is `None` where the id alone says which.
///
/// # Errors
/// [`AdminFault`].
pub async fn save(admin: Admin<'_>, of: Option<ProviderId>, input: ModelInput) -> Result<ModelView, AdminFault> {
    admin.may_configure()?;
    let rows = admin.control().records().load().await?;
    let mut row = match (input.id, of) {
        (Some(id), of) => {
            let row = find(&rows, id)?;
            if of.is_some_and(|provider| row.provider_id != provider) {
                return Err(AdminFault::missing("model", id));
            }
            row.row.clone()
        }
        (None, Some(provider)) => {
            providers::find(&rows, provider)?;
            NewModel::of(provider, "")
        }
        (None, None) => return Err(AdminFault::invalid("id", "is required")),
    };
    row.model_id = input.model_id.unwrap_or(row.model_id);
    name::text(&row.model_id).map_err(|message| AdminFault::invalid("model_id", message))?;
    row.display_name = input.display_name.unwrap_or(row.display_name);
    row.enabled = input.enabled.unwrap_or(row.enabled);
    let saved = admin.actor().save(&rows, input.id, row).await?;
    Ok(ModelView::from(&saved))
}

/// Forgets a model.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn delete(admin: Admin<'_>, id: ModelId) -> Result<(), AdminFault> {
    admin.may_configure()?;
    let rows = admin.control().records().load().await?;
    admin.actor().delete::<NewModel>(&rows, id).await
}

fn find(rows: &ConfigRows, id: ModelId) -> Result<&ModelRow, AdminFault> {
    rows.models.iter().find(|row| row.id == id).ok_or_else(|| AdminFault::missing("model", id))
}
