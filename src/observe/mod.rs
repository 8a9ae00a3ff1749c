//! What is measured, under which names. The exporter stands in `http`.

mod handles;
mod metrics;

pub use metrics::{CallLabels, Metrics, Repeat};
