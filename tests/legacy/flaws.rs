//! What cannot be read is refused whole, with the file, the place in it and what was expected, and without its secrets.

use crate::house::refused;

#[test]
fn a_file_of_nothing_that_is_known_is_told_so() {
    for (content, told) in [
        (&b"\x7fELF\xff\xfe"[..], "thing: is nothing that can be imported: neither SQLite nor text; expected a bundle of gproxy export"),
        (b"", "thing: cannot be read: it"),
        (b"a: 1\n", "thing: is nothing that can be imported: text that is neither a bundle nor YAML with model_list"),
        (b"model_list: [sk-canary", "thing: cannot be read: it is no YAML at line 1"),
        (b"{\"schema_version\": 1, \"orgs\": 5}", "thing: orgs is something else; expected a list of objects"),
        (b"{\"schema_version\": 2, \"orgs\": []}", "thing: schema_version is something else; expected 1"),
        (b"{\"schema_version\": 1,", "bundle: is no JSON object"),
        (b"SQLite format 3\0 and no more", "thing cannot be read as SQLite"),
    ] {
        let said = refused("thing", content, &[], &[]);
        assert!(said.contains(told), "{told}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
    let said = refused("thing", b"model_list: []\n", &["--format", "one-api"], &[]);
    assert!(said.contains("thing: is no file of one-api: it is text; expected SQLite with the tables channels, tokens, users"), "{said}");
    let said = refused("thing", b"other: []\n", &["--format", "litellm"], &[]);
    assert!(said.contains("thing: is no file of litellm: it has no model_list"), "{said}");
}

#[test]
fn a_value_that_is_none_is_told_with_its_place() {
    for (line, told) in [
        ("model_list: 5", "c: model_list is 5; expected a list"),
        ("model_list: [{model_name: a}]", "c: model_list[0].litellm_params is missing; expected a mapping with model"),
        (
            "model_list: [{model_name: a, litellm_params: {model: openai/b, api_key: [sk-canary]}}]",
            "c: model_list[0].litellm_params.api_key is a list; expected a text",
        ),
        (
            "model_list: [{model_name: a, litellm_params: {model: openai/b, rpm: sk-canary}}]",
            "c: model_list[0].litellm_params.rpm is a text of 9 characters; expected a number of at least 0",
        ),
        (
            "model_list: []\nrouter_settings: {routing_strategy: by-mood}",
            "c: router_settings.routing_strategy is a text of 7 characters; expected simple-shuffle, least-busy",
        ),
        (
            "model_list: [{model_name: a, litellm_params: {model: openai/b, litellm_credential_name: nobody}}]",
            "c: model_list[0].litellm_params.litellm_credential_name is a text of 6 characters; expected the name of an entry of credential_list",
        ),
    ] {
        let said = refused("c", line.as_bytes(), &[], &[]);
        assert!(said.contains(told), "{told}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

/// Makes a SQLite file by what Python has of it.
fn database(sql: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made");
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2]); db.commit()";
    let made = std::process::Command::new("python3").args(["-c", script]).arg(&path).arg(sql).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::read(path).unwrap()
}

const SHOP: &str = "CREATE TABLE channels (id integer, type, key, status, name, models, model_mapping, base_url);
    CREATE TABLE tokens (id integer, user_id, key, status, expired_time, remain_quota, unlimited_quota);
    CREATE TABLE users (id integer, username, status, quota); CREATE TABLE options (key, value);";
const FIRST: &str = "CREATE TABLE global_settings (id integer, admin_key); CREATE TABLE providers (id integer, name, channel, settings_json, enabled);
    CREATE TABLE credentials (id integer, provider_id, kind, secret_json, enabled); CREATE TABLE users (id integer, name, password, enabled);
    CREATE TABLE user_keys (id integer, user_id, api_key, enabled);";

#[test]
fn a_cell_that_is_none_is_told_with_table_row_and_column() {
    for (sql, told) in [
        ("CREATE TABLE things (id)", "d: is nothing that can be imported: SQLite with the tables things; expected"),
        (
            &format!("{SHOP} INSERT INTO channels VALUES (7, 1, 'sk-canary', 1, 'n', 'm', '{{not json sk-canary', '')"),
            "d: channels[id 7].model_mapping is a text of 19 characters; expected JSON",
        ),
        (
            &format!("{SHOP} INSERT INTO channels VALUES (7, 'openai', 'sk-canary', 1, 'n', 'm', '', '')"),
            "d: channels[id 7].type is a text of 6 characters; expected a whole number",
        ),
        (&format!("{SHOP} INSERT INTO users VALUES (1, 'eve', 1, 1.5)"), "d: users[id 1].quota is 1.5; expected a whole number"),
        (
            &format!("{SHOP} INSERT INTO users VALUES (1, 'eve', 1, 1); INSERT INTO tokens VALUES (3, 1, NULL, 1, -1, 0, 1)"),
            "d: tokens[id 3].key is null; expected a text that is not blank",
        ),
        (
            &format!("{SHOP} INSERT INTO options VALUES ('ModelRatio', '{{\"m\": -1}}')"),
            "d: options.value is \"-1\"; expected a number of at least 0 for \"m\" in ModelRatio",
        ),
    ] {
        let said = refused("d", &database(sql), &[], &[]);
        assert!(said.contains(told), "{told}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

#[test]
fn sealed_tables_want_the_secret_that_they_were_sealed_under() {
    let sealed = "enc:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAA";
    let file =
        database(&format!("{FIRST} INSERT INTO users VALUES (1, 'eve', NULL, 1); INSERT INTO user_keys VALUES (2, 1, '{sealed}', 1);"));
    let said = refused("d", &file, &[], &[]);
    assert!(
        said.contains("d: user_keys[id 2].api_key is sealed; expected the secret that it was sealed under, by --source-key-file"),
        "{said}"
    );
    let said = refused("d", &file, &[], &[("GPROXY_SOURCE_SECRET_KEY", "another-canary")]);
    assert!(said.contains("d: user_keys[id 2].api_key does not open: it was sealed under another secret"), "{said}");
    assert!(!said.contains("canary"));
}
