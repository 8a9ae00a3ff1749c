//! `gproxy explain` on the command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::base::KeyId;

/// The call that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// With which key it is made.
    pub key: KeyId,
    /// Its path, with its query.
    pub path: String,
    /// Its method.
    pub method: String,
    /// A file with its body, a JSON value.
    pub body: Option<PathBuf>,
    /// Its headers, each as `name: value`.
    pub headers: Vec<String>,
    /// The address that it comes from.
    pub peer: Option<String>,
}

pub(super) fn command() -> Command {
    let text = |name: &'static str, help: &'static str| Arg::new(name).long(name).value_name("TEXT").help(help);
    Command::new("explain")
        .about("Say what would become of a call, without making it: whom it would go to, why others are left out, what it would reserve")
        .arg(Arg::new("path").required(true).value_name("PATH").help("the call's path, such as /v1/chat/completions"))
        .arg(
            Arg::new("key-id")
                .long("key-id")
                .required(true)
                .value_parser(value_parser!(i64))
                .value_name("NUMBER")
                .help("the id of the key that it is made with"),
        )
        .arg(text("method", "its method").default_value("POST"))
        .arg(
            Arg::new("body")
                .long("body")
                .value_parser(value_parser!(PathBuf))
                .value_name("FILE")
                .help("a file with its body, a JSON value"),
        )
        .arg(text("header", "one of its headers, as name: value; can be given again").action(ArgAction::Append))
        .arg(text("peer", "the address that it comes from"))
}

/// What was asked, where it was this.
#[must_use]
pub fn asked(matches: &ArgMatches) -> Option<Asked> {
    let given = matches.subcommand_matches("explain")?;
    let text = |name: &str| given.get_one::<String>(name).cloned();
    Some(Asked {
        key: KeyId(*given.get_one::<i64>("key-id")?),
        path: text("path")?,
        method: text("method")?,
        body: given.get_one::<PathBuf>("body").cloned(),
        headers: given.get_many::<String>("header").into_iter().flatten().cloned().collect(),
        peer: text("peer"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::flags::command;

    #[test]
    fn it_is_read_from_the_command_line() {
        let read = |line: &str| command().try_get_matches_from(line.split(' ')).map(|matches| asked(&matches)).ok().flatten();
        let wanted = Asked {
            key: KeyId(7),
            path: "/v1/messages".into(),
            method: "POST".into(),
            body: Some("call.json".into()),
            headers: vec!["a:b".into(), "c:d".into()],
            peer: None,
        };
        assert_eq!(read("gproxy explain /v1/messages --key-id 7 --body call.json --header a:b --header c:d"), Some(wanted));
        assert_eq!(read("gproxy explain /v1/messages"), None);
        assert_eq!(read("gproxy check"), None);
    }
}
