//! Rules, made ready once: JSON typed, patterns built, in the order in which they are applied.

use std::{fmt, sync::Arc};

use super::{filter::Filter, header::Header, mark::Mark, select::Path, text::Replacing};
use crate::protocol::{
    cache_mark::{CacheMark, MOST_MARKS},
    json::WrongShape,
    rule::{Phase, Rewrite, RewriteAction, Rule, RuleKind, SystemText},
};

/// Rules that go together, as they are attached to a provider.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// Its name.
    pub name: String,
    /// Its place among the provider's sets.
    pub sort_order: i64,
    /// Its rules as they were read; a fault is reported with the others.
    pub rules: Vec<Result<Rule, WrongShape>>,
}

/// What a provider's settings say about caching.
#[derive(Clone, Debug, Default)]
pub struct ProviderCache {
    /// `cache_breakpoints`, for the Claude dialect.
    pub marks: Vec<CacheMark>,
    /// Whether trigger texts become marks in the Claude dialect.
    pub claude_triggers: bool,
    /// Whether trigger texts become marks in OpenAI's dialects.
    pub openai_triggers: bool,
}

impl ProviderCache {
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty() && !self.claude_triggers && !self.openai_triggers
    }
}

/// A rule that could not be compiled. It is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// The set.
    pub set: String,
    /// The rule's place in the set, counted from zero.
    pub rule: usize,
    /// What is wrong.
    pub fault: WrongShape,
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} of set {:?}: {}", self.rule, self.set, self.fault)
    }
}

impl std::error::Error for RuleFault {}

/// A provider's rules, ready to be applied.
#[derive(Clone, Debug, Default)]
pub struct RuleBook {
    pub(super) rules: Vec<Compiled>,
    pub(super) cache: ProviderCache,
}

/// The kind's rank, then the set's place, then the rule's.
type Order = (usize, i64, i64);

/// One rule, ready to be applied.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    /// The set and the rule's place in it: `clients[2]`.
    pub(super) label: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) filter: Filter,
    pub(super) edit: Edit,
}

#[derive(Clone, Debug)]
pub(super) enum Edit {
    System(SystemText),
    Mark(Mark),
    Rewrite(Path, RewriteAction),
    Replace(Arc<Replacing>),
    Header(Header),
}

impl Edit {
    fn compile(kind: &RuleKind) -> Result<Self, WrongShape> {
        let edit = match kind {
            RuleKind::SystemText(rule) => Ok(Self::System(rule.clone())),
            RuleKind::CacheBreakpoint(rule) => Ok(Self::Mark(Mark::from(*rule))),
            RuleKind::Rewrite(Rewrite { path, action }) => {
                Path::parse(path).map(|path| Self::Rewrite(path, action.clone())).map_err(|fault| fault.under("path"))
            }
            RuleKind::Transform(rule) => Replacing::compile(rule).map(|rule| Self::Replace(Arc::new(rule))),
            RuleKind::Header(rule) => Header::compile(rule).map(Self::Header),
        };
        edit.map_err(|fault| fault.under("config_json"))
    }

    /// Whether it does anything to what the provider is sent.
    pub(super) fn on_request(&self) -> bool {
        match self {
            Self::System(_) | Self::Mark(_) | Self::Rewrite(..) | Self::Header(_) => true,
            Self::Replace(rule) => rule.phase != Phase::Response,
        }
    }

    /// The rule, where it does something to what the provider answers.
    pub(super) fn on_response(&self) -> Option<&Arc<Replacing>> {
        match self {
            Self::System(_) | Self::Mark(_) | Self::Rewrite(..) | Self::Header(_) => None,
            Self::Replace(rule) => (rule.phase != Phase::Request).then_some(rule),
        }
    }
}

impl RuleBook {
    /// Makes a provider's rules ready. A rule that does not compile is skipped and reported, never an error.
    #[must_use]
    pub fn compile(sets: &[RuleSet], mut cache: ProviderCache) -> (Self, Vec<RuleFault>) {
        cache.marks.truncate(MOST_MARKS);
        let mut faults = Vec::new();
        let mut sorted = Vec::new();
        for set in sets {
            for (at, rule) in set.rules.iter().enumerate() {
                let made = rule.as_ref().map_err(Clone::clone).and_then(|rule| compiled(set, at, rule));
                match made {
                    Ok(made) => sorted.extend(made),
                    Err(fault) => faults.push(RuleFault { set: set.name.clone(), rule: at, fault }),
                }
            }
        }
        // Stable: rules of equal order stay as they were given.
        sorted.sort_by_key(|(order, _)| *order);
        (Self { rules: sorted.into_iter().map(|(_, rule)| rule).collect(), cache }, faults)
    }

    /// Whether it never does anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.cache.is_empty()
    }
}

/// The rule with its order, where it is enabled.
fn compiled(set: &RuleSet, at: usize, rule: &Rule) -> Result<Option<(Order, Compiled)>, WrongShape> {
    if !rule.enabled {
        return Ok(None);
    }
    let edit = Edit::compile(&rule.kind)?;
    let filter = Filter::compile(&rule.filter)?;
    let order = (rule.kind.rank(), set.sort_order, rule.sort_order);
    Ok(Some((order, Compiled { label: format!("{}[{at}]", set.name).into(), kind: rule.kind.id(), filter, edit })))
}
