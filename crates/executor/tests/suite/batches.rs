//! Batches: in messages that hold many where the module offers it, else one by one; each element for itself.

use std::collections::HashSet;

use executor::{MOST_ELEMENTS, Options};
use protocol::generated::provider::v1::ModuleCapabilities;
use protocol::{Category, DataPlane, Error, Origin};
use testkit::{Asked, Reply, ScriptedExecutor, frames};

use crate::world::{PLANES, World, echo, value};

const BATCH: ModuleCapabilities = ModuleCapabilities { idempotent: false, batch: true, stream: false };

fn values(range: std::ops::Range<i64>) -> Vec<Result<bytes::Bytes, Error>> {
    range.map(|n| Ok(value(n))).collect()
}

fn wrong() -> bytes::Bytes {
    testkit::msgpack("{n: String}", r#"{"n": "no"}"#)
}

fn codes(outputs: &[Result<bytes::Bytes, Error>]) -> Vec<&str> {
    outputs.iter().map(|output| output.as_ref().map_or_else(Error::code, |_| "ok")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_travels_in_one_frame_and_each_element_succeeds_or_fails_for_itself() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (session, mut peer) = world.provider_of(plane, BATCH).await;
        let unread = Error::of(protocol::codes::FIELD_MISSING, "no input");
        let batch = world.batch(vec![Ok(value(0)), Ok(wrong()), Ok(value(2)), Err(unread), Ok(value(4))]);
        let (call, requests) = peer.batch_start().await;
        let inputs: Vec<_> = requests.iter().map(|request| request.input_data.clone()).collect();
        assert_eq!(inputs, [value(0), value(2), value(4)]);
        assert!(requests.iter().all(|request| request.timeout_ms == 60_000 && request.attempt == 1));
        let executions: HashSet<_> = requests.iter().map(|request| request.execution_id.as_str()).collect();
        assert_eq!(executions.len(), 1);
        let failed = Error::new(Category::Conflict, "text.taken", "taken", Origin::Module);
        peer.send([frames::batch(call, [Ok(value(10).to_vec()), Err(failed), Ok(wrong().to_vec())])]).await;
        let reply = batch.await.unwrap().unwrap();
        assert_eq!(
            codes(&reply.outputs),
            ["ok", "executor.input.invalid", "text.taken", "protocol.field.missing", "executor.output.invalid"]
        );
        assert_eq!(reply.outputs[0], Ok(value(10)));
        assert!(reply.outputs.iter().filter_map(|output| output.as_ref().err()).all(|e| e.trace_id().len() == 32));
        let answered = reply.answered.unwrap();
        assert_eq!((answered.session, answered.plane, answered.attempts), (session.id, plane, 1));
        assert_eq!(world.executor.load_of(session.id), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_no_message_holds_is_divided() {
    let world = World::start(Options { message_bytes: 1000, ..Options::default() });
    let (_, mut peer) = world.provider_of(PLANES[0], BATCH).await;
    let batch = world.batch(values(0..20));
    let mut parts = Vec::new();
    while parts.iter().sum::<usize>() < 20 {
        let (call, requests) = peer.batch_start().await;
        parts.push(requests.len());
        peer.send([frames::batch(call, requests.iter().map(|request| Ok(request.input_data.to_vec())))]).await;
    }
    assert!(parts.len() > 1 && parts.iter().all(|part| *part > 1), "{parts:?}");
    let outputs = batch.await.unwrap().unwrap().outputs;
    assert_eq!(outputs, values(0..20));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_a_part_is_that_of_its_elements() {
    for plane in PLANES {
        let world = World::start(Options::default());
        let (_, mut peer) = world.provider_of(plane, BATCH).await;
        let failure = Error::new(Category::Internal, "text.broken", "broken", Origin::Module);
        let failed = world.batch(values(0..2));
        let (call, _) = peer.batch_start().await;
        peer.send([frames::error(call, &failure)]).await;
        assert_eq!(codes(&failed.await.unwrap().unwrap().outputs), ["text.broken"; 2]);
        let miscounted = world.batch(values(0..2));
        let (call, _) = peer.batch_start().await;
        peer.send([frames::batch(call, [Ok(value(0).to_vec())])]).await;
        assert_eq!(codes(&miscounted.await.unwrap().unwrap().outputs), ["executor.provider.protocol"; 2]);
        let lost = world.batch(values(0..2));
        peer.batch_start().await;
        drop(peer);
        assert_eq!(codes(&lost.await.unwrap().unwrap().outputs), ["executor.provider.lost"; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_cancels_its_batch() {
    let world = World::start(Options::default());
    let (_, mut peer) = world.provider_of(PLANES[0], BATCH).await;
    let batch = world.batch(values(0..2));
    let (call, _) = peer.batch_start().await;
    batch.abort();
    assert!(batch.await.unwrap_err().is_cancelled());
    assert_eq!(peer.cancel().await.0, call);
}

#[tokio::test(start_paused = true)]
async fn a_module_without_batches_is_called_element_by_element_and_not_all_at_once() {
    let world = World::start(Options { in_flight_per_provider: 4, queued_per_provider: 0, ..Options::default() });
    let (session, mut peer) = world.provider(PLANES[0]).await;
    let mut inputs = values(0..30);
    inputs[7] = Ok(wrong());
    let batch = world.batch(inputs);
    let mut most = 0;
    for _ in 0..29 {
        let (id, request) = peer.execute().await;
        most = most.max(world.executor.load_of(session.id));
        peer.send([frames::output(id, request.input_data)]).await;
    }
    assert!(most <= 4, "{most}");
    let outputs = batch.await.unwrap().unwrap().outputs;
    for (n, output) in (0..).zip(outputs) {
        if n == 7 {
            assert_eq!(output.unwrap_err().code(), "executor.input.invalid");
        } else {
            assert_eq!(output, Ok(value(n)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_ten_thousand_elements_are_refused_as_a_whole() {
    let world = World::start(Options::default());
    let (_, _peer) = world.provider_of(PLANES[0], BATCH).await;
    let error = world.batch(values(0..i64::try_from(MOST_ELEMENTS).unwrap() + 1)).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.category()), ("executor.batch.too_large", Category::InvalidArgument));
}

#[tokio::test]
async fn a_batch_is_one_request_on_the_unary_plane() {
    let provider = ScriptedExecutor::start_all(|asked| {
        let Asked::Batch(calls) = asked else { panic!("no batch: {asked:?}") };
        let failed = Error::new(Category::Conflict, "text.taken", "taken", Origin::Module);
        let answer = |call: &protocol::generated::provider::v1::ExecuteRequest| {
            if call.input_data == value(1) { Err(failed.clone()) } else { Ok(call.input_data.to_vec()) }
        };
        match calls.len() {
            3 => Reply::batch(calls.iter().map(answer)),
            _ => Reply::batch([]),
        }
    })
    .await;
    let world = World::start(Options::default());
    let request = protocol::generated::provider::v1::RegisterRequest {
        planes: vec![],
        service_url: provider.url.clone(),
        ..testkit::registration("text", [echo(BATCH)])
    };
    world.register(request).await;
    let reply = world.batch(values(0..3)).await.unwrap().unwrap();
    assert_eq!(codes(&reply.outputs), ["ok", "text.taken", "ok"]);
    assert_eq!(reply.answered.unwrap().plane, DataPlane::Unary);
    let reply = world.batch(values(0..2)).await.unwrap().unwrap();
    assert_eq!(codes(&reply.outputs), ["executor.provider.protocol"; 2]);
}
