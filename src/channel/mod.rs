//! Adapters to upstreams. A folder's author writes an [`Adapter`]; the pipeline holds an `Arc<dyn Channel>`.
//!
//! A channel sees an [`Order`], which only a permit can seal. It answers with the request to send, or with the
//! answer itself. It never sends anything.

use std::{fmt, sync::Arc};

use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::{
    base::Secret,
    credentials::Grant,
    protocol::{OperationKey, OperationKind},
    runtime::{Platform, Profile, Reply, UpstreamRequest},
};

mod base_url;
#[cfg(test)]
mod contract;
pub mod kit;
mod order;
mod registry;

pub use base_url::{BaseUrl, joined};
pub use order::{Draft, Order, Payload, Via};
pub use registry::{CHANNELS, ChannelRow, build, find};

/// What a channel makes of an order.
#[derive(Debug)]
pub enum Dispatch {
    /// A request for its upstream.
    Send(Box<UpstreamRequest>),
    /// The answer: this channel needs no upstream for it.
    Answer(Box<Reply>),
}

/// Why a channel makes nothing of an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareFault {
    /// The call's own fault, in words for the caller.
    #[error("{message}")]
    Request {
        /// The field at fault, where there is one.
        field: Option<&'static str>,
        /// What it was and what was expected.
        message: String,
    },
    /// The provider has no usable credential for it.
    #[error("the provider has no enabled credential")]
    NoCredential,
    /// The provider's settings give no usable address.
    #[error("unusable address: {0}")]
    Address(String),
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SettingsFault {
    /// Which member, dotted.
    pub path: String,
    /// What it was, what was expected, and the nearest name where one was misspelt.
    pub message: String,
}

/// Where a channel's provider stands: what every channel's settings share.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where its paths begin.
    pub base_url: BaseUrl,
    /// Replaces the honest `gproxy/{version}` towards the upstream.
    pub user_agent: Option<http::HeaderValue>,
    /// The platform, for channels that answer by themselves.
    pub platform: Platform,
}

/// Why a credential was not renewed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRenewed {
    /// For good: the refresh token is spent, expired or withdrawn. The provider's code.
    #[error("the refresh token is refused: {0}")]
    Refused(String),
    /// As long as the settings are what they are.
    #[error("the token endpoint refuses what the settings say: {0}")]
    Settings(String),
    /// For now.
    #[error("the token endpoint failed: {0}")]
    Failed(String),
}

/// How credentials are renewed whose secret is no lasting key. An ability of some channels, reached by [`Adapter::renewal`]. Sends
/// nothing, as a channel never does.
pub trait Renewal: fmt::Debug + Send + Sync {
    /// The request that trades a refresh token for an access token.
    fn ask(&self, refresh_token: &Secret<String>, profile: Profile) -> UpstreamRequest;
    /// Reads its answer. The token that was sent stays where no other one is given; the moment is Unix milliseconds.
    ///
    /// # Errors
    /// [`NotRenewed`].
    fn read(&self, status: StatusCode, body: &[u8], sent: (&Secret<String>, u64)) -> Result<Grant, NotRenewed>;
}

/// What the author of a channel folder writes.
pub trait Adapter: fmt::Debug + Send + Sync + Sized + 'static {
    /// The channel's id in configuration and records.
    const ID: &'static str;
    /// Where it goes when the settings do not say; `None` where they must.
    const BASE_URL: Option<&'static str>;
    /// Its own settings; unknown members are refused, so put `deny_unknown_fields` on it.
    type Settings: DeserializeOwned;
    /// Makes the channel of one provider.
    ///
    /// # Errors
    /// [`SettingsFault`] naming the member.
    fn build(site: Site, settings: Self::Settings) -> Result<Self, SettingsFault>;
    /// Whether the upstream speaks this natively.
    fn serves(&self, key: OperationKey) -> bool;
    /// The dialect into which content asked in a foreign one is turned, where the channel has a favourite.
    fn prefers(&self) -> Option<OperationKind> {
        None
    }
    /// Turns an order into a request, or answers it.
    ///
    /// # Errors
    /// [`PrepareFault`].
    fn prepare(&self, order: Order) -> Result<Dispatch, PrepareFault>;
    /// Mends what the upstream answers otherwise than its dialect says. Most have nothing to mend.
    fn receive(&self, key: OperationKey, reply: Reply) -> Reply {
        let _ = key;
        reply
    }
    /// Whether orders need a credential.
    fn needs_credential(&self) -> bool {
        true
    }
    /// How its credentials are renewed, where their secret is no lasting key. An order then has the access token for its secret.
    fn renewal(&self) -> Option<&dyn Renewal> {
        None
    }
}

/// A channel as the pipeline sees it.
pub trait Channel: fmt::Debug + Send + Sync {
    /// See [`Adapter::ID`].
    fn id(&self) -> &'static str;
    /// See [`Adapter::serves`].
    fn serves(&self, key: OperationKey) -> bool;
    /// See [`Adapter::prefers`].
    fn prefers(&self) -> Option<OperationKind>;
    /// See [`Adapter::prepare`].
    ///
    /// # Errors
    /// [`PrepareFault`].
    fn prepare(&self, order: Order) -> Result<Dispatch, PrepareFault>;
    /// See [`Adapter::receive`].
    fn receive(&self, key: OperationKey, reply: Reply) -> Reply;
    /// See [`Adapter::needs_credential`].
    fn needs_credential(&self) -> bool;
    /// See [`Adapter::renewal`].
    fn renewal(&self) -> Option<&dyn Renewal> {
        None
    }
}

impl<A: Adapter> Channel for A {
    fn id(&self) -> &'static str {
        A::ID
    }

    fn serves(&self, key: OperationKey) -> bool {
        Adapter::serves(self, key)
    }

    fn prefers(&self) -> Option<OperationKind> {
        Adapter::prefers(self)
    }

    fn prepare(&self, order: Order) -> Result<Dispatch, PrepareFault> {
        Adapter::prepare(self, order)
    }

    fn receive(&self, key: OperationKey, reply: Reply) -> Reply {
        Adapter::receive(self, key, reply)
    }

    fn needs_credential(&self) -> bool {
        Adapter::needs_credential(self)
    }

    fn renewal(&self) -> Option<&dyn Renewal> {
        Adapter::renewal(self)
    }
}

/// A channel ready for use.
pub type Built = Arc<dyn Channel>;
