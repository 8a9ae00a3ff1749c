//! The operator's rules as text, to carry them from one gateway to another.
//!
//! A rule is a line of six fields separated by tabs: `rule`, `on` or `off`, the provider's name or `*`, `exact`, `glob`
//! or `default`, the pattern, and the tariff as the catalogue writes it.

use thiserror::Error;

use super::{
    book::{Match, check_pattern},
    rates::Tariff,
};

/// One rule of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// The name of its provider; none for all.
    pub provider: Option<Box<str>>,
    /// How it finds its models.
    pub matches: Match,
    /// What it finds them by; empty for a default.
    pub pattern: Box<str>,
    /// The prices.
    pub tariff: Tariff,
    /// Whether it holds.
    pub enabled: bool,
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct RuleLineFault {
    /// From 1.
    pub line: usize,
    /// What was wrong and what was expected.
    pub reason: Box<str>,
}

/// Writes rules.
#[must_use]
pub fn export(rules: &[RuleLine]) -> String {
    let mut text = "# Price rules: rule, on or off, provider, exact or glob or default, pattern, prices\n".to_owned();
    for rule in rules {
        let switch = if rule.enabled { "on" } else { "off" };
        let provider = rule.provider.as_deref().unwrap_or("*");
        text += &format!("rule\t{switch}\t{provider}\t{}\t{}\t{}\n", match_name(rule.matches), rule.pattern, rule.tariff);
    }
    text
}

/// Reads rules. Empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// Every line that is wrong.
pub fn import(text: &str) -> Result<Vec<RuleLine>, Vec<RuleLineFault>> {
    let (mut rules, mut faults) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match read(line) {
            Ok(rule) => rules.push(rule),
            Err(reason) => faults.push(RuleLineFault { line: at + 1, reason: reason.into() }),
        }
    }
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

fn read(line: &str) -> Result<RuleLine, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let &["rule", switch, provider, matches, pattern, rates] = &fields[..] else {
        return Err("expected `rule` and five more fields, separated by tabs".to_owned());
    };
    let enabled = match switch {
        "on" => true,
        "off" => false,
        _ => return Err(format!("the switch is {switch:?}; expected on or off")),
    };
    let matches = [Match::Exact, Match::Glob, Match::Default].into_iter().find(|known| match_name(*known) == matches);
    let matches = matches.ok_or_else(|| format!("the match is {:?}; expected exact, glob or default", fields[3]))?;
    check_pattern(matches, pattern)?;
    let provider = match provider {
        "" => return Err("the provider is empty; expected its name, or * for all".to_owned()),
        "*" => None,
        name => Some(name.into()),
    };
    let tariff = Tariff::parse(rates).map_err(|fault| fault.to_string())?;
    Ok(RuleLine { provider, matches, pattern: pattern.into(), tariff, enabled })
}

fn match_name(matches: Match) -> &'static str {
    match matches {
        Match::Exact => "exact",
        Match::Glob => "glob",
        Match::Default => "default",
    }
}
