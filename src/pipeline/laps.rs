//! Where a call's time goes: moments that are noted on its way, and the phases between them.

use std::{fmt::Write as _, time::Duration};

use http::HeaderValue;

use crate::{base::RequestId, runtime::Instant, store::record::Phases};

/// The moments of one call. Of one that several targets were asked for, the last one's count.
#[derive(Debug)]
pub(super) struct Laps {
    arrived: Instant,
    known: Option<Instant>,
    /// Waited so far for somebody who rests, and how much of it before anybody was asked.
    waited: Duration,
    waited_first: Duration,
    /// The first request was ready to leave.
    ready: Option<Instant>,
    /// The request that is answered left.
    sent: Option<Instant>,
    journaled: Duration,
    connecting: Duration,
    headed: Option<Instant>,
    first: Option<Instant>,
    last: Option<Instant>,
    gap: Duration,
}

impl Laps {
    pub(super) fn begin(arrived: Instant) -> Self {
        Self {
            arrived,
            known: None,
            waited: Duration::ZERO,
            waited_first: Duration::ZERO,
            ready: None,
            sent: None,
            journaled: Duration::ZERO,
            connecting: Duration::ZERO,
            headed: None,
            first: None,
            last: None,
            gap: Duration::ZERO,
        }
    }

    /// The caller is known.
    pub(super) fn known(&mut self, now: Instant) {
        self.known = Some(now);
    }

    /// The call waited for somebody who rests.
    pub(super) fn waited(&mut self, span: Duration) {
        self.waited += span;
    }

    /// A request is ready to leave.
    pub(super) fn ready(&mut self, now: Instant) {
        if self.ready.is_none() {
            (self.ready, self.waited_first) = (Some(now), self.waited);
        }
        self.sent = Some(now);
    }

    /// It is on record, and leaves.
    pub(super) fn journaled(&mut self, now: Instant) {
        if let Some(ready) = self.sent.replace(now) {
            self.journaled += now.since(ready);
        }
    }

    /// The head of its answer is here; opening its connection took so long.
    pub(super) fn headed(&mut self, now: Instant, connecting: Duration) {
        (self.headed, self.connecting) = (Some(now), connecting);
    }

    /// A piece of the answer's body is here.
    pub(super) fn piece(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.gap = self.gap.max(now.since(last));
        } else {
            self.first = Some(now);
        }
    }

    /// From arrival to the first piece of the answer.
    pub(super) fn first(&self) -> Option<Duration> {
        self.first.map(|first| first.since(self.arrived))
    }

    /// The phases of a call that ends now.
    pub(super) fn phases(&self, now: Instant) -> Phases {
        let span = |from: Option<Instant>, to: Option<Instant>| from.zip(to).map_or(Duration::ZERO, |(from, to)| to.since(from));
        let arrived = Some(self.arrived);
        Phases {
            queue_us: micros(self.waited),
            auth_us: micros(span(arrived, self.known)),
            route_us: micros(span(self.known, self.ready).saturating_sub(self.waited_first)),
            journal_us: micros(self.journaled),
            connect_us: micros(self.connecting),
            head_us: micros(span(self.sent, self.headed).saturating_sub(self.connecting)),
            content_us: micros(span(self.headed, self.first)),
            gap_us: micros(self.gap),
            tail_us: micros(span(self.last, Some(now))),
        }
    }

    /// What is known of them when the head leaves for the client, as `Server-Timing` says it: milliseconds.
    ///
    /// Source: W3C Server Timing, section 2.
    pub(super) fn server_timing(&self, now: Instant) -> HeaderValue {
        let phases = self.phases(now);
        let told = [
            ("queue", phases.queue_us),
            ("auth", phases.auth_us),
            ("route", phases.route_us),
            ("journal", phases.journal_us),
            ("connect", phases.connect_us),
            ("head", phases.head_us),
            ("total", micros(now.since(self.arrived))),
        ];
        let mut text = String::with_capacity(128);
        for (name, us) in told {
            if !text.is_empty() {
                text.push_str(", ");
            }
            // Writing to a text does not fail.
            let _ = write!(text, "{name};dur={}.{:03}", us / 1000, us % 1000);
        }
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Tells them to whoever traces calls.
pub(super) fn trace(request_id: RequestId, phases: &Phases) {
    let Phases { queue_us, auth_us, route_us, journal_us, connect_us, head_us, content_us, gap_us, tail_us } = *phases;
    tracing::debug!(
        %request_id,
        queue_us,
        auth_us,
        route_us,
        journal_us,
        connect_us,
        head_us,
        content_us,
        gap_us,
        tail_us,
        "where the time went"
    );
}

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Instant, Laps, Phases};

    fn at(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
    }

    /// A call that waits for somebody who rests, is asked twice, and whose answer comes in three pieces.
    fn walked() -> Laps {
        let mut laps = Laps::begin(at(100));
        laps.known(at(101));
        laps.waited(Duration::from_millis(20));
        laps.ready(at(125));
        laps.journaled(at(126));
        laps.waited(Duration::from_millis(50));
        laps.ready(at(300));
        laps.journaled(at(302));
        laps.headed(at(352), Duration::from_millis(10));
        for ms in [360, 400, 410] {
            laps.piece(at(ms));
        }
        laps
    }

    #[test]
    fn each_phase_is_told_once() {
        let phases = Phases {
            queue_us: 70_000,
            auth_us: 1_000,
            route_us: 4_000,
            journal_us: 3_000,
            connect_us: 10_000,
            head_us: 40_000,
            content_us: 8_000,
            gap_us: 40_000,
            tail_us: 5_000,
        };
        assert_eq!(walked().phases(at(415)), phases);
        assert_eq!(walked().first(), Some(Duration::from_millis(260)));
    }

    #[test]
    fn what_did_not_happen_took_no_time() {
        let mut laps = Laps::begin(at(5));
        assert_eq!(laps.phases(at(9)), Phases::default());
        laps.known(at(6));
        laps.ready(at(8));
        assert_eq!(laps.phases(at(9)), Phases { auth_us: 1_000, route_us: 2_000, ..Phases::default() });
    }

    #[test]
    fn a_client_is_told_milliseconds() {
        let told =
            "queue;dur=70.000, auth;dur=1.000, route;dur=4.000, journal;dur=3.000, connect;dur=10.000, head;dur=40.000, total;dur=260.000";
        assert_eq!(walked().server_timing(at(360)), told);
    }
}
