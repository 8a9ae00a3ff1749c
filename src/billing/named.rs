//! The text by which a usage row names its price: the version of the entry, and behind a blank the service tier, where the price has one of
//! its own for the tier that the upstream reported. So a row can be reckoned again, and says why it cost what it did.

use std::sync::Arc;

use super::{book::Entry, price::ServiceTier, rates::Tariff};
use crate::base::{MoneyFault, Nanos, Usage};

/// The longest text that every store takes. A tier is cut there.
const LONGEST: usize = 32;

impl Entry {
    /// What a call cost on the service tier that the upstream reported, and by which price. Where nothing was used nothing is owed.
    ///
    /// # Errors
    /// [`MoneyFault::TooLarge`].
    pub fn bill(&self, usage: &Usage, reported: Option<&str>) -> Result<(Nanos, Arc<str>), MoneyFault> {
        if usage.is_zero() {
            return Ok((Nanos::ZERO, Arc::clone(&self.version)));
        }
        let cost = self.tariff.cost(usage, reported)?;
        let price = match cost.tier {
            ServiceTier::Own => self.named(reported),
            ServiceTier::Standard | ServiceTier::Unknown => Arc::clone(&self.version),
        };
        Ok((cost.nanos, price))
    }

    fn named(&self, reported: Option<&str>) -> Arc<str> {
        let is_it = |own: &&str| reported.is_some_and(|reported| reported.eq_ignore_ascii_case(own));
        let tier = tiers(&self.tariff).find(is_it).unwrap_or_default();
        let mut text = format!("{} {tier}", self.version);
        text.truncate(text.floor_char_boundary(LONGEST.max(self.version.len())));
        text.into()
    }
}

/// The service tier that is named behind a version; `None` where the tariff has none such.
pub(super) fn tier<'t>(tariff: &'t Tariff, (price, behind): (&str, &str)) -> Option<&'t str> {
    let is_cut = price.len() + 4 > LONGEST;
    tiers(tariff).find(|own| *own == behind || (is_cut && own.starts_with(behind)))
}

fn tiers(tariff: &Tariff) -> impl Iterator<Item = &str> {
    tariff.bands().iter().filter_map(|band| band.tier.as_deref())
}
