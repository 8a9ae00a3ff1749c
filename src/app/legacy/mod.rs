//! Other gateways' files, read into a bundle: `gproxy import` makes it stand as it does any other.
//!
//! [`Source::of`] tells by what stands in a file which format it is of. One file of this room knows one format. What a format has and
//! this gateway has not is told in the [`Report`], for nothing may be lost in silence; tables, columns and members that no reader
//! asks for are found by [`tables`] and [`document`] themselves.

mod channel_types;
mod document;
mod draft;
mod fault;
mod format;
mod litellm;
mod litellm_vendors;
mod one_api;
mod one_api_people;
mod one_api_prices;
mod reference;
mod reference_first;
mod reference_money;
mod reference_people;
mod report;
mod sealed;
mod settle;
mod source;
mod tables;

pub use draft::Reading;
pub use fault::LegacyFault;
pub use format::Format;
pub use report::{Left, Report, Tally};
pub use settle::{Foreign, settle};
pub use source::Source;

/// The variable that may hold what a foreign file's secrets were sealed under.
pub const SOURCE_KEY: &str = "GPROXY_SOURCE_SECRET_KEY";
/// The reference's own variable of it, and ours of the database.
pub const DATABASE_KEY: &str = "DATABASE_SECRET_KEY";
