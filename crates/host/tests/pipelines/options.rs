//! Each option of a call through the whole host: what the provider sees, and what the record tells.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use host::config::Cache;
use protocol::generated::host::v1 as pb;
use protocol::generated::provider::v1::{DataPlane, ModuleCapabilities, RegisterRequest};
use protocol::{Error, codes};
use serde_json::{Value, json};
use testkit::{Asked, Reply, ScriptedExecutor, Session, module, msgpack, registration};
use tokio::sync::oneshot;

use crate::world::{Answer, Modules, World};

/// Serves `hand.Do`, `{n: Int}` to Int, by a script over the numbers of the calls so far and the inputs.
async fn hand(
    world: &World,
    batch: bool,
    script: impl Fn(usize, Asked) -> Reply + Send + Sync + 'static,
) -> (ScriptedExecutor, Session) {
    let calls = AtomicUsize::new(0);
    let executor = ScriptedExecutor::start_all(move |asked| script(calls.fetch_add(1, Ordering::SeqCst), asked)).await;
    let mut spec = module("Do", "{n: Int}", "Int");
    spec.capabilities = Some(ModuleCapabilities { batch, ..ModuleCapabilities::default() });
    let request = RegisterRequest {
        service_url: executor.url.clone(),
        planes: vec![DataPlane::Unary.into()],
        ..registration("hand", [spec])
    };
    let session = world.client.register(request).await.unwrap().keep_alive();
    (executor, session)
}

fn int(n: usize) -> Vec<u8> {
    msgpack("Int", &n.to_string()).to_vec()
}

fn busy() -> Reply {
    Reply::Status(Error::of(codes::REGISTRY_BUSY, "later").to_status())
}

fn calls(record: &pb::RunRecord) -> Vec<&pb::CallRecord> {
    record.nodes.iter().flat_map(|node| &node.recorded).collect()
}

async fn run(world: &World, source: &str, inputs: Value) -> (Value, pb::RunRecord) {
    let outputs = world.client.run(source, inputs).await.unwrap_or_else(|error| panic!("{error:?}"));
    (outputs.value, outputs.record)
}

#[tokio::test]
async fn retry_delay_and_backoff_make_attempts_again() {
    let world = World::start().await;
    let _hand = hand(&world, false, |number, _| if number < 2 { busy() } else { Reply::output(int(7)) }).await;
    let source = "a = Do(1) with retry: 3, delay: 30ms, backoff: linear\nout a\n";
    let (value, record) = run(&world, source, json!({})).await;
    let attempts = &calls(&record)[0].attempts;
    assert_eq!((value, attempts.len(), record.nodes[0].attempts), (json!({"a": 7}), 3, 3));
    let codes: Vec<_> = attempts.iter().map(|attempt| attempt.code.as_str()).collect();
    assert_eq!(codes, ["registry.busy", "registry.busy", ""]);
    let waits: Vec<_> = attempts.windows(2).map(|pair| pair[1].started_us - pair[0].started_us).collect();
    assert!(waits[0] >= 30_000 && waits[1] >= 60_000, "{waits:?}");
}

#[tokio::test]
async fn timeout_ends_an_attempt_and_the_host_has_one_for_those_without() {
    let world = World::start_with(|config| config.pipelines.call_timeout = Duration::from_millis(300)).await;
    let _hand = hand(&world, false, |number, _| if number == 0 { Reply::Never } else { Reply::output(int(1)) }).await;
    let (_, record) = run(&world, "a = Do(1) with timeout: 50ms, retry: 1\nout a\n", json!({})).await;
    assert_eq!(calls(&record)[0].attempts[0].code, "executor.deadline.exceeded");
    drop(_hand);
    let world = World::start_with(|config| config.pipelines.call_timeout = Duration::from_millis(100)).await;
    let _hand = hand(&world, false, |_, _| Reply::Never).await;
    let error = world.client.run("a = Do(1)\nout a\n", json!({})).await.unwrap_err();
    let details = ["module", "label", "line", "column"].map(|key| error.details()[key].as_str());
    assert_eq!((error.code(), details), ("executor.deadline.exceeded", ["hand.Do", "a", "1", "5"]));
}

#[tokio::test]
async fn a_fallback_and_on_error_stand_in_for_a_failure() {
    let world = World::start().await;
    let _hand = hand(&world, false, |_, _| busy()).await;
    let source = "a = Do(1) with fallback: 5\nb = Do(2) with on_error: skip\nc = Do(3) with on_error: log\nd = Do(4) with on_error: wrap\n\
                  e = match d { { ok } -> \"ok\", { error } -> error.code }\nout a\nout b\nout c\nout e\n";
    let (value, record) = run(&world, source, json!({})).await;
    assert_eq!(value, json!({"a": 5, "b": 0, "c": 0, "e": "registry.busy"}));
    assert_eq!(record.nodes.iter().map(|node| node.failed).sum::<u64>(), 4);
    assert!(calls(&record).iter().all(|call| call.error.as_ref().is_some_and(|error| error.code == "registry.busy")));
    let error = world.client.run("a = Do(1) with on_error: propagate\nout a\n", json!({})).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("registry.busy", true));
}

#[tokio::test]
async fn a_cache_answers_the_same_call_of_any_run_from_the_one_that_is_named() {
    let caches = |config: &mut host::Config| {
        config.pipelines.caches = vec![Cache { name: "prices".into(), max_bytes: 1 << 20 }];
    };
    let world = World::start_with(caches).await;
    let _hand = hand(&world, false, |number, _| Reply::output(int(number))).await;
    let source = |options: &str| format!("in n: Int\na = Do(n) with {options}\nout a\n");
    let plain = source("cache: 1min");
    let mut answers = Vec::new();
    for (source, n) in [(&plain, 1), (&plain, 1), (&plain, 2), (&source("cache: 1min, cache_backend: \"prices\""), 1)] {
        let (value, record) = run(&world, source, json!({"n": n})).await;
        answers.push((value["a"].as_u64().unwrap(), calls(&record)[0].cached, calls(&record)[0].attempts.len()));
    }
    assert_eq!(answers, [(0, false, 1), (0, true, 0), (1, false, 1), (2, false, 1)]);
    let error = world.client.run(&source("cache: 1min, cache_backend: \"price\""), json!({"n": 1})).await.unwrap_err();
    assert_eq!(error.details()["first_code"], "E016");
}

#[tokio::test]
async fn throttle_and_concurrency_hold_calls_back() {
    let world = World::start().await;
    let _hand = hand(&world, false, |_, _| Reply::output(int(1))).await;
    let source = "in ns: List<Int>\nxs = map(ns, (n) => Do(n) with throttle: 2/200ms)\nout xs\n";
    let (_, record) = run(&world, source, json!({"ns": [1, 2, 3, 4]})).await;
    assert!(calls(&record).iter().any(|call| call.queued_us >= 50_000), "{:?}", calls(&record));
    let source = "in ns: List<Int>\nxs = map(ns, (n) => Do(n) with concurrency: 1)\nout xs\n";
    let (_, record) = run(&world, source, json!({"ns": [1, 2, 3]})).await;
    let mut attempts: Vec<_> = calls(&record).iter().map(|call| call.attempts[0].clone()).collect();
    attempts.sort_by_key(|attempt| attempt.started_us);
    let apart = attempts.windows(2).all(|pair| pair[0].started_us + pair[0].duration_us <= pair[1].started_us + 1);
    assert!(apart, "{attempts:?}");
}

#[tokio::test]
async fn calls_of_a_map_travel_in_batches_where_the_module_takes_them() {
    let world = World::start().await;
    let batches = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&batches);
    let script = move |_, asked| match asked {
        Asked::Batch(calls) => {
            seen.lock().unwrap().push(calls.len());
            Reply::batch(
                calls
                    .iter()
                    .map(|call| Ok(testkit::json("{n: Int}", &call.input_data)["n"].as_u64().unwrap()))
                    .map(|n: Result<u64, Error>| n.map(|n| int(usize::try_from(n).unwrap()))),
            )
        }
        Asked::Call(call) => {
            Reply::output(msgpack("Int", &testkit::json("{n: Int}", &call.input_data)["n"].to_string()))
        }
    };
    let _hand = hand(&world, true, script).await;
    let source = "in ns: List<Int>\nxs = map(ns, (n) => Do(n))\nout xs\n";
    let (value, _) = run(&world, source, json!({"ns": (0..20).collect::<Vec<_>>()})).await;
    assert_eq!(value, json!({"xs": (0..20).collect::<Vec<_>>()}));
    let most = batches.lock().unwrap().drain(..).max();
    assert!(most.is_some_and(|most| most > 4), "{most:?}");
    let source = "in ns: List<Int>\nxs = map(ns, (n) => Do(n) with batch: 5, batch_timeout: 200ms)\nout xs\n";
    run(&world, source, json!({"ns": (0..20).collect::<Vec<_>>()})).await;
    let sizes = batches.lock().unwrap().clone();
    assert!(sizes.iter().all(|size| *size <= 5) && sizes.contains(&5), "{sizes:?}");
}

#[tokio::test]
async fn who_has_the_greater_priority_goes_first_where_calls_wait() {
    let world = World::start_with(|config| config.limits.in_flight_per_provider = 1).await;
    let (release, held) = oneshot::channel();
    let (held, order) = (Mutex::new(Some(held)), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&order);
    let provider = Modules::of("hand").with("Do", "{n: Int}", "Int", move |input| {
        let n = input["n"].clone();
        seen.lock().unwrap().push(n.as_u64().unwrap());
        match held.lock().unwrap().take() {
            Some(held) => Answer::When(held),
            None => Answer::Now(n),
        }
    });
    let _provider = provider.serve(&world).await;
    let client = world.client.clone();
    let first = tokio::spawn(async move { client.run("a = hand.Do(0)\nout a\n", json!({})).await });
    testkit::eventually("the first call to have the place", || async {
        (order.lock().unwrap().len() == 1).then_some(())
    })
    .await;
    let source =
        "low = hand.Do(1) with priority: background\nhigh = hand.Do(2) with priority: critical\nout low\nout high\n";
    let mut events = world.client.run_stream(testkit::source_run(source, &json!({}))).await.unwrap();
    testkit::eventually("two calls to wait", || async {
        let counted = world.executor.counted();
        counted.iter().any(|of| of.module == "hand.Do" && of.queued == 2).then_some(())
    })
    .await;
    release.send(json!(0)).unwrap();
    while events.next().await.unwrap().is_some() {}
    first.await.unwrap().unwrap();
    assert_eq!(*order.lock().unwrap(), [0, 2, 1]);
}
