//! `gproxy lab`: a provider that misbehaves on purpose, and a referee that plays its faults against a gateway.
//!
//! [`Provider`] serves four dialects on loopback; the model's name chooses what it does. [`run`] starts a gateway from a
//! binary on a scratch copy of a configuration, plays the sixteen [`fault`]s through it, and scores what was seen. No real
//! account is touched: every provider of the scratch copy is the misbehaving one.

mod answer;
mod ask;
mod certificate;
mod chaos;
mod client;
mod command;
mod control;
pub mod fault;
mod gateway;
pub mod judge;
mod ledger;
mod line;
mod mix;
mod play;
mod proof;
mod provider;
mod round;
mod run;
mod scorecard;
mod script;
mod secured;
mod wire;

pub use crate::transform::generate::Dialect;
pub use answer::{PROMPT, TOKENS, text};
pub use client::{Client, Ending as Heard, Seen};
pub use command::{Outcome, obey};
pub use ledger::{Attempt, Ending};
pub use provider::{Provider, Secured, Settings};
pub use run::{LabFault, OnStreamFault, Options, Pairs, Profile, run, serve};
pub use scorecard::Scorecard;
pub use script::Script;
