//! What an operator's rules do to a call: compiled once, applied to what the provider is sent and answers.
//!
//! Rules see the provider's dialect. What no rule touches keeps its bytes, and where no rule applies nothing is parsed.
//! Pure: no clock, no network, no logging.

mod apply;
mod compile;
mod draft;
mod filter;
mod header;
mod mark;
mod response;
mod select;
mod system;
mod text;
mod tree;

#[cfg(test)]
mod tests;

pub use apply::{Applied, Outcome, RequestRules};
pub use compile::{ProviderCache, RuleBook, RuleFault, RuleSet};
pub use filter::RuleScope;
pub use response::ResponseRules;
