//! Whole runs: which pairs, which timers; and the provider alone, for people who want to misbehave by hand.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use futures_util::future::join_all;
use toml::Table;

use super::{
    Dialect,
    fault::{FAULTS, Outage},
    gateway::{Manner, like},
    provider::{Provider, Settings},
    round::{Pair, Setting, round},
    scorecard::Scorecard,
};
use crate::runtime::Platform;

/// From one token to the next.
pub(super) const PACE: Duration = Duration::from_millis(3);
/// How many pairs are played at once.
const AT_ONCE: usize = 4;

/// A named set of timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For patience: head 60 s, first content and gaps 120 s.
    Default,
    /// For people who wait: head 10 s, first content and gaps 12 s.
    Interactive,
}

impl Profile {
    /// Its name in a route.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Interactive => "interactive",
        }
    }
}

/// What a route does with a stream that breaks after its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStreamFault {
    /// Ends it with the dialect's error.
    Error,
    /// Goes on with the next member.
    Rescue,
}

impl OnStreamFault {
    /// Its name in a route.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Rescue => "rescue",
        }
    }
}

/// Who asks whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// Providers speak the client's dialect.
    Same,
    /// Providers speak another one.
    Crossed,
}

/// What is played, and with what.
#[derive(Clone, Debug)]
pub struct Options {
    /// The gateway's binary.
    pub exe: PathBuf,
    /// The operator's configuration, as TOML.
    pub config: Option<String>,
    /// The name of the operator's channel after which both providers are made; without one, they speak what the pairs say.
    pub provider: Option<String>,
    /// Timers; a scorecard for each.
    pub profiles: Vec<Profile>,
    /// The clients' dialects.
    pub dialects: Vec<Dialect>,
    /// Who asks whom.
    pub pairs: Vec<Pairs>,
    /// Numbers of faults; all where none is given.
    pub faults: Vec<u8>,
    /// What the routes do with a broken stream.
    pub on_stream_fault: OnStreamFault,
    /// How long the fifteenth fault lasts.
    pub outage: Outage,
}

/// Why there is no scorecard.
#[derive(Debug, thiserror::Error)]
pub enum LabFault {
    /// The operator's file is no TOML.
    #[error("the configuration is no TOML: {0}")]
    Config(#[from] toml::de::Error),
    /// The operator's file.
    #[error("the configuration cannot be read")]
    Read(#[source] io::Error),
    /// The operator's file has no such channel.
    #[error("the configuration has no channel {name:?}; expected one of: {known}")]
    Channel {
        /// Which.
        name: String,
        /// Those that it has.
        known: String,
    },
    /// The provider's port.
    #[error("the provider cannot listen")]
    Listen(#[source] io::Error),
    /// The provider's certificate.
    #[error("the certificate cannot be written")]
    Certificate(#[source] io::Error),
    /// The folder of the scratch gateway.
    #[error("the scratch folder cannot be written")]
    Scratch(#[source] io::Error),
    /// The binary.
    #[error("the gateway's binary cannot be run")]
    Spawn(#[source] io::Error),
    /// The scratch gateway does not serve; its log.
    #[error("the scratch gateway does not serve; it says:\n{0}")]
    Start(String),
    /// The scratch gateway's admin API.
    #[error("the scratch gateway cannot be configured: {0}")]
    Admin(String),
}

/// Plays the faults, and gives a scorecard for each profile of timers.
///
/// # Errors
/// [`LabFault`], where it cannot be played at all.
pub async fn run(platform: &Platform, options: &Options) -> Result<Vec<Scorecard>, LabFault> {
    let own: Option<Table> = options.config.as_deref().map(toml::from_str).transpose()?;
    let pattern = options.provider.as_deref().map(|name| like(own.as_ref(), name)).transpose()?;
    let every: Vec<u8> = FAULTS.iter().map(|fault| fault.number).collect();
    let mut cards = Vec::new();
    for profile in &options.profiles {
        let manner = Manner { profile: *profile, on_stream_fault: options.on_stream_fault };
        let faults = if options.faults.is_empty() { &every } else { &options.faults };
        let setting =
            Setting { platform, exe: &options.exe, own: own.as_ref(), pattern: pattern.as_ref(), faults, outage: options.outage, manner };
        cards.push(score(setting, &pairs(options)).await?);
    }
    Ok(cards)
}

async fn score(setting: Setting<'_>, pairs: &[Pair]) -> Result<Scorecard, LabFault> {
    let Manner { profile, on_stream_fault } = setting.manner;
    let mut card = Scorecard { profile: profile.name(), on_stream_fault: on_stream_fault.name(), pairs: Vec::new() };
    for some in pairs.chunks(AT_ONCE) {
        let rounds = some.iter().map(|pair| async move {
            let provider = Provider::start(setting.platform, Settings { listen: loopback(), pace: PACE, secured: None })
                .await
                .map_err(LabFault::Listen)?;
            Ok::<_, LabFault>((*pair, round(setting, &provider, *pair).await?))
        });
        for played in join_all(rounds).await {
            let (pair, played) = played?;
            card.add(pair, &played);
        }
    }
    Ok(card)
}

/// A port of its own on loopback.
pub(super) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn pairs(options: &Options) -> Vec<Pair> {
    let all = options.pairs.iter().flat_map(|pairs| {
        options.dialects.iter().flat_map(move |client| {
            Dialect::ALL.into_iter().filter_map(move |upstream| {
                let wanted = match pairs {
                    Pairs::Same => *client == upstream,
                    Pairs::Crossed => *client != upstream,
                };
                wanted.then_some(Pair { client: *client, upstream })
            })
        })
    });
    all.collect()
}

/// Starts the provider alone, at an address of one's own.
///
/// # Errors
/// [`LabFault::Listen`].
pub async fn serve(platform: &Platform, listen: SocketAddr, secured: Option<SocketAddr>) -> Result<Provider, LabFault> {
    Provider::start(platform, Settings { listen, pace: PACE, secured }).await.map_err(LabFault::Listen)
}
