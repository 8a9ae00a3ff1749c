//! Rows against their hours, hours against their days: three streams in the order of time, joined as they pass.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::{Budget, Check, PAGE, Report, span_name};
use crate::store::{
    persist::{Books, SealedRow, StandingSums, StoreFault},
    record::{Scope, Span, Sums},
};

/// What was read of rows, and what is not compared yet.
#[derive(Debug, Default)]
pub(super) struct Hours {
    /// Hours whose rows may still come.
    open: BTreeMap<u64, Hour>,
    hours: Stream,
    days: Stream,
    /// The day whose hours are being summed.
    day: Option<i64>,
    groups: HashMap<i64, Sums>,
    whole: Sums,
    /// The latest hour of each scope whose rows may be gone, for the budgets.
    closed: HashMap<Scope, u64>,
}

/// The rows of an hour.
#[derive(Debug, Default)]
struct Hour {
    groups: HashMap<i64, Sums>,
    /// A row of it is not as it was written, so its groups cannot be compared one by one.
    is_tainted: bool,
}

/// Rollups in the order of their beginnings.
#[derive(Debug, Default)]
struct Stream {
    page: VecDeque<StandingSums>,
    behind: Option<(i64, i64)>,
    is_over: bool,
}

impl Stream {
    /// The next rollup, where it begins at or before a moment.
    async fn next(&mut self, upto: i64, (books, span): (&dyn Books, Span)) -> Result<Option<StandingSums>, StoreFault> {
        if self.page.is_empty() && !self.is_over {
            let behind = self.behind.unwrap_or((i64::MIN, i64::MIN));
            self.page = books.sums(span, behind, PAGE).await?.into();
            match self.page.back() {
                Some(last) => self.behind = Some((last.at, last.digest)),
                None => self.is_over = true,
            }
        }
        Ok(if self.page.front().is_some_and(|next| next.at <= upto) { self.page.pop_front() } else { None })
    }

    /// Where the next one begins.
    async fn begins(&mut self, of: (&dyn Books, Span)) -> Result<Option<i64>, StoreFault> {
        let Some(next) = self.next(i64::MAX, of).await? else { return Ok(None) };
        let at = next.at;
        self.page.push_front(next);
        Ok(Some(at))
    }
}

impl Hours {
    /// Takes a row that belongs to the hour of a moment.
    pub(super) fn take(&mut self, row: &SealedRow, place: u64) {
        let hour = self.open.entry(Span::Hour.begins(place)).or_default();
        hour.is_tainted |= !row.is_intact;
        let mut one = Sums { requests: 1, seal: row.seal, ..Sums::default() };
        if let Ok(read) = &row.row {
            one = Sums::of(read, row.seal);
        }
        hour.groups.entry(row.digest).or_default().add(&one);
    }

    /// Compares the hours that ended before a moment.
    pub(super) async fn close_before(&mut self, moment: u64, books: &dyn Books, report: &mut Report) -> Result<(), StoreFault> {
        while let Some((at, _)) = self.open.first_key_value().filter(|(at, _)| **at + Span::Hour.ms() <= moment) {
            let at = i64::try_from(*at).unwrap_or(i64::MAX);
            self.close(at, books, report).await?;
        }
        Ok(())
    }

    /// Compares everything that is left.
    pub(super) async fn end(&mut self, books: &dyn Books, report: &mut Report) -> Result<(), StoreFault> {
        while let Some((at, _)) = self.open.last_key_value() {
            let at = i64::try_from(*at).unwrap_or(i64::MAX);
            self.close(at, books, report).await?;
        }
        while let Some(at) = self.hours.begins((books, Span::Hour)).await? {
            self.close(at, books, report).await?;
        }
        self.end_day(i64::MAX, books, report).await
    }

    /// The sum over all days.
    pub(super) fn whole(&self) -> Sums {
        self.whole
    }

    /// Compares all hours up to one.
    async fn close(&mut self, upto: i64, books: &dyn Books, report: &mut Report) -> Result<(), StoreFault> {
        loop {
            let of_rows = self.open.first_key_value().map(|(at, _)| i64::try_from(*at).unwrap_or(i64::MAX));
            let of_sums = self.hours.begins((books, Span::Hour)).await?;
            let Some(at) = of_rows.into_iter().chain(of_sums).min().filter(|at| *at <= upto) else { return Ok(()) };
            let hour = self.open.remove(&u64::try_from(at).unwrap_or(0)).unwrap_or_default();
            let mut standing = Vec::new();
            while let Some(sums) = self.hours.next(at, (books, Span::Hour)).await? {
                standing.push(sums);
            }
            self.next_day(at, books, report).await?;
            self.compare(at, hour, standing, report);
        }
    }

    fn compare(&mut self, at: i64, mut hour: Hour, standing: Vec<StandingSums>, report: &mut Report) {
        let (mut written, mut stands) = (Sums::default(), Sums::default());
        let is_tainted = hour.is_tainted;
        for rollup in standing {
            report.looked(Check::HourSums);
            report.looked(Check::RowsThere);
            let told = told(Span::Hour, at, &rollup);
            if !rollup.is_named || !rollup.is_intact {
                report.differs(Check::HourSums, format!("{told}: is not as it was written"));
            }
            let rows = hour.groups.remove(&rollup.digest).unwrap_or_default();
            let true_sums = if is_tainted || rows.seal != rollup.sums.seal { rollup.sums } else { rows };
            if rollup.is_closed && rollup.is_intact {
                self.note_closed(at, &rollup);
                self.groups.entry(rollup.digest).or_default().add(&rollup.sums);
                continue;
            }
            written.add(&rollup.sums);
            stands.add(&rows);
            self.groups.entry(rollup.digest).or_default().add(&true_sums);
            if !is_tainted {
                compare_group(&told, &rollup.sums, &rows, report);
            }
        }
        for (digest, rows) in hour.groups {
            stands.add(&rows);
            if is_tainted {
                continue;
            }
            self.groups.entry(digest).or_default().add(&rows);
            report.differs(Check::HourSums, format!("hour {at}: {} calls are in no sum", rows.requests));
        }
        // Groups of an hour with an altered row do not match; that none of its rows is missing is seen in all of them together.
        if is_tainted && (written.requests, written.seal) != (stands.requests, stands.seal) {
            let (written, stand) = (written.requests, stands.requests);
            report.differs(Check::RowsThere, format!("hour {at}: {written} calls were written, and {stand} rows stand"));
        }
    }

    fn note_closed(&mut self, at: i64, rollup: &StandingSums) {
        let Ok(of) = &rollup.dimensions else { return };
        let at = u64::try_from(at).unwrap_or(0);
        let scopes = [Some(of.key_id.into()), Some(of.user_id.into()), of.team_id.map(Into::into), of.organization_id.map(Into::into)];
        for scope in scopes.into_iter().flatten() {
            self.closed.insert(scope, at);
        }
    }

    /// Ends the day before an hour, where that is of another one.
    async fn next_day(&mut self, hour: i64, books: &dyn Books, report: &mut Report) -> Result<(), StoreFault> {
        let day = hour - hour.rem_euclid(Span::Day.hours() * 3_600_000);
        if self.day.is_some_and(|current| current != day) {
            self.end_day(day - 1, books, report).await?;
        }
        self.day = Some(day);
        Ok(())
    }

    /// Compares the day's groups, and the sums of all days up to a moment.
    async fn end_day(&mut self, upto: i64, books: &dyn Books, report: &mut Report) -> Result<(), StoreFault> {
        let (day, mut groups) = (self.day.take(), std::mem::take(&mut self.groups));
        for sums in groups.values() {
            self.whole.add(sums);
        }
        while let Some(rollup) = self.days.next(upto, (books, Span::Day)).await? {
            report.looked(Check::DaySums);
            let told = told(Span::Day, rollup.at, &rollup);
            let sums = if Some(rollup.at) == day { groups.remove(&rollup.digest) } else { None };
            match sums {
                _ if !rollup.is_named => report.differs(Check::DaySums, format!("{told}: is not as it was written")),
                Some(sums) if sums == rollup.sums => {}
                Some(sums) => report.differs(Check::DaySums, format!("{told}: {}", difference(&rollup.sums, &sums))),
                None => report.differs(Check::DaySums, format!("{told}: its hours are missing")),
            }
        }
        for sums in groups.values() {
            report.differs(Check::DaySums, format!("day {}: {} calls are in no sum", day.unwrap_or(0), sums.requests));
        }
        Ok(())
    }
}

/// Tells budgets of calls whose rows may be gone.
pub(super) fn note_closed(hours: &Hours, places: &HashMap<Scope, Vec<usize>>, budgets: &mut [Budget]) {
    for (scope, at) in &hours.closed {
        for place in places.get(scope).into_iter().flatten() {
            budgets[*place].note_closed(*at);
        }
    }
}

/// A group's sums against its rows: which of the two is wrong shows in the seals.
fn compare_group(told: &str, rollup: &Sums, rows: &Sums, report: &mut Report) {
    if rollup == rows {
        return;
    }
    if rollup.seal == rows.seal || rows.requests == rollup.requests {
        report.differs(Check::HourSums, format!("{told}: {}", difference(rollup, rows)));
    } else {
        let (written, stand) = (rollup.requests, rows.requests);
        report.differs(Check::RowsThere, format!("{told}: {written} calls were written, and {stand} rows stand"));
    }
}

fn difference(rollup: &Sums, sums: &Sums) -> String {
    let (calls, cost) = (rollup.requests, rollup.cost);
    format!("says {calls} calls of {cost} nano-dollars, and they are {} of {}, or other tokens", sums.requests, sums.cost)
}

fn told(span: Span, at: i64, rollup: &StandingSums) -> String {
    let span = span_name(span);
    match &rollup.dimensions {
        Ok(of) => format!("{span} {at}, user {}, key {}, provider {}, model {:?}", of.user_id, of.key_id, of.provider_id, of.model),
        Err(fault) => format!("{span} {at}: {fault}"),
    }
}
