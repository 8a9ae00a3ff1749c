//! The shipped price list: models, limits and tariffs, each with its source and date.
//!
//! A line is a record, its fields are separated by tabs, the first names its kind (see `docs/prices.md`). Reading
//! it takes about three milliseconds, once, when somebody first asks.

use std::sync::{Arc, LazyLock};

use thiserror::Error;

use super::{
    book::{Entry, Origin},
    rates::Tariff,
};
use crate::base::QuickMap;

static SHIPPED: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    // A test reads the shipped text. Were it broken all the same, nothing would be priced, and nothing be free.
    Arc::new(Catalogue::parse(Catalogue::TEXT).unwrap_or_default())
});

/// A vendor of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vendor(u16);

/// How much a model takes and gives, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The longest prompt.
    pub prompt: Option<u64>,
    /// The longest answer.
    pub output: Option<u64>,
}

/// Where figures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The collection that they were taken from, and its version.
    pub collection: Box<str>,
    /// The page that the collection names; empty where it names none.
    pub page: Box<str>,
}

/// One model's row.
#[derive(Clone, Debug)]
pub struct CatalogueRow {
    /// Who sells it.
    pub vendor: Vendor,
    /// Its id there.
    pub model: Arc<str>,
    /// What it costs, and how much it takes.
    pub entry: Entry,
    /// Where the figures come from, as a place among [`Catalogue::sources`].
    pub source: usize,
}

/// Why a catalogue could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct CatalogueFault {
    /// From 1.
    pub line: usize,
    /// What was wrong and what was expected.
    pub reason: Box<str>,
}

/// A vendor's name, and its rows by model.
#[derive(Debug)]
struct Seller {
    name: Box<str>,
    models: QuickMap<Arc<str>, usize>,
}

/// A price list.
#[derive(Debug, Default)]
pub struct Catalogue {
    version: Arc<str>,
    vendors: Vec<Seller>,
    names: QuickMap<Box<str>, Vendor>,
    rows: Vec<CatalogueRow>,
    sources: Vec<Source>,
    excuses: Vec<[Box<str>; 4]>,
}

impl Catalogue {
    /// The shipped text.
    pub const TEXT: &str = include_str!("../../assets/prices.tsv");

    /// The shipped price list; read at its first use.
    #[must_use]
    pub fn shipped() -> Arc<Self> {
        Arc::clone(&SHIPPED)
    }

    /// Reads a price list.
    ///
    /// # Errors
    /// [`CatalogueFault`] naming the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, CatalogueFault> {
        let mut catalogue = Self::default();
        let mut date: Arc<str> = Arc::default();
        for (at, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            catalogue.read(line, &mut date).map_err(|reason| CatalogueFault { line: at + 1, reason: reason.into() })?;
        }
        if catalogue.version.is_empty() {
            return Err(CatalogueFault { line: 1, reason: "no line gives the version; expected one like `version\t2026-11-25`".into() });
        }
        Ok(catalogue)
    }

    fn read(&mut self, line: &str, date: &mut Arc<str>) -> Result<(), String> {
        let (kind, rest) = line.split_once('\t').ok_or("expected fields separated by tabs")?;
        match kind {
            "price" => self.read_price(fields(rest)?, date),
            "version" => {
                self.version = rest.into();
                Ok(())
            }
            "source" => {
                let [collection, page] = fields(rest)?;
                self.sources.push(Source { collection: collection.into(), page: page.into() });
                Ok(())
            }
            "alias" => {
                let [alias, of] = fields(rest)?;
                let vendor = self.vendor(of).ok_or_else(|| format!("the alias {alias:?} is of {of:?}, which sells nothing above"))?;
                self.names.insert(alias.into(), vendor);
                Ok(())
            }
            "excuse" => {
                self.excuses.push(fields(rest)?.map(Into::into));
                Ok(())
            }
            _ => Err(format!("{kind:?} begins no record; expected version, source, price, alias or excuse")),
        }
    }

    fn read_price(&mut self, fields: [&str; 7], date: &mut Arc<str>) -> Result<(), String> {
        let [vendor, model, prompt, output, source, day, rates] = fields;
        let limits = Limits { prompt: limit(prompt)?, output: limit(output)? };
        let source =
            source.parse().ok().filter(|at| *at < self.sources.len()).ok_or_else(|| format!("no source {source:?} stands above"))?;
        if !is_date(day) {
            return Err(format!("{day:?} is no date; expected one like 2026-11-25"));
        }
        if **date != *day {
            *date = day.into();
        }
        let tariff = Tariff::parse(rates).map_err(|fault| fault.to_string())?;
        let entry = Entry { tariff, limits, version: Arc::clone(&self.version), date: Arc::clone(date), origin: Origin::Catalogue };
        let vendor = self.vendor_or_new(vendor)?;
        let models = &mut self.vendors[usize::from(vendor.0)].models;
        let model: Arc<str> = model.into();
        if models.insert(Arc::clone(&model), self.rows.len()).is_some() {
            return Err(format!("{model:?} stands twice"));
        }
        self.rows.push(CatalogueRow { vendor, model, entry, source });
        Ok(())
    }

    fn vendor_or_new(&mut self, name: &str) -> Result<Vendor, String> {
        // Rows of one vendor stand together.
        let last = self.vendors.len().wrapping_sub(1);
        if self.vendors.last().is_some_and(|last| *last.name == *name) {
            return Ok(Vendor(u16::try_from(last).map_err(|_| "too many vendors")?));
        }
        if self.names.contains_key(name) {
            return Err(format!("the rows of {name:?} do not stand together"));
        }
        let vendor = Vendor(u16::try_from(self.vendors.len()).map_err(|_| "too many vendors")?);
        self.vendors.push(Seller { name: name.into(), models: QuickMap::default() });
        self.names.insert(name.into(), vendor);
        Ok(vendor)
    }

    /// The version of the whole list.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every row.
    #[must_use]
    pub fn rows(&self) -> &[CatalogueRow] {
        &self.rows
    }

    /// Where rows come from.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Oddities that are known and explained: vendor, model, oddity, reason.
    #[must_use]
    pub fn excuses(&self) -> &[[Box<str>; 4]] {
        &self.excuses
    }

    /// Finds a vendor by its name or an alias.
    #[must_use]
    pub fn vendor(&self, name: &str) -> Option<Vendor> {
        self.names.get(name).copied()
    }

    /// The name of a vendor.
    #[must_use]
    pub fn vendor_name(&self, vendor: Vendor) -> &str {
        self.vendors.get(usize::from(vendor.0)).map_or("", |seller| &seller.name)
    }

    /// Finds a model's row. A dated id that is not listed is priced as the id without its date.
    #[must_use]
    pub fn find(&self, vendor: Vendor, model: &str) -> Option<&CatalogueRow> {
        let models = &self.vendors.get(usize::from(vendor.0))?.models;
        let at = models.get(model).or_else(|| models.get(undated(model)?))?;
        self.rows.get(*at)
    }
}

fn fields<const N: usize>(text: &str) -> Result<[&str; N], String> {
    let mut fields = text.split('\t');
    let found = std::array::from_fn(|_| fields.next());
    let whole = found.iter().all(Option::is_some) && fields.next().is_none();
    if whole { Ok(found.map(Option::unwrap_or_default)) } else { Err(format!("expected {N} fields after the first")) }
}

fn limit(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("the limit {text:?} is no number of tokens"))
}

/// Whether a text is shaped like `2026-11-25`.
fn is_date(text: &str) -> bool {
    let shaped = |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(shaped)
}

/// A model id without the date at its end: `-20250929`, `-2025-08-07`, `@20250929` or `@default`.
fn undated(model: &str) -> Option<&str> {
    if let Some((name, at)) = model.rsplit_once('@') {
        return (at == "default" || is_day(at)).then_some(name);
    }
    let (name, day) = model.split_at_checked(model.len().checked_sub(11)?)?;
    if day.strip_prefix('-').is_some_and(is_date) {
        return Some(name);
    }
    model.rsplit_once('-').filter(|(_, day)| is_day(day)).map(|(name, _)| name)
}

/// Whether a text is eight digits that begin as a year of our time does.
fn is_day(text: &str) -> bool {
    text.len() == 8 && text.starts_with("20") && text.bytes().all(|byte| byte.is_ascii_digit())
}
