//! How a route treats its members: how long it waits for them, what becomes of a stream that one of them breaks off, and what
//! stays with one of them.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use crate::runtime::Timers;

/// What a route's `settings_json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How long a member may take.
    pub timers: Timers,
    /// What becomes of a stream that breaks off after its first content.
    pub on_stream_fault: OnStreamFault,
    /// What stays with one member; `None` where each call goes as the strategy says.
    pub affinity: Option<RouteAffinity>,
    /// The routes that a call goes on to which its members decline.
    pub fallback: Fallback,
}

/// Why a model declines a call that another one may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The prompt is longer than its window.
    ContextLength,
    /// Its provider's policy has something against it.
    ContentPolicy,
}

impl Cause {
    /// The word in settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ContextLength => "context_length",
            Self::ContentPolicy => "content_policy",
        }
    }
}

/// The names of the routes that a call goes on to, by why it was declined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    context_length: Option<Arc<str>>,
    content_policy: Option<Arc<str>>,
}

impl Fallback {
    /// Each cause that has a route.
    pub fn routes(&self) -> impl Iterator<Item = (Cause, &str)> {
        [(Cause::ContextLength, &self.context_length), (Cause::ContentPolicy, &self.content_policy)]
            .into_iter()
            .filter_map(move |(cause, name)| name.as_deref().map(|name| (cause, name)))
    }

    /// Whether a cause has a route.
    #[must_use]
    pub fn has(&self, cause: Cause) -> bool {
        self.routes().any(|(other, _)| other == cause)
    }
}

/// What stays with the member that answered it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteAffinity {
    /// What that is.
    pub subject: Subject,
    /// After how long the strategy chooses anew, in milliseconds; `None`: it stays as long as it goes on.
    pub reanchor_ms: Option<u64>,
}

/// What stays with a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A session that the client names, or else a conversation, by how it begins.
    #[default]
    #[serde(alias = "conversation")]
    Session,
    /// All calls of an API key.
    Key,
}

/// What becomes of a stream that breaks off after its first content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStreamFault {
    /// It ends with its dialect's error event.
    #[default]
    Error,
    /// Another member is asked to go on with it: paid twice, told once.
    Rescue,
}

/// A policy as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    timers: WrittenTimers,
    #[serde(default)]
    on_stream_fault: OnStreamFault,
    affinity: Option<WrittenAffinity>,
    #[serde(default)]
    fallback: Fallback,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAffinity {
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    subject: Subject,
    reanchor_after_secs: Option<u64>,
}

impl WrittenAffinity {
    fn affinity(&self) -> Option<RouteAffinity> {
        let reanchor_ms = self.reanchor_after_secs.filter(|seconds| *seconds > 0).map(|seconds| seconds.saturating_mul(1000));
        self.enabled.then_some(RouteAffinity { subject: self.subject, reanchor_ms })
    }
}

/// A profile's name, or seconds over those of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenTimers {
    Profile(Profile),
    Own(OwnTimers),
}

impl Default for WrittenTimers {
    fn default() -> Self {
        Self::Profile(Profile::Default)
    }
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Profile {
    #[default]
    Default,
    Interactive,
}

impl Profile {
    const fn timers(self) -> Timers {
        match self {
            Self::Default => Timers::PATIENT,
            Self::Interactive => Timers::INTERACTIVE,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnTimers {
    #[serde(default)]
    profile: Profile,
    connect: Option<f64>,
    head: Option<f64>,
    first_content: Option<f64>,
    idle: Option<f64>,
    total: Option<f64>,
}

impl OwnTimers {
    fn timers(self) -> Result<Timers, String> {
        let base = self.profile.timers();
        let read = |name: &str, own: Option<f64>, usual: Duration| match own {
            None => Ok(usual),
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|span| !span.is_zero())
                .ok_or_else(|| format!("\"timers.{name}\" is {seconds}; expected seconds, more than 0")),
        };
        Ok(Timers {
            connect: read("connect", self.connect, base.connect)?,
            head: read("head", self.head, base.head)?,
            content: read("first_content", self.first_content, base.content)?,
            idle: read("idle", self.idle, base.idle)?,
            total: read("total", self.total, base.total)?,
        })
    }
}

impl Policy {
    /// Reads a route's settings, a JSON object; nothing stands for the defaults.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(json: Option<&str>) -> Result<Self, String> {
        let Some(json) = json.map(str::trim).filter(|json| !json.is_empty()) else { return Ok(Self::default()) };
        let expected = "expected {\"timers\": \"default\" | \"interactive\" | {\"profile\", \"connect\", \"head\", \"first_content\", \"idle\", \"total\"}, \"on_stream_fault\": \"error\" | \"rescue\", \"affinity\": {\"enabled\", \"subject\": \"session\" | \"key\", \"reanchor_after_secs\"}, \"fallback\": {\"context_length\", \"content_policy\"}}";
        let written: Written = serde_json::from_str(json).map_err(|fault| format!("{fault}; {expected}"))?;
        let timers = match written.timers {
            WrittenTimers::Profile(profile) => profile.timers(),
            WrittenTimers::Own(own) => own.timers()?,
        };
        Ok(Self {
            timers,
            on_stream_fault: written.on_stream_fault,
            affinity: written.affinity.and_then(|written| written.affinity()),
            fallback: written.fallback,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cause, OnStreamFault, Policy, RouteAffinity, Subject, Timers};

    #[test]
    fn a_profile_is_named_or_changed_one_by_one() {
        let own = Timers { head: Duration::from_millis(2500), ..Timers::INTERACTIVE };
        let cases = [
            (None, Ok(Timers::PATIENT)),
            (Some("{}"), Ok(Timers::PATIENT)),
            (Some(r#"{"timers":"interactive"}"#), Ok(Timers::INTERACTIVE)),
            (Some(r#"{"timers":{"profile":"interactive","head":2.5}}"#), Ok(own)),
            (Some(r#"{"timers":{"head":0}}"#), Err("\"timers.head\" is 0")),
            (Some(r#"{"timers":"quick"}"#), Err("expected {\"timers\"")),
            (Some(r#"{"timer":"interactive"}"#), Err("unknown field `timer`")),
        ];
        for (json, expected) in cases {
            match (Policy::read(json), expected) {
                (Ok(found), Ok(timers)) => assert_eq!(found.timers, timers, "{json:?}"),
                (Err(found), Err(part)) => assert!(found.contains(part), "{json:?}: {found}"),
                (found, expected) => panic!("{json:?}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn routes_to_fall_back_to_are_named_by_cause() {
        let of = |json: &str| Policy::read(Some(json)).map(|policy| policy.fallback);
        let both = of(r#"{"fallback":{"context_length":"long","content_policy":"other"}}"#).unwrap();
        assert_eq!(both.routes().collect::<Vec<_>>(), [(Cause::ContextLength, "long"), (Cause::ContentPolicy, "other")]);
        let one = of(r#"{"fallback":{"content_policy":"other"}}"#).unwrap();
        assert_eq!([Cause::ContextLength, Cause::ContentPolicy].map(|cause| one.has(cause)), [false, true]);
        assert!(of(r#"{"fallback":{"rate_limit":"other"}}"#).is_err() && of("{}").unwrap().routes().next().is_none());
    }

    #[test]
    fn affinity_is_wanted_by_name() {
        let of = |json: &str| Policy::read(Some(json)).map(|policy| policy.affinity).map_err(drop);
        let wants = |subject, reanchor_ms| Ok(Some(RouteAffinity { subject, reanchor_ms }));
        let cases = [
            ("{}", Ok(None)),
            (r#"{"affinity":{}}"#, Ok(None)),
            (r#"{"affinity":{"enabled":true}}"#, wants(Subject::Session, None)),
            (r#"{"affinity":{"enabled":true,"subject":"conversation","reanchor_after_secs":0}}"#, wants(Subject::Session, None)),
            (r#"{"affinity":{"enabled":true,"subject":"key","reanchor_after_secs":60}}"#, wants(Subject::Key, Some(60_000))),
            (r#"{"affinity":{"enabled":true,"subject":"user"}}"#, Err(())),
            (r#"{"affinity":{"enable":true}}"#, Err(())),
            (r#"{"affinity":true}"#, Err(())),
        ];
        for (json, expected) in cases {
            assert_eq!(of(json), expected, "{json}");
        }
    }

    #[test]
    fn a_broken_stream_ends_with_an_error_unless_its_route_says_rescue() {
        let of = |json: &str| Policy::read(Some(json)).map(|policy| policy.on_stream_fault);
        assert_eq!(of("{}"), Ok(OnStreamFault::Error));
        assert_eq!(of(r#"{"on_stream_fault":"error"}"#), Ok(OnStreamFault::Error));
        assert_eq!(of(r#"{"on_stream_fault":"rescue","timers":"interactive"}"#), Ok(OnStreamFault::Rescue));
        let fault = of(r#"{"on_stream_fault":"retry"}"#).unwrap_err();
        assert!(fault.contains("`retry`") && fault.contains(r#""on_stream_fault": "error" | "rescue""#), "{fault}");
    }
}
