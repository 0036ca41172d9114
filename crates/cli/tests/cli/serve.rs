//! `modrack serve` as a process: what it prints, and how it ends.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use protocol::generated::provider::v1::host_frame::Frame;
use testkit::{eventually, module, registration, within};

use crate::run::{Host, modrack, shown, signal};

#[tokio::test]
async fn a_ready_host_says_where_it_listens_and_what_to_set() {
    let host = Host::start(&[]).await;
    insta::assert_snapshot!(host.tidy(&host.lines.join("\n")), @r"
    listening on http://HOST
    listening on unix:<dir>/data/host.sock
    providers and clients find it with MODRACK_HOST=http://HOST
    ");
    let mode = std::fs::metadata(host.dir.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_machine_reads_the_addresses_as_json() {
    let host = Host::start(&["--json"]).await;
    let line: serde_json::Value = serde_json::from_str(&host.lines[0]).unwrap();
    let data = host.dir.path().join("data");
    assert_eq!(line["pid"], host.child.id().unwrap());
    assert_eq!(line["socket"], format!("unix:{}", data.join("host.sock").display()));
    assert_eq!(line["link"], data.join("link.sock").to_str().unwrap());
    let url = line["listen"].as_str().unwrap();
    assert_eq!(testkit::Client::new(url).names("").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_host_goes_on_when_nobody_reads_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["serve", "--listen", "", "--socket", "host.sock", "--data-dir", "data"];
    let mut host = modrack(dir.path(), &args).stderr(Stdio::null()).spawn().unwrap();
    drop(host.stdout.take());
    let socket = format!("unix:{}", dir.path().join("host.sock").display());
    let text = eventually("an answer on the socket", async || {
        let text = shown(modrack(dir.path(), &["modules", "list", "--json", "--host", &socket]), "").await;
        text.starts_with("exit 0").then_some(text)
    })
    .await;
    assert_eq!(text, "exit 0\n--- stdout\n[]\n");
    signal(&host, "TERM").await;
    let status = within("the end of the host", host.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn both_signals_end_it_gracefully() {
    for name in ["INT", "TERM"] {
        let mut host = Host::start(&[]).await;
        host.signal(name).await;
        let status = within("the end of the host", host.child.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{name}");
        assert!(!host.dir.path().join("data/host.sock").exists(), "the socket is gone");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let mut host = Host::start(&[]).await;
        let client = host.client();
        let session = client.register(registration("slow", [module("Never", "{}", "Int")])).await.unwrap().keep_alive();
        let mut provider = session.attach().await;
        client.watch("").await.unwrap().ready(&["slow.Never".into()], 1).await;
        let call = tokio::spawn(async move { client.call("slow.Never", serde_json::json!({})).await });
        // The host waits for this call when it drains.
        provider.call().await;
        host.signal(name).await;
        while !matches!(provider.next().await.unwrap().unwrap().frame, Some(Frame::Drain(_))) {}
        host.signal(name).await;
        let status = within("the end of the host", host.child.wait()).await.unwrap();
        assert_eq!(status.code(), Some(code), "{name}");
        call.abort();
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let host = Host::start(&[]).await;
    let address = host.url.trim_start_matches("http://").to_owned();
    let command = modrack(host.dir.path(), &["serve", "--listen", &address, "--data-dir", "other"]);
    let text = shown(command, "").await.replace(&address, "HOST");
    assert!(
        text.contains(
            "error: cannot listen on `HOST`: Address already in use (os error 98) (cli.serve.failed)\nhint: "
        ),
        "{text}"
    );
    assert!(text.starts_with("exit 1\n"), "{text}");
}

#[tokio::test]
async fn a_faulty_flag_is_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["serve", "--listen", "0.0.0.0:0", "--log-format", "xml", "--data-dir", "data"];
    insta::assert_snapshot!(shown(modrack(dir.path(), &args), "").await, @"
    exit 2
    --- stderr
    error: flag --log-format: `log.format` cannot be `xml` (config.value.invalid)
    hint: choose one of `auto`, `text`, `json`
    error: flag --listen: `listen` is `0.0.0.0:0`, which other machines can reach, without TLS (`tls.cert_file`, `tls.key_file`), credentials of providers (`[[providers]]`), tokens of clients (`[[clients]]`) (config.listen.insecure)
    hint: set what is missing (`tls.client_ca_file` stands for both kinds of secrets), or listen on 127.0.0.1 or `socket`; where the network itself is trusted, say so with `insecure_listen = true` or `--insecure-listen`
    ");
    assert!(!dir.path().join("data").exists());
}
