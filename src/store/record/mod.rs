//! Plain rows: the low form of configuration, and what calls leave behind.

mod call;
mod config;
mod kept;

pub use call::{Begun, DownstreamRow, Ended, Entry, Source, UpstreamRow, UsageRow};
pub use config::{
    ConfigRows, CredentialRow, KeyRow, ModelRow, NewCredential, NewKey, NewModel, NewPermission, NewProvider, NewUser, PermissionRow,
    ProviderRow, SettingsRow, UserRow,
};
pub use kept::{Keep, KeptItem, KeptKind, KeptRow};
