//! `gproxy rotate-secret` on the command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::app::rotate::{Asked, Source, Unreadable};

pub(super) fn command() -> Command {
    let key = "a file with the new secret; - reads it from the standard input; without one, and where the secret is a file in the data \
               folder, a new one is made [env: NEW_DATABASE_SECRET_KEY]";
    Command::new("rotate-secret")
        .about(
            "Seal every secret in the database anew with another DATABASE_SECRET_KEY, all of them or none; stop every gateway on it first",
        )
        .arg(Arg::new("new-key-file").long("new-key-file").value_parser(value_parser!(PathBuf)).value_name("FILE").help(key))
        .arg(
            Arg::new("leave-unreadable")
                .long("leave-unreadable")
                .action(ArgAction::SetTrue)
                .help("leave secrets as they are that open with neither key"),
        )
}

/// What was asked, where it was this.
#[must_use]
pub fn asked(matches: &ArgMatches) -> Option<Asked> {
    let given = matches.subcommand_matches("rotate-secret")?;
    Some(Asked {
        new_key: Source::of(given.get_one::<PathBuf>("new-key-file").cloned()),
        unreadable: if given.get_flag("leave-unreadable") { Unreadable::Leave } else { Unreadable::Refuse },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::flags::command;

    #[test]
    fn it_is_read_from_the_command_line() {
        let read = |line: &str| command().try_get_matches_from(line.split(' ')).map(|matches| asked(&matches)).ok().flatten();
        let plain = Asked { new_key: Source::Environment, unreadable: Unreadable::Refuse };
        assert_eq!(read("gproxy rotate-secret --dsn sqlite:x"), Some(plain));
        let given = Asked { new_key: Source::StandardInput, unreadable: Unreadable::Leave };
        assert_eq!(read("gproxy rotate-secret --leave-unreadable --new-key-file -"), Some(given));
        assert_eq!(read("gproxy check"), None);
    }
}
