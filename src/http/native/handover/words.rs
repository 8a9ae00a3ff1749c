//! What the two processes say to each other: one JSON object on each line.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    base::RequestId,
    store::cache::{Admission, Audit, Claim, End, Meter, Reading, Spend, Standing},
};

/// The version of these words. Programs that speak another one do not hand over to each other.
pub(super) const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// Giver: here is the listening socket.
    Listener {
        /// The version of its words.
        version: u32,
    },
    /// Heir: everything is up, and nothing is accepted yet.
    Prepared,
    /// Heir: it cannot be done, and this is why.
    Failed(String),
    /// Giver: serve.
    Serve,
    /// Heir: connections are accepted.
    Serving,
    /// Giver: here is a connection whose client waits for nothing.
    Connection {
        /// The client's address.
        peer: IpAddr,
        /// What was read of it and not served.
        read: Vec<u8>,
    },
    /// Heir: do this with the counters.
    Ask {
        /// By which the answer is known.
        number: u64,
        /// What.
        step: Step,
    },
    /// Giver: it is done.
    Told {
        /// Of which step.
        number: u64,
        /// What came of it.
        told: Told,
    },
    /// Giver: no more steps are done; this is what some meters hold.
    Meters(Vec<(Meter, Vec<(u64, i64)>)>),
    /// Giver: these reservations stand.
    Standing(Vec<Standing>),
    /// Giver: that was all. Count yourself.
    Over,
}

/// A step on counters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Let a call in.
    Admit(Claim),
    /// End a reservation, with what was spent.
    Settle {
        /// Whose.
        id: RequestId,
        /// When.
        now_ms: u64,
        /// What.
        actuals: Vec<Spend>,
    },
    /// End a reservation, with nothing spent.
    Release(RequestId),
    /// Make leases longer.
    Extend {
        /// Whose.
        ids: Vec<RequestId>,
        /// Until when.
        until_ms: u64,
    },
    /// End leases that are over.
    Sweep(u64),
    /// Set what was spent.
    Seed {
        /// Where.
        meter: Meter,
        /// When.
        at_ms: u64,
        /// How much.
        spent: i64,
    },
    /// Read meters.
    Read {
        /// Which.
        meters: Vec<Meter>,
        /// When.
        now_ms: u64,
    },
    /// Forget what was spent.
    Forget(Meter),
    /// Compare reservations with meters.
    Audit,
}

/// What came of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// Of [`Step::Admit`].
    Admission(Admission),
    /// Of [`Step::Admit`], where the id is held.
    Held(RequestId),
    /// Of [`Step::Settle`] and [`Step::Release`].
    End(End),
    /// Of steps that answer nothing.
    Done,
    /// Of [`Step::Sweep`].
    Swept(Vec<RequestId>),
    /// Of [`Step::Read`].
    Readings(Vec<Reading>),
    /// Of [`Step::Audit`].
    Audit(Box<Audit>),
    /// It was not done.
    Fault(String),
}
