//! How a process comes up.
