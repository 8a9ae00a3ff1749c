//! What an import took from a foreign file, and what it left there.

use std::fmt;

/// So many names are told of what was left out for one reason; their number is always told.
const SHOWN: usize = 40;

/// How many of one kind of thing were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The file's name of them.
    pub what: String,
    /// How many were taken.
    pub taken: usize,
    /// How many there are.
    pub of: usize,
}

/// Things that were left out, or taken otherwise than they stood, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The file's name of them.
    pub what: String,
    /// Why.
    pub why: String,
    /// Which ones; none where all of them are meant.
    pub names: Vec<String>,
}

/// What an import took, and what it left. It never holds a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The format's name.
    pub format: String,
    /// What was counted.
    pub tallies: Vec<Tally>,
    /// What was left out or changed.
    pub left: Vec<Left>,
}

impl Report {
    /// Counts one that was taken.
    pub(super) fn took(&mut self, what: &str) {
        let tally = self.tally(what);
        tally.taken += 1;
        tally.of += 1;
    }

    /// Says that one was left out, and counts it.
    pub(super) fn left_out(&mut self, what: &str, name: impl Into<String>, why: impl Into<String>) {
        self.tally(what).of += 1;
        self.note(what, name, why);
    }

    /// Says something of one without counting it.
    pub(super) fn note(&mut self, what: &str, name: impl Into<String>, why: impl Into<String>) {
        let (name, why) = (name.into(), why.into());
        match self.left.iter_mut().find(|left| left.what == what && left.why == why) {
            Some(left) => left.names.push(name),
            None => self.left.push(Left { what: what.to_owned(), why, names: vec![name] }),
        }
    }

    /// Says something of all of one kind.
    pub(super) fn note_all(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.left.push(Left { what: what.into(), why: why.into(), names: Vec::new() });
    }

    /// What was counted of one kind.
    #[must_use]
    pub fn counted(&self, what: &str) -> (usize, usize) {
        self.tallies.iter().find(|tally| tally.what == what).map_or((0, 0), |tally| (tally.taken, tally.of))
    }

    /// Whether something of a kind was left out or changed for a reason that has these words.
    #[must_use]
    pub fn tells(&self, what: &str, words: &str) -> bool {
        self.left.iter().any(|left| left.what == what && left.why.contains(words))
    }

    fn tally(&mut self, what: &str) -> &mut Tally {
        let at = self.tallies.iter().position(|tally| tally.what == what).unwrap_or_else(|| {
            self.tallies.push(Tally { what: what.to_owned(), taken: 0, of: 0 });
            self.tallies.len() - 1
        });
        &mut self.tallies[at]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tallies: Vec<String> = self.tallies.iter().map(|tally| format!("{} of {} {}", tally.taken, tally.of, tally.what)).collect();
        write!(f, "read as {}: {}", self.format, tallies.join(", "))?;
        if !self.left.is_empty() {
            write!(f, "\nleft out or changed:")?;
        }
        for left in &self.left {
            let (shown, rest) = left.names.split_at(left.names.len().min(SHOWN));
            write!(f, "\n! {}: {}", left.what, left.why)?;
            match (shown.is_empty(), rest.len()) {
                (true, _) => {}
                (false, 0) => write!(f, " ({}): {}", left.names.len(), shown.join(", "))?,
                (false, more) => write!(f, " ({}): {}, and {more} more", left.names.len(), shown.join(", "))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_gathered_by_its_reason_and_counted_whatever_is_shown() {
        let mut report = Report { format: "some".into(), ..Report::default() };
        report.took("channels");
        for id in 0..45 {
            report.left_out("channels", id.to_string(), "is another kind");
        }
        report.note_all("logs", "12 rows are history");
        let text = report.to_string();
        assert!(
            text.starts_with("read as some: 1 of 46 channels\nleft out or changed:\n! channels: is another kind (45): 0, 1, "),
            "{text}"
        );
        assert!(text.ends_with("39, and 5 more\n! logs: 12 rows are history"), "{text}");
        assert_eq!(report.counted("channels"), (1, 46));
    }
}
