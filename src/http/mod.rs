//! The only room that knows serving.
