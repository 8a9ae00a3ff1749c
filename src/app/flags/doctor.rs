//! `gproxy doctor` on the command line.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::base::{ProviderId, UserId};

/// What is asked of a running gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Where it serves, where that is not where the configuration says.
    pub url: Option<String>,
    /// Only sessions of this user.
    pub user: Option<UserId>,
    /// Only sessions of this provider.
    pub provider: Option<ProviderId>,
    /// Only sessions with this model.
    pub model: Option<String>,
    /// So many at most.
    pub limit: u64,
    /// In which form it is told.
    pub form: Form,
}

/// In which form something is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A table for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

pub(super) fn command() -> Command {
    let text = |name: &'static str, what: &'static str, help: &'static str| Arg::new(name).long(name).value_name(what).help(help);
    let number = |name: &'static str, help: &'static str| text(name, "NUMBER", help).value_parser(value_parser!(i64));
    let cache = Command::new("cache")
        .about("Ask a running gateway what each session lost of its provider's prompt cache, and why; the key is the one of --admin-key")
        .arg(text("url", "URL", "where the gateway serves; by default where the configuration says"))
        .arg(number("user-id", "only sessions of this user"))
        .arg(number("provider-id", "only sessions of this provider"))
        .arg(text("model", "TEXT", "only sessions with this model"))
        .arg(text("limit", "NUMBER", "sessions at most").value_parser(value_parser!(u64).range(1..=1000)).default_value("20"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("print what the gateway says as JSON"));
    Command::new("doctor").about("Say what goes wrong in a running gateway").subcommand_required(true).subcommand(cache)
}

/// What was asked, where it was this.
#[must_use]
pub fn asked(matches: &ArgMatches) -> Option<Asked> {
    let given = matches.subcommand_matches("doctor")?.subcommand_matches("cache")?;
    let text = |name: &str| given.get_one::<String>(name).cloned();
    Some(Asked {
        url: text("url"),
        user: given.get_one::<i64>("user-id").copied().map(UserId),
        provider: given.get_one::<i64>("provider-id").copied().map(ProviderId),
        model: text("model"),
        limit: given.get_one::<u64>("limit").copied()?,
        form: if given.get_flag("json") { Form::Json } else { Form::Table },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::flags::command;

    #[test]
    fn it_is_read_from_the_command_line() {
        let read = |line: &str| command().try_get_matches_from(line.split(' ')).map(|matches| asked(&matches)).ok().flatten();
        assert_eq!(read("gproxy doctor cache"), Some(Asked { limit: 20, ..Asked::default() }));
        let all = "gproxy doctor cache --url http://a:1 --user-id 2 --provider-id 3 --model m --limit 4 --json --admin-key sk-a";
        let wanted = Asked {
            url: Some("http://a:1".into()),
            user: Some(UserId(2)),
            provider: Some(ProviderId(3)),
            model: Some("m".into()),
            limit: 4,
            form: Form::Json,
        };
        assert_eq!(read(all), Some(wanted));
        for line in ["gproxy doctor", "gproxy doctor cache --limit 0", "gproxy check"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
