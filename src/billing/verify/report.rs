//! What a proof found: a line for each claim.

use std::fmt;

use serde::Serialize;

/// How many differences a line tells of; it counts all.
const EXAMPLES: usize = 5;

/// A claim that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Each usage row is as it was written.
    RowsIntact,
    /// No usage row is another's copy.
    RowsOnce,
    /// No usage row is missing from the hours that count it.
    RowsThere,
    /// Each usage row can be read, and nothing in it is below zero.
    RowsSound,
    /// Each usage row has the time that its id was made at.
    RowsInTime,
    /// Each billed row names the version of its price.
    PricesKept,
    /// Each cost is what the named price says.
    CostsRight,
    /// Each hour's sums are those of its rows.
    HourSums,
    /// Each day's sums are those of its hours.
    DaySums,
    /// The sum over all calls is that of all days.
    Head,
    /// Whoever is named stands.
    ScopesStand,
    /// What budgets begin to count with is the sum of their rows.
    Budgets,
    /// The journal can be read from front to back.
    JournalWhole,
    /// Each call that ended in the journal has its row, or waits for it.
    JournalRows,
    /// Calls without an end are under way.
    JournalOpen,
    /// What the shared counters hold as spent is the sum of the rows.
    Counters,
    /// What is reserved has a live owner, and no row yet.
    Reservations,
}

impl Check {
    /// Every check, in the order of the table.
    pub const ALL: [Self; 17] = [
        Self::RowsIntact,
        Self::RowsOnce,
        Self::RowsThere,
        Self::RowsSound,
        Self::RowsInTime,
        Self::PricesKept,
        Self::CostsRight,
        Self::HourSums,
        Self::DaySums,
        Self::Head,
        Self::ScopesStand,
        Self::Budgets,
        Self::JournalWhole,
        Self::JournalRows,
        Self::JournalOpen,
        Self::Counters,
        Self::Reservations,
    ];

    /// The claim in words.
    #[must_use]
    pub fn claim(self) -> &'static str {
        match self {
            Self::RowsIntact => "usage rows are as they were written",
            Self::RowsOnce => "no usage row is a copy of another",
            Self::RowsThere => "no usage row is missing",
            Self::RowsSound => "usage rows can be read, nothing is below zero",
            Self::RowsInTime => "usage rows have the time of their ids",
            Self::PricesKept => "billed rows name their price version",
            Self::CostsRight => "costs are what the named prices say",
            Self::HourSums => "hours are the sums of their rows",
            Self::DaySums => "days are the sums of their hours",
            Self::Head => "the sum over all calls is that of all days",
            Self::ScopesStand => "whoever is named stands",
            Self::Budgets => "budgets begin with the sum of their rows",
            Self::JournalWhole => "the journal can be read",
            Self::JournalRows => "settled calls of the journal have one row",
            Self::JournalOpen => "calls without an end are under way",
            Self::Counters => "shared counters hold what the rows say",
            Self::Reservations => "what is reserved has a live owner",
        }
    }
}

/// What was found of one claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Which.
    pub check: Check,
    /// Things looked at; zero where there was none, or nobody could look.
    pub looked: u64,
    /// Those that differ.
    pub differences: u64,
    /// The first of them, in words.
    pub examples: Vec<String>,
}

/// What a proof found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// A line for each claim, in the order of [`Check::ALL`].
    pub checks: Vec<Line>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

impl Default for Report {
    fn default() -> Self {
        let line = |check| Line { check, looked: 0, differences: 0, examples: Vec::new() };
        Self { checks: Check::ALL.map(line).to_vec(), notes: Vec::new() }
    }
}

impl Report {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|line| line.differences == 0)
    }

    /// The line of a claim.
    #[must_use]
    pub fn line(&self, check: Check) -> &Line {
        &self.checks[check as usize]
    }

    /// Counts one more thing that was looked at.
    pub fn looked(&mut self, check: Check) {
        self.checks[check as usize].looked += 1;
    }

    /// Counts a difference, and keeps the first few.
    pub fn differs(&mut self, check: Check, told: String) {
        let line = &mut self.checks[check as usize];
        line.differences += 1;
        if line.examples.len() < EXAMPLES {
            line.examples.push(told);
        }
    }

    /// Notes what is no difference.
    pub fn note(&mut self, told: String) {
        self.notes.push(told);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<47} {:>12} {:>12}", "claim", "looked at", "differences")?;
        for Line { check, looked, differences, examples } in &self.checks {
            writeln!(f, "{:<47} {looked:>12} {differences:>12}", check.claim())?;
            for example in examples {
                writeln!(f, "    {example}")?;
            }
            if *differences > examples.len() as u64 {
                writeln!(f, "    and {} more", differences - examples.len() as u64)?;
            }
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let differences: u64 = self.checks.iter().map(|line| line.differences).sum();
        if differences == 0 { write!(f, "proven: nothing differs") } else { write!(f, "NOT proven: {differences} differences") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_stand_in_the_order_of_their_lines() {
        for (at, check) in Check::ALL.into_iter().enumerate() {
            assert_eq!(check as usize, at);
        }
    }

    #[test]
    fn all_differences_are_counted_and_few_are_told() {
        let mut report = Report::default();
        assert!(report.is_clean());
        for row in 0..9 {
            report.differs(Check::HourSums, format!("row {row}"));
        }
        assert!(!report.is_clean());
        let text = report.to_string();
        assert!(text.contains("row 4\n    and 4 more\n") && text.ends_with("NOT proven: 9 differences"), "{text}");
    }
}
