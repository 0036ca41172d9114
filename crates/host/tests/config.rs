//! The configuration as an operator meets it: what wins, where it came from, and every fault at once.

use std::path::Path;
use std::time::Duration;

use host::config::{Config, ConfigError, Loaded, LogFormat, Sources};
use protocol::Namespace;

/// Loads in an own directory with this file (none when empty) and these variables.
fn load(
    dir: &Path,
    file: &str,
    env: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> Result<Loaded, ConfigError> {
    if !file.is_empty() {
        std::fs::write(dir.join("modrack.toml"), file).unwrap();
    }
    let env =
        [("HOME", "/home/ada")].iter().chain(env).map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let sources = Sources { file: None, working_dir: dir.into(), env, flags: Vec::new() };
    let sources = flags.iter().fold(sources, |sources, (flag, key, value)| sources.flag(flag, key, *value));
    Config::load(&sources)
}

fn loaded(file: &str, env: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), file, env, flags).unwrap_or_else(|error| panic!("{error}"))
}

/// Every fault with its hint.
fn faults(file: &str, env: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let error = load(dir.path(), file, env, flags).expect_err("a fault");
    let lines: Vec<_> = error.faults.iter().map(|fault| format!("{fault}\n  {}", fault.hint)).collect();
    lines.join("\n").replace(dir.path().to_str().unwrap(), "<dir>")
}

fn origin(loaded: &Loaded, key: &str) -> String {
    loaded.entries().iter().find(|entry| entry.key == key).expect("a known key").origin.to_string()
}

#[test]
fn without_any_source_the_defaults_hold() {
    let loaded = loaded("", &[], &[]);
    let rows: Vec<_> = loaded.entries().iter().map(|e| format!("{} = {} ({})", e.key, e.value, e.origin)).collect();
    insta::assert_snapshot!(rows.join("\n"), @"");
    assert_eq!(loaded.file, None);
}

#[test]
fn a_flag_wins_over_the_environment_that_over_the_file_and_that_over_the_default() {
    let file = "[limits]\nsessions = 1\nconnections = 1\nqueued_per_provider = 1\n";
    let env = [("MODRACK_LIMITS__SESSIONS", "2"), ("MODRACK_LIMITS__CONNECTIONS", "2")];
    let loaded = loaded(file, &env, &[("--sessions", "limits.sessions", "3")]);
    let limits = &loaded.config.limits;
    assert_eq!(
        [limits.sessions, limits.connections, limits.queued_per_provider, limits.in_flight_per_provider],
        [3, 2, 1, 1024]
    );
    assert_eq!(origin(&loaded, "limits.sessions"), "flag --sessions");
    assert_eq!(origin(&loaded, "limits.connections"), "env MODRACK_LIMITS__CONNECTIONS");
    assert_eq!(origin(&loaded, "limits.queued_per_provider"), "modrack.toml:4");
    assert_eq!(origin(&loaded, "limits.in_flight_per_provider"), "default");
}

#[test]
fn every_kind_of_value_reads_from_the_environment_as_from_the_file() {
    let file =
        "listen = \"[::1]:0\"\nsocket = \"\"\nlink.enabled = false\ntimeouts.call_ms = 1_500\nlog.format = \"json\"\n";
    let env = [
        ("MODRACK_LISTEN", "[::1]:0"),
        ("MODRACK_SOCKET", ""),
        ("MODRACK_LINK__ENABLED", "false"),
        ("MODRACK_TIMEOUTS__CALL_MS", "1500"),
        ("MODRACK_LOG__FORMAT", "json"),
    ];
    let (from_file, from_env) = (loaded(file, &[], &[]).config, loaded("", &env, &[]).config);
    assert_eq!(from_file, from_env);
    assert_eq!(from_file.listen, Some("[::1]:0".parse().unwrap()));
    assert_eq!((from_file.socket, from_file.link.address()), (None, None));
    assert_eq!(from_file.timeouts.call, Duration::from_millis(1500));
    assert_eq!(from_file.log.format, LogFormat::Json);
}

#[test]
fn all_faults_are_told_at_once_with_their_places_and_hints() {
    let file = r#"
listn = "127.0.0.1:1"
socket = 5
message_bytes = 3
[limits]
message_bytes = 0
sesions = 5
connections = 99999999999999999999
[timeouts]
heartbeat_ms = 9000
call_ms = "soon"
[log]
filter = "host=loud"
format = "xml"
[colour]
of = "the bike shed"
"#;
    let env = [("MODRACK_LIMITS__SESIONS", "1"), ("MODRACK_LISTEM", "x"), ("MODRACK_LINK__ENABLED", "maybe")];
    insta::assert_snapshot!(faults(file, &env, &[("--listen", "listen", "7420")]), @"");
}

#[test]
fn variables_of_the_sdks_and_of_strangers_are_left_alone() {
    let env = [
        ("MODRACK_HOST", "http://127.0.0.1:1"),
        ("MODRACK_CONFIG", ""),
        ("MODRACK_PLANE", "link"),
        ("MODRACK_DEBUG", "1"),
        ("MODRACK_CREDENTIAL_FILE", "/x"),
        ("MODRACK_PORT_7420_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(loaded("", &env, &[]).config, loaded("", &[], &[]).config);
}

#[test]
fn listening_for_other_machines_must_be_said_aloud() {
    insta::assert_snapshot!(faults("listen = \"0.0.0.0:7420\"\n", &[], &[]), @"");
    let file = "listen = \"0.0.0.0:7420\"\ninsecure_listen = true\n";
    assert_eq!(loaded(file, &[], &[]).config.listen, Some("0.0.0.0:7420".parse().unwrap()));
    for loopback in ["127.0.0.2:1", "[::1]:1", "localhost:1", "[::ffff:127.0.0.1]:1"] {
        loaded("", &[("MODRACK_LISTEN", loopback)], &[]);
    }
}

#[test]
fn keys_that_contradict_each_other_are_refused_together() {
    let file = "listen = \"\"\nsocket = \"\"\n[timeouts]\nlease_ms = 1000\nheartbeat_ms = 500\ncall_ms = 2000\nmax_call_ms = 1000\n";
    insta::assert_snapshot!(faults(file, &[], &[]), @"");
    insta::assert_snapshot!(faults("socket = \"a.sock\"\n[link]\nsocket = \"a.sock\"\n", &[], &[]), @"");
}

#[test]
fn a_shorter_lease_brings_a_shorter_heartbeat_with_it() {
    let timeouts = loaded("[timeouts]\nlease_ms = 900\n", &[], &[]).config.timeouts;
    assert_eq!(timeouts.heartbeat, Duration::from_millis(300));
}

#[test]
fn a_file_that_was_named_must_be_there_and_be_toml() {
    let dir = tempfile::tempdir().unwrap();
    let sources = Sources { file: Some("other.toml".into()), working_dir: dir.path().into(), ..Sources::default() };
    let error = Config::load(&sources).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"");
    insta::assert_snapshot!(faults("listen = \"a\"\nlisten = \"b\"\n", &[], &[]), @"");
}

#[test]
fn relative_paths_of_the_file_are_relative_to_the_file_and_others_to_the_working_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    std::fs::write(dir.path().join("etc/host.toml"), "data_dir = \"state\"\n").unwrap();
    let sources = Sources { file: Some("etc/host.toml".into()), working_dir: dir.path().into(), ..Sources::default() };
    let config = Config::load(&sources).unwrap().config;
    assert_eq!(config.data_dir, dir.path().join("etc/state"));
    assert_eq!(config.socket, Some(dir.path().join("etc/state/host.sock")));
    let config = Config::load(&sources.flag("--data-dir", "data_dir", "mine")).unwrap().config;
    assert_eq!(config.data_dir, dir.path().join("mine"));
}

#[test]
fn a_path_too_long_for_a_socket_is_refused_before_anything_binds() {
    let long = format!("/{}", "d".repeat(100));
    insta::assert_snapshot!(faults("", &[("MODRACK_DATA_DIR", &long)], &[]), @"");
}

const PROVIDERS: &str = r#"
[[providers]]
subject = "ada"
credential_file = "ada.key"
namespaces = ["text.*", "data"]
"#;

#[test]
fn a_provider_is_known_by_the_content_of_its_file_which_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ada.key"), "correct horse battery\n").unwrap();
    let loaded = load(dir.path(), PROVIDERS, &[], &[]).unwrap();
    let grant = loaded.config.grant("correct horse battery").expect("the credential is known");
    assert_eq!(grant.subject.as_str(), "ada");
    assert_eq!(loaded.config.grant("correct horse batterz"), None);
    let covered = ["text", "text.en", "texts", "data", "data.en"].map(|n| grant.covers(&Namespace::parse(n).unwrap()));
    assert_eq!(covered, [true, true, false, true, false]);
    let shown = format!("{loaded:?}{:?}", loaded.entries());
    assert!(!shown.contains("horse") && shown.contains("ada.key"), "{shown}");
}

#[test]
fn faults_of_providers_name_the_entry() {
    let file = r#"
[[providers]]
subject = ""
credential_file = "missing.key"
namespaces = ["text.**"]
[[providers]]
subjekt = "bob"
[[providers]]
subject = "eve"
credential_file = "short.key"
namespaces = []
"#;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("short.key"), "secret\n").unwrap();
    let error = load(dir.path(), file, &[("MODRACK_PROVIDERS__0__SUBJECT", "x")], &[]).unwrap_err();
    let text = error.to_string().replace(dir.path().to_str().unwrap(), "<dir>");
    insta::assert_snapshot!(text, @"");
}

#[test]
fn two_entries_cannot_share_a_credential() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ada.key"), "correct horse battery\n").unwrap();
    let error = load(dir.path(), &format!("{PROVIDERS}{PROVIDERS}"), &[], &[]).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"");
}

#[test]
fn the_data_directory_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let config = Config::in_dir(dir.path().join("a/b"));
    for _ in 0..2 {
        config.create_data_dir().unwrap();
    }
    assert_eq!(std::fs::metadata(&config.data_dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(config.socket, Some(dir.path().join("a/b/host.sock")));
    assert_eq!(config.listen.map(|address| address.port()), Some(0));
}
