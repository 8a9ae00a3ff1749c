//! `gproxy export` and `gproxy import` on the command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::app::transfer::{
    Prune,
    command::{Asked, Passphrase, Run},
};

pub(super) fn commands() -> [Command; 2] {
    let path = |name: &'static str| Arg::new(name).value_parser(value_parser!(PathBuf)).value_name("FILE");
    let passphrase = || {
        let help = "a file with the passphrase of the bundle's secrets; - reads it from the standard input [env: GPROXY_BUNDLE_PASSPHRASE]";
        path("passphrase-file").long("passphrase-file").help(help)
    };
    let switch = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let export = Command::new("export")
        .about("Write the whole configuration as a bundle; its secrets only with a passphrase")
        .arg(path("out").long("out").help("where to; the standard output by default"))
        .arg(passphrase());
    let import = Command::new("import")
        .about("Make a bundle stand in this instance, all of it or nothing, and say what changed")
        .arg(path("file").required(true).help("the bundle"))
        .arg(switch("dry-run", "only say what would change"))
        .arg(switch("prune", "remove what the bundle does not have"))
        .arg(passphrase());
    [export, import]
}

/// What was asked, where it was one of the two.
#[must_use]
pub fn asked(matches: &ArgMatches) -> Option<Asked> {
    let (name, given) = matches.subcommand()?;
    let passphrase = || Passphrase::of(given.get_one::<PathBuf>("passphrase-file").cloned());
    match name {
        "export" => Some(Asked::Export { out: given.get_one::<PathBuf>("out").cloned(), passphrase: passphrase() }),
        "import" => Some(Asked::Import {
            file: given.get_one::<PathBuf>("file")?.clone(),
            run: if given.get_flag("dry-run") { Run::Dry } else { Run::Real },
            prune: if given.get_flag("prune") { Prune::Remove } else { Prune::Keep },
            passphrase: passphrase(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::flags::command;

    #[test]
    fn both_are_read_from_the_command_line() {
        let read = |line: &str| command().try_get_matches_from(line.split(' ')).map(|matches| asked(&matches)).ok().flatten();
        let export = Asked::Export { out: Some("b.json".into()), passphrase: Passphrase::File("p".into()) };
        assert_eq!(read("gproxy export --out b.json --passphrase-file p --dsn sqlite:x"), Some(export));
        assert_eq!(read("gproxy export"), Some(Asked::Export { out: None, passphrase: Passphrase::Environment }));
        let import = Asked::Import { file: "b.json".into(), run: Run::Dry, prune: Prune::Remove, passphrase: Passphrase::StandardInput };
        assert_eq!(read("gproxy import b.json --dry-run --prune --passphrase-file -"), Some(import));
        assert_eq!(read("gproxy import"), None);
        assert_eq!(read("gproxy check"), None);
    }
}
