//! What may stand in a path that is sent on: ids, and models with their slashes, that stay where they are put.
//!
//! A provider, or what stands before it, may undo a path's encoding, more than once, and then walk its dots. So a text is looked
//! at as it is, and undone again and again.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// How often an encoding is undone. What is encoded still is refused.
const ROUNDS: usize = 3;

/// Why a text may not stand in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stray {
    /// Nothing stands between two slashes, or nothing at all.
    #[error("has an empty segment")]
    Empty,
    /// A segment leads elsewhere: `.` or `..`, also before path parameters.
    #[error("has a segment of dots, which leads elsewhere")]
    Dots,
    /// Some take it for a slash.
    #[error("has a backslash")]
    Backslash,
    /// A line's end, a tab, and their like.
    #[error("has a control character")]
    Control,
    /// An id is one segment.
    #[error("has an encoded slash")]
    Slash,
    /// What it is encoded from is no text.
    #[error("is not UTF-8")]
    NoText,
    /// Who knows what the last reader finds.
    #[error("is encoded more than {ROUNDS} times")]
    Deep,
}

/// Looks at a model: segments with slashes between them.
///
/// # Errors
/// [`Stray`].
pub fn model(text: &str) -> Result<(), Stray> {
    undone(text, |text| text.split('/').try_for_each(stays))
}

/// Looks at an id: one segment.
///
/// # Errors
/// [`Stray`].
pub fn id(text: &str) -> Result<(), Stray> {
    undone(text, |text| if text.contains('/') { Err(Stray::Slash) } else { stays(text) })
}

/// Whether a path has a segment of dots, however it is read.
#[must_use]
pub fn leads_elsewhere(path: &str) -> bool {
    let straight = |text: &str| if text.split(['/', '\\']).any(is_dots) { Err(Stray::Dots) } else { Ok(()) };
    undone(path, straight) == Err(Stray::Dots)
}

/// Judges a text as it is and as often as its encoding can be undone.
fn undone(text: &str, judge: impl Fn(&str) -> Result<(), Stray>) -> Result<(), Stray> {
    let mut reading = Cow::Borrowed(text);
    for _ in 0..=ROUNDS {
        judge(&reading)?;
        let next = match percent_decode_str(&reading).decode_utf8().map_err(|_| Stray::NoText)? {
            Cow::Borrowed(_) => return Ok(()),
            Cow::Owned(next) => next,
        };
        reading = Cow::Owned(next);
    }
    Err(Stray::Deep)
}

fn stays(segment: &str) -> Result<(), Stray> {
    if segment.is_empty() {
        Err(Stray::Empty)
    } else if is_dots(segment) {
        Err(Stray::Dots)
    } else if segment.contains('\\') {
        Err(Stray::Backslash)
    } else if segment.chars().any(char::is_control) {
        Err(Stray::Control)
    } else {
        Ok(())
    }
}

fn is_dots(segment: &str) -> bool {
    let name = segment.split_once(';').map_or(segment, |(name, _)| name);
    name == "." || name == ".."
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Stray, id, leads_elsewhere, model};

    #[test]
    fn what_stays_where_it_is_put_is_a_model_and_what_leads_elsewhere_is_none() {
        for (text, of_model, of_id) in [
            ("gpt-5.1", Ok(()), Ok(())),
            ("file-1:x_~", Ok(()), Ok(())),
            ("...", Ok(()), Ok(())),
            (".hidden", Ok(()), Ok(())),
            ("100%", Ok(()), Ok(())),
            ("a%20b", Ok(()), Ok(())),
            ("meta/llama-3", Ok(()), Err(Stray::Slash)),
            ("@cf/meta/x", Ok(()), Err(Stray::Slash)),
            ("accounts/a/models/m", Ok(()), Err(Stray::Slash)),
            ("a%2Fb", Ok(()), Err(Stray::Slash)),
            ("a%252fb", Ok(()), Err(Stray::Slash)),
            ("", Err(Stray::Empty), Err(Stray::Empty)),
            ("a//b", Err(Stray::Empty), Err(Stray::Slash)),
            ("/a", Err(Stray::Empty), Err(Stray::Slash)),
            ("a%2f", Err(Stray::Empty), Err(Stray::Slash)),
            (".", Err(Stray::Dots), Err(Stray::Dots)),
            ("..", Err(Stray::Dots), Err(Stray::Dots)),
            ("./a", Err(Stray::Dots), Err(Stray::Slash)),
            ("%2e%2E", Err(Stray::Dots), Err(Stray::Dots)),
            (".%252e", Err(Stray::Dots), Err(Stray::Dots)),
            ("%25252e%25252e", Err(Stray::Dots), Err(Stray::Dots)),
            ("..;a=b", Err(Stray::Dots), Err(Stray::Dots)),
            ("..%3b", Err(Stray::Dots), Err(Stray::Dots)),
            ("a%2f..%2fb", Err(Stray::Dots), Err(Stray::Slash)),
            ("a\\b", Err(Stray::Backslash), Err(Stray::Backslash)),
            ("a%5cb", Err(Stray::Backslash), Err(Stray::Backslash)),
            ("a\nb", Err(Stray::Control), Err(Stray::Control)),
            ("a%00", Err(Stray::Control), Err(Stray::Control)),
            ("%c0%ae", Err(Stray::NoText), Err(Stray::NoText)),
            ("%25252525", Err(Stray::Deep), Err(Stray::Deep)),
        ] {
            assert_eq!((model(text), id(text)), (of_model, of_id), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_leads_nowhere_however_often_it_is_encoded(text in r"([a.;/\\%]|%2[ef5]|%5c|%25){0,12}") {
            for encoded in [text.replace('%', "%25"), text.clone()] {
                let path = format!("/base/{encoded}:verb/{encoded}");
                prop_assert!(model(&text).is_err() || !leads_elsewhere(&path), "{}", path);
                prop_assert!(id(&text).is_err() || model(&text).is_ok(), "an id is a model of one segment");
            }
        }
    }
}
