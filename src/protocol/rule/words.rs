//! Reading words out of a closed list, and refusing names that nobody knows.

use super::super::json::{Fields, WrongShape};

/// Words and what they stand for. The first word of a thing is its own; later ones are aliases.
pub type Words<T> = &'static [(&'static str, T)];

/// Reads a word that may be absent.
///
/// # Errors
/// It is no string, or a word that is not in the list.
pub fn optional<T: Copy>(fields: &mut Fields<'_>, name: &str, words: Words<T>) -> Result<Option<T>, WrongShape> {
    let Some(word) = fields.text(name)? else { return Ok(None) };
    let found = words.iter().find(|(known, _)| *known == word).map(|(_, thing)| *thing);
    found.map(Some).ok_or_else(|| unknown(name, &word, words.iter().map(|(word, _)| *word)))
}

/// Reads a word that must be there.
///
/// # Errors
/// It is absent, no string, or a word that is not in the list.
pub fn required<T: Copy>(fields: &mut Fields<'_>, name: &str, words: Words<T>) -> Result<T, WrongShape> {
    optional(fields, name, words)?.ok_or_else(|| WrongShape::missing(name, list(words.iter().map(|(word, _)| *word))))
}

/// The own word of a thing.
#[must_use]
pub fn word<T: Copy + PartialEq>(words: Words<T>, thing: T) -> &'static str {
    words.iter().find(|(_, known)| *known == thing).map_or("", |(word, _)| *word)
}

/// Says that `word` is not in a list, and what is nearest.
#[must_use]
pub fn unknown(name: &str, word: &str, known: impl Iterator<Item = &'static str> + Clone) -> WrongShape {
    let expected = list(known.clone()) + &near(word, known);
    let was: String = word.chars().take(60).collect();
    WrongShape::new(name, format!("{was:?}"), expected)
}

/// Refuses members that nobody took.
///
/// # Errors
/// The first of them, with the names that are known and the nearest of these.
pub fn nothing_left(fields: Fields<'_>, known: &'static [&'static str]) -> Result<(), WrongShape> {
    let Some((name, _)) = fields.rest().into_iter().next() else { return Ok(()) };
    let expected = list(known.iter().copied()) + &near(&name, known.iter().copied());
    Err(WrongShape::new(name, "unknown", expected))
}

fn list(known: impl Iterator<Item = &'static str>) -> String {
    format!("one of {}", known.collect::<Vec<_>>().join(", "))
}

fn near(word: &str, known: impl Iterator<Item = &'static str>) -> String {
    let likeness = |name: &str| strsim::jaro(name, word);
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.filter(|name| likeness(name) > 0.75).map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}
