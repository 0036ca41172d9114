use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{module, registration};

use super::{NAMES, Session, everything, lock, shown};
use crate::run::Host;

const CALL: &str = "x = text.Uppercase(\"a\")\ny = text.Missing(\"a\")\nout x\nout y\n";

/// Waits until the modules are known that a document is checked against, and gives what is then wrong with it.
async fn settled(session: &mut Session, uri: &str, is_it: impl Fn(&[String]) -> bool) -> Vec<String> {
    loop {
        let now = shown(&session.editor.diagnostics(uri).await);
        if is_it(&now) {
            return now;
        }
    }
}

fn names_missing(now: &[String], name: &str) -> bool {
    now.iter().any(|line| line.contains("E002") && line.contains(name))
}

#[tokio::test]
async fn the_lock_above_a_file_counts_and_a_new_one_is_noticed() {
    let dir = TempDir::new().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::write(dir.path().join("modules.lock.json"), lock(NAMES)).unwrap();
    let mut session = Session::spawn(dir, &["lsp"]);
    session.editor.initialize(everything(), json!({})).await;
    let uri = session.uri("a/b/c.cst");
    session.editor.open(&uri, CALL).await;
    let now = settled(&mut session, &uri, |now| names_missing(now, "Missing")).await;
    assert_eq!(now.len(), 1, "{now:?}");

    // A nearer lock, which has the module that was missing and not the other.
    fs::write(session.dir.path().join("a/modules.lock.json"), lock(["Count", "Missing"])).unwrap();
    session.editor.notify("workspace/didChangeWatchedFiles", json!({ "changes": [] })).await;
    settled(&mut session, &uri, |now| names_missing(now, "Uppercase") && !names_missing(now, "Missing")).await;

    // It is changed in its place.
    fs::write(session.dir.path().join("a/modules.lock.json"), lock(NAMES)).unwrap();
    session.editor.notify("textDocument/didSave", json!({ "textDocument": { "uri": uri } })).await;
    settled(&mut session, &uri, |now| names_missing(now, "Missing")).await;
}

#[tokio::test]
async fn a_lock_can_be_named_and_its_faults_are_told() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("named.json"), lock(NAMES)).unwrap();
    let mut session = Session::spawn(dir, &["lsp", "--stdio", "--lock", "named.json"]);
    session.editor.initialize(everything(), json!({})).await;
    session.editor.open("untitled:one", CALL).await;
    settled(&mut session, "untitled:one", |now| names_missing(now, "Missing")).await;

    fs::write(session.dir.path().join("named.json"), "{").unwrap();
    session.editor.notify("textDocument/didSave", json!({ "textDocument": { "uri": "untitled:one" } })).await;
    let told = session.editor.told("window/showMessage").await;
    assert_eq!(told["type"], 1);
    assert!(told["message"].as_str().unwrap().contains("(cli.lock.invalid)"), "{told}");
}

#[tokio::test]
async fn without_modules_all_but_their_calls_is_checked_and_that_is_said_once() {
    // Nothing listens there.
    let mut session = Session::spawn(TempDir::new().unwrap(), &["lsp", "--host", "http://127.0.0.1:1"]);
    session.editor.initialize(everything(), json!({})).await;
    let uri = session.uri("a.cst");
    let cached = "w = text.Count(\"a\") with cache: 1s, cache_backend: \"large\"\nout w\n";
    session.editor.open(&uri, &format!("{CALL}{cached}z = nothing\n")).await;
    let told = session.editor.told("window/showMessage").await;
    assert_eq!(told["type"], 3);
    let message = told["message"].as_str().unwrap();
    assert!(
        message.contains("cannot reach a host at `http://127.0.0.1:1`") && message.contains("MODRACK_HOST"),
        "{message}"
    );
    let now = settled(&mut session, &uri, |now| now.iter().any(|line| line.contains("E001"))).await;
    assert!(!now.iter().any(|line| line.contains("E002") || line.contains("E016")), "{now:?}");
    session.editor.open(&session.dir.path().join("b.cst").display().to_string(), CALL).await;
    assert_eq!(session.editor.ask("shutdown", Value::Null).await, Ok(Value::Null));
    assert!(session.editor.kept().all(|message| message["method"] != "window/showMessage"));
}

#[tokio::test]
async fn the_modules_of_a_host_are_followed() {
    let host = Host::start(&[]).await;
    let mut session = Session::spawn(TempDir::new().unwrap(), &["lsp", "--host", &host.url]);
    session.editor.initialize(everything(), json!({})).await;
    let uri = session.uri("a.cst");
    session.editor.open(&uri, CALL).await;
    settled(&mut session, &uri, |now| names_missing(now, "Uppercase") || now.iter().any(|line| line.contains("E004")))
        .await;

    let provider =
        |names: &[&str]| registration("text", names.iter().map(|name| module(name, "{text: String}", "String")));
    let registered = host.client().register(provider(&["Uppercase"])).await.unwrap().keep_alive();
    let now = settled(&mut session, &uri, |now| names_missing(now, "Missing")).await;
    assert!(!names_missing(&now, "Uppercase"), "{now:?}");

    registered.unregister().await.unwrap();
    let _registered = host.client().register(provider(&["Uppercase", "Missing"])).await.unwrap().keep_alive();
    settled(&mut session, &uri, <[String]>::is_empty).await;
}

#[tokio::test]
async fn with_a_host_its_caches_can_be_named_and_not_those_of_the_configuration() {
    let cache = |name: &str| format!("[[caches]]\nname = \"{name}\"\nmax_bytes = 1000000\n");
    let remote = TempDir::new().unwrap();
    fs::write(remote.path().join("modrack.toml"), cache("remote")).unwrap();
    let host = Host::start_in(remote, &[]).await;
    let module = module("Count", "{text: String}", "Int");
    let _registered = host.client().register(registration("text", [module])).await.unwrap().keep_alive();
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("modrack.toml"), cache("local")).unwrap();
    let mut session = Session::spawn(dir, &["lsp", "--host", &host.url]);
    session.editor.initialize(everything(), json!({})).await;
    let call = |cache: &str| format!("x = text.Count(\"\") with cache: 1s, cache_backend: \"{cache}\"\nout x\n");
    let remote = session.open("remote.cst", &call("remote")).await;
    let local = session.open("local.cst", &call("local")).await;
    settled(&mut session, &local, |now| now.iter().any(|line| line.contains("E016"))).await;
    let params = json!({ "textDocument": { "uri": remote }, "position": { "line": 0, "character": 52 } });
    let offered = session.editor.ask("textDocument/completion", params).await.unwrap();
    let labels: Vec<_> = offered.as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["memory", "remote"]);
    assert_eq!(settled(&mut session, &remote, |_| true).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_caches_of_the_configuration_can_be_named() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("modules.lock.json"), lock(NAMES)).unwrap();
    fs::write(dir.path().join("modrack.toml"), "[[caches]]\nname = \"large\"\nmax_bytes = 1000000\n").unwrap();
    let mut session = Session::spawn(dir, &["lsp"]);
    session.editor.initialize(everything(), json!({})).await;
    let call = |cache: &str| format!("x = text.Count(\"\") with cache: 1s, cache_backend: \"{cache}\"\nout x\n");
    let large = session.open("large.cst", &call("large")).await;
    let small = session.open("small.cst", &call("small")).await;
    settled(&mut session, &small, |now| now.iter().any(|line| line.contains("E016"))).await;
    let params = json!({ "textDocument": { "uri": large }, "position": { "line": 0, "character": 52 } });
    let offered = session.editor.ask("textDocument/completion", params).await.unwrap();
    let labels: Vec<_> = offered.as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["large", "memory"]);
    assert_eq!(settled(&mut session, &large, |_| true).await, Vec::<String>::new());
}
