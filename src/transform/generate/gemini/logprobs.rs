//! `logprobsResult`: the chosen tokens, and beside them the likeliest at each place.

use super::{super::canon::Logprob, fields};
use crate::protocol::json::{Node, ObjectWriter};

/// Reads the chosen tokens; what cannot be read is none.
pub(super) fn lift(node: Node<'_>) -> Vec<Logprob<'_>> {
    let Some(mut members) = node.object() else { return Vec::new() };
    let mut tops = fields::list(&mut members, "topCandidates").into_iter();
    let mut all = Vec::new();
    for chosen in fields::list(&mut members, "chosenCandidates") {
        let likely = tops.next().and_then(Node::object).map(|mut top| fields::list(&mut top, "candidates")).unwrap_or_default();
        if let Some(mut logprob) = one(chosen) {
            logprob.top = likely.into_iter().filter_map(one).collect();
            all.push(logprob);
        }
    }
    all
}

fn one(node: Node<'_>) -> Option<Logprob<'_>> {
    let mut members = node.object()?;
    let token = fields::text(&mut members, "token").ok()??;
    let logprob = fields::number(&mut members, "logProbability").ok().flatten().unwrap_or(0.0);
    Some(Logprob { token, logprob, bytes: None, top: Vec::new() })
}

/// Writes the member, where there is something to write.
pub(super) fn lower(all: &[Logprob<'_>], out: &mut ObjectWriter<'_>) {
    if all.is_empty() {
        return;
    }
    let write = |logprob: &Logprob<'_>, o: &mut ObjectWriter<'_>| {
        o.text("token", &logprob.token).number("logProbability", logprob.logprob);
    };
    out.object("logprobsResult", |o| {
        if all.iter().any(|logprob| !logprob.top.is_empty()) {
            o.array("topCandidates", |a| {
                for logprob in all {
                    a.object(|o| {
                        o.array("candidates", |a| logprob.top.iter().for_each(|top| _ = a.object(|o| write(top, o))));
                    });
                }
            });
        }
        o.array("chosenCandidates", |a| all.iter().for_each(|logprob| _ = a.object(|o| write(logprob, o))));
    });
}
