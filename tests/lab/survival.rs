//! This gateway plays against the lab. It takes half a minute of real time, since that is what the faults are about.

use gproxy::{
    lab::{Dialect, OnStreamFault, Options, Pairs, Profile, fault::Outage, run},
    runtime::native,
};

#[tokio::test]
async fn every_fault_is_survived_in_every_dialect() {
    let (platform, _tasks) = native::platform();
    let options = Options {
        exe: env!("CARGO_BIN_EXE_gproxy").into(),
        config: None,
        provider: None,
        profiles: vec![Profile::Interactive],
        dialects: Dialect::ALL.to_vec(),
        pairs: vec![Pairs::Same],
        faults: Vec::new(),
        on_stream_fault: OnStreamFault::Rescue,
        outage: Outage::Fast,
    };
    let cards = run(&platform, &options).await.unwrap();
    for card in cards {
        assert_eq!(card.pairs.len(), Dialect::ALL.len());
        assert!(card.is_clean(), "{card}");
    }
}
