//! Precedence, and errors that tell how to mend them.

use std::{collections::BTreeMap, io, path::Path, time::Duration};

use super::{Config, FileUse, Finding, Findings, LogFormat, Sources, check, knob::KNOBS, parse};
use crate::{
    admin::oidc::{Newcomers, RolesByClaim},
    store::record::Role,
    testing::platform,
};

const MINIMAL: &str = include_str!("../../../gproxy.example.toml");
const FULL: &str = include_str!("../../../gproxy.example.full.toml");

/// Reads flags, environment and files that are all given here.
fn read(flags: &[(&'static str, &str)], env: &[(&str, &str)], files: &[(&str, &str)]) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    let files: BTreeMap<String, String> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let reader = |path: &Path| files.get(path.to_str().unwrap()).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    let sources = Sources {
        flags: flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        read: &reader,
    };
    Config::read(&sources, &platform()).map_err(|Findings(findings)| findings)
}

fn errors(text: &str) -> Vec<String> {
    let (_, findings) = parse(text, &platform());
    findings.iter().filter(|finding| finding.is_error()).map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    let (_, findings) = parse(text, &platform());
    findings.iter().filter(|finding| !finding.is_error()).map(ToString::to_string).collect()
}

#[test]
fn without_anything_the_defaults_hold() {
    let (config, findings) = read(&[], &[], &[]).unwrap();
    assert_eq!(findings, []);
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8787));
    assert_eq!(config.dsn.expose(), "sqlite://./data/gproxy.db?mode=rwc");
    assert_eq!((config.write_queue.capacity, config.write_queue.max_batch), (4096, 1024));
    assert_eq!(config.write_queue.window, Duration::from_millis(25));
    assert_eq!((config.max_in_flight, config.body_limit, config.drain), (1024, 52_428_800, Duration::from_secs(30)));
    assert_eq!(config.idempotency, crate::pipeline::Idempotency::default());
    assert_eq!((config.file_use, config.log_format), (FileUse::Once, LogFormat::Text));
    assert!(config.metrics && config.cors_origins.is_empty());
    assert_eq!(config.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.0/8", "::1/128"]);
    assert!(config.file.is_none() && config.explicit.admin_key.is_none() && config.database_secret_key.is_none());
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = ("./gproxy.toml", "[global]\nport = 3\n");
    for (flags, env, port) in [
        (vec![("port", "1")], vec![("GPROXY_PORT", "2")], 1),
        (vec![], vec![("GPROXY_PORT", "2")], 2),
        (vec![], vec![("GPROXY_PORT", "")], 3),
        (vec![], vec![], 3),
    ] {
        assert_eq!(read(&flags, &env, &[file]).unwrap().0.port, port);
    }
}

#[test]
fn an_empty_dsn_follows_the_data_directory() {
    let (config, _) = read(&[], &[], &[("./gproxy.toml", "[global]\ndata_dir = \"/var/lib/gproxy\"\ndsn = \"\"\n")]).unwrap();
    assert_eq!(config.dsn.expose(), "sqlite:///var/lib/gproxy/gproxy.db?mode=rwc");
}

#[test]
fn only_a_file_that_was_asked_for_must_be_there() {
    assert!(read(&[], &[], &[]).unwrap().0.file.is_none());
    let findings = read(&[("config", "/etc/absent.toml")], &[], &[]).unwrap_err();
    assert!(findings[0].to_string().starts_with("error: --config: /etc/absent.toml cannot be read"), "{}", findings[0]);
}

#[test]
fn secrets_come_from_files_too_and_not_twice() {
    let files = [("/run/key", "sk-0123456789-0123456789\n")];
    let (config, _) = read(&[], &[("GPROXY_ADMIN_KEY_FILE", "/run/key"), ("DATABASE_SECRET_KEY_FILE", "/run/key")], &files).unwrap();
    assert_eq!(config.explicit.admin_key.unwrap().expose(), "sk-0123456789-0123456789");
    assert_eq!(config.database_secret_key.unwrap().expose(), "sk-0123456789-0123456789");
    let both = read(&[], &[("GPROXY_ADMIN_KEY_FILE", "/run/key"), ("GPROXY_ADMIN_KEY", "sk-0123456789-0123456789")], &files).unwrap_err();
    assert_eq!(both[0].to_string(), "error: GPROXY_ADMIN_KEY_FILE: is given beside GPROXY_ADMIN_KEY; expected one of them");
}

#[test]
fn every_wrong_value_is_named_with_what_was_expected() {
    let env = [
        ("GPROXY_PORT", "80000"),
        ("GPROXY_LOG_FORMAT", "jsn"),
        ("GPROXY_DSN", "oracle://x"),
        ("DATABASE_SECRET_KEY", ""),
        ("GPROXY_CORS_ORIGINS", "chat.example.com"),
    ];
    let flags = [("max-in-flight", "0"), ("drain-seconds", "-1")];
    let findings: Vec<String> = read(&flags, &env, &[]).unwrap_err().iter().map(ToString::to_string).collect();
    for expected in [
        "error: GPROXY_PORT: expected a whole number from 0 to 65535, not \"80000\"",
        "error: GPROXY_LOG_FORMAT: unknown format \"jsn\"; expected text or json; did you mean \"json\"?",
        "error: GPROXY_DSN: unknown database \"oracle\"; expected an address that begins with sqlite://, postgres:// or mysql://",
        "error: DATABASE_SECRET_KEY: is empty; expected a long random text, or no such variable",
        "error: GPROXY_CORS_ORIGINS: expected scheme://host[:port] or *, not \"chat.example.com\"",
        "error: --max-in-flight: expected a whole number from 1 to 1048576, not \"0\"",
        "error: --drain-seconds: expected a whole number from 0 to 3600, not \"-1\"",
    ] {
        assert!(findings.iter().any(|finding| finding == expected), "{expected} is not in {findings:#?}");
    }
    assert_eq!(findings.len(), 7, "{findings:#?}");
    let bare = read(&[("dsn", "canary")], &[], &[]).unwrap_err()[0].to_string();
    assert!(bare.starts_with("error: --dsn: is no address of a database; expected") && !bare.contains("canary"), "{bare}");
}

#[test]
fn a_star_stands_for_every_origin_in_each_layer() {
    let file = ("./gproxy.toml", "[runtime]\ncors_origins = [\"*\"]\n");
    for (flags, env, files) in
        [(vec![("cors-origins", "*")], vec![], vec![]), (vec![], vec![("GPROXY_CORS_ORIGINS", "*")], vec![]), (vec![], vec![], vec![file])]
    {
        assert_eq!(read(&flags, &env, &files).unwrap().0.cors_origins, ["*"]);
    }
}

#[test]
fn a_log_level_is_a_level_or_a_filter_that_the_log_reads_as_it_is_meant() {
    for (given, read_as) in [
        ("info", "info"),
        ("WARN", "WARN"),
        ("off", "off"),
        ("3", "3"),
        ("info,gproxy::pipeline=debug", "info,gproxy::pipeline=debug"),
        (" info , gproxy=debug,", "info,gproxy=debug"),
        ("gproxy::http", "gproxy::http"),
        ("gproxy", "gproxy"),
        ("[call]", "[call]"),
        ("gproxy[call{key=7}]=trace,error", "gproxy[call{key=7}]=trace,error"),
    ] {
        assert_eq!(read(&[("log-level", given)], &[], &[]).unwrap().0.log_level, read_as);
        #[cfg(feature = "native")]
        assert!(tracing_subscriber::EnvFilter::try_new(read_as).is_ok(), "{read_as}");
    }
    let known = "expected error, warn, info, debug, trace, off, or a filter like gproxy=debug,info";
    for (given, unknown, near) in [
        ("inof", "inof", "; did you mean \"info\"?"),
        ("gproxy=debgu,info", "debgu", "; did you mean \"debug\"?"),
        ("Tracee", "Tracee", "; did you mean \"trace\"?"),
        ("info,hyper", "hyper", ""),
        ("6", "6", ""),
        ("gproxy[call]=loud", "loud", ""),
    ] {
        let said = read(&[], &[("RUST_LOG", given)], &[]).unwrap_err()[0].to_string();
        assert_eq!(said, format!("error: RUST_LOG: unknown level {unknown:?}; {known}{near}"), "{given}");
    }
}

#[test]
fn variables_that_have_no_effect_are_named() {
    let env =
        [("GPROXY_PROT", "1"), ("GPROXY_INSTANCE_ID", "7"), ("GPROXY_PORT", "tcp://10.0.0.7:8787"), ("GPROXY_SERVICE_HOST", "10.0.0.7")];
    let (config, findings) = read(&[], &env, &[]).unwrap();
    assert_eq!(config.port, 8787);
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert!(
        findings.iter().any(|finding| finding.contains("GPROXY_PROT: no effect: unknown variable; did you mean GPROXY_PORT?")),
        "{findings:#?}"
    );
}

#[test]
fn every_error_of_a_file_is_found_with_its_line() {
    let text = r#"[global]
prot = 1
port = "8787"

[[channels]]
id = "opnai"

[[channels]]
id = "openai"
[channels.settings]
base_ulr = "https://x.example"
user_agnt = "y"
base_url = "ftp://x"
[[channels.credentials]]
label = "no secret"

[[channels]]
id = "nvidia"
proxy = "127.0.0.1:1080"
models = ["a", 1]

[[users]]
nam = "alice"
password = "canary"
[[users.keys]]
api_key = "short"
"#;
    let found = errors(text);
    let expected: [(&str, &str); 13] = [
        ("line 2: global.prot: unknown key \"prot\"", "did you mean \"port\"?"),
        ("line 3: global.port: expected a whole number", "not the string \"8787\""),
        ("line 6: channels[0].id: unknown channel \"opnai\"", "did you mean \"openai\"?"),
        ("line 11: channels[1].settings.base_ulr: unknown field", "did you mean `base_url`?"),
        ("line 12: channels[1].settings.user_agnt: unknown field", "did you mean `user_agent`?"),
        ("line 13: channels[1].settings.base_url: ", "http:// or https://"),
        ("line 14: channels[1].credentials[0]: secret is missing", "expected the API key"),
        ("line 17: channels[2]: has no credential", "[[channels.credentials]]"),
        ("line 19: channels[2].proxy: expected http://", "not \"127.0.0.1:1080\""),
        ("line 20: channels[2].models[1]: expected a string", "not 1"),
        ("line 23: users[0].nam: unknown key \"nam\"", "did you mean \"name\"?"),
        ("line 24: users[0].password: has 6 characters; expected at least 8", "who cannot log in"),
        ("line 26: users[0].keys[0].api_key: expected at least 8", "visible ASCII"),
    ];
    for (place, hint) in expected {
        assert!(found.iter().any(|error| error.contains(place) && error.contains(hint)), "{place} … {hint} is not in {found:#?}");
    }
    assert!(found.iter().any(|error| error.contains("users[0]: name is missing")), "{found:#?}");
    assert_eq!(found.len(), expected.len() + 1, "{found:#?}");
}

#[test]
fn broken_toml_is_told_with_its_line_and_without_its_text() {
    let found = errors("[global]\nadmin_key = \"sk-canary\nport = 1\n");
    assert!(found.iter().any(|error| error.contains("line 2: no valid TOML")), "{found:?}");
    assert!(!found.iter().any(|error| error.contains("canary")), "{found:?}");
}

#[test]
fn no_finding_shows_a_secret() {
    let text = r#"[global]
admin_key = "canary\u0001one"
dsn = "canary://two"
proxy = "canary://user:canary-three@"

[[channels]]
id = "openai"
[[channels.credentials]]
secret = "canary four"

[[users]]
name = "a"
password = 1
[[users.keys]]
api_key = "canary-five five"
[[users.keys]]
api_key = ["canary-six"]
"#;
    let findings = read(&[], &[], &[("./gproxy.toml", text)]).unwrap_err();
    assert!(findings.len() >= 6, "{findings:#?}");
    for finding in findings {
        let text = finding.to_string();
        for secret in ["one", "two", "three", "four", "five", "six"] {
            assert!(
                !text.contains(&format!("canary-{secret}")) && !text.contains(&format!("canary {secret}")) && !text.contains("u0001"),
                "{text}"
            );
        }
    }
}

#[test]
fn what_we_know_and_do_not_serve_is_a_warning() {
    let text = r#"[global]
spoof_emulation = "chrome_136"
hf_url = "https://huggingface.co"

[[channels]]
id = "codex"
[channels.credentials.builtin.Codex]
access_token = "x"

[[channels]]
id = "openai"
[channels.settings]
tokenizer_map = {}
[[channels.credentials]]
secret = "sk-x"
"#
    .replace("[channels.credentials.builtin.Codex]", "[[channels.credentials]]\n[channels.credentials.builtin.Codex]");
    assert_eq!(errors(&text), Vec::<String>::new());
    let found = warnings(&text);
    for place in [
        "global.spoof_emulation",
        "global.hf_url",
        "channels[0].id",
        "channels[0].credentials[0].builtin",
        "channels[1].settings.tokenizer_map",
    ] {
        assert!(found.iter().any(|warning| warning.contains(place) && warning.contains("no effect")), "{place} is not in {found:#?}");
    }
    let (file, _) = parse(&text, &platform());
    let file = file.unwrap();
    assert_eq!(file.channels.len(), 1);
    assert_eq!(file.channels[0].settings_json, "{}");
}

#[test]
fn an_id_of_ones_own_needs_an_address_or_a_channel() {
    let with = |line: &str| format!("[[channels]]\nid = \"mine\"\n{line}\n[[channels.credentials]]\nsecret = \"sk-x\"\n");
    assert!(errors(&with("")).iter().any(|error| error.contains("unknown channel \"mine\"")));
    for (line, channel) in [("channel = \"openai\"", "openai"), ("[channels.settings]\nbase_url = \"http://127.0.0.1:9\"", "custom")] {
        let (file, findings) = parse(&with(line), &platform());
        assert_eq!(findings, []);
        assert_eq!(file.unwrap().channels[0].channel, channel);
    }
}

#[test]
fn the_examples_are_good_and_the_full_one_names_every_key() {
    for text in [MINIMAL, FULL] {
        assert_eq!(errors(text), Vec::<String>::new());
    }
    let knobs = KNOBS.iter().filter(|knob| knob.section.is_some()).map(super::knob::Knob::key);
    let ours = [
        "id",
        "enabled",
        "channel",
        "settings",
        "dispatch",
        "credentials",
        "label",
        "secret",
        "state",
        "checked_at_unix_ms",
        "last_error",
        "health",
        "kind",
        "until_unix_ms",
        "models",
        "rules",
        "name",
        "password",
        "is_admin",
        "keys",
        "api_key",
        "permissions",
        "spoof_emulation",
        "hf_token",
        "hf_url",
        "update_source",
        "base_url",
        "user_agent",
    ];
    for key in knobs.chain(ours.map(str::to_owned)) {
        let words = FULL.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        assert!(words.into_iter().any(|word| word == key), "{key} is not in the full example");
    }
    assert_eq!(warnings(MINIMAL), Vec::<String>::new());
}

#[cfg(feature = "native")]
#[test]
fn a_subcommand_tells_its_own_options_before_the_settings() {
    let mut command = crate::app::flags::command();
    command.build();
    for name in ["export", "import", "verify", "rotate-secret", "explain"] {
        let help = command.find_subcommand_mut(name).unwrap().render_help().to_string();
        let (own, settings) = help.split_once("Settings, which every command takes:").expect(name);
        let first = ["--json", "--passphrase-file", "--new-key-file", "--key-id"].iter().any(|flag| own.contains(flag));
        assert!(first && !own.contains("--port") && settings.contains("--port"), "{help}");
    }
}

#[tokio::test]
async fn a_check_says_what_would_serve() {
    let reader = |_: &Path| Ok(FULL.to_owned());
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data").display().to_string();
    let sources = |env: &[(&str, &str)]| Sources {
        flags: BTreeMap::from([("config", "full.toml".to_owned()), ("data-dir", data_dir.clone())]),
        env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        read: &reader,
    };
    let report = check(&sources(&[]), &platform()).await;
    assert!(report.is_good(), "{report}");
    assert!(report.serving.starts_with("3 of 3 providers serve; 1 users"), "{report}");
    let report = check(&sources(&[("GPROXY_DSN", "postgres://db/x")]), &platform()).await;
    assert!(!report.is_good() && report.to_string().contains("DATABASE_SECRET_KEY: is required"), "{report}");
}

#[tokio::test]
async fn a_check_counts_what_serves_and_tries_the_data_folder() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plain"), "").unwrap();
    let one = "[[channels]]\nid = \"openai\"\nenabled = false\n[[channels.credentials]]\nsecret = \"sk-x\"\n";
    for (data, text, good, words) in [
        ("data", None, true, "good: 1 of 1 providers serve (the built-in demo, for there is no file); 0 users"),
        ("data", Some(""), true, "warning: ./gproxy.toml: no provider serves"),
        ("data", Some(one), true, "warning: ./gproxy.toml: no provider serves"),
        ("data", Some(MINIMAL), true, "good: 1 of 1 providers serve; 0 users"),
        ("a/new/one", Some(MINIMAL), true, "good: 1 of 1 providers serve; 0 users"),
        ("plain", Some(MINIMAL), false, "plain cannot be written to: "),
        ("plain/below", Some(MINIMAL), false, "plain/below cannot be made: "),
    ] {
        let read = |_: &Path| text.map(str::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into());
        let flags = BTreeMap::from([("data-dir", dir.path().join(data).display().to_string())]);
        let report = check(&Sources { flags, env: BTreeMap::new(), read: &read }, &platform()).await;
        assert!(report.is_good() == good && report.to_string().contains(words), "{data} {text:?}: {report}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{data}: nothing is left");
    }
}

#[test]
fn an_address_of_redis_is_read_before_anything_starts() {
    for good in ["redis://h", "rediss://u:p@h:6380/1", "redis://[::1]", "redis://[::1]:6379", "redis+unix:///run/redis.sock"] {
        assert!(read(&[("redis-url", good)], &[], &[]).unwrap().0.redis.is_some(), "{good}");
    }
    for wrong in ["localhost", "localhost:6379", "http://h", "redis:h", "redis://", "redis://:canary@", "redis://u:canary@h:port"] {
        let said = read(&[("redis-url", wrong)], &[], &[]).unwrap_err()[0].to_string();
        assert!(said.starts_with("error: --redis-url: expected redis://") && !said.contains("canary"), "{wrong}: {said}");
    }
}

#[tokio::test]
async fn a_check_says_that_a_start_will_ignore_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().display().to_string();
    let process_only = "[global]\nport = 1\n[runtime]\nlog_level = \"warn\"\n";
    let report = async |text: &'static str, more: &[(&'static str, &str)]| {
        let read = move |_: &Path| Ok(text.to_owned());
        let mut flags = BTreeMap::from([("data-dir", data_dir.clone())]);
        flags.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        check(&Sources { flags, env: BTreeMap::new(), read: &read }, &platform()).await.to_string()
    };
    assert!(!report(MINIMAL, &[]).await.contains("ignores"), "there is no database yet");
    std::fs::write(dir.path().join("gproxy.db"), "a database").unwrap();
    for (text, more, ignored) in [
        (MINIMAL, &[][..], true),
        ("[global]\nadmin_key = \"sk-0123456789-0123456789\"\n", &[], true),
        (process_only, &[], false),
        (MINIMAL, &[("bootstrap-force-config", "true")], false),
        (MINIMAL, &[("dsn", "sqlite::memory:")], false),
    ] {
        let said = report(text, more).await;
        let tells = said.contains("warning: ./gproxy.toml: a start ignores it") && said.contains("--bootstrap-force-config");
        assert_eq!(tells, ignored, "{text} {more:?}: {said}");
    }
}

#[test]
fn a_secret_key_is_made_once_and_only_for_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let entropy = &*platform().entropy;
    let with = |env: &[(&str, &str)]| read(&[("data-dir", dir.path().join("data").to_str().unwrap())], env, &[]).unwrap().0;
    let made = super::database_key(&with(&[]), entropy).unwrap();
    assert_eq!(made.expose().len(), 64);
    assert_eq!(super::database_key(&with(&[]), entropy).unwrap(), made);
    let given = super::database_key(&with(&[("DATABASE_SECRET_KEY", "given")]), entropy).unwrap();
    assert_eq!(given.expose(), "given");
    let refused = super::database_key(&with(&[("GPROXY_DSN", "mysql://db/x")]), entropy).unwrap_err();
    assert!(refused.to_string().contains("DATABASE_SECRET_KEY is required"), "{refused}");
    let path = dir.path().join("data/secret.key");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
    std::fs::write(&path, "").unwrap();
    assert!(matches!(super::database_key(&with(&[]), entropy), Err(super::KeyFault::Empty(_))));
}

#[cfg(feature = "native")]
#[test]
fn the_command_line_has_a_flag_for_every_knob() {
    use crate::app::flags;
    flags::command().debug_assert();
    let given = |args: &[&str]| flags::given(&flags::command().try_get_matches_from(args).unwrap());
    assert_eq!(given(&["gproxy"]), BTreeMap::new());
    let flags = given(&["gproxy", "--port", "1", "--bootstrap-force-config", "--mask-sensitive-info", "false"]);
    assert_eq!(
        flags,
        BTreeMap::from([
            ("port", "1".to_owned()),
            ("bootstrap-force-config", "true".to_owned()),
            ("mask-sensitive-info", "false".to_owned())
        ])
    );
    let matches = flags::command().try_get_matches_from(["gproxy", "check", "--config", "x.toml"]).unwrap();
    assert_eq!(matches.subcommand_name(), Some("check"));
    assert_eq!(given(&["gproxy", "--drain-seconds", "-1"]), BTreeMap::from([("drain-seconds", "-1".to_owned())]));
    let below = matches.subcommand_matches("check").unwrap();
    assert_eq!(flags::given(below).get("config").map(String::as_str), Some("x.toml"));
}

const OIDC: &str = "[oidc]\nissuer = \"https://id.example\"\nclient_id = \"g\"\nredirect_url = \"https://g.example/login/oidc/callback\"\n";

#[test]
fn an_identity_provider_is_told_of_once_and_lets_nobody_new_in_by_itself() {
    assert!(read(&[], &[], &[]).unwrap().0.oidc.is_none());
    let env = [("GPROXY_OIDC_CLIENT_SECRET_FILE", "/run/secret"), ("GPROXY_OIDC_CLIENT_ID", "other")];
    let (config, _) = read(&[], &env, &[("./gproxy.toml", OIDC), ("/run/secret", "s3cret\n")]).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
    let oidc = config.oidc.unwrap();
    assert_eq!((oidc.issuer.as_str(), oidc.client_id.as_str()), ("https://id.example", "other"));
    assert_eq!(oidc.client_secret.unwrap().expose(), "s3cret");
    assert_eq!((oidc.claim.as_str(), oidc.scopes), ("email", vec!["openid".to_owned(), "email".to_owned(), "profile".to_owned()]));
    assert_eq!((oidc.newcomers, oidc.roles), (Newcomers::Refused, None));
    let more = format!("{OIDC}create = true\nrole = \"viewer\"\nrole_claim = \"groups\"\nroles = [\"a=b=admin\", \"ops = operator\"]\n");
    let oidc = read(&[], &[], &[("./gproxy.toml", &more)]).unwrap().0.oidc.unwrap();
    assert_eq!(oidc.newcomers, Newcomers::Made { role: Role::Viewer, organization: None });
    let by_value = vec![("a=b".to_owned(), Role::Admin), ("ops".to_owned(), Role::Operator)];
    assert_eq!(oidc.roles, Some(RolesByClaim { claim: "groups".to_owned(), by_value, otherwise: Role::Viewer }));
}

#[test]
fn what_is_wrong_with_an_identity_provider_is_said() {
    let more = |line: &str| format!("{OIDC}{line}\n");
    for (text, at, what) in [
        ("[oidc]\nclaim = \"sub\"\n".to_owned(), "oidc.claim", "needs an issuer"),
        ("[oidc]\nissuer = \"https://id.example\"\n".to_owned(), "--oidc-client-id", "is required"),
        ("[oidc]\nissuer = \"https://id.example\"\nclient_id = \"g\"\n".to_owned(), "--oidc-redirect-url", "is required"),
        (OIDC.replace("https://id.example", "http://id.example"), "oidc.issuer", "https://"),
        (OIDC.replace("https://g.example", "http://g.example"), "oidc.redirect_url", "https://"),
        (OIDC.replace("callback", "callback?next=1"), "oidc.redirect_url", "without ?"),
        (more("scopes = [\"email\"]"), "oidc.scopes", "openid"),
        (more("claim = \"two words\""), "oidc.claim", "the name of a claim"),
        (more("allowed_domains = [\"@example.com\"]"), "oidc.allowed_domains", "example.com"),
        (more("create = true\nrole = \"owner\""), "oidc.role", "expected one of member"),
        (more("role_claim = \"groups\"\nroles = [\"a=owner\"]"), "oidc.roles", "expected one of member"),
        (more("role_claim = \"groups\"\nroles = [\"a\"]"), "oidc.roles", "value=role"),
        (more("role_claim = \"groups\""), "oidc.role_claim", "oidc.roles"),
        (more("roles = [\"a=admin\"]"), "oidc.roles", "oidc.role_claim"),
        (more("organisation = \"acme\""), "oidc.organisation", "did you mean \"organization\""),
    ] {
        let findings = read(&[], &[], &[("./gproxy.toml", &text)]).unwrap_err();
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|line| line.contains(at) && line.contains(what)), "{text}: {said:?}");
    }
}
