//! The `modrack` binary against a host with a real provider: output, exit codes, JSON.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use e2e::{Host, Language, Plane, Provider};

/// What a command left behind.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// Its output as JSON, after it succeeded.
    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// The error that it told as JSON, with its exit code.
    fn error(&self) -> (Option<i32>, String) {
        assert_eq!(self.stdout, "", "a failure writes nothing to stdout");
        let error: Value = serde_json::from_str(&self.stderr).unwrap_or_else(|e| panic!("{e}: {}", self.stderr));
        assert_eq!(error["error"]["exit"], json!(self.code));
        assert!(error["error"]["hint"].is_string() || error["error"]["origin"] == "module", "{error}");
        (self.code, error["error"]["code"].as_str().expect("each failure has a code").to_owned())
    }
}

async fn run(address: &str, args: &[&str], stdin: &[u8]) -> Ended {
    let mut command = Command::new(e2e::program());
    command.args(args).env_clear().env("HOME", "/nonexistent").env("MODRACK_HOST", address).kill_on_drop(true);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut input = child.stdin.take().expect("it is piped");
    // A command that takes no input may be gone already.
    let _unread = input.write_all(stdin).await.is_err();
    drop(input);
    let output = testkit::within("the end of the command", child.wait_with_output()).await.expect("it ran");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("it writes UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("it writes UTF-8"),
    }
}

#[tokio::test]
async fn modules_are_listed_shown_and_called() {
    let host = Host::start();
    let provider = Provider::start(&host, Language::Rust, Plane::Link, "fixture").await;
    let url = host.url();

    let table = run(&url, &["modules", "list"], b"").await;
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    for part in ["MODULE", "fixture.Echo", "fixture.Inspect", "rust", "link", "ready"] {
        assert!(table.stdout.contains(part), "{part} is not in {}", table.stdout);
    }
    assert!(!table.stdout.contains('\u{1b}'), "no colour where no terminal is");
    let list = run(&url, &["modules", "list", "*.In*", "--json"], b"").await.json();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list[0]["name"], "fixture.Inspect");
    assert_eq!(list[0]["endpoints"][0]["pid"], json!(provider.id()));

    let shown = run(&url, &["modules", "show", "fixture.Sleep"], b"").await;
    assert!(shown.code == Some(0) && shown.stdout.contains("{ms: Int}"), "{} {}", shown.stdout, shown.stderr);
    let shown = run(&url, &["modules", "show", "fixture.Sleep", "--json"], b"").await.json();
    assert_eq!((shown["input"].as_str(), shown["output"].as_str()), (Some("{ms: Int}"), Some("Int")));

    let called = run(&url, &["modules", "call", "fixture.Sleep", "--arg", "ms=5"], b"").await;
    assert_eq!((called.code, called.stdout.as_str()), (Some(0), "5\n"), "{}", called.stderr);
    let input = br#"{"ms": 6}"#;
    let called = run(&url, &["modules", "call", "fixture.Sleep", "--input", "-", "--json"], input).await;
    assert_eq!(called.json(), json!(6));
    let called = run(&url, &["modules", "call", "fixture.Sleep", "--json-input", r#"{"ms": 7}"#], b"").await;
    assert_eq!(called.stdout, "7\n", "{}", called.stderr);
    // The same by the host's Unix socket.
    let socket = format!("unix:{}", host.socket().display());
    let called = run(&socket, &["modules", "call", "fixture.Inspect", "--json"], b"").await.json();
    assert_eq!(called["pid"], json!(provider.id()));
}

#[tokio::test]
async fn each_failure_has_its_exit_code_and_its_error_code() {
    let host = Host::start();
    let _provider = Provider::start(&host, Language::Rust, Plane::Link, "fixture").await;
    let url = host.url();
    let fail = r#"{"category": "NOT_FOUND", "code": "fixture.lost", "message": "m", "retryable": false}"#;
    for (args, exit, code) in [
        (&["modules", "call", "fixture.Sleep", "--arg", "ms=soon"][..], 2, "cli.argument.invalid"),
        (&["modules", "call", "fixture.Sleep", "--arg", "s=1"], 2, "cli.argument.unknown"),
        (&["modules", "call", "fixture.Sleep"], 2, "cli.input.missing"),
        (&["modules", "call", "fixture.Sleep", "--json-input", "{"], 2, "cli.argument.invalid"),
        (&["modules", "call", "fixture.Sleep", "--json-input", r#"{"ms": "x"}"#], 2, "executor.input.invalid"),
        (&["modules", "call", "fixture.Sleep", "--input", "/nonexistent"], 2, "cli.input.unreadable"),
        (&["modules", "call", "fixture.Sleep", "--timeout", "soon"], 2, "cli.usage"),
        (&["modules", "call", "nonsense"], 2, "registry.name.invalid"),
        (&["modules", "call", "fixture.Nothing", "--json-input", "{}"], 3, "registry.module.unknown"),
        (&["modules", "show", "fixture.Nothing"], 3, "registry.module.unknown"),
        (
            &["modules", "call", "fixture.Sleep", "--arg", "ms=60000", "--timeout", "100ms"],
            6,
            "executor.deadline.exceeded",
        ),
        (&["modules", "call", "fixture.Fail", "--json-input", fail], 1, "fixture.lost"),
        (&["modules", "call", "fixture.Raise", "--arg", "message=m"], 1, "module.failed"),
        (&["modules", "list", "--host", "nonsense"], 2, "cli.host.address"),
        (&["modules", "list", "--host", "unix:/nonexistent"], 4, "cli.host.unreachable"),
        (&["nonsense"], 2, "cli.usage"),
    ] {
        let ended = run(&url, &[args, &["--json"]].concat(), b"").await;
        assert_eq!(ended.error(), (Some(exit), code.to_owned()), "{args:?}");
        let people = run(&url, args, b"").await;
        assert_eq!((people.code, people.stdout.as_str()), (Some(exit), ""), "{args:?}");
        assert!(people.stderr.contains("error:"), "{args:?}: {}", people.stderr);
    }
    let people = run(&url, &["modules", "call", "fixture.Slep", "--json-input", "{}"], b"").await;
    assert!(people.stderr.contains("hint:"), "{}", people.stderr);
}

#[tokio::test]
async fn a_second_host_on_the_same_address_is_told_that_it_is_taken() {
    let host = Host::start();
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let data = directory.path().join("data").display().to_string();
    let args = ["serve", "--json", "--listen", host.address(), "--data-dir", &data];
    let ended = run("", &args, b"").await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("cli.serve.failed"), "{}", ended.stderr);
    assert!(host.client().names("*").await.is_empty(), "the first host goes on");
}
