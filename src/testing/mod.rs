//! What tests stand on: a platform whose time they move themselves.

mod platform;

pub use platform::{ManualClock, SteppedClock, platform, platform_with};
