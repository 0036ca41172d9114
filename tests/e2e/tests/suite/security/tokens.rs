//! Tokens of clients: none, wrong ones, those of others, those of sessions that are over.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use e2e::Host;

use super::callers::{CALLER, COUNTER, Caller, READER, STRANGER, answer_in, code, host_with_clients};

/// `ServerReflectionRequest` with `list_services`.
const REFLECTION: (&str, [u8; 2]) = ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", [0x3a, 0x00]);

/// The code of every way to use the host.
async fn codes_of(caller: &Caller) -> Vec<String> {
    vec![
        code(caller.list().await),
        code(caller.get("text.Answer").await),
        code(caller.call("text.Answer").await),
        code(caller.watch().await),
        code(caller.empty("/modrack.host.v1.Host/CallStream").await),
        code(caller.empty("/modrack.host.v1.Host/CallBatch").await),
        code(caller.bytes(REFLECTION.0, REFLECTION.1.to_vec()).await),
    ]
}

#[tokio::test]
async fn a_host_with_clients_refuses_who_shows_no_token_or_a_wrong_one() {
    let host = host_with_clients("", &[]);
    let _provider = answer_in(&host, "text").await;
    let anybody = Caller::plain(&host);
    assert_eq!(codes_of(&anybody).await, ["host.token.missing"; 7]);
    let (half, longer) = (&READER[..READER.len() / 2], format!("{READER}0"));
    let hex = "ab".repeat(32);
    let bearers = ["wrong", half, &longer, "", &hex].map(|token| vec![format!("Bearer {token}")]);
    let others = [
        vec![READER.to_owned()],
        vec![format!("Basic {READER}")],
        vec![format!("Bearer {READER}"), format!("Bearer {CALLER}")],
    ];
    for headers in bearers.into_iter().chain(others) {
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        assert_eq!(codes_of(&anybody.authorized(&headers)).await, ["host.token.refused"; 7], "{headers:?}");
    }
    // The socket of this machine asks as well.
    assert_eq!(codes_of(&Caller::unix(&host)).await, ["host.token.missing"; 7]);
    assert_eq!(Caller::unix(&host).with(CALLER).call("text.Answer").await.expect("it may"), "42");
    // Health needs no token.
    let health = anybody.empty("/grpc.health.v1.Health/Check").await.expect("it is served");
    assert_eq!(health, [0x08, 0x01]);
}

#[tokio::test]
async fn a_token_permits_what_its_scopes_say_and_nothing_else() {
    let host = host_with_clients("", &[]);
    let _providers = (answer_in(&host, "text").await, answer_in(&host, "other").await);
    let (reader, caller, stranger) =
        (Caller::plain(&host).with(READER), Caller::plain(&host).with(CALLER), Caller::plain(&host).with(STRANGER));
    assert_eq!(reader.list().await.expect("it may"), ["other.Answer", "text.Answer"]);
    assert_eq!(reader.call("text.Answer").await.expect("it may"), "42");
    reader.watch().await.expect("it may");
    reader.bytes(REFLECTION.0, REFLECTION.1.to_vec()).await.expect("it may");

    assert_eq!(caller.call("text.Answer").await.expect("it may"), "42");
    // Who may call a module may see its types.
    assert_eq!(caller.get("text.Answer").await.expect("it may").name, "text.Answer");
    assert_eq!(stranger.call("other.Answer").await.expect("it may"), "42");

    for (refused, scope) in [
        (caller.list().await.map(drop), "list"),
        (caller.watch().await, "watch"),
        (caller.bytes(REFLECTION.0, REFLECTION.1.to_vec()).await.map(drop), "list"),
        (caller.call("other.Answer").await.map(drop), "call:other.Answer"),
        (caller.get("other.Answer").await.map(drop), "call:other.Answer"),
        (stranger.call("text.Answer").await.map(drop), "call:text.Answer"),
        // Who may not call it does not learn whether it exists.
        (stranger.call("text.Nothing").await.map(drop), "call:text.Nothing"),
        (stranger.get("text.Nothing").await.map(drop), "call:text.Nothing"),
    ] {
        let status = refused.expect_err("it may not");
        let error = testkit::coded(&status);
        assert_eq!((error.code(), status.code()), ("host.scope.missing", tonic::Code::PermissionDenied));
        assert_eq!(error.details()["scope"], scope);
        assert!(["caller", "stranger"].contains(&error.details()["subject"].as_str()), "{error:?}");
    }
    assert_eq!(code(reader.call("text.Nothing").await), "registry.module.unknown");
}

#[tokio::test]
async fn the_token_of_a_session_calls_for_as_long_as_the_session_lives() {
    let host = host_with_clients("", &[]);
    let (_executor, session) = answer_in(&host, "text").await;
    let provider = Caller::plain(&host).with(session.token());
    assert_eq!(provider.call("text.Answer").await.expect("it may"), "42");
    assert_eq!(provider.list().await.expect("it may"), ["text.Answer"]);
    assert_eq!(code(provider.watch().await), "host.scope.missing");
    session.unregister().await.expect("it is there");
    assert_eq!(codes_of(&provider).await, ["host.token.refused"; 7]);
}

#[tokio::test]
async fn without_clients_in_its_configuration_a_host_takes_anybody_whatever_they_show() {
    let host = Host::start();
    let _provider = answer_in(&host, "text").await;
    for caller in [Caller::plain(&host), Caller::plain(&host).with("nonsense")] {
        assert_eq!(caller.call("text.Answer").await.expect("everybody may"), "42");
        caller.watch().await.expect("everybody may");
    }
}

/// The status and the body of a request by HTTP/1.1.
async fn get(host: &Host, path: &str, token: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(host.address()).await.expect("the host listens");
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await.expect("the host reads");
    let mut answer = String::new();
    testkit::within("an answer", stream.read_to_string(&mut answer)).await.expect("it is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("there is a head");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("there is a status"), body.to_owned())
}

#[tokio::test]
async fn http_asks_for_the_same_tokens_and_scopes() {
    let host = host_with_clients("", &[]);
    let (_executor, session) = answer_in(&host, "text").await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&host, path, None).await.0, 200, "{path} needs no token");
    }
    for (path, token, status, code) in [
        ("/v1/modules", None, 401, "host.token.missing"),
        ("/v1/modules/text.Answer", None, 401, "host.token.missing"),
        ("/openapi.json", None, 401, "host.token.missing"),
        ("/metrics", None, 401, "host.token.missing"),
        ("/nothing", None, 401, "host.token.missing"),
        ("/v1/modules", Some("wrong"), 401, "host.token.refused"),
        ("/v1/modules", Some(CALLER), 403, "host.scope.missing"),
        ("/v1/modules/other.Answer", Some(CALLER), 403, "host.scope.missing"),
        ("/openapi.json", Some(CALLER), 403, "host.scope.missing"),
        ("/metrics", Some(READER), 403, "host.scope.missing"),
        ("/metrics", Some(session.token()), 403, "host.scope.missing"),
    ] {
        let (answered, body) = get(&host, path, token).await;
        assert_eq!(answered, status, "{path} {token:?}: {body}");
        assert!(body.contains(code), "{path} {token:?}: {body}");
    }
    for (path, token) in [
        ("/v1/modules", READER),
        ("/v1/modules", session.token()),
        ("/v1/modules/text.Answer", CALLER),
        ("/metrics", COUNTER),
    ] {
        let (answered, body) = get(&host, path, Some(token)).await;
        assert_eq!(answered, 200, "{path}: {body}");
    }
}

/// The status of an HTTP/1.1 request with these headers.
async fn status_of(host: &Host, headers: &str) -> String {
    let mut stream = TcpStream::connect(host.address()).await.expect("the host listens");
    let request = format!("GET /v1/modules HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("the host reads");
    let mut answer = String::new();
    testkit::within("an answer", stream.read_to_string(&mut answer)).await.expect("it is text");
    let code = if answer.contains("host.origin.refused") { "host.origin.refused" } else { "" };
    format!("{} {code}", answer.split(' ').nth(1).expect("there is a status"))
}

#[tokio::test]
async fn a_web_page_cannot_use_a_host_that_asks_for_no_token() {
    let host = Host::start();
    for (headers, status) in [
        ("Host: localhost:7420\r\n", "200 "),
        ("Host: 127.0.0.1\r\nOrigin: http://localhost:3000\r\n", "200 "),
        // A page whose name was made to lead here, one of another site, a sandboxed one.
        ("Host: rebound.example:7420\r\n", "403 host.origin.refused"),
        ("Host: localhost:7420\r\nOrigin: https://evil.example\r\n", "403 host.origin.refused"),
        ("Host: localhost:7420\r\nOrigin: null\r\n", "403 host.origin.refused"),
    ] {
        assert_eq!(status_of(&host, headers).await, status, "{headers}");
    }
}

#[tokio::test]
async fn gaps_in_what_the_operator_set_up_are_warned_of() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let path = directory.path().join("open.token");
    std::fs::write(&path, READER).expect("the directory is ours");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("the file is ours");
    let file = "[[clients]]\nsubject = \"c\"\ntoken_file = \"open.token\"\nscopes = [\"list\"]\n";
    std::fs::write(directory.path().join("modrack.toml"), file).expect("the directory is ours");
    let host = Host::start_in(directory, &[]);
    let said = ["can read a secret of the host", "open.token", "`[[clients]]` without `[[providers]]`"];
    testkit::eventually("the warnings", || async {
        let log = host.process().output();
        said.iter().all(|part| log.contains(part)).then_some(())
    })
    .await;
}

/// The exit code of `modrack modules …`, and its error code where it failed.
async fn modrack(host: &Host, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(e2e::program());
    command
        .arg("modules")
        .args(args)
        .arg("--json")
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("MODRACK_HOST", host.url());
    command.envs(env.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = testkit::within("the end of the command", command.output()).await.expect("it can be started");
    let error = serde_json::from_slice(&output.stderr).unwrap_or(Value::Null);
    (output.status.code(), error["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_command_line_shows_the_token_that_a_flag_or_a_variable_names() {
    let host = host_with_clients("", &[]);
    let _provider = answer_in(&host, "text").await;
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let file = |name: &str, content: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).expect("the directory is ours");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("the file is ours");
        path.display().to_string()
    };
    let reader = file("reader", &format!("{READER}\n"), 0o600);
    let caller = file("caller", CALLER, 0o600);
    let wrong = file("wrong", "this-is-no-token-of-anybody", 0o600);
    let open = file("open", READER, 0o666);
    let call = ["call", "text.Answer", "--json-input", "{}"];
    let fine = (Some(0), String::new());
    assert_eq!(modrack(&host, &["list", "--token-file", &reader], &[]).await, fine);
    assert_eq!(modrack(&host, &call, &[("MODRACK_TOKEN_FILE", &caller)]).await, fine);
    // A flag wins over a variable.
    assert_eq!(modrack(&host, &["list", "--token-file", &reader], &[("MODRACK_TOKEN_FILE", &wrong)]).await, fine);
    for (env, expected) in [
        (None, "host.token.missing"),
        (Some(&caller), "host.scope.missing"),
        (Some(&wrong), "host.token.refused"),
        (Some(&open), "cli.credential.unreadable"),
        (Some(&"/nonexistent".to_owned()), "cli.credential.unreadable"),
    ] {
        let env: Vec<_> = env.map(|path| ("MODRACK_TOKEN_FILE", path.as_str())).into_iter().collect();
        assert_eq!(modrack(&host, &["list"], &env).await.1, expected, "{env:?}");
    }
}
