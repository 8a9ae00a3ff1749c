//! The `gproxy` program.
fn main() {}
