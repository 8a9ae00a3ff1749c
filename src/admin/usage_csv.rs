//! Usage rows as a table of comma-separated values (RFC 4180), for spreadsheets.

use std::fmt::Write as _;

use super::usage::UsageView;
use crate::{
    base::RequestId,
    store::{
        persist::{Ledger, StoreFault, UsageFilter},
        record::{Phases, UsageRow},
    },
};

/// Rows at most in one table.
pub const ROWS: u64 = 50_000;
/// Rows that are read at once.
const PAGE: u64 = 1000;

const HEAD: &str = "request_id,at,user_id,key_id,team_id,organization_id,provider_id,credential_id,operation,kind,model,input_tokens,\
cache_read_tokens,cache_write_5m_tokens,cache_write_30m_tokens,cache_write_1h_tokens,output_tokens,reasoning_tokens,images,media_ms,\
searches,source,ended,status,first_byte_us,latency_us,cost,price,queue_us,auth_us,route_us,journal_us,connect_us,head_us,content_us,gap_us,tail_us";

/// A table, newest row first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its text, with a line of names.
    pub csv: String,
    /// Where the next one goes on: `before` this id; `None` where nothing is left.
    pub next: Option<RequestId>,
}

/// Writes the rows of a filter, those before an id where one is given, at most `limit` or [`ROWS`].
pub(super) async fn write(
    ledger: &dyn Ledger,
    filter: UsageFilter,
    mut before: Option<RequestId>,
    limit: Option<u64>,
) -> Result<Export, StoreFault> {
    let mut left = limit.unwrap_or(ROWS).min(ROWS);
    let mut csv = format!("{HEAD}\r\n");
    while left > 0 {
        let wanted = left.min(PAGE);
        let rows = ledger.usages(filter.clone(), before, wanted).await?;
        for row in &rows {
            line(&mut csv, row);
        }
        let count = rows.len() as u64;
        before = rows.last().map(|row| row.begun.request_id);
        if count < wanted {
            return Ok(Export { csv, next: None });
        }
        left -= count;
    }
    Ok(Export { csv, next: before })
}

fn line(csv: &mut String, row: &UsageRow) {
    let view = UsageView::from(row);
    let tokens = view.tokens;
    let optional = |figure: Option<i64>| figure.map(|figure| figure.to_string()).unwrap_or_default();
    let _ = write!(
        csv,
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},",
        view.request_id,
        view.at,
        view.user_id,
        view.key_id,
        optional(view.team_id.map(|id| id.0)),
        optional(view.organization_id.map(|id| id.0)),
        view.provider_id,
        optional(view.credential_id.map(|id| id.0)),
        view.operation.id(),
        view.kind.id(),
        cell(&view.model),
        tokens.input_tokens,
        tokens.cache_read_tokens,
        tokens.cache_write_5m_tokens,
        tokens.cache_write_30m_tokens,
        tokens.cache_write_1h_tokens,
        tokens.output_tokens,
        tokens.reasoning_tokens,
        view.images,
        view.media_ms,
        view.searches,
    );
    let word =
        |value: serde_json::Result<serde_json::Value>| value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    let (source, ended) = (word(serde_json::to_value(view.source)), word(serde_json::to_value(view.ended)));
    let first_byte = view.first_byte_us.map(|us| us.to_string()).unwrap_or_default();
    let cost = view.cost.map(|cost| cost.to_string()).unwrap_or_default();
    let price = view.price.as_deref().map(cell).unwrap_or_default();
    let _ = write!(csv, "{source},{ended},{},{first_byte},{},{cost},{price}", view.status, view.latency_us);
    for phase in view.phases.map_or([None; Phases::COUNT], |phases| phases.figures().map(Some)) {
        let _ = write!(csv, ",{}", phase.map(|us| us.to_string()).unwrap_or_default());
    }
    csv.push_str("\r\n");
}

/// A text of others, quoted where it must be. What a spreadsheet would run as a formula gets an apostrophe before it.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if guard.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_never_a_formula() {
        for (text, expected) in [
            ("gpt-5", "gpt-5"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=HYPERLINK(1)", "\"'=HYPERLINK(1)\""),
            ("-1", "\"'-1\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
