//! One meter's figures, and the arithmetic of windows. Pure: what memory and the server's scripts do is the same, and told here.

use std::collections::VecDeque;

use super::{
    claim::{Draw, Refusal, Room},
    meter::{Meter, SLOTS, Window},
};

/// When to come back where reservations stand in the way: nobody knows when they end.
const BUSY_MS: u64 = 1_000;

/// What a meter holds: an amount for each place of its window that still counts, and what is reserved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    /// The latest place seen: time does not go back for a counter, whatever the clocks of instances say.
    place: u64,
    spent: i64,
    /// Places before the latest with what was spent there, oldest first. Sliding windows only.
    older: VecDeque<(u64, i64)>,
    /// Spent in the latest place.
    latest: i64,
    /// Reserved now.
    pub(super) reserved: i64,
}

impl Counter {
    /// Puts a counter together from what another store kept: each place once, in any order.
    pub(super) fn restore(window: Window, mut places: Vec<(u64, i64)>, reserved: i64) -> Self {
        places.sort_unstable();
        let mut counter = Self { reserved, ..Self::default() };
        for (place, amount) in places {
            counter.advance(window, place);
            counter.spend(amount);
        }
        counter
    }

    /// What was spent in each place, as [`Self::restore`] takes it.
    pub(super) fn places(&self) -> Vec<(u64, i64)> {
        self.older.iter().copied().chain([(self.place, self.latest)]).collect()
    }

    /// Spent within the window.
    pub(super) const fn spent(&self) -> i64 {
        self.spent
    }

    /// Forgets what left the window when `place` began. An earlier place than the latest changes nothing.
    pub(super) fn advance(&mut self, window: Window, place: u64) {
        if place <= self.place {
            return;
        }
        match window {
            Window::Total => {}
            Window::Day | Window::Week | Window::Month => {
                self.spent = 0;
                self.latest = 0;
            }
            Window::Sliding(_) => {
                if self.latest != 0 {
                    self.older.push_back((self.place, self.latest));
                    self.latest = 0;
                }
                while let Some((old, amount)) = self.older.front()
                    && old + SLOTS < place
                {
                    self.spent = self.spent.saturating_sub(*amount);
                    self.older.pop_front();
                }
            }
        }
        self.place = place;
    }

    /// Spends in the latest place.
    pub(super) const fn spend(&mut self, amount: i64) {
        self.latest = self.latest.saturating_add(amount);
        self.spent = self.spent.saturating_add(amount);
    }

    /// Takes a draw, without a look at its limit.
    pub(super) const fn take(&mut self, meter: &Meter, amount: i64) {
        if meter.spends_at_once() {
            self.spend(amount);
        } else {
            self.reserved = self.reserved.saturating_add(amount);
        }
    }

    /// Undoes [`Self::take`].
    pub(super) const fn give_back(&mut self, meter: &Meter, amount: i64) {
        if meter.spends_at_once() {
            self.spend(-amount);
        } else {
            self.reserved = self.reserved.saturating_sub(amount);
        }
    }

    /// Whether a draw fits beside what is spent and reserved.
    pub(super) fn fits(&self, limit: i64, amount: i64) -> bool {
        i128::from(self.spent) + i128::from(self.reserved) + i128::from(amount) <= i128::from(limit)
    }

    /// Sets what was spent in a place.
    pub(super) fn seed(&mut self, window: Window, place: u64, amount: i64) {
        self.advance(window, place);
        if place == self.place {
            self.spent = self.spent.saturating_sub(self.latest).saturating_add(amount);
            self.latest = amount;
            return;
        }
        // An earlier place counts only while a sliding window still holds it.
        let Window::Sliding(_) = window else { return };
        if place + SLOTS < self.place {
            return;
        }
        let at = self.older.partition_point(|(older, _)| *older < place);
        match self.older.get_mut(at) {
            Some((older, held)) if *older == place => {
                self.spent = self.spent.saturating_sub(*held).saturating_add(amount);
                *held = amount;
            }
            Some(_) | None => {
                self.older.insert(at, (place, amount));
                self.spent = self.spent.saturating_add(amount);
            }
        }
    }

    /// What is left after a draw was taken.
    pub(super) fn room(&self, draw: &Draw, now_ms: u64) -> Room {
        Room::after(draw, self.spent.saturating_add(self.reserved), self.place, now_ms)
    }

    /// Milliseconds until nothing of what is spent counts.
    pub(super) fn reset_ms(&self, window: Window, now_ms: u64) -> Option<u64> {
        let newest = if self.latest == 0 { self.older.back().map_or(self.place, |(place, _)| *place) } else { self.place };
        window.forgets(newest).map(|at| at.saturating_sub(now_ms))
    }

    /// Why a draw that does not fit is refused.
    pub(super) fn refusal(&self, draw: &Draw, now_ms: u64) -> Refusal {
        Refusal {
            meter: draw.meter,
            limit: draw.limit,
            used: self.spent,
            reserved: self.reserved,
            asked: draw.amount.max(0),
            retry_after_ms: self.retry_after_ms(draw, now_ms),
        }
    }

    fn retry_after_ms(&self, draw: &Draw, now_ms: u64) -> Option<u64> {
        let asked = draw.amount.max(0);
        if asked > draw.limit {
            return None;
        }
        let room = draw.limit - asked;
        if self.spent <= room {
            // Without the reservations it would fit; they end soon, or become spent.
            return Some(BUSY_MS);
        }
        // Sooner than by the window's end nothing is forgotten, so what is reserved may be in the way still; it is not waited for.
        let wait = |place| draw.meter.window.forgets(place).map(|at: u64| at.saturating_sub(now_ms).max(1));
        let mut left = self.spent;
        for (place, amount) in &self.older {
            left = left.saturating_sub(*amount);
            if left <= room {
                return wait(*place);
            }
        }
        wait(self.place)
    }
}

/// Of two refusals the one that lasts longer: who waits for it need not come back in vain.
pub(super) fn longer(one: Refusal, other: Refusal) -> Refusal {
    let stays = one.retry_after_ms.is_none_or(|wait| other.retry_after_ms.is_some_and(|other| other <= wait));
    if stays { one } else { other }
}
