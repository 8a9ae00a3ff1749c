//! Names of functions in Google's alphabet.

use std::borrow::Cow;

use crate::transform::Loss;

/// A name that Google takes: it begins with a letter or `_`, goes on with letters, digits and `_.:-`, and ends in time.
pub(super) fn fit<'n>(name: &'n str, path: impl FnOnce() -> String, losses: &mut Vec<Loss>) -> Cow<'n, str> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let later = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    if name.starts_with(first) && name.chars().all(later) && name.len() <= 128 {
        return Cow::Borrowed(name);
    }
    losses.push(Loss::changed(path(), "the name has characters that Google refuses"));
    let mut fitted = String::from(if name.starts_with(first) { "" } else { "_" });
    fitted.extend(name.chars().map(|c| if later(c) { c } else { '_' }));
    fitted.truncate(128);
    Cow::Owned(fitted)
}
