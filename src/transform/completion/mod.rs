//! The legacy text completion (`/v1/completions`) by way of any dialect: a prompt is a user's turn, its completion the answer.

mod answer;
mod chunk;
mod request;
mod stream;

#[cfg(test)]
mod tests;

use super::generate::Telling;

pub use answer::answer;
pub use request::Prompted;
pub use stream::Stream;

/// What an answer needs to be told beside itself.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What every dialect is told.
    pub telling: Telling,
    /// The prompt, where it shall stand before its completion ([`Prompted::echo`]).
    pub echo: Option<String>,
}
