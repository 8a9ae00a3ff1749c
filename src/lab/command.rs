//! What `gproxy lab` was asked to do, done.

use std::{fs, path::Path};

use super::{
    Dialect, certificate,
    chaos::{self, Mix},
    fault::Outage,
    run::{LabFault, OnStreamFault, Options, Pairs, Profile, run, serve},
    scorecard::Scorecard,
};
use crate::{
    app::flags::lab::{Asked, Run},
    runtime::Platform,
};

/// Whether everything was as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was.
    Clean,
    /// Something was not.
    Flawed,
}

/// Does what was asked, and says what came of it. `config` is the operator's own file.
///
/// # Errors
/// [`LabFault`], where it cannot be done at all.
pub async fn obey(asked: Asked, config: Option<&Path>, platform: &Platform, say: &(dyn Fn(&str) + Sync)) -> Result<Outcome, LabFault> {
    match asked {
        Asked::Serve { listen, secured } => {
            let (listen_secured, path) = secured.unzip();
            let provider = serve(platform, listen, listen_secured).await?;
            if let (Some(secured), Some(path)) = (provider.secured(), path) {
                fs::write(&path, certificate::pem(&secured.certificate)).map_err(LabFault::Certificate)?;
                say(&format!("by TLS, and so by HTTP/2, at https://{}; its certificate is in {}", secured.address, path.display()));
            }
            say(&format!("a provider that misbehaves serves at http://{}; Ctrl-C ends it", provider.address()));
            std::future::pending().await
        }
        Asked::Run(asked) => {
            let config = config.map(fs::read_to_string).transpose().map_err(LabFault::Read)?;
            let cards = run(platform, &options(&asked, config)?).await?;
            if asked.json {
                say(&serde_json::json!(cards).to_string());
            } else {
                for card in &cards {
                    say(&card.to_string());
                }
            }
            Ok(outcome(cards.iter().all(Scorecard::is_clean)))
        }
        Asked::Chaos { minutes, json } => {
            let exe = std::env::current_exe().map_err(LabFault::Spawn)?;
            let report = chaos::run(platform, &exe, Mix::over(minutes), &|line| say_unless(json, say, line)).await?;
            say(&if json { serde_json::json!(report).to_string() } else { report.to_string() });
            Ok(outcome(report.is_clean()))
        }
    }
}

fn say_unless(json: bool, say: &(dyn Fn(&str) + Sync), line: &str) {
    if !json {
        say(line);
    }
}

const fn outcome(clean: bool) -> Outcome {
    if clean { Outcome::Clean } else { Outcome::Flawed }
}

fn options(asked: &Run, config: Option<String>) -> Result<Options, LabFault> {
    let profile = |name: &String| if name == Profile::Default.name() { Profile::Default } else { Profile::Interactive };
    let rescue = asked.on_stream_fault == OnStreamFault::Rescue.name();
    Ok(Options {
        exe: std::env::current_exe().map_err(LabFault::Spawn)?,
        config,
        provider: asked.provider.clone(),
        profiles: asked.profiles.iter().map(profile).collect(),
        dialects: asked.dialects.iter().filter_map(|name| Dialect::parse(name)).collect(),
        pairs: match (asked.all, asked.crossed) {
            (true, _) => vec![Pairs::Same, Pairs::Crossed],
            (false, true) => vec![Pairs::Crossed],
            (false, false) => vec![Pairs::Same],
        },
        faults: asked.faults.clone(),
        on_stream_fault: if rescue { OnStreamFault::Rescue } else { OnStreamFault::Error },
        outage: if asked.fast { Outage::Fast } else { Outage::Full },
    })
}
