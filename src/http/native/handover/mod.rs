//! A running gateway gives its place to a new process of its program, and nobody who calls notices.
//!
//! [`giver`] is the running one, [`heir`] the new one; [`line`] is what they talk over, in [`words`]. As long as the giver has calls
//! of its own it goes on counting for both ([`counters`]), so no limit is counted twice or forgotten in between.

pub(super) mod counters;
pub(super) mod giver;
pub mod heir;
mod line;
mod notify;
mod words;

use std::{ffi::OsString, path::PathBuf};

pub(super) use notify::say_ready;

/// The variable that tells a process that it is an heir, and where the line is.
pub const VARIABLE: &str = "GPROXY_HANDOVER";
/// Its only value: the line is the standard input.
const STDIN: &str = "stdin";

/// How this process was started, to start another one alike.
#[derive(Clone, Debug)]
pub struct Program {
    /// The path of the executable, as it was at the start: what stands there later is what is started.
    pub path: PathBuf,
    /// Its arguments, without the program's name.
    pub arguments: Vec<OsString>,
}
