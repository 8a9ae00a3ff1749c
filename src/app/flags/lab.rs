//! `gproxy lab` on the command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// The dialects by their names.
const DIALECTS: [&str; 4] = ["chat", "responses", "claude", "gemini"];

/// What was asked of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The misbehaving provider alone.
    Serve {
        /// Where it listens.
        listen: SocketAddr,
        /// Where it listens for TLS, and where its certificate is written.
        secured: Option<(SocketAddr, PathBuf)>,
    },
    /// The faults, and a scorecard.
    Run(Run),
    /// A long run in which everything goes wrong at once.
    Chaos {
        /// How long.
        minutes: u32,
        /// Whether the report is JSON.
        json: bool,
    },
}

/// How the faults are played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The operator's channel after which the providers are made.
    pub provider: Option<String>,
    /// Names of profiles of timers.
    pub profiles: Vec<String>,
    /// Names of the clients' dialects.
    pub dialects: Vec<String>,
    /// Whether providers speak other dialects than the client.
    pub crossed: bool,
    /// Whether pairs of one dialect are played beside crossed ones.
    pub all: bool,
    /// Numbers of faults; all where none is given.
    pub faults: Vec<u8>,
    /// What a route does with a broken stream.
    pub on_stream_fault: String,
    /// Whether the outage is short.
    pub fast: bool,
    /// Whether the scorecard is JSON.
    pub json: bool,
}

pub(super) fn command() -> Command {
    let serve = Command::new("serve")
        .about("Serve the misbehaving provider until it is interrupted")
        .arg(Arg::new("listen").long("listen").default_value("127.0.0.1:8790").value_parser(value_parser!(SocketAddr)).help("where"))
        .arg(Arg::new("secured").long("secured").value_parser(value_parser!(SocketAddr)).help("where by TLS, which HTTP/2 is spoken over"))
        .arg(
            Arg::new("certificate")
                .long("certificate")
                .default_value("lab.pem")
                .value_parser(value_parser!(PathBuf))
                .help("where its certificate is written, for SSL_CERT_FILE of a gateway"),
        );
    let list = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::Append).value_delimiter(',').help(help);
    let switch = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let run = Command::new("run")
        .about("Play the sixteen faults through a scratch copy of this gateway, and print a scorecard")
        .arg(Arg::new("provider").long("provider").requires("config").help("a channel of the file of --config, to be like it"))
        .arg(list("profile", "timers").value_parser(["interactive", "default"]).default_value("interactive"))
        .arg(list("dialect", "clients' dialects; all by default").value_parser(DIALECTS))
        .arg(switch("crossed", "providers speak other dialects than the client"))
        .arg(switch("all", "both the client's dialect and the others").conflicts_with("crossed"))
        .arg(list("fault", "numbers of faults; all by default").value_parser(value_parser!(u8).range(1..=16)))
        .arg(
            Arg::new("on-stream-fault")
                .long("on-stream-fault")
                .value_parser(["error", "rescue"])
                .default_value("rescue")
                .help("what routes do with a stream that breaks"),
        )
        .arg(switch("fast", "shorten the outage of fault 15"))
        .arg(switch("json", "print JSON"));
    let chaos = Command::new("chaos")
        .about("Ask for a while through targets of which each fails now and then and one dies half of the time, and print what came of it")
        .arg(Arg::new("minutes").long("minutes").default_value("60").value_parser(value_parser!(u32).range(1..=1440)).help("how long"))
        .arg(switch("json", "print JSON"));
    Command::new("lab")
        .about("A provider that misbehaves, and how this gateway survives it")
        .subcommand_required(true)
        .subcommands([serve, run, chaos])
}

/// What was asked, where it was the lab.
#[must_use]
pub fn asked(matches: &ArgMatches) -> Option<Asked> {
    let (name, given) = matches.subcommand_matches("lab")?.subcommand()?;
    match name {
        "serve" => {
            let secured = given.get_one("secured").copied().zip(given.get_one("certificate").cloned());
            return Some(Asked::Serve { listen: *given.get_one("listen")?, secured });
        }
        "chaos" => return Some(Asked::Chaos { minutes: *given.get_one("minutes")?, json: given.get_flag("json") }),
        _ => {}
    }
    let texts = |name: &str| given.get_many::<String>(name).into_iter().flatten().cloned().collect::<Vec<_>>();
    let dialects = texts("dialect");
    Some(Asked::Run(Run {
        provider: given.get_one("provider").cloned(),
        profiles: texts("profile"),
        dialects: if dialects.is_empty() { DIALECTS.map(str::to_owned).to_vec() } else { dialects },
        crossed: given.get_flag("crossed"),
        all: given.get_flag("all"),
        faults: given.get_many::<u8>("fault").into_iter().flatten().copied().collect(),
        on_stream_fault: given.get_one::<String>("on-stream-fault").cloned().unwrap_or_default(),
        fast: given.get_flag("fast"),
        json: given.get_flag("json"),
    }))
}

#[cfg(test)]
mod tests {
    use super::{Asked, Run, asked};
    use crate::app::flags::command;

    fn read(line: &str) -> Result<Option<Asked>, String> {
        command().try_get_matches_from(line.split(' ')).map(|matches| asked(&matches)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_lab_is_read_from_the_command_line() {
        let run = Run {
            provider: None,
            profiles: vec!["interactive".into()],
            dialects: ["chat", "responses", "claude", "gemini"].map(str::to_owned).to_vec(),
            crossed: false,
            all: false,
            faults: Vec::new(),
            on_stream_fault: "rescue".into(),
            fast: false,
            json: false,
        };
        assert_eq!(read("gproxy lab run"), Ok(Some(Asked::Run(run.clone()))));
        let profiles = vec!["interactive".into(), "default".into()];
        let narrow = Run { profiles, dialects: vec!["claude".into()], crossed: true, faults: vec![8, 14], fast: true, ..run.clone() };
        let line = "gproxy lab run --profile interactive,default --dialect claude --crossed --fault 8,14 --fast --config x.toml";
        assert_eq!(read(line), Ok(Some(Asked::Run(narrow))));
        let [listen, secured] = ["127.0.0.1:1", "127.0.0.1:2"].map(|address| address.parse().unwrap());
        assert_eq!(read("gproxy lab serve --listen 127.0.0.1:1"), Ok(Some(Asked::Serve { listen, secured: None })));
        let secured = Some((secured, "lab.pem".into()));
        let line = "gproxy lab serve --listen 127.0.0.1:1 --secured 127.0.0.1:2";
        assert_eq!(read(line), Ok(Some(Asked::Serve { listen, secured })));
        assert_eq!(read("gproxy lab chaos --minutes 5 --json"), Ok(Some(Asked::Chaos { minutes: 5, json: true })));
        let like = Run { provider: Some("openai".into()), ..run };
        assert_eq!(read("gproxy lab run --config x.toml --provider openai"), Ok(Some(Asked::Run(like))));
        assert_eq!(read("gproxy check"), Ok(None));
        assert!(read("gproxy lab run --fault 17").is_err() && read("gproxy lab").is_err());
    }
}
