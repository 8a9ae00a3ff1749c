//! What `log_level` may say: a level, or a filter of targets. A word that the log's own reader would take for the name of a target is
//! refused, for that silences everything else.

use crate::snapshot::name;

/// The levels by name; the log also takes them as numbers.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// The filter without blanks around its parts.
pub(super) fn read(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.iter().try_for_each(|part| directive(part))?;
    Ok(parts.join(","))
}

fn directive(part: &str) -> Result<(), String> {
    // What is in brackets, a span and its fields, has an equals sign of its own.
    let (target, rest) = part.rfind(']').map_or(("", part), |end| part.split_at(end + 1));
    match rest.split_once('=') {
        Some((_, written)) => level(written),
        None if rest.is_empty() && !target.is_empty() => Ok(()),
        // A path can be nothing else than a target; our own name is no level that was mistyped.
        None if part.contains("::") || part == env!("CARGO_PKG_NAME") => Ok(()),
        None => level(part),
    }
}

fn level(written: &str) -> Result<(), String> {
    let lower = written.to_ascii_lowercase();
    if LEVELS.contains(&lower.as_str()) || written.parse::<u8>().is_ok_and(|number| number <= 5) {
        return Ok(());
    }
    let hint = name::hint(&lower, LEVELS);
    Err(format!("unknown level {written:?}; expected {}, or a filter like gproxy=debug,info{hint}", LEVELS.join(", ")))
}
