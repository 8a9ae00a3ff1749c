//! Replaces text: at dotted paths, or wherever a pattern fits the body.

use std::borrow::Cow;

use regex::{NoExpand, Regex, RegexBuilder};

use super::{
    select::Path,
    tree::{Tree, quoted},
};
use crate::protocol::{
    json::{Node, WrongShape},
    rule::{Locate, Phase, TextAction, Transform},
};

/// So large a compiled pattern may be, in bytes. Matching is linear in the text whatever the pattern.
const LARGEST_REGEX: usize = 1 << 20;

/// Whether capitals and small letters are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

/// Builds a regular expression.
pub(super) fn regex(pattern: &str, case: Case) -> Result<Regex, WrongShape> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(LARGEST_REGEX).dfa_size_limit(LARGEST_REGEX).case_insensitive(case == Case::Ignored);
    builder.build().map_err(|fault| {
        let shown: String = pattern.chars().take(60).collect();
        let reason = fault.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        WrongShape::new("", format!("{shown:?} ({reason})"), "a regular expression of modest size")
    })
}

/// A transform rule, compiled.
#[derive(Clone, Debug)]
pub(super) struct Replacing {
    pub(super) phase: Phase,
    place: Place,
    actions: Vec<Action>,
    pub(super) limit: Option<u64>,
}

#[derive(Clone, Debug)]
enum Place {
    Paths(Vec<Path>),
    Match(Regex),
}

#[derive(Clone, Debug)]
enum Action {
    Text { from: Option<String>, with: String },
    Regex { pattern: Regex, with: String },
}

impl Replacing {
    pub(super) fn compile(rule: &Transform) -> Result<Self, WrongShape> {
        let place = match &rule.locate {
            Locate::Paths(paths) => {
                let read = |(at, path): (usize, &String)| Path::parse(path).map_err(|fault| fault.at(at).under("locate.paths"));
                Place::Paths(paths.iter().enumerate().map(read).collect::<Result<_, _>>()?)
            }
            Locate::Match(pattern) => Place::Match(regex(pattern, Case::Matters).map_err(|fault| fault.under("locate.match"))?),
        };
        let raw = matches!(place, Place::Match(_));
        let read = |(at, action): (usize, &TextAction)| Action::compile(action, raw).map_err(|fault| fault.at(at).under("actions"));
        let actions = rule.actions.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { phase: rule.phase, place, actions, limit: rule.limit })
    }

    /// Replaces. `left` counts the replacements that are still allowed.
    pub(super) fn apply(&self, tree: &mut Tree<'_>, left: &mut u64) -> bool {
        let paths = match &self.place {
            Place::Paths(paths) => paths,
            Place::Match(pattern) => {
                let mut body = String::new();
                tree.write(&mut body);
                let next = self.matched(pattern, &body, left);
                return next.map(|next| *tree = Tree::closed(next)).is_some();
            }
        };
        let mut changed = false;
        for path in paths {
            changed |= path.each(tree, &mut |value| {
                let Some(text) = value.text() else { return false };
                let Cow::Owned(text) = self.replaced(&text, left) else { return false };
                value.set(quoted(&text).into())
            });
        }
        changed
    }

    fn replaced<'t>(&self, text: &'t str, left: &mut u64) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for action in &self.actions {
            if let Some(next) = action.on(&text, left) {
                text = Cow::Owned(next);
            }
        }
        text
    }

    /// The body's text with what the pattern finds replaced; `None` where nothing is, or where it would be JSON no more.
    fn matched(&self, pattern: &Regex, body: &str, left: &mut u64) -> Option<String> {
        let before = *left;
        let mut out = String::new();
        let mut at = 0;
        for found in pattern.find_iter(body) {
            if *left == 0 {
                break;
            }
            let Cow::Owned(with) = self.replaced(found.as_str(), left) else { continue };
            out.push_str(&body[at..found.start()]);
            out.push_str(&with);
            at = found.end();
        }
        if at == 0 && out.is_empty() {
            return None;
        }
        out.push_str(&body[at..]);
        if let Ok(node) = Node::parse(out.as_bytes()) {
            return Some(node.json().to_owned());
        }
        *left = before;
        None
    }
}

impl Action {
    fn compile(action: &TextAction, raw: bool) -> Result<Self, WrongShape> {
        Ok(match action {
            // In a stream an event is a line, and a raw line break would cut it.
            TextAction::ReplaceText { with, .. } if raw && with.chars().any(char::is_control) => {
                return Err(WrongShape::new(
                    "with",
                    "a text with line breaks or control characters",
                    "JSON text, since locate has a match",
                ));
            }
            TextAction::ReplaceText { from, with } => Self::Text { from: from.clone(), with: with.clone() },
            TextAction::ReplaceRegex { pattern, with } => {
                let pattern = regex(pattern, Case::Matters).map_err(|fault| fault.under("pattern"))?;
                Self::Regex { pattern, with: with.clone() }
            }
        })
    }

    /// What a text becomes, where that is something else.
    fn on(&self, text: &str, left: &mut u64) -> Option<String> {
        if *left == 0 {
            return None;
        }
        match self {
            Self::Text { from, with } => {
                let applies = from.as_ref().is_none_or(|from| from == text) && with != text;
                *left -= u64::from(applies);
                applies.then(|| with.clone())
            }
            Self::Regex { pattern, with } => {
                let found = pattern.find_iter(text).take(usize::try_from(*left).unwrap_or(usize::MAX)).count();
                if found == 0 {
                    return None;
                }
                *left -= found as u64;
                let next = if with.contains('$') {
                    pattern.replacen(text, found, with.as_str())
                } else {
                    pattern.replacen(text, found, NoExpand(with))
                };
                (next != text).then(|| next.into_owned())
            }
        }
    }
}
