//! Credentials whose secret is a refresh token: calls go out with the access token that it gave.
//!
//! A token is renewed before its end, and once more where the provider refuses it: by one call of this process for all that wait,
//! and by one instance of all that share a vault. A grant is used only once it is written down, since the refresh token before it
//! may be worth nothing any more. A renewal goes on where its caller leaves.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::Shared};
use tokio::sync::oneshot;

use super::{
    attempt::{self, Attempted, Failure},
    authorize::Admitted,
    engine::Engine,
    error::GatewayError,
    failover::Outcome,
    target::Target,
    trail::{Fact, Trail},
};
use crate::{
    base::{CredentialId, Secret},
    channel::NotRenewed,
    credentials::{Claim, Grant, Lease, Renewed, Vault, VaultFault},
    health::Trouble,
    protocol::fault::FaultKind,
    snapshot::{Credential, Provider},
};

/// So long before its end a token is renewed, while calls still go out with it.
const EARLY_MS: u64 = 60_000;
/// A token with less than this left is not sent any more.
const LAST_MS: u64 = 5_000;
/// How long a call waits for a token; the renewal goes on without it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long until it is looked again whether another instance has renewed.
const PAUSE: Duration = Duration::from_millis(200);
/// How long until a grant is written again that could not be.
const AGAIN: Duration = Duration::from_secs(2);
/// How often another instance is waited for: longer than a lease lasts.
const TURNS: usize = 200;
/// The largest answer of a token endpoint, in bytes.
const ANSWER: u64 = 256 * 1024;
/// How long a token endpoint that failed is left alone.
const REST_MS: u64 = 15_000;

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum NoToken {
    #[error(transparent)]
    NotRenewed(NotRenewed),
    #[error("{0}")]
    Vault(Arc<VaultFault>),
    #[error("no vault keeps what is renewed")]
    NoVault,
    #[error("another instance did not come to an end with it")]
    Others,
    #[error("it took longer than a call waits")]
    Slow,
}

type Underway = Shared<oneshot::Receiver<Result<Grant, NoToken>>>;

/// The tokens of this process.
#[derive(Default)]
pub(super) struct Tokens {
    vault: OnceLock<Arc<dyn Vault>>,
    known: Mutex<HashMap<CredentialId, Known>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("vault", &self.vault).finish_non_exhaustive()
    }
}

/// What is known of one credential.
struct Known {
    /// The secret that the operator gave: another one is another login.
    seed: Arc<Secret<String>>,
    grant: Option<Grant>,
    underway: Option<Underway>,
    /// Until when the token endpoint is left alone while the token of now still lasts, Unix milliseconds.
    rests_until: u64,
}

impl Known {
    fn of(seed: &Arc<Secret<String>>) -> Self {
        Self { seed: Arc::clone(seed), grant: None, underway: None, rests_until: 0 }
    }
}

impl Tokens {
    /// Keeps what is renewed in a vault from here on. What was told first stands.
    pub(super) fn keep_in(&self, vault: Arc<dyn Vault>) {
        let _first = self.vault.set(vault);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<CredentialId, Known>> {
        // Every change is one assignment, so a panic elsewhere leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries a call once, or twice where the provider refuses a token that was thought to be good.
pub(super) async fn attempt(
    engine: &Engine,
    (admitted, target): (&mut Admitted, &Target),
    credential: Option<&Credential>,
    trail: &mut Trail,
) -> Result<Box<Attempted>, Failure> {
    match credential {
        Some(credential) if target.provider.channel.renewal().is_some() => {
            // In a box, since most calls have none of it.
            Box::pin(with_token(engine, (admitted, target), credential, trail)).await
        }
        _ => attempt::attempt(engine, (admitted, target), credential, trail).await,
    }
}

async fn with_token(
    engine: &Engine,
    (admitted, target): (&mut Admitted, &Target),
    credential: &Credential,
    trail: &mut Trail,
) -> Result<Box<Attempted>, Failure> {
    let can_repeat = admitted.call.content.is_in_hand();
    let first = armed(engine, &target.provider, credential, None).await?;
    let failure = match attempt::attempt(engine, (admitted, target), Some(&first), trail).await {
        Err(failure) if can_repeat && failure.judged == (Outcome::Refused, Some(Trouble::Refused)) => failure,
        tried => return tried,
    };
    // That the provider refused it says more than that nothing better was to be had.
    let Ok(again) = armed(engine, &target.provider, credential, first.secret.as_deref()).await else { return Err(failure) };
    trail.note(Fact::Again);
    attempt::attempt(engine, (admitted, target), Some(&again), trail).await
}

/// The credential as calls use it: as it is, or with the token that stands for its secret. `stale` is one that the provider refused.
///
/// # Errors
/// There is no token, and what that says of the credential.
pub(super) async fn armed(
    engine: &Engine,
    provider: &Arc<Provider>,
    credential: &Credential,
    stale: Option<&Secret<String>>,
) -> Result<Credential, Failure> {
    let (Some(_), Some(seed)) = (provider.channel.renewal(), &credential.secret) else { return Ok(credential.clone()) };
    match token(engine, (provider, credential), seed, stale).await {
        Ok(token) => Ok(Credential { secret: Some(Arc::new(token)), ..credential.clone() }),
        Err(fault) => Err(failure(provider, fault)),
    }
}

fn failure(provider: &Provider, fault: NoToken) -> Failure {
    let trouble = match &fault {
        NoToken::NotRenewed(NotRenewed::Refused(_)) => Trouble::Refused,
        NoToken::NotRenewed(NotRenewed::Settings(_)) => Trouble::Forbidden,
        NoToken::NotRenewed(NotRenewed::Failed(_)) | NoToken::Vault(_) | NoToken::NoVault | NoToken::Others | NoToken::Slow => {
            Trouble::Limited(Some(REST_MS))
        }
    };
    tracing::warn!(provider = &*provider.name, %fault, "a credential could not be renewed");
    let message = format!("provider {:?} gave no token for the credential that it was asked with", provider.name);
    Failure::of((Outcome::Refused, Some(trouble)), GatewayError::new(FaultKind::Upstream, message).because(fault))
}

/// The token of now.
async fn token(
    engine: &Engine,
    of: (&Arc<Provider>, &Credential),
    seed: &Arc<Secret<String>>,
    stale: Option<&Secret<String>>,
) -> Result<Secret<String>, NoToken> {
    let mut patience = engine.platform.clock.sleep(PATIENCE);
    loop {
        let underway = match standing(engine, of, seed, stale) {
            Ok(token) => return Ok(token),
            Err(underway) => underway,
        };
        // Whoever gives up leaves the renewal to the others.
        let renewed = tokio::select! {
            renewed = underway => renewed.unwrap_or(Err(NoToken::Slow))?,
            () = &mut patience => return Err(NoToken::Slow),
        };
        // One that began before the provider refused this very token may bring it again.
        if stale != Some(&renewed.access_token) {
            return Ok(renewed.access_token);
        }
    }
}

/// A token that calls can go out with now, or the renewal that gives the next one. One that comes before it must goes on beside.
fn standing(
    engine: &Engine,
    of: (&Arc<Provider>, &Credential),
    seed: &Arc<Secret<String>>,
    stale: Option<&Secret<String>>,
) -> Result<Secret<String>, Underway> {
    let mut all = engine.tokens.known();
    let known = all.entry(of.1.id).or_insert_with(|| Known::of(seed));
    // Another secret is another login. A renewal that is over and still stands here panicked.
    if known.seed != *seed {
        *known = Known::of(seed);
    } else if known.underway.as_ref().is_some_and(|underway| underway.peek().is_some()) {
        known.underway = None;
    }
    let now_ms = engine.platform.clock.unix_ms();
    let grant = known.grant.clone().filter(|grant| stale != Some(&grant.access_token) && grant.lasts(now_ms, LAST_MS));
    let rests = known.rests_until > now_ms;
    match grant {
        Some(grant) if rests || grant.lasts(now_ms, EARLY_MS) => Ok(grant.access_token),
        grant => {
            let underway = known.underway.get_or_insert_with(|| begin(engine, of, seed, stale)).clone();
            grant.map_or(Err(underway), |grant| Ok(grant.access_token))
        }
    }
}

/// Renews in a task of its own: a rotated refresh token that nobody wrote down would be lost.
fn begin(
    engine: &Engine,
    (provider, credential): (&Arc<Provider>, &Credential),
    seed: &Arc<Secret<String>>,
    stale: Option<&Secret<String>>,
) -> Underway {
    let (told, underway) = oneshot::channel();
    let renewing = Renewing {
        engine: engine.clone(),
        provider: Arc::clone(provider),
        credential: credential.clone(),
        seed: Arc::clone(seed),
        stale: stale.cloned(),
    };
    engine.platform.spawn.spawn(Box::pin(async move {
        let renewed = renewing.run().await;
        let mut all = renewing.engine.tokens.known();
        if let Some(known) = all.get_mut(&renewing.credential.id).filter(|known| known.seed == renewing.seed) {
            known.underway = None;
            match &renewed {
                Ok(grant) => known.grant = Some(grant.clone()),
                Err(_) => known.rests_until = renewing.engine.platform.clock.unix_ms().saturating_add(REST_MS),
            }
        }
        drop(all);
        // All who waited may have left.
        let _gone = told.send(renewed);
    }));
    underway.shared()
}

/// One renewal.
struct Renewing {
    engine: Engine,
    provider: Arc<Provider>,
    credential: Credential,
    seed: Arc<Secret<String>>,
    stale: Option<Secret<String>>,
}

impl Renewing {
    async fn run(&self) -> Result<Grant, NoToken> {
        let vault = self.engine.tokens.vault.get().ok_or(NoToken::NoVault)?;
        for _ in 0..TURNS {
            match vault.claim(self.credential.id, &self.seed, self.stale.as_ref()).await {
                Ok(Claim::Stands(grant)) => return Ok(grant),
                Ok(Claim::Refused) => return Err(NoToken::NotRenewed(NotRenewed::Refused("refused before".into()))),
                Ok(Claim::Ours(lease)) => return self.renew(&**vault, lease).await,
                Ok(Claim::Others) => self.engine.platform.clock.sleep(PAUSE).await,
                Err(fault) => return Err(NoToken::Vault(Arc::new(fault))),
            }
        }
        Err(NoToken::Others)
    }

    async fn renew(&self, vault: &dyn Vault, lease: Lease) -> Result<Grant, NoToken> {
        let asked = self.ask(&lease.refresh_token).await;
        let renewed = match &asked {
            Ok(grant) => Renewed::Granted(grant.clone()),
            Err(NotRenewed::Refused(_)) => Renewed::Refused,
            Err(NotRenewed::Settings(_) | NotRenewed::Failed(_)) => Renewed::Failed,
        };
        loop {
            match vault.close(&lease, &self.seed, &renewed).await {
                Ok(()) => break,
                // What was granted is in hand and nowhere else: it is written down whenever that can be done.
                Err(VaultFault::Store(fault)) if asked.is_ok() => {
                    tracing::warn!(%fault, provider = &*self.provider.name, "a renewed credential cannot be written down yet; it waits for that");
                    self.engine.platform.clock.sleep(AGAIN).await;
                }
                Err(fault) => {
                    tracing::warn!(%fault, provider = &*self.provider.name, "what became of a renewal cannot be written down");
                    break;
                }
            }
        }
        match &asked {
            Ok(_) => tracing::info!(provider = &*self.provider.name, credential = %self.credential.id, "a credential was renewed"),
            Err(fault) => {
                tracing::warn!(%fault, provider = &*self.provider.name, credential = %self.credential.id, "a renewal was refused");
            }
        }
        asked.map_err(NoToken::NotRenewed)
    }

    async fn ask(&self, refresh_token: &Secret<String>) -> Result<Grant, NotRenewed> {
        let platform = &self.engine.platform;
        let Some(renewal) = self.provider.channel.renewal() else { return Err(NotRenewed::Failed("the channel renews nothing".into())) };
        // What goes wrong on the way may name the address, which is the operator's, and nothing else.
        let failed = |fault: &dyn fmt::Display| NotRenewed::Failed(fault.to_string());
        let request = renewal.ask(refresh_token, self.credential.profile.clone());
        let reply = platform.transport.send(request).await.map_err(|fault| failed(&fault))?;
        let status = reply.status;
        let body = reply.body.collect(ANSWER).await.map_err(|fault| failed(&fault))?;
        renewal.read(status, &body, (refresh_token, platform.clock.unix_ms()))
    }
}
