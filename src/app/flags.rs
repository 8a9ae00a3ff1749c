//! The command line, made from the table of knobs. `main` only parses it.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Command};

pub mod doctor;
pub mod explain;
pub mod lab;
pub mod rotate;
pub mod transfer;

use super::config::knob::{KNOBS, Kind, Knob};

/// The command line: every knob as a flag, and the subcommands.
#[must_use]
pub fn command() -> Command {
    Command::new("gproxy")
        .version(env!("CARGO_PKG_VERSION"))
        .about("One LLM gateway between every client dialect and every provider")
        .args(KNOBS.iter().map(flag))
        .subcommand(Command::new("check").about("Say what a start would find wrong with the configuration, and exit"))
        .subcommand(lab::command())
        .subcommand(
            Command::new("verify")
                .about("Prove the ledger: rows, sums, prices, journal, and with --redis-url the live counters; exit 1 on any difference")
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("print the report as JSON")),
        )
        .subcommands(transfer::commands())
        .subcommand(rotate::command())
        .subcommand(explain::command())
        .subcommand(doctor::command())
}

/// The flags that were given, by name.
#[must_use]
pub fn given(matches: &ArgMatches) -> BTreeMap<&'static str, String> {
    KNOBS.iter().filter_map(|knob| Some((knob.flag, matches.get_one::<String>(knob.flag)?.clone()))).collect()
}

fn flag(knob: &'static Knob) -> Arg {
    let variable = knob.env.first().copied().unwrap_or_default();
    let arg = Arg::new(knob.flag)
        .long(knob.flag)
        .global(true)
        // What a subcommand takes for itself comes first, under no heading.
        .help_heading("Settings, which every command takes")
        .action(ArgAction::Set)
        .help(format!("{} [env: {variable}] [default: {}]", knob.help, knob.default));
    match knob.kind {
        Kind::Switch => arg.num_args(0..=1).default_missing_value("true").value_name("BOOL"),
        // One below zero is refused with the range, not taken for a flag.
        Kind::Whole => arg.allow_negative_numbers(true).value_name("NUMBER"),
        Kind::List => arg.value_name("LIST"),
        Kind::Text | Kind::Secret => arg.value_name("TEXT"),
    }
}
