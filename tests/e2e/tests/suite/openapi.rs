//! A public fuzzer of OpenAPI documents against a real host with real providers: what the document says is what the host does,
//! for what it permits and for what it does not. All of its checks are on; `tests/e2e/schemathesis` says what it has to be told.

use std::time::Duration;

use protocol::generated::provider::v1::{ModuleCapabilities, ModuleSpec};
use testkit::{Connection, Session, frames, module, registration};

use e2e::{Host, Http, Process, schemathesis, shapes_provider};

use crate::http::{send_items, started};

/// Longest time for all phases; they take about a minute on one core.
const PATIENCE: Duration = Duration::from_secs(240);

/// A provider by hand of a stream that counts to two.
async fn streams(host: &Host) -> Session {
    let stream = Some(ModuleCapabilities { stream: true, ..ModuleCapabilities::default() });
    let count = ModuleSpec { capabilities: stream, ..module("Count", "{to: Int}", "Int") };
    let session = host.client().register(registration("streams", [count])).await.expect("it is free").keep_alive();
    tokio::spawn(count_to_two(session.link().await));
    session
}

/// Ends with the host, and with its first panic, which fails the run.
async fn count_to_two(mut connection: Connection) {
    loop {
        let (call, credit) = started(&mut connection).await;
        send_items(&mut connection, call, credit, &["1", "2"]).await;
        if connection.send([frames::end(call)]).await.is_err() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    let host = Host::start();
    let _provider = shapes_provider(&host).await;
    let _session = streams(&host).await;
    let document = Http::new(host.url()).get("/openapi.json").await.json();
    assert_eq!(document["paths"].as_object().expect("an object").len(), 6 + 7 + 7 + 2 * 6 + 1);
    let mut run = Process::start("schemathesis", &mut schemathesis(&format!("{}/openapi.json", host.url())));
    let ended = tokio::time::timeout(PATIENCE, run.closed()).await;
    assert!(ended.is_ok(), "schemathesis took too long:\n{}", run.output());
    assert!(run.ended().await.success(), "schemathesis found something:\n{}", run.output());
}
