//! Vocabularies: OpenAI's, which are built in, and such as Hugging Face has them.

mod gpt;
mod merge;
mod split;
mod vocabulary;

#[cfg(test)]
mod tests;

pub(super) use gpt::encoded;
pub use vocabulary::Vocabulary;
