//! The only room that knows serving.

pub mod api;
