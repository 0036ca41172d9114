//! Bytes on the gRPC port that are no request of ours.

use std::io;

use testkit::coded;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use e2e::Host;

use crate::others::Others;

const METHODS: [&str; 7] = [
    "/modrack.host.v1.Host/Call",
    "/modrack.host.v1.Host/ListModules",
    "/modrack.host.v1.Host/GetModule",
    "/modrack.host.v1.Host/Watch",
    "/modrack.provider.v1.ModuleRegistry/Register",
    "/modrack.provider.v1.ModuleRegistry/Heartbeat",
    "/modrack.provider.v1.ModuleRegistry/Unregister",
];

#[tokio::test]
async fn garbage_in_place_of_a_message_is_malformed_on_every_method() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    // A tag without its value; a length beyond the end; a field number of 0; invalid UTF-8 in a string.
    for garbage in [&b"\x0a"[..], b"\x0a\xff\xff\xff\xff\x0f", b"\x00\x00", b"\x0a\x02\xff\xfe"] {
        for method in METHODS {
            let status = client.send_bytes(method, garbage.to_vec()).await.expect_err("it is no message");
            assert_eq!(coded(&status).code(), "protocol.message.malformed", "{method} {garbage:02x?}: {status:?}");
        }
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_on_every_method() {
    let host = Host::start_with(&[("limits.message_bytes", "65536")]);
    let others = Others::start(&host).await;
    let client = host.client();
    for method in METHODS {
        // An unknown field, legal in itself.
        let mut message = vec![0xfa, 0x3f, 0x80, 0x80, 0x08];
        message.extend(vec![0; 0x2_0000]);
        let status = client.send_bytes(method, message).await.expect_err("it is too large");
        assert_eq!(coded(&status).code(), "protocol.message.too_large", "{method}: {status:?}");
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn a_method_that_is_not_served_is_unknown() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let client = host.client();
    for method in [
        "/modrack.host.v1.Host/Destroy",
        "/modrack.host.v9.Host/Call",
        "/modrack.provider.v1.ModuleExecutor/Execute",
        "/nothing",
        "/",
    ] {
        let status = client.send_bytes(method, Vec::new()).await.expect_err("nobody serves it");
        let error = coded(&status);
        assert_eq!((error.code(), status.code()), ("protocol.method.unknown", tonic::Code::Unimplemented), "{method}");
    }
    others.are_unharmed().await;
}

/// Sends bytes and reads until the host closes the connection.
async fn exchange(host: &Host, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(host.address()).await.expect("the host listens");
    // The host may close before it has read all; that is an answer too.
    let _refused: io::Result<()> = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _reset: io::Result<usize> = testkit::within("the host to close", stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn what_is_no_http_is_closed_and_served_nothing() {
    let host = Host::start();
    let others = Others::start(&host).await;
    let mut noise = vec![0u8; 256 * 1024];
    noise.iter_mut().enumerate().for_each(|(i, byte)| *byte = u8::try_from(i * 7919 % 251).expect("below 251"));
    let mut bad_frame = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bad_frame.extend([0xff; 64]);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        &noise,
        &bad_frame,
    ] {
        let answer = exchange(&host, bytes).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn connections_that_are_dropped_at_once_harm_nobody() {
    let host = Host::start();
    let others = Others::start(&host).await;
    for _ in 0..200 {
        drop(TcpStream::connect(host.address()).await.expect("the host listens"));
        drop(tokio::net::UnixStream::connect(host.socket()).await.expect("the host listens"));
        drop(tokio::net::UnixStream::connect(host.link_socket()).await.expect("the host listens"));
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn connections_that_never_open_give_their_places_back() {
    let host = Host::start_with(&[("timeouts.hello_ms", "300"), ("limits.connections", "2")]);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n";
    // Each returns when the host has closed the connection; the settings that HTTP/2 opens with may come before.
    tokio::join!(exchange(&host, b""), exchange(&host, preface));
    // All places were taken; now there is one again.
    assert_eq!(host.client().names("*").await, Vec::<String>::new());
}
