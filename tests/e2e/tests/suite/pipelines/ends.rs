//! How runs end whose providers hang, die, vanish, change or lie, and whose hosts or clients leave.

use std::time::Duration;

use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::run_pipeline_stream_response::Event;
use protocol::generated::provider::v1::RegisterRequest;
use serde_json::json;
use testkit::{RunEvents, frames, module, msgpack, registration, source_run};

use e2e::{Host, Language, Plane, Provider};

const SLOW: &str = "first = fixture.Inspect()\nslow = fixture.Sleep(20000)\nout first\nout slow\n";

/// Reads events until the slow call alone is under way; the id of the run.
async fn slow_alone(events: &mut RunEvents) -> String {
    let mut run_id = String::new();
    let (mut begun, mut ended) = (0, 0);
    while (begun, ended) != (2, 1) {
        match events.next().await.expect("it goes on").expect("it is not over") {
            Event::Started(started) => run_id = started.run_id,
            Event::NodeStarted(_) => begun += 1,
            Event::NodeEnded(_) => ended += 1,
            Event::Ended(ended) => panic!("{ended:?}"),
        }
    }
    run_id
}

async fn failure(events: &mut RunEvents) -> (protocol::Error, pb::RunRecord) {
    loop {
        if let Event::Ended(ended) = events.next().await.expect("it goes on").expect("it is not over") {
            let Some(pb::run_ended::Outputs::Error(error)) = ended.outputs else { panic!("{ended:?}") };
            return (protocol::Error::from_proto(error), ended.record.expect("it is set"));
        }
    }
}

on_every_plane! {
    async fn a_provider_that_is_killed_ends_the_run_at_once_with_what_it_had(language, plane) {
        let host = Host::start();
        let mut provider = Provider::start(&host, language, plane, "fixture").await;
        let mut events = host.client().run_stream(source_run(SLOW, &json!({}))).await.expect("it checks");
        slow_alone(&mut events).await;
        provider.kill();
        let (error, record) = failure(&mut events).await;
        assert_eq!((error.code(), error.details()["module"].as_str()), ("executor.provider.lost", "fixture.Sleep"));
        assert_eq!((record.outcome(), record.partial_outputs.len()), (pb::RunOutcome::Failed, 1));
        assert_eq!(host.client().get_run(&record.run_id).await.expect("it is kept").partial_outputs[0].name, "first");
    }
}

on_every_plane! {
    async fn a_hanging_provider_holds_a_run_no_longer_than_its_deadline(language, plane) {
        let host = Host::start();
        let _provider = Provider::start(&host, language, plane, "fixture").await;
        let run = source_run("a = fixture.Block(3000)\nout a\n", &json!({}));
        let error = host.client().run_for(run, Some(Duration::from_millis(500))).await.expect_err("it hangs");
        assert_eq!(error.code(), "pipeline.deadline.exceeded");
        let record = host.client().get_run(&error.details()["run_id"]).await.expect("it is kept");
        assert!(record.duration_us < 2_000_000, "{record:?}");
    }
}

on_every_plane! {
    async fn a_client_that_leaves_cancels_the_handlers_of_its_run(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let client = host.client();
        let mut events = client.run_stream(source_run(SLOW, &json!({}))).await.expect("it checks");
        let run_id = slow_alone(&mut events).await;
        crate::begun::begun(&client, &provider).await;
        drop(events);
        testkit::eventually("the handler to hear it", || async {
            let cancelled = client.call("fixture.Cancelled", json!({})).await.expect("it is answered");
            (cancelled.value == json!(1)).then_some(())
        })
        .await;
        assert_eq!(client.get_run(&run_id).await.expect("it is kept").outcome(), pb::RunOutcome::Cancelled);
    }
}

#[tokio::test]
async fn a_host_that_stops_lets_runs_end_and_ends_those_that_do_not() {
    let mut host = Host::start_with(&[("timeouts.drain_ms", "700")]);
    let _provider = Provider::start(&host, Language::Rust, Plane::Link, "fixture").await;
    let mut slow = host.client().run_stream(source_run(SLOW, &json!({}))).await.expect("it checks");
    slow_alone(&mut slow).await;
    let short = "a = fixture.Sleep(300)\nb = fixture.Sleep(a)\nout b\n";
    let mut quick = host.client().run_stream(source_run(short, &json!({}))).await.expect("it checks");
    while !matches!(quick.next().await.expect("it goes on"), Some(Event::NodeStarted(_))) {}
    let (status, quick, slow) = tokio::join!(
        host.terminate(),
        async {
            loop {
                if let Event::Ended(ended) = quick.next().await.expect("it goes on").expect("it ends") {
                    break ended;
                }
            }
        },
        failure(&mut slow)
    );
    assert!(status.success());
    assert_eq!(quick.outputs, Some(pb::run_ended::Outputs::OutputJson(r#"{"b":300}"#.into())));
    assert_eq!((slow.0.code(), slow.1.outcome()), ("host.stopping", pb::RunOutcome::Cancelled));
}

/// A module of a provider by hand that waits for the test.
async fn by_hand(host: &Host) -> (testkit::Session, testkit::Connection) {
    let modules = [module("First", "{}", "Int"), module("Second", "{n: Int}", "Int")];
    let session = host.client().register(registration("hand", modules)).await.expect("it is free").keep_alive();
    let connection = session.link().await;
    (session, connection)
}

const TWO: &str = "a = hand.First()\nb = hand.Second(a)\nout b\n";

#[tokio::test]
async fn a_module_that_vanishes_or_changes_under_a_run_is_not_called() {
    let host = Host::start();
    // Other types come while the first module works.
    let (session, mut connection) = by_hand(&host).await;
    let mut events = host.client().run_stream(source_run(TWO, &json!({}))).await.expect("it checks");
    let call = connection.call().await;
    let request = RegisterRequest {
        session_token: session.token().to_owned(),
        allow_breaking: true,
        ..registration("hand", [module("First", "{}", "Int"), module("Second", "{n: String}", "Int")])
    };
    host.client().register(request).await.expect("it may");
    connection.send([frames::output(call.id, msgpack("Int", "1").to_vec())]).await.expect("the host reads");
    let (error, record) = failure(&mut events).await;
    assert_eq!((error.code(), error.details()["module"].as_str()), ("pipeline.module.changed", "hand.Second"));
    assert!(record.nodes[1].recorded[0].attempts.is_empty());
    // The whole namespace goes while another run's first module works.
    drop((session, connection));
    let mut watch = host.client().watch("hand.*").await.expect("it can be watched");
    while !host.client().names("hand.*").await.is_empty() {
        watch.next().await.expect("it goes on");
    }
    let (session, mut connection) = by_hand(&host).await;
    let mut events = host.client().run_stream(source_run(TWO, &json!({}))).await.expect("it checks");
    let call = connection.call().await;
    session.unregister().await.expect("it is there");
    connection.send([frames::output(call.id, msgpack("Int", "1").to_vec())]).await.expect("the host reads");
    let (error, _) = failure(&mut events).await;
    assert_eq!((error.code(), error.details()["module"].as_str()), ("pipeline.module.gone", "hand.Second"));
}

#[tokio::test]
async fn an_output_that_lies_fails_its_node_and_nothing_else_sees_it() {
    let host = Host::start();
    let (_session, mut connection) = by_hand(&host).await;
    let mut events = host.client().run_stream(source_run(TWO, &json!({}))).await.expect("it checks");
    let call = connection.call().await;
    connection.send([frames::output(call.id, msgpack("String", "\"no Int\"").to_vec())]).await.expect("the host reads");
    let (error, record) = failure(&mut events).await;
    let details = ["module", "line", "codec_code"].map(|key| error.details()[key].as_str());
    assert_eq!((error.code(), details), ("executor.output.invalid", ["hand.First", "1", "codec.type_mismatch"]));
    assert_eq!(record.nodes[1].calls, 0);
}
