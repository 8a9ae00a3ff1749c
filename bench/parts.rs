//! Single parts of the gateway by themselves, without any network: `bench-parts pairs`, `bench-parts admission`.
//!
//! One program for all of them: each that holds the library takes minutes to be built with all optimizations.

#![expect(clippy::print_stdout, reason = "a tool that prints figures")]
#![expect(clippy::cast_precision_loss, reason = "figures of a bench stay far below 2^52")]
#![expect(clippy::disallowed_methods, reason = "it measures time, with the machine's own clock")]

mod admission;
mod caller;
mod pairs;

use std::{error::Error, process::ExitCode};

use clap::Parser;

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a part comes to.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is measured.
#[derive(Clone, Debug, Parser)]
enum Part {
    /// What one core converts, of every pair of dialects.
    Pairs(pairs::Options),
    /// What it costs to admit a call; ends with 1 where the bar fails.
    Admission(admission::Options),
}

fn main() -> ExitCode {
    let outcome = match Part::parse() {
        Part::Pairs(options) => pairs::run(&options),
        Part::Admission(options) => admission::run(&options),
    };
    outcome.unwrap_or_else(|error| {
        println!("bench-parts: {error}");
        ExitCode::from(2)
    })
}
