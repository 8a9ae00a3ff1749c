//! The price list against an independent reckoner in another language: every row, and a hundred thousand random usages.

#![expect(clippy::expect_used, reason = "a test stops where something is not as it must be")]

use std::{
    fs::{self, File},
    process::Command,
};

use gproxy::{
    base::{Bucket, Modality, Usage},
    billing::{Catalogue, CatalogueRow, Cost, Piece},
};
use serde_json::{Map, Value, json};

const CALLS: usize = 100_000;
const SEED: u64 = 20_261_125;

/// A sequence of numbers that is the same in each run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// Small and large numbers alike.
    fn count(&mut self) -> u64 {
        let bits = self.below(27);
        self.below((1 << bits) + 1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("small")]
    }
}

fn random_usage(dice: &mut Dice, row: &CatalogueRow) -> Usage {
    let mut usage = Usage::default();
    for bucket in Bucket::ALL {
        for modality in Modality::ALL {
            // Words in two calls of three, other modalities in one of six.
            if dice.below(6) < if modality == Modality::Text { 4 } else { 1 } {
                usage.set(bucket, modality, dice.count());
            }
        }
    }
    usage.counts.images = if dice.below(6) == 0 { dice.below(20) } else { 0 };
    usage.counts.millis = if dice.below(6) == 0 { dice.count() } else { 0 };
    usage.counts.searches = if dice.below(6) == 0 { dice.below(20) } else { 0 };
    let limits: Vec<u64> = row.entry.tariff.bands().iter().map(|band| band.above).filter(|above| *above > 0).collect();
    if !limits.is_empty() && dice.below(3) == 0 {
        // A prompt that is just as long as a band's limit, or one token longer.
        let mut exact = Usage::default();
        let cached = dice.below(1000);
        exact.set(Bucket::CacheRead, Modality::Text, cached);
        exact.set(Bucket::Input, Modality::Text, dice.pick(&limits) - cached + dice.below(2));
        exact.set(Bucket::Output, Modality::Text, dice.count());
        exact.set(Bucket::Reasoning, Modality::Text, dice.count());
        return exact;
    }
    usage
}

fn random_tier<'a>(dice: &mut Dice, row: &'a CatalogueRow) -> Option<&'a str> {
    let own: Vec<&str> = row.entry.tariff.bands().iter().filter_map(|band| band.tier.as_deref()).collect();
    match dice.below(4) {
        0 => None,
        1 => Some(dice.pick(&["default", "standard", "PRIORITY", "Flex", "scale"])),
        _ if own.is_empty() => None,
        _ => Some(dice.pick(&own)),
    }
}

fn as_json(catalogue: &Catalogue, row: &CatalogueRow, usage: &Usage, tier: Option<&str>) -> Value {
    let tokens: Map<String, Value> = Bucket::ALL
        .into_iter()
        .map(|bucket| {
            let name = serde_json::to_value(bucket).expect("a name").as_str().expect("a name").to_owned();
            (name, Modality::ALL.map(|modality| usage.get(bucket, modality)).to_vec().into())
        })
        .collect();
    json!({
        "vendor": catalogue.vendor_name(row.vendor), "model": &*row.model, "tier": tier, "tokens": tokens,
        "images": usage.counts.images, "millis": usage.counts.millis, "searches": usage.counts.searches,
    })
}

fn cost_as_json(cost: &Cost) -> Value {
    let parts = Bucket::ALL.map(|bucket| cost.parts.bucket(bucket)).into_iter().chain(Piece::ALL.map(|piece| cost.parts.piece(piece)));
    let parts: Vec<i64> = parts.map(gproxy::base::Nanos::get).collect();
    let missing: Vec<String> = cost.missing.units().map(|unit| unit.to_string()).collect();
    json!({"nanos": cost.nanos.get(), "parts": parts, "missing": missing, "above": cost.above})
}

#[test]
fn an_independent_reckoner_agrees_to_the_nano_dollar() {
    let catalogue = Catalogue::shipped();
    let mut dice = Dice(SEED);
    let (mut calls, mut ours) = (String::new(), Vec::new());
    let mut priced = 0;
    for at in 0..CALLS {
        let row = &catalogue.rows()[at % catalogue.rows().len()];
        let (usage, tier) = (random_usage(&mut dice, row), random_tier(&mut dice, row));
        let cost = row.entry.tariff.cost(&usage, tier).expect("a cost that fits");
        priced += usize::from(cost.nanos.get() > 0);
        let call = as_json(&catalogue, row, &usage, tier).to_string();
        calls.push_str(&call);
        calls.push('\n');
        ours.push((call, cost_as_json(&cost)));
    }
    assert!(catalogue.rows().len() <= CALLS, "every row has its turn");
    assert!(priced > CALLS * 9 / 10, "only {priced} of {CALLS} calls cost anything");
    let theirs = ask_the_oracle(&calls);
    assert_eq!(theirs.lines().count(), CALLS);
    let differing: Vec<String> = ours
        .iter()
        .zip(theirs.lines())
        .filter(|((_, ours), theirs)| serde_json::from_str::<Value>(theirs).expect("an answer") != *ours)
        .map(|((call, ours), theirs)| format!("{call}\n  here  {ours}\n  there {theirs}"))
        .collect();
    assert!(differing.is_empty(), "{} of {CALLS} calls differ:\n{}", differing.len(), differing[..differing.len().min(5)].join("\n"));
}

fn ask_the_oracle(calls: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calls.jsonl");
    fs::write(&path, calls).expect("the calls are written");
    let root = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("python3")
        .args([format!("{root}/tests/billing/oracle.py"), format!("{root}/assets/prices.tsv")])
        .stdin(File::open(&path).expect("the calls are read"))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
