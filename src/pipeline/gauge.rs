//! A call brought as far as its admission, and admitted as often as is asked: what `bench/admission.rs` measures. The steps are
//! those of the walk, in its order; nothing is sent.

use std::sync::Arc;

use super::{
    authenticate::authenticate,
    authorize::{Admitted, authorize},
    classify::classify,
    engine::Engine,
    error::GatewayError,
    hold::{self, Hold},
    inbound::Inbound,
    resolve::{Resolved, resolve},
};
use crate::{
    base::{Nanos, RequestId},
    protocol::fault::FaultKind,
    snapshot::Snapshot,
};

/// A call that stands before its admission.
#[derive(Debug)]
pub struct Gauge {
    engine: Engine,
    snapshot: Arc<Snapshot>,
    /// Gone once it was refused for good.
    call: Option<Box<Resolved>>,
}

/// What an admitted call holds. Dropped without an end, it is given back.
#[derive(Debug)]
pub struct Pass {
    hold: Hold,
    /// How many headers tell the client what is left.
    pub told: usize,
}

impl Pass {
    /// Ends it as a call's end does.
    pub fn settle(self, at_ms: u64, tokens: u64, cost: Nanos) {
        self.hold.settle(at_ms, tokens, Some(cost));
    }
}

impl Gauge {
    /// Brings a call as far as its admission.
    ///
    /// # Errors
    /// What the gateway would answer before that.
    pub async fn of(engine: &Engine, inbound: Box<Inbound>) -> Result<Self, GatewayError> {
        let snapshot = engine.snapshot.load();
        let classified = classify(inbound).map_err(|(_, _, error)| error)?;
        let authenticated = authenticate(classified, snapshot.directory()).map_err(|(_, error)| error)?;
        let call = resolve(authenticated, &snapshot, engine.limits.body).await.map_err(|(_, error)| error)?;
        Ok(Self { engine: engine.clone(), snapshot, call: Some(call) })
    }

    /// Names the call anew, so that it is another one for whoever counts it.
    pub fn rename(&mut self, id: RequestId, at_ms: u64) {
        if let Some(call) = &mut self.call {
            let inbound = &mut call.call.call.inbound;
            (inbound.request_id, inbound.at_ms) = (id, at_ms);
        }
    }

    /// Looks for a permission, and leaves out whom the caller may not ask.
    ///
    /// # Errors
    /// There is none; the call is lost then.
    pub fn permit(&mut self) -> Result<(), GatewayError> {
        let call = self.call.take().ok_or_else(|| GatewayError::new(FaultKind::Internal, "the call was refused for good"))?;
        let Admitted { call, permit: _ } = authorize(call).map_err(|(_, error)| error)?;
        self.call = Some(call);
        Ok(())
    }

    /// Finds the limits and quotas that count the call, and tells how many draws that makes.
    ///
    /// # Errors
    /// None of its models has a price.
    pub fn draws(&mut self) -> Result<usize, GatewayError> {
        self.permit()?;
        let Some(call) = &mut self.call else { return Ok(0) };
        Ok(hold::draws_of(call, &self.snapshot)?.len())
    }

    /// Admits the call; `None` where nothing counts its caller.
    ///
    /// # Errors
    /// A permission, a limit or a budget that refuses it.
    pub async fn admit(&mut self) -> Result<Option<Pass>, GatewayError> {
        self.permit()?;
        let Some(call) = &mut self.call else { return Ok(None) };
        let Some(asked) = hold::ask(call, &self.snapshot)? else { return Ok(None) };
        let hold::Held { hold, left } = Box::pin(hold::hold(&self.engine, asked)).await?;
        Ok(Some(Pass { hold, told: left.len() }))
    }
}
