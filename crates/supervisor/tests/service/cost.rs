//! What an invocation costs beside a bare HTTP call to the same server. Measures; to be run alone, on an idle machine, with
//! `cargo test --release -p supervisor --test service -- --ignored --nocapture cost`.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::host::{Host, component};

const ROUNDS: usize = 20;
const CALLS: u32 = 100;
const BODY: &str =
    r#"{"payload": "an envelope of usual length, as far as a test has one, with some more text behind it"}"#;

/// A connection that knows just enough to call this server.
struct Bare {
    stream: TcpStream,
    request: String,
    buffer: Vec<u8>,
}

impl Bare {
    async fn new(host: &Host) -> Self {
        let address = host.view().endpoint.strip_prefix("http://").unwrap().to_owned();
        let stream = TcpStream::connect(&address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let token = std::fs::read_dir(host.path().join("components/a")).unwrap().filter_map(Result::ok);
        let token =
            token.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "token")).unwrap();
        let token = std::fs::read_to_string(token).unwrap();
        let length = BODY.len();
        let request = format!(
            "POST /v1/middleware/invoke HTTP/1.1\r\nhost: {address}\r\nx-modrack-auth: {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{BODY}"
        );
        Self { stream, request, buffer: vec![0; 65_536] }
    }

    async fn call(&mut self) {
        self.stream.write_all(self.request.as_bytes()).await.unwrap();
        let mut filled = 0;
        while !self.buffer[..filled].ends_with(BODY.as_bytes()) {
            filled += self.stream.read(&mut self.buffer[filled..]).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn cost_of_an_invocation_beside_a_bare_call() {
    let host = Host::ready(component("http_local_json", &["serve"]), &json!({})).await;
    let mut bare = Bare::new(&host).await;
    let (mut calls, mut invocations) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        for _ in 0..CALLS {
            bare.call().await;
        }
        calls.push(begin.elapsed() / CALLS);
        let begin = Instant::now();
        for _ in 0..CALLS {
            assert_eq!(host.invoke(BODY, Duration::from_secs(5)).await.unwrap(), BODY);
        }
        invocations.push(begin.elapsed() / CALLS);
    }
    calls.sort();
    invocations.sort();
    let (call, invocation) = (calls[ROUNDS / 2], invocations[ROUNDS / 2]);
    let ratio = invocation.as_secs_f64() / call.as_secs_f64();
    println!("bare call {call:?}, invocation {invocation:?}, ratio {ratio:.3}");
    // Code that is not optimised says nothing of the goal.
    assert!(cfg!(debug_assertions) || ratio <= 1.3, "{ratio}");
}
