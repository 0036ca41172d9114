//! The configuration as an operator meets it: what wins, where it came from, and every fault at once.
// Tests fail by panicking, their helpers included.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use host::config::{Cache, Config, ConfigError, Loaded, LogFormat, Sources};
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
    let sources = Sources { file: None, working_dir: dir.into(), env, flags: Vec::new(), program: None };
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
    shown(&load(dir.path(), file, env, flags).expect_err("a fault"), dir.path())
}

fn shown(error: &ConfigError, dir: &Path) -> String {
    let lines: Vec<_> = error.faults.iter().map(|fault| format!("{fault}\n  {}", fault.hint)).collect();
    lines.join("\n").replace(dir.to_str().unwrap(), "<dir>")
}

fn origin(loaded: &Loaded, key: &str) -> String {
    loaded.entries().iter().find(|entry| entry.key == key).expect("a known key").origin.to_string()
}

#[test]
fn without_any_source_the_defaults_hold() {
    let loaded = loaded("", &[], &[]);
    let rows: Vec<_> = loaded.entries().iter().map(|e| format!("{} = {} ({})", e.key, e.value, e.origin)).collect();
    insta::assert_snapshot!(rows.join("\n"), @r#"
    data_dir = "/home/ada/.local/share/modrack" (default)
    listen = "127.0.0.1:7420" (default)
    insecure_listen = false (default)
    socket = "/home/ada/.local/share/modrack/host.sock" (default)
    tls.cert_file = "" (default)
    tls.key_file = "" (default)
    tls.client_ca_file = "" (default)
    link.enabled = true (default)
    link.socket = "/home/ada/.local/share/modrack/link.sock" (default)
    limits.message_bytes = 4194304 (default)
    limits.modules_per_provider = 10000 (default)
    limits.sessions = 1000 (default)
    limits.sessions_per_subject = 256 (default)
    limits.connections = 4096 (default)
    limits.in_flight_per_provider = 1024 (default)
    limits.queued_per_provider = 1024 (default)
    timeouts.lease_ms = 15000 (default)
    timeouts.heartbeat_ms = 5000 (default)
    timeouts.attach_ms = 10000 (default)
    timeouts.hello_ms = 5000 (default)
    timeouts.call_ms = 30000 (default)
    timeouts.max_call_ms = 3600000 (default)
    timeouts.drain_ms = 10000 (default)
    timeouts.ping_ms = 10000 (default)
    runtime.threads = 0 (default)
    log.format = "auto" (default)
    log.filter = "info" (default)
    telemetry.otlp_endpoint = "" (default)
    telemetry.sample_ratio = 1.0 (default)
    telemetry.service_name = "modrack-host" (default)
    pipelines.run_timeout_ms = 300000 (default)
    pipelines.max_run_timeout_ms = 3600000 (default)
    pipelines.call_timeout_ms = 30000 (default)
    pipelines.each_concurrency = 64 (default)
    pipelines.max_runs = 1024 (default)
    pipelines.kept_runs = 256 (default)
    pipelines.max_stored = 1000 (default)
    pipelines.cache_bytes = 67108864 (default)
    unary.allow = ["127.0.0.0/8","::1/128"] (default)
    unary.ca_file = "" (default)
    components_dir = "/home/ada/.local/share/modrack/components.d" (default)
    bundled = false (default)
    bundle_dir = "" (default)
    middleware.chain = [] (default)
    middleware.audit_queue = 1024 (default)
    staging.max_entries = 1024 (default)
    staging.max_bytes = 16777216 (default)
    staging.ttl_ms = 3600000 (default)
    "#);
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
    let env = [("MODRACK_LIMITS__CONECTIONS", "1"), ("MODRACK_LISTEM", "x"), ("MODRACK_LINK__ENABLED", "maybe")];
    insta::assert_snapshot!(faults(file, &env, &[("--listen", "listen", "7420")]), @r#"
    modrack.toml:2: `listn` is no key of the configuration (config.key.unknown)
      did you mean `listen`?
    modrack.toml:3: `socket` takes a string, found an integer (config.value.type)
      give `socket` a string
    modrack.toml:4: `message_bytes` is no key of the configuration (config.key.unknown)
      did you mean `limits.message_bytes`?
    modrack.toml:6: `limits.message_bytes` cannot be 0 (config.value.range)
      give a number from 1024 to 67108864
    modrack.toml:7: `limits.sesions` is no key of the configuration (config.key.unknown)
      did you mean `limits.sessions`?
    modrack.toml:8: `limits.connections` cannot be 99999999999999999999 (config.value.range)
      give a number from 1 to 1000000
    modrack.toml:10: `timeouts.heartbeat_ms` is 9000, not less than half of `timeouts.lease_ms`, 15000 (config.value.conflict)
      a provider must be able to lose one heartbeat; a third of the lease is usual
    modrack.toml:11: `timeouts.call_ms` takes an integer, found a string (config.value.type)
      give `timeouts.call_ms` an integer
    modrack.toml:13: `log.filter` cannot be `host=loud`: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5 (config.value.invalid)
      write a level (`error`, `warn`, `info`, `debug`, `trace`) or `level,target=level`
    modrack.toml:14: `log.format` cannot be `xml` (config.value.invalid)
      choose one of `auto`, `text`, `json`
    modrack.toml:16: `colour.of` is no key of the configuration (config.key.unknown)
      `modrack config show` lists the keys
    env MODRACK_LINK__ENABLED: `link.enabled` takes true or false, found `maybe` (config.value.type)
      give `link.enabled` true or false
    env MODRACK_LIMITS__CONECTIONS: `MODRACK_LIMITS__CONECTIONS` is no key of the configuration (config.key.unknown)
      did you mean `MODRACK_LIMITS__CONNECTIONS`?
    env MODRACK_LISTEM: `MODRACK_LISTEM` is no key of the configuration (config.key.unknown)
      did you mean `MODRACK_LISTEN`?
    flag --listen: `listen` cannot be `7420` (config.value.invalid)
      give an IP address and a port, e.g. `127.0.0.1:7420` or `[::1]:7420`; port 0 lets the system choose
    "#);
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
    insta::assert_snapshot!(faults("listen = \"0.0.0.0:7420\"\n", &[], &[]), @r"
    modrack.toml:1: `listen` is `0.0.0.0:7420`, which other machines can reach, without TLS (`tls.cert_file`, `tls.key_file`), credentials of providers (`[[providers]]`), tokens of clients (`[[clients]]`) (config.listen.insecure)
      set what is missing (`tls.client_ca_file` stands for both kinds of secrets), or listen on 127.0.0.1 or `socket`; where the network itself is trusted, say so with `insecure_listen = true` or `--insecure-listen`
    ");
    let file = "listen = \"0.0.0.0:7420\"\ninsecure_listen = true\n";
    assert_eq!(loaded(file, &[], &[]).config.listen, Some("0.0.0.0:7420".parse().unwrap()));
    for loopback in ["127.0.0.2:1", "[::1]:1", "localhost:1", "[::ffff:127.0.0.1]:1"] {
        loaded("", &[("MODRACK_LISTEN", loopback)], &[]);
    }
}

#[test]
fn keys_that_contradict_each_other_are_refused_together() {
    let file = "listen = \"\"\nsocket = \"\"\n[timeouts]\nlease_ms = 1000\nheartbeat_ms = 500\ncall_ms = 2000\nmax_call_ms = 1000\n";
    insta::assert_snapshot!(faults(file, &[], &[]), @r"
    modrack.toml:1: `listen` and `socket` are both empty, so nobody could reach the host (config.value.conflict)
      set one of them; without either key, the host listens on both
    modrack.toml:5: `timeouts.heartbeat_ms` is 500, not less than half of `timeouts.lease_ms`, 1000 (config.value.conflict)
      a provider must be able to lose one heartbeat; a third of the lease is usual
    modrack.toml:6: `timeouts.call_ms` is 2000, more than `timeouts.max_call_ms`, 1000 (config.value.conflict)
      raise `timeouts.max_call_ms`, or lower `timeouts.call_ms`
    ");
    insta::assert_snapshot!(faults("socket = \"a.sock\"\n[link]\nsocket = \"a.sock\"\n", &[], &[]), @r"
    modrack.toml:3: `socket` and `link.socket` are both `<dir>/a.sock` (config.value.conflict)
      they speak different protocols; give each its own path
    ");
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
    insta::assert_snapshot!(error, @"other.toml: the file cannot be read: No such file or directory (os error 2) (config.file.unreadable)");
    insta::assert_snapshot!(faults("listen = \"a\"\nlisten = \"b\"\n", &[], &[]), @r"
    modrack.toml:2: no TOML: duplicate key (config.syntax)
      mend the line; https://toml.io has the syntax
    ");
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
    insta::assert_snapshot!(faults("", &[("MODRACK_DATA_DIR", &long)], &[]), @r"
    env MODRACK_DATA_DIR: `socket` has 111 bytes, a Unix socket's path at most 107 (config.value.invalid)
      set `socket` or `data_dir` to a shorter path
    env MODRACK_DATA_DIR: `link.socket` has 111 bytes, a Unix socket's path at most 107 (config.value.invalid)
      set `link.socket` or `data_dir` to a shorter path
    ");
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
fn caches_are_a_list_with_names_of_their_own() {
    let file = r#"
[[caches]]
name = "prices"
max_bytes = 1_048_576
[pipelines]
run_timeout_ms = 1000
"#;
    let loaded = loaded(file, &[("MODRACK_PIPELINES__KEPT_RUNS", "7")], &[]);
    let pipelines = &loaded.config.pipelines;
    assert_eq!(pipelines.caches, [Cache { name: "prices".into(), max_bytes: 1 << 20 }]);
    assert_eq!((pipelines.run_timeout, pipelines.kept_runs), (Duration::from_secs(1), 7));
    assert_eq!(origin(&loaded, "caches[0].max_bytes"), "modrack.toml:4");
    let file = r#"
[[caches]]
name = "memory"
max_bytes = 2048
[[caches]]
name = ""
[[caches]]
name = "a"
max_bytes = 1
size = 3
[pipelines]
run_timeout_ms = 2000
max_run_timeout_ms = 1000
"#;
    insta::assert_snapshot!(faults(file, &[("MODRACK_CACHES__A", "1")], &[]), @r"
    modrack.toml:3: there is another cache `memory` (config.value.conflict)
      give each cache a name of its own; `memory` is always there, `pipelines.cache_bytes` is its size
    modrack.toml:5: `caches[1].max_bytes` is missing (config.key.missing)
      an entry of `[[caches]]` has `name` and `max_bytes`
    modrack.toml:6: `caches[1].name` cannot be `` (config.value.invalid)
      a cache's name has 1 to 64 bytes and no control characters
    modrack.toml:9: `caches[2].max_bytes` cannot be 1 (config.value.range)
      give a number from 1024 to 68719476736
    modrack.toml:10: `caches[2].size` is no key of the configuration (config.key.unknown)
      did you mean `caches[2].name`?
    modrack.toml:12: `pipelines.run_timeout_ms` is 2000, more than `pipelines.max_run_timeout_ms`, 1000 (config.value.conflict)
      raise `pipelines.max_run_timeout_ms`, or lower `pipelines.run_timeout_ms`
    env MODRACK_CACHES__A: `MODRACK_CACHES__A` is no key of the configuration (config.key.unknown)
      `[[caches]]` can only be set in the file
    ");
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
    insta::assert_snapshot!(shown(&error, dir.path()), @r#"
    modrack.toml:3: `providers[0].subject` cannot be `` (config.value.invalid)
      a subject has 1 to 128 bytes and no control characters, and does not begin with `component `
    modrack.toml:4: `providers[0].credential_file`: `<dir>/missing.key` cannot be read: No such file or directory (os error 2) (config.credential.unreadable)
      the file holds nothing but the secret, is readable by the host and not writable by everybody; `openssl rand -hex 32` makes a good one
    modrack.toml:5: `providers[0].namespaces` cannot hold `text.**` (config.value.invalid)
      write a namespace (`text`), one with all below it (`text.*`), or all (`*`)
    modrack.toml:6: `providers[1].subject` is missing (config.key.missing)
      an entry of `[[providers]]` has `subject`, `credential_file` and `namespaces`
    modrack.toml:6: `providers[1].credential_file` is missing (config.key.missing)
      an entry of `[[providers]]` has `subject`, `credential_file` and `namespaces`
    modrack.toml:6: `providers[1].namespaces` is missing (config.key.missing)
      an entry of `[[providers]]` has `subject`, `credential_file` and `namespaces`
    modrack.toml:7: `providers[1].subjekt` is no key of the configuration (config.key.unknown)
      did you mean `providers[1].subject`?
    modrack.toml:10: `providers[2].credential_file`: `<dir>/short.key` has fewer than 16 characters (config.credential.unreadable)
      the file holds nothing but the secret, is readable by the host and not writable by everybody; `openssl rand -hex 32` makes a good one
    modrack.toml:11: `providers[2].namespaces` names no namespace (config.value.invalid)
      list what the provider may serve, e.g. `namespaces = ["text.*"]`
    env MODRACK_PROVIDERS__0__SUBJECT: `MODRACK_PROVIDERS__0__SUBJECT` is no key of the configuration (config.key.unknown)
      `[[providers]]` can only be set in the file
    "#);
}

#[test]
fn two_entries_cannot_share_a_credential() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ada.key"), "correct horse battery\n").unwrap();
    let error = load(dir.path(), &format!("{PROVIDERS}{PROVIDERS}"), &[], &[]).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"modrack.toml:9: `providers[1].credential_file` holds the secret of `ada` (config.value.conflict)");
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
