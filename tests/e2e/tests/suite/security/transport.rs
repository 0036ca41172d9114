//! TLS: what is no TLS, slow handshakes, strangers' certificates, none at all.

use std::io;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use e2e::Host;

use super::callers::{Caller, host_with_tls, is_silenced};
use super::certificates::{Authority, write};

const MUTUAL: &str = "client_ca_file = \"ca.pem\"\n";

/// The beginning of a TLS 1.3 ClientHello.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Sends bytes and reads until the host closes the connection.
async fn exchange(host: &Host, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(host.address()).await.expect("the host listens");
    stream.write_all(bytes).await.expect("the host reads");
    let mut answer = Vec::new();
    let _reset: io::Result<usize> = testkit::within("the host to close", stream.read_to_end(&mut answer)).await;
    answer
}

/// Waits for a line in the log of the host.
async fn logged(host: &Host, text: &str) {
    testkit::eventually(&format!("`{text}` in the log"), || async {
        host.process().output().contains(text).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_host_with_a_certificate_speaks_tls_with_who_trusts_it_and_nothing_else() {
    let authority = Authority::new();
    let host = host_with_tls(&authority, "", &[]);
    assert!(host.url().starts_with("https://"), "{}", host.url());
    let caller = Caller::tls(&host, &authority, None);
    assert_eq!(caller.list().await.expect("it is trusted"), Vec::<String>::new());
    // Who trusts somebody else breaks off.
    assert!(is_silenced(Caller::tls(&host, &Authority::new(), None).list().await));
    // Plain HTTP/1.1 and plain HTTP/2 get an alert and no answer.
    for plain in [
        &b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let answer = exchange(&host, plain).await;
        assert!(answer.is_empty() || answer[0] == 0x15, "an alert or nothing, not {answer:02x?}");
    }
    logged(&host, "host.handshake.failed").await;
    // The socket of this machine needs no TLS.
    assert_eq!(Caller::unix(&host).list().await.expect("its file keeps others out"), Vec::<String>::new());
    caller.list().await.expect("others are not concerned");
}

#[tokio::test]
async fn http_1_and_http_2_are_agreed_on_within_tls() {
    let authority = Authority::new();
    let host = host_with_tls(&authority, "", &[]);
    for protocol in ["h2", "http/1.1"] {
        let stream = TcpStream::connect(host.address()).await.expect("the host listens");
        let name = "localhost".try_into().expect("it is a name");
        let mut stream = authority.connector(protocol).connect(name, stream).await.expect("it is trusted");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        if protocol == "http/1.1" {
            let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.expect("the host reads");
            let mut answer = Vec::new();
            let _unclean: io::Result<usize> = testkit::within("an answer", stream.read_to_end(&mut answer)).await;
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        }
    }
}

#[tokio::test]
async fn slow_handshakes_are_cut_and_hold_nobody_up() {
    let authority = Authority::new();
    let host = host_with_tls(&authority, "", &[("timeouts.hello_ms", "700"), ("limits.connections", "20")]);
    let mut slow = Vec::new();
    for i in 0..10 {
        let mut stream = TcpStream::connect(host.address()).await.expect("the host listens");
        stream.write_all(if i % 2 == 0 { HALF_A_HELLO } else { b"" }).await.expect("the host reads");
        slow.push(stream);
    }
    // They are all under way.
    Caller::tls(&host, &authority, None).list().await.expect("nobody is held up");
    for mut stream in slow {
        let _reset: io::Result<usize> = testkit::within("the host to close", stream.read_to_end(&mut Vec::new())).await;
    }
    logged(&host, "host.handshake.timeout").await;
}

#[tokio::test]
async fn mutual_tls_takes_those_alone_for_whom_its_authority_vouches() {
    let authority = Authority::new();
    let host = host_with_tls(&authority, MUTUAL, &[]);
    let known = authority.vouch_for(&["a-client"]);
    Caller::tls(&host, &authority, Some(&known)).list().await.expect("it is vouched for");
    assert!(is_silenced(Caller::tls(&host, &authority, None).list().await), "without a certificate");
    let stranger = Authority::new().vouch_for(&["a-client"]);
    assert!(is_silenced(Caller::tls(&host, &authority, Some(&stranger)).list().await), "of a stranger");
    logged(&host, "host.handshake.failed").await;
    Caller::unix(&host).list().await.expect("the socket needs none");
}

#[tokio::test]
async fn the_command_line_speaks_tls_with_the_files_that_it_is_given() {
    let authority = Authority::new();
    let host = host_with_tls(&authority, MUTUAL, &[]);
    let directory = tempfile::tempdir().expect("there is room for a directory");
    write(directory.path(), "ca.pem", &authority.pem);
    authority.vouch_for(&["a-client"]).write(directory.path(), "client");
    let url = host.url().replace("127.0.0.1", "localhost");
    let run = async |args: &[&str]| {
        let mut command = Command::new(e2e::program());
        command.args(["modules", "list", "--json", "--host", &url]).args(args).current_dir(directory.path());
        command.env_clear().env("HOME", "/nonexistent").stdin(Stdio::null()).kill_on_drop(true);
        let output = testkit::within("the end of the command", command.output()).await.expect("it can be started");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let all = ["--ca-file", "ca.pem", "--cert-file", "client.pem", "--key-file", "client.key"];
    assert_eq!(run(&all).await, (Some(0), String::new()));
    for (args, exit, code) in [
        (&all[..2], 4, "cli.host.unreachable"),
        (&all[2..], 4, "cli.host.unreachable"),
        (&all[..4], 2, "cli.credential.unreadable"),
        (&["--ca-file", "none.pem"], 2, "cli.credential.unreadable"),
        (&["--ca-file", "client.key"], 4, "cli.host.unreachable"),
    ] {
        let (ended, stderr) = run(args).await;
        assert!(ended == Some(exit) && stderr.contains(code), "{args:?}: {ended:?} {stderr}");
    }
}
