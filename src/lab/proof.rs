//! Whether a gateway's ledger is the provider's: both count the same answers and the same tokens, and `gproxy verify` holds.

use std::time::Duration;

use http::Method;
use serde::Serialize;
use serde_json::Value;

use super::{client::Client, gateway::Gateway, ledger::Totals, provider::Provider};
use crate::runtime::Platform;

/// Rows asked for at a time.
const PAGE: usize = 500;
/// How long the gateway may take to bring its last rows into the database, and how often it is looked at meanwhile.
const WRITTEN_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Answers and their tokens, as one side counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    /// Answers whose usage the target told.
    pub(super) told: u64,
    /// Their tokens.
    pub(super) told_tokens: u64,
    /// Answers that began and broke off before.
    pub(super) broken: u64,
    /// Their tokens; the gateway can only estimate them.
    pub(super) broken_tokens: u64,
}

impl Count {
    /// What the provider sent.
    fn sent(totals: &Totals) -> Self {
        let Totals { tokens, told, told_tokens, broken, .. } = *totals;
        Self { told, told_tokens, broken, broken_tokens: tokens - told_tokens }
    }

    /// Takes a row of the gateway's record.
    fn add(&mut self, row: &Value) {
        let tokens = row["output_tokens"].as_u64().unwrap_or(0);
        match row["source"].as_str() {
            Some("upstream") => {
                self.told += 1;
                self.told_tokens += tokens;
            }
            Some("estimated") => {
                self.broken += 1;
                self.broken_tokens += tokens;
            }
            _ => {}
        }
    }

    /// Whether both count the same, as far as both can know.
    fn agrees(&self, other: &Self) -> bool {
        (self.told, self.told_tokens, self.broken) == (other.told, other.told_tokens, other.broken)
    }
}

/// What both sides say.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Proof {
    /// The provider.
    pub(super) sent: Count,
    /// The gateway's record.
    pub(super) recorded: Count,
    /// Answers that somebody else was asked to go on with.
    pub(super) rescued: u64,
    /// What `gproxy verify` found wrong; nothing where it holds.
    pub(super) verify: String,
}

impl Proof {
    /// What must hold, with its figure.
    pub(super) fn checks(&self) -> Vec<(String, bool)> {
        let Self { sent, recorded, verify, .. } = self;
        let text = format!(
            "{} answers with {} tokens and {} broken ones at the targets, {} with {} and {} on record; expected the same",
            sent.told, sent.told_tokens, sent.broken, recorded.told, recorded.told_tokens, recorded.broken
        );
        let said = if verify.is_empty() { "nothing differs" } else { verify };
        vec![(text, sent.agrees(recorded)), (format!("gproxy verify: {said}"), verify.is_empty())]
    }
}

/// Compares both ledgers, once the gateway has written its last row.
///
/// # Errors
/// For people: the gateway's record cannot be read.
pub(super) async fn proof(platform: &Platform, (gateway, client): (&Gateway, &Client), provider: &Provider) -> Result<Proof, String> {
    let begun = platform.clock.now();
    loop {
        let (recorded, rescued) = record(client).await?;
        let sent = Count::sent(&provider.totals());
        if sent.agrees(&recorded) || platform.clock.now().since(begun) > WRITTEN_WITHIN {
            return Ok(Proof { sent, recorded, rescued, verify: gateway.verify()? });
        }
        platform.clock.sleep(LOOK_EVERY).await;
    }
}

/// Reads all rows; tells how many of them were gone on with.
async fn record(client: &Client) -> Result<(Count, u64), String> {
    let (mut count, mut rescued, mut before) = (Count::default(), 0, None::<String>);
    loop {
        let before_it = before.as_ref().map(|id| format!("&before={id}")).unwrap_or_default();
        let page = client.admin(Method::GET, &format!("/admin/usage?limit={PAGE}{before_it}"), None).await?;
        let rows = page.as_array().or_else(|| page["usages"].as_array()).cloned().unwrap_or_default();
        for row in &rows {
            count.add(row);
            rescued += u64::from(row["ended"] == "rescued");
        }
        before = rows.last().and_then(|row| row["request_id"].as_str()).map(str::to_owned);
        if rows.len() < PAGE || before.is_none() {
            return Ok((count, rescued));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Count, Proof};

    #[test]
    fn ledgers_agree_where_both_count_the_same() {
        let sent = Count { told: 2, told_tokens: 120, broken: 1, broken_tokens: 20 };
        let mut recorded = Count::default();
        for (source, tokens) in [("upstream", 60), ("upstream", 60), ("estimated", 27), ("none", 0)] {
            recorded.add(&json!({ "source": source, "output_tokens": tokens }));
        }
        let holds = |recorded: Count, verify: &str| {
            let proof = Proof { sent, recorded, rescued: 1, verify: verify.to_owned() };
            proof.checks().iter().map(|(_, holds)| *holds).collect::<Vec<_>>()
        };
        assert_eq!(holds(recorded, ""), [true, true], "what broke off can only be estimated");
        assert_eq!(holds(recorded, "1 difference"), [true, false]);
        for other in [Count { told: 3, ..recorded }, Count { told_tokens: 119, ..recorded }, Count { broken: 0, ..recorded }] {
            assert_eq!(holds(other, ""), [false, true]);
        }
    }
}
