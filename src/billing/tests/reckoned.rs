//! What calls cost and what is quoted for them.

use proptest::prelude::*;

use super::{tariff, usage};
use crate::{
    base::{Bucket, Counts, Modality, MoneyFault, Nanos, Usage},
    billing::{
        Admission, Ask, Candidate, Catalogue, Content, Entry, Limits, Lookup, Origin, Piece, Quote, ServiceTier, UNKNOWN_OUTPUT,
        estimate_tokens,
    },
};

#[test]
fn each_unit_costs_what_the_tariff_says() {
    let claude = "input=3 cache_read=0.3 cache_write_5m=3.75 cache_write_1h=6 output=15 search=0.01";
    let tiers =
        "input=1 output=4; above=1000 input=2 output=6; tier=flex times=0.5; tier=priority input=3; above=1000 tier=priority output=12";
    for (rates, used, tier, dollars) in [
        (claude, "", None, "0"),
        (claude, "input 1000", None, "0.003"),
        (claude, "input 10, cache_read 1000, cache_write_5m 100, cache_write_1h 100, output 20, reasoning 80", None, "0.002805"),
        // 30 minutes have no price of their own: the next longer life has.
        (claude, "cache_write_30m 1000", None, "0.006"),
        ("input=3 cache_write_5m=3.75", "cache_write_1h 1000", None, "0.00375"),
        ("input=3", "cache_write_5m 1000, cache_read 1000", None, "0.006"),
        ("input=1 output=4 reasoning=8", "reasoning 1000, output 1000", None, "0.012"),
        // Sound has its price, or that of words; a read of it from the cache that of fresh sound rather than of words.
        ("input=1 input.audio=10 cache_read=0.1 output=4", "input.audio 100, cache_read.audio 100, input.image 100", None, "0.0021"),
        ("input=1 output=4 output.image=40", "reasoning.image 100, output.video 100", None, "0.0044"),
        (claude, "searches 3, input 1000000", None, "3.03"),
        ("image=0.04", "images 3, input 500", None, "0.12"),
        ("second=0.0001", "millis 1500", None, "0.00015"),
        ("request=0.005 input=1", "input 1000", None, "0.006"),
        // The band is chosen by the whole prompt, cached tokens too, and holds for the answer as well.
        (tiers, "input 500, cache_read 500, output 1000", None, "0.005"),
        (tiers, "input 500, cache_read 501, output 1000", None, "0.008002"),
        (tiers, "input 1000, output 1000", Some("FLEX"), "0.0025"),
        (tiers, "input 2000, output 1000", Some("flex"), "0.005"),
        (tiers, "input 1000, output 1000", Some("priority"), "0.007"),
        // A longer prompt goes before a tier: nothing is billed below the ordinary price of its length.
        (tiers, "input 2000, output 1000", Some("priority"), "0.016"),
        (tiers, "input 1000, output 1000", Some("turbo"), "0.005"),
        // Halves go to the even neighbour: 0.5, 1.5 and 2.5 nano-dollars.
        ("input=0.0005", "input 1", None, "0"),
        ("input=0.0005", "input 3", None, "0.000000002"),
        ("input=0.0005", "input 5", None, "0.000000002"),
        ("input=0.0005 output=0.0005", "input 1, output 1", None, "0.000000001"),
    ] {
        let cost = tariff(rates).cost(&usage(used), tier).expect("a cost");
        assert_eq!((cost.nanos.to_string().as_str(), cost.missing.is_empty()), (dollars, true), "{rates} | {used} | {tier:?}");
    }
}

#[test]
fn what_has_no_price_is_told() {
    for (rates, used, missing) in [
        ("input=1", "input 5, output 5, reasoning.audio 5", "output reasoning.audio"),
        ("output=1", "input 5, cache_read 1", "input cache_read"),
        ("input=1", "input 5, searches 1, images 1, millis 1", "search"),
        ("image=1", "input 5", "input"),
        ("image=1", "input 5, images 1", ""),
        ("request=1", "input 5", "input"),
        ("second=1", "images 1", "image"),
        ("search=1", "images 1, searches 1, millis 1", "image second"),
    ] {
        let cost = tariff(rates).cost(&usage(used), None).expect("a cost");
        let units: Vec<String> = cost.missing.units().map(|unit| unit.to_string()).collect();
        assert_eq!(units.join(" "), missing, "{rates} | {used}");
    }
}

#[test]
fn a_cost_says_how_it_came_about() {
    let tariff = tariff("input=1 output=4; above=1000 input=2; tier=flex times=0.5");
    let cost = |used: &str, tier| tariff.cost(&usage(used), tier).expect("a cost");
    assert_eq!((cost("input 1000", None).above, cost("input 1001", None).above), (0, 1000));
    for (tier, told) in [
        (None, ServiceTier::Standard),
        (Some("default"), ServiceTier::Standard),
        (Some("Flex"), ServiceTier::Own),
        (Some("scale"), ServiceTier::Unknown),
    ] {
        assert_eq!(cost("input 1", tier).tier, told, "{tier:?}");
    }
    let parts = cost("input 1000, output 500, searches 2", Some("flex")).parts;
    assert_eq!(
        (parts.bucket(Bucket::Input).get(), parts.bucket(Bucket::Output).get(), parts.piece(Piece::Search).get()),
        (500_000, 1_000_000, 0)
    );
}

#[test]
fn a_cost_that_does_not_fit_is_refused() {
    let tariff = tariff("input=9000000000");
    assert_eq!(tariff.cost(&usage("input 18446744073709551615"), None), Err(MoneyFault::TooLarge));
    assert_eq!(tariff.cost(&usage("input 1000000, cache_read 1000000"), None), Err(MoneyFault::TooLarge));
    let ask = Ask { prompt: u64::MAX, ..Ask::default() };
    let entry = entry("input=9000000000");
    assert_eq!(Quote::of(&ask, &[priced(&entry, Limits::default())]), Err(MoneyFault::TooLarge));
}

fn entry(rates: &str) -> Entry {
    Entry { tariff: tariff(rates), limits: Limits::default(), version: "1".into(), date: "2026-11-25".into(), origin: Origin::Catalogue }
}

fn priced(entry: &Entry, limits: Limits) -> Candidate<'_> {
    Candidate { price: Lookup::Priced(entry), limits }
}

#[test]
fn a_quote_is_of_the_dearest_candidate() {
    let (cheap, dear) = (entry("input=1 output=4"), entry("input=2 cache_write_5m=2.5 output=10"));
    let limits = |prompt, output| Limits { prompt: Some(prompt), output: Some(output) };
    let text = Ask { prompt: 1000, content: Content::Text, ..Ask::default() };
    let all = [
        priced(&cheap, limits(500, 100_000)),
        priced(&dear, limits(500, 2_000)),
        Candidate { price: Lookup::Unpriced, limits: Limits::default() },
    ];
    for (ask, candidates, worst, typical, output) in [
        // The client's own limit goes before the model's.
        (Ask { max_output: Some(100), ..text }, &all[..1], "0.0014", "0.0014", 100),
        (text, &all[..1], "0.401", "0.005", 100_000),
        (text, &all[1..2], "0.0225", "0.012", 2_000),
        (Ask { max_output: Some(100), answers: 3, ..text }, &all[1..2], "0.0055", "0.005", 300),
        (Ask { max_output: Some(5000), typical_output: Some(50), ..text }, &all[..2], "0.0525", "0.0025", 5000),
        // The bytes of pictures say little: no more than the model takes.
        (Ask { max_output: Some(0), content: Content::Any, ..text }, &all[1..2], "0.00125", "0.001", 0),
        (text, &all[2..], "0", "0", UNKNOWN_OUTPUT),
    ] {
        let quote = Quote::of(&ask, candidates).expect("a quote");
        let told = (quote.reserve(Admission::Strict).to_string(), quote.reserve(Admission::Estimate).to_string(), quote.output);
        assert_eq!(told, (worst.to_owned(), typical.to_owned(), output), "{ask:?}");
        assert_eq!(quote.slack().checked_add(quote.typical), Some(quote.worst));
    }
    assert_eq!(Quote::of(&text, &all).expect("a quote").unpriced, 1);
}

#[test]
fn what_was_not_asked_for_is_not_reserved() {
    let entry = entry("input=1 input.audio=10 cache_write_1h=2 output=4 search=0.01; tier=priority times=3");
    let text = Ask { prompt: 1_000_000, content: Content::Text, max_output: Some(0), ..Ask::default() };
    let searches = Counts { searches: 2, ..Counts::default() };
    for (ask, worst) in [
        // Half an hour has no price of its own, and is billed as an hour; five minutes too.
        (text, "2"),
        (Ask { hour_cache: true, ..text }, "2"),
        (Ask { content: Content::Any, ..text }, "10"),
        (Ask { tier: Some("priority"), ..text }, "6"),
        (Ask { tier: Some("default"), ..text }, "2"),
        (Ask { pieces: searches, ..text }, "2.02"),
    ] {
        assert_eq!(Quote::of(&ask, &[priced(&entry, Limits::default())]).expect("a quote").worst.to_string(), worst, "{ask:?}");
    }
    let claude = self::entry("input=3 cache_write_5m=3.75 cache_write_30m=3.75 cache_write_1h=6");
    for (hour_cache, worst) in [(false, "3.75"), (true, "6")] {
        let ask = Ask { hour_cache, ..text };
        assert_eq!(Quote::of(&ask, &[priced(&claude, Limits::default())]).expect("a quote").worst.to_string(), worst);
    }
}

#[test]
fn four_bytes_are_a_token() {
    assert_eq!([0, 1, 4, 5].map(estimate_tokens), [0, 1, 1, 2]);
}

/// A usage within what was asked: shares of the prompt and of the answer in random buckets.
fn within(prompt: u64, output: u64, shares: [u8; 10], modality: Modality) -> Usage {
    let mut usage = Usage::default();
    let (mut left, mut out) = (prompt, output);
    for (bucket, share) in Bucket::ALL.into_iter().zip(shares) {
        let rest = if matches!(bucket, Bucket::Output | Bucket::Reasoning) { &mut out } else { &mut left };
        let taken = *rest * u64::from(share) / 255;
        *rest -= taken;
        usage.set(bucket, modality, taken);
    }
    usage.counts = Counts { images: u64::from(shares[7]), millis: u64::from(shares[8]), searches: u64::from(shares[9]) };
    usage
}

const TIERS: [Option<&str>; 4] = [None, Some("batch"), Some("priority"), Some("fast")];

proptest! {
    #[test]
    fn no_call_costs_more_than_its_worst_case(
        row in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), prompt in 0_u64..2_000_000, output in 0_u64..200_000,
        shares: [u8; 10], modality in prop::sample::select(&Modality::ALL[..]), tier in prop::sample::select(&TIERS[..]), downgraded: bool,
    ) {
        let list = Catalogue::shipped();
        let entry = &list.rows()[row.index(list.rows().len())].entry;
        let bands = entry.tariff.bands();
        // Half of the prompts end at a band's limit, or just above it.
        let edge = bands[at.index(bands.len())].above;
        let prompt = if edge > 0 && prompt % 2 == 0 { edge + prompt / 2 % 2 } else { prompt };
        let usage = within(prompt, output, shares, modality);
        let ask = Ask { prompt, hour_cache: true, max_output: Some(output), pieces: usage.counts, tier, ..Ask::default() };
        let quote = Quote::of(&ask, &[priced(entry, Limits::default())]).expect("a quote");
        let reported = if downgraded { Some("default") } else { tier };
        let cost = entry.tariff.cost(&usage, reported).expect("a cost");
        prop_assert!(cost.nanos <= quote.worst, "{} costs {}, quoted {}", entry.tariff, cost.nanos, quote.worst);
        prop_assert!(quote.typical <= quote.worst);
        let parts = Bucket::ALL.map(|bucket| cost.parts.bucket(bucket)).into_iter().chain(Piece::ALL.map(|piece| cost.parts.piece(piece)));
        let parts: Vec<Nanos> = parts.collect();
        prop_assert!(parts.iter().all(|part| *part >= Nanos::ZERO));
        prop_assert_eq!(parts.iter().map(|part| part.wide()).sum::<i128>(), cost.nanos.wide());
    }
}

#[test]
fn a_row_names_its_price_and_the_tier_that_has_one_of_its_own() {
    let of = |rates: &str, version: &str| Entry { version: version.into(), ..entry(rates) };
    let rates = "input=2; tier=flex times=0.5; tier=a-tier-with-a-very-long-name-indeed input=8";
    let list = of(rates, "2026-11-25");
    for (reported, price, nanos) in [
        (None, "2026-11-25", 2_000),
        (Some("default"), "2026-11-25", 2_000),
        (Some("auto"), "2026-11-25", 2_000),
        (Some("turbo"), "2026-11-25", 2_000),
        (Some("flex"), "2026-11-25 flex", 1_000),
        (Some("FLEX"), "2026-11-25 flex", 1_000),
        // What the stores' columns take.
        (Some("a-tier-with-a-very-long-name-indeed"), "2026-11-25 a-tier-with-a-very-lo", 8_000),
    ] {
        let (cost, named) = list.bill(&usage("input 1000000"), reported).expect("a bill");
        assert_eq!((cost.get() / 1_000_000, &*named), (nanos, price), "{reported:?}");
        let behind = named.strip_prefix("2026-11-25").unwrap().trim_start();
        let again = if behind.is_empty() { None } else { Some(crate::billing::named::tier(&list.tariff, (&named, behind)).unwrap()) };
        assert_eq!(list.tariff.cost(&usage("input 1000000"), again).unwrap().nanos, cost, "{reported:?} is reckoned again");
    }
    assert_eq!(crate::billing::named::tier(&list.tariff, ("2026-11-25 fl", "fl")), None, "a part of a name is none");
    let (cost, named) = list.bill(&Usage::default(), Some("flex")).expect("a bill");
    assert_eq!((cost, &*named), (Nanos::ZERO, "2026-11-25"), "nothing was used");
    let (_, named) = of(rates, "a version of forty characters, all of it").bill(&usage("input 1"), Some("flex")).expect("a bill");
    assert!(named.starts_with("a version of forty characters, all of it"));
}
