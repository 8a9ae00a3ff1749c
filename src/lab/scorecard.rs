//! What a run found, as JSON and as a table for people.

use std::fmt;

use serde::Serialize;

use super::{
    Dialect,
    judge::{Score, first_gap, seconds},
    round::{Pair, Played},
};

/// The scores of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Scorecard {
    /// The profile of timers.
    pub profile: &'static str,
    /// What the routes do with a broken stream.
    pub on_stream_fault: &'static str,
    /// Pair by pair.
    pub pairs: Vec<Card>,
}

/// The scores between two dialects.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    /// In which the client asks.
    pub client: Dialect,
    /// In which the provider answers.
    pub upstream: Dialect,
    /// Faults that were survived cleanly.
    pub passed: usize,
    /// All that were played.
    pub played: usize,
    /// Fault by fault.
    pub faults: Vec<Row>,
}

/// What came of one fault. Where it was played in two ways, the worse one.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// 1 to 16.
    pub fault: u8,
    /// What the primary does.
    pub title: &'static str,
    /// The score.
    pub score: Score,
    /// What must hold and does not.
    pub failed: Vec<String>,
    /// What should hold and does not.
    pub lacking: Vec<String>,
    /// Attempts on the primary.
    pub primary_attempts: usize,
    /// Attempts on the fallback.
    pub fallback_attempts: usize,
    /// From the first attempt on the primary to the second.
    pub first_gap_ms: Option<u64>,
    /// How long the longest call took.
    pub ms: u64,
    /// Calls that got the whole answer.
    pub complete: usize,
    /// All calls.
    pub calls: usize,
    /// The tokens that the first answer names.
    pub usage: Option<u64>,
    /// The model that the first answer names.
    pub model: Option<String>,
}

impl Scorecard {
    /// Whether every fault was survived cleanly, everywhere.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.pairs.iter().all(|card| card.passed == card.played)
    }

    /// Adds what was played between two dialects.
    pub(super) fn add(&mut self, pair: Pair, played: &[Played]) {
        let mut faults: Vec<Row> = Vec::new();
        for row in played.iter().map(row) {
            match faults.last_mut() {
                Some(last) if last.fault == row.fault => {
                    if row.score < last.score {
                        *last = row;
                    }
                }
                Some(_) | None => faults.push(row),
            }
        }
        let passed = faults.iter().filter(|row| row.score == Score::Pass).count();
        // A channel chooses its dialect by itself.
        let upstream = played.iter().flat_map(|played| &played.observed.primary).next().map_or(pair.upstream, |attempt| attempt.dialect);
        self.pairs.push(Card { client: pair.client, upstream, passed, played: faults.len(), faults });
    }
}

fn row(played: &Played) -> Row {
    let Played { fault, observed, verdict } = played;
    let first = observed.seen.first();
    Row {
        fault: fault.number,
        title: fault.title,
        score: verdict.score,
        failed: once(&verdict.failed),
        lacking: verdict.lacking.clone(),
        primary_attempts: observed.primary.len(),
        fallback_attempts: observed.fallback.len(),
        first_gap_ms: first_gap(&observed.primary),
        ms: observed.seen.iter().map(|seen| seen.ms).max().unwrap_or(0),
        complete: observed.seen.iter().filter(|seen| seen.is_complete()).count(),
        calls: observed.seen.len(),
        usage: first.and_then(|seen| seen.usage),
        model: first.and_then(|seen| seen.model.clone()),
    }
}

/// Each text once, in order.
fn once(texts: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        if !kept.contains(text) {
            kept.push(text.clone());
        }
    }
    kept
}

impl fmt::Display for Scorecard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for card in &self.pairs {
            writeln!(f, "{} client, {} provider, {} timers", card.client, card.upstream, self.profile)?;
            writeln!(
                f,
                " #  {:<34} {:<8} {:<9} {:<9} {:<9} {:<9} {:<6} model",
                "fault", "score", "attempts", "first gap", "time", "answer", "usage"
            )?;
            card.faults.iter().try_for_each(|row| write!(f, "{row}"))?;
            writeln!(f, "{} of {}\n", card.passed, card.played)?;
        }
        self.summary(f)
    }
}

impl Scorecard {
    /// Clients down, providers across.
    fn summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let across: Vec<Dialect> =
            Dialect::ALL.into_iter().filter(|dialect| self.pairs.iter().any(|card| card.upstream == *dialect)).collect();
        write!(f, "{:<22}", format!("{} timers", self.profile))?;
        across.iter().try_for_each(|dialect| write!(f, " {dialect:>10}"))?;
        writeln!(f)?;
        for client in Dialect::ALL.into_iter().filter(|dialect| self.pairs.iter().any(|card| card.client == *dialect)) {
            write!(f, "{client:<22}")?;
            for upstream in &across {
                let card = self.pairs.iter().find(|card| card.client == client && card.upstream == *upstream);
                let cell = card.map(|card| format!("{} of {}", card.passed, card.played)).unwrap_or_default();
                write!(f, " {cell:>10}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let score = match self.score {
            Score::Pass => "pass",
            Score::Partial => "partial",
            Score::Fail => "fail",
        };
        let attempts = format!("{} + {}", self.primary_attempts, self.fallback_attempts);
        let answer = match (self.complete, self.calls) {
            (1, 1) => "complete".to_owned(),
            (0, 1) => "none".to_owned(),
            (complete, calls) => format!("{complete} of {calls}"),
        };
        let usage = self.usage.map_or_else(|| "none".to_owned(), |tokens| tokens.to_string());
        let (gap, time) = (seconds(self.first_gap_ms), seconds(Some(self.ms)));
        let model = self.model.as_deref().unwrap_or("none");
        writeln!(f, "{:>2}  {:<34} {score:<8} {attempts:<9} {gap:<9} {time:<9} {answer:<9} {usage:<6} {model}", self.fault, self.title)?;
        let must = self.failed.iter().map(|text| ("must", text));
        let should = self.lacking.iter().map(|text| ("should", text));
        must.chain(should).try_for_each(|(word, text)| writeln!(f, "      {word}: {text}"))
    }
}
