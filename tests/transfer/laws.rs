//! What holds of every export and import.

use gproxy::{
    app::transfer::{
        Bundle, Plan, Prune, TransferFault,
        command::{Run, import},
        extract,
    },
    base::Secret,
    snapshot::secret::open_api_key,
    store::{
        persist::RecordsExt as _,
        record::{NewProvider, Noun},
    },
    testing::platform,
};
use proptest::prelude::*;

use crate::house::{CANARY, bundle, furnish, in_memory};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_imported_and_exported_again_is_the_same(tenants in 0..4_usize, used in 0..9_usize, also in 0..4_usize) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let (one, two) = (in_memory("one", 0).await, in_memory("two", used).await);
            for number in 0..tenants {
                furnish(&one, number).await;
            }
            // What stands in the other already goes, or becomes what the bundle says.
            if also > 0 {
                furnish(&two, also).await;
            }
            let exported = bundle(&one).await;
            import(&two, &exported, Run::Real, Prune::Remove).await.unwrap();
            let again = bundle(&two).await;
            prop_assert_eq!(sorted(&again), sorted(&exported));
            prop_assert_eq!(&again.settings, &exported.settings);
            if also == 0 {
                let write = |bundle: &Bundle| bundle.write(None, &*platform().entropy).unwrap();
                prop_assert_eq!(write(&again), write(&exported));
            }
            // The second time there is nothing to do.
            let standing = extract(&two.records().load().await.unwrap(), two.sealer());
            prop_assert!(Plan::of(&standing, &exported, Prune::Remove).is_empty());
            Ok(())
        })?;
    }
}

/// A bundle's rows, without their order.
fn sorted(bundle: &Bundle) -> Vec<String> {
    let rows = bundle.rows.iter().flat_map(|(noun, entries)| entries.iter().map(move |entry| (noun, entry)));
    let shown = |(noun, entry): (&Noun, &gproxy::app::transfer::Entry)| {
        let secrets: Vec<_> = entry.secrets.iter().map(|(name, secret)| (name, secret.expose())).collect();
        format!("{noun:?} {:?} {secrets:?}", entry.fields)
    };
    let mut rows: Vec<String> = rows.map(shown).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn secrets_leave_only_under_a_passphrase_and_open_in_the_other_instance() {
    let (one, two) = (in_memory("one", 0).await, in_memory("two", 5).await);
    furnish(&one, 1).await;
    let exported = bundle(&one).await;
    assert_eq!(exported.secrets(), 6, "two credentials, a password's hash, settings with headers, a proxy, a token");
    let (right, wrong) = (Secret::new("a passphrase".to_owned()), Secret::new("another".to_owned()));
    let sealed = exported.write(Some(&right), &*platform().entropy).unwrap();
    let open = exported.write(None, &*platform().entropy).unwrap();
    for text in [&sealed, &open] {
        for canary in [CANARY, "sk-second", "hash-canary", "header-canary", "proxy-canary", "hf-canary"] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    assert!(matches!(Bundle::read(&sealed, Some(&wrong)), Err(TransferFault::WrongPassphrase { .. })));
    assert!(matches!(Bundle::read(&sealed, None), Err(TransferFault::NoPassphrase)));
    let read = Bundle::read(&sealed, Some(&right)).unwrap();
    assert_eq!(read, exported);
    import(&two, &read, Run::Real, Prune::Keep).await.unwrap();
    let rows = two.records().load().await.unwrap();
    let first = rows.credentials.iter().next().unwrap();
    assert_eq!(open_api_key(two.sealer(), first.provider_id, &first.secret_sealed).unwrap().expose(), &format!("{CANARY}-1"));
}

#[tokio::test]
async fn a_sealed_secret_does_not_open_in_another_place() {
    let one = in_memory("one", 0).await;
    furnish(&one, 1).await;
    furnish(&one, 2).await;
    let passphrase = Secret::new("a passphrase".to_owned());
    let text = bundle(&one).await.write(Some(&passphrase), &*platform().entropy).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let moved = value["credentials"][0]["sealed"].clone();
    value["credentials"][2]["sealed"] = moved;
    let fault = Bundle::read(&value.to_string(), Some(&passphrase)).unwrap_err();
    assert!(fault.to_string().contains("credentials[2].sealed.secret"), "{fault}");
}

#[tokio::test]
async fn without_a_passphrase_standing_secrets_stay_and_new_credentials_are_left_out() {
    let (one, two) = (in_memory("one", 0).await, in_memory("two", 0).await);
    furnish(&one, 1).await;
    let before = bundle(&one).await;
    let text = before.write(None, &*platform().entropy).unwrap();
    let read = Bundle::read(&text, None).unwrap();
    let done = import(&one, &read, Run::Real, Prune::Remove).await.unwrap();
    assert!(done.answer.starts_with("0 added, 0 changed, 0 removed"), "{}", done.answer);
    assert_eq!(bundle(&one).await, before);
    let done = import(&two, &read, Run::Real, Prune::Keep).await.unwrap();
    assert!(done.answer.contains("! credential up1 - api_key is left out: the bundle does not have its secret"), "{}", done.answer);
    assert!(done.answer.contains("2 left out"), "{}", done.answer);
    assert!(two.records().load().await.unwrap().credentials.is_empty());
}

#[tokio::test]
async fn the_difference_is_told_member_by_member_and_a_dry_run_writes_nothing() {
    let one = in_memory("one", 0).await;
    furnish(&one, 1).await;
    let mut wanted = bundle(&one).await;
    let provider = &mut wanted.rows.get_mut(&Noun::Provider).unwrap()[0];
    provider.fields.insert("enabled".into(), false.into());
    provider.fields.remove("label");
    wanted.rows.get_mut(&Noun::Credential).unwrap()[1].secrets.insert("secret".into(), Secret::new(r#"{"api_key":"new"}"#.into()));
    wanted.rows.get_mut(&Noun::Alias).unwrap().clear();
    one.records().save(None, NewProvider::of("mine", "openai")).await.unwrap();
    let before = one.records().load().await.unwrap();
    let done = import(&one, &wanted, Run::Dry, Prune::Keep).await.unwrap();
    let lines: Vec<&str> = done.answer.lines().collect();
    assert_eq!(
        lines,
        [
            "~ provider up1 enabled: true -> false",
            "~ provider up1 label: \"Ours\" -> null",
            "~ credential up1 - api_key secret: another secret",
            "0 added, 2 changed, 0 removed, 0 left out, 18 unchanged",
        ]
    );
    let done = import(&one, &wanted, Run::Dry, Prune::Remove).await.unwrap();
    assert!(done.answer.contains("- provider mine\n") && done.answer.contains("- alias * a1\n"), "{}", done.answer);
    assert_eq!(one.records().load().await.unwrap(), before, "nothing was written");
    import(&one, &wanted, Run::Real, Prune::Remove).await.unwrap();
    assert_eq!(sorted(&bundle(&one).await), sorted(&wanted));
}

#[test]
fn each_flaw_is_told_with_its_place() {
    for (text, told) in [
        ("[]", "bundle: is no JSON object"),
        (r#"{"schema_version":2}"#, "schema_version: is 2; expected 1"),
        (r#"{"schema_version":1,"provider":[]}"#, "provider: is unknown; expected settings, organizations"),
        (r#"{"schema_version":1,"providers":{}}"#, "providers: is no array"),
        (r#"{"schema_version":1,"providers":[{"nmae":"x"}]}"#, "providers[0].nmae: is unknown"),
        (r#"{"schema_version":1,"credentials":[{"secret":"sk-x"}]}"#, "credentials[0].secret: stands open"),
        (r#"{"schema_version":1,"users":[{"sealed":{"password_hash":"enc:v2:a:b"}}]}"#, "users[0].sealed.password_hash: is sealed"),
        (
            r#"{"schema_version":1,"sealing":{"kdf":"argon2id","memory_kib":4000000000,"passes":1,"salt":"AAAA"}}"#,
            "sealing: asks for 4000000000 KiB",
        ),
    ] {
        let fault = Bundle::read(text, Some(&Secret::new("x".into()))).unwrap_err().to_string();
        assert!(fault.starts_with(told), "{text}: {fault}");
        assert!(!fault.contains("sk-x"));
    }
}
