//! `gproxy export` and `gproxy import` on the command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::app::{
    legacy::Format,
    transfer::{
        Prune,
        command::{Asked, Passphrase, Run},
    },
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
        .about("Make a bundle, or another gateway's configuration, stand in this instance, all of it or nothing, and say what changed")
        .arg(path("file").required(true).help("the bundle; or another gateway's file, see --format"))
        .arg(Arg::new("format").long("format").value_parser(Format::names()).help("whose file it is; what stands in it decides by default"))
        .arg(path("source-key-file").long("source-key-file").help(
            "a file with the secret that another gateway sealed its own under [env: GPROXY_SOURCE_SECRET_KEY, else DATABASE_SECRET_KEY]",
        ))
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
            format: given.get_one::<String>("format").and_then(|name| Format::parse(name)),
            source_key: given.get_one::<PathBuf>("source-key-file").cloned(),
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
        let import = Asked::Import {
            file: "b.json".into(),
            run: Run::Dry,
            prune: Prune::Remove,
            passphrase: Passphrase::StandardInput,
            format: None,
            source_key: None,
        };
        assert_eq!(read("gproxy import b.json --dry-run --prune --passphrase-file -"), Some(import));
        let foreign = Asked::Import {
            file: "one-api.db".into(),
            run: Run::Real,
            prune: Prune::Keep,
            passphrase: Passphrase::Environment,
            format: Some(Format::NewApi),
            source_key: Some("k".into()),
        };
        assert_eq!(read("gproxy import one-api.db --format new-api --source-key-file k"), Some(foreign));
        assert_eq!(read("gproxy import b.json --format other"), None);
        assert_eq!(read("gproxy import"), None);
        assert_eq!(read("gproxy check"), None);
    }
}
