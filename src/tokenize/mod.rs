//! How many tokens a text has, where no provider says.
//!
//! Pure: vocabularies come in as bytes, nothing is fetched. On the edge there are estimates only: a vocabulary is larger
//! than what may be deployed there.

mod count;
mod estimate;
mod fault;
mod model;

#[cfg(not(feature = "native"))]
#[path = "edge.rs"]
mod exact;
#[cfg(feature = "native")]
#[path = "native/mod.rs"]
mod exact;

#[cfg(test)]
mod tests;

pub use count::{Count, Counter, Media};
pub use exact::Vocabulary;
pub use fault::VocabularyFault;
