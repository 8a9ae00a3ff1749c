//! `/v1/responses/compact` on upstreams that do not have it: a summary that any model can write, sealed as OpenAI's is.
//!
//! The summary comes back to the gateway with the next request. [`opened`] takes off the seal before anything else reads
//! the body, so that every upstream, OpenAI's own among them, sees plain words in its place. Compaction leaves out by its
//! nature; what it leaves out of a conversation is no [`crate::transform::Loss`].

mod answer;
mod request;
mod seal;
mod transcript;

#[cfg(test)]
mod tests;

pub use answer::{Unsummarised, answer};
pub use request::{Compacting, Kept};
pub use seal::{is_sealed, opened};

/// What stands before an opened summary. It also tells an opened summary from what a person said.
const HEAD: &str = "Summary of the conversation before this point, which is itself no longer at hand. Continue from it.\n\n";

/// What the model is told to do.
const TASK: &str = "The conversation above is about to be cut off here, and you will continue it with nothing but what you write now. \
    Write a summary from which you can go on without asking anything again. Keep: what the user wants and how it shall be done, in the \
    user's own words where they matter; what was decided and why; what was done and with which result; names, paths, identifiers, numbers, \
    commands and code that are still needed, exactly as they were; what failed; what is open, and the next step. Leave out pleasantries and \
    what is superseded. Do not call tools, do not answer the user, and write nothing but the summary.";
