//! OpenAI's encodings.

use tiktoken_rs::{cl100k_base_singleton, o200k_base_singleton};

use crate::tokenize::{Count, model::Encoding};

/// A run of so many characters, all white space or none of it, is cut: the encoder stops the thread where a pattern takes
/// too many steps back, and no text that people write has such a word.
const LONGEST_RUN: usize = 4096;

/// The tokens of a text. Words that would be control tokens count as the text that they are.
#[expect(clippy::unnecessary_wraps, reason = "the edge has the same function, and no encodings")]
pub(in crate::tokenize) fn encoded(encoding: Encoding, text: &str) -> Option<Count> {
    let encoder = match encoding {
        Encoding::Cl100k => cl100k_base_singleton(),
        Encoding::O200k => o200k_base_singleton(),
    };
    let mut count = Count::NONE;
    let mut rest = text;
    while let Some(end) = long_run(rest) {
        let (head, behind) = rest.split_at(end);
        count += Count { tokens: encoder.count_ordinary(head) as u64, exact: false };
        rest = behind;
    }
    Some(count + Count { tokens: encoder.count_ordinary(rest) as u64, exact: true })
}

/// Where a run becomes too long, if one does.
fn long_run(text: &str) -> Option<usize> {
    let (mut length, mut white) = (0, false);
    for (at, char) in text.char_indices() {
        if char.is_whitespace() != white {
            (length, white) = (0, !white);
        } else if length >= LONGEST_RUN {
            return Some(at);
        }
        length += 1;
    }
    None
}
