//! Sources that are checked and run.

use std::time::Duration;

use host::config::Cache;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::run_pipeline_stream_response::Event;
use serde_json::{Value, json};
use testkit::source_run;

use crate::world::{Answer, Modules, World};

pub(crate) fn text() -> Modules {
    Modules::of("text")
        .with("Upper", "{text: String}", "String", |input| json!(input["text"].as_str().unwrap().to_uppercase()))
        .with("Length", "{text: String}", "Int", |input| json!(input["text"].as_str().unwrap().len()))
        .with("Hang", "{text: String}", "String", |_| Answer::Never)
}

#[tokio::test]
async fn a_source_runs_over_its_modules_and_the_record_tells_what_happened() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let source = "in word: String\nloud = Upper(word)\nlength = text.Length(loud)\nout loud\nout length\n";
    let outputs = world.client.run(source, json!({"word": "hello"})).await.unwrap();
    assert_eq!(outputs.value, json!({"loud": "HELLO", "length": 5}));
    let record = outputs.record;
    assert_eq!((record.outcome(), record.nodes.len()), (pb::RunOutcome::Succeeded, 2));
    let nodes: Vec<_> = record
        .nodes
        .iter()
        .map(|node| {
            let site = node.node.as_ref().unwrap();
            let call = &node.recorded[0];
            let line = site.span.as_ref().unwrap().line;
            (site.label.as_str(), site.module.as_str(), line, node.calls, call.attempts.len(), call.revision)
        })
        .collect();
    assert_eq!(nodes, [("loud", "text.Upper", 2, 1, 1, 1), ("length", "text.Length", 3, 1, 1, 1)]);
    let kept = world.client.get_run(&record.run_id).await.unwrap();
    assert_eq!(kept, record);
    let listed = world.client.list_runs(pb::ListRunsRequest::default()).await.unwrap();
    assert_eq!((listed.len(), listed[0].run_id.as_str(), listed[0].nodes.len()), (1, record.run_id.as_str(), 0));
}

#[tokio::test]
async fn a_check_tells_every_fault_and_the_plan_of_what_has_none() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let checked = world.client.check_pipeline("in a: Int\nb = Upper(a)\nc = Nope(a)\nout b\nout c\n").await.unwrap();
    let codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    assert_eq!(codes, ["E010", "E002"]);
    assert!(checked.plan.is_none() && checked.rendered.contains("pipeline.cst:2:"), "{}", checked.rendered);
    let checked = world.client.check_pipeline("@example(\"x\")\nin a: String\nb = Upper(a)\nout b\n").await.unwrap();
    let plan = checked.plan.unwrap();
    assert_eq!((plan.input_text.as_str(), plan.output_text.as_str()), ("{a: String}", "{b: String}"));
    assert_eq!((plan.modules, plan.examples_json), (vec!["text.Upper".to_owned()], vec![r#"{"a":"x"}"#.to_owned()]));
    let graph: Value = serde_json::from_str(&plan.graph_json).unwrap();
    assert!(graph["nodes"].as_array().is_some_and(|nodes| !nodes.is_empty()), "{graph}");
    let error = world.client.run("b = Upper(1)\nout b\n", json!({})).await.unwrap_err();
    assert_eq!((error.code(), error.details()["first_code"].as_str()), ("pipeline.check.failed", "E010"));
}

#[tokio::test]
async fn all_faults_of_the_inputs_are_told_with_their_pointers() {
    let world = World::start().await;
    let source = "in a: Int\nin b: {c: List<String>}\nin d: Option<Int>\nout a\nout b\nout d\n";
    let error = world.client.run(source, json!({"a": "x", "b": {"c": ["y", 1]}})).await.unwrap_err();
    let details: Vec<_> = error.details().keys().map(String::as_str).collect();
    assert_eq!((error.code(), details), ("pipeline.inputs.invalid", vec!["/a", "/b/c/1", "count"]));
    let bytes = testkit::msgpack("{a: String, b: {c: List<Int>}}", r#"{"a": "x", "b": {"c": [1]}}"#);
    let run = pb::RunPipelineRequest {
        inputs: Some(pb::run_pipeline_request::Inputs::InputData(bytes.to_vec())),
        ..source_run(source, &json!({}))
    };
    let error = world.client.run_for(run, None).await.unwrap_err();
    let details: Vec<_> = error.details().keys().map(String::as_str).collect();
    assert_eq!((error.code(), details), ("pipeline.inputs.invalid", vec!["/a", "/b/c/0", "count"]));
}

#[tokio::test]
async fn a_run_ends_by_its_deadline_and_keeps_what_it_had() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let source = "in w: String\na = Upper(w)\nb = Hang(w)\nout a\nout b\n";
    let run = source_run(source, &json!({"w": "x"}));
    let error = world.client.run_for(run, Some(Duration::from_millis(400))).await.unwrap_err();
    assert_eq!(error.code(), "pipeline.deadline.exceeded");
    let record = world.client.get_run(&error.details()["run_id"]).await.unwrap();
    assert_eq!(record.outcome(), pb::RunOutcome::Failed);
    let partial = &record.partial_outputs;
    assert_eq!((partial.len(), partial[0].name.as_str()), (1, "a"));
    assert_eq!(partial[0].value, Some(pb::partial_output::Value::Json("\"X\"".into())));
    assert_eq!(record.nodes[1].recorded[0].outcome(), pb::CallOutcome::Cancelled);
}

#[tokio::test]
async fn a_stream_tells_each_call_as_it_happens_and_ends_with_the_outputs() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let source = "in words: List<String>\nloud = map(words, (w) => Upper(w))\nout loud\n";
    let mut events = world.client.run_stream(source_run(source, &json!({"words": ["a", "b"]}))).await.unwrap();
    let mut told = Vec::new();
    let ended = loop {
        match events.next().await.unwrap().unwrap() {
            Event::Started(started) => told.push(format!("started {}", started.nodes[0].repeated)),
            Event::NodeStarted(node) => told.push(format!("call {}", node.call)),
            Event::NodeEnded(_) => told.push("answer".to_owned()),
            Event::Ended(ended) => break ended,
        }
    };
    told.sort();
    assert_eq!(told, ["answer", "answer", "call 0", "call 1", "started true"]);
    assert_eq!(ended.outputs, Some(pb::run_ended::Outputs::OutputJson(r#"{"loud":["A","B"]}"#.into())));
    assert_eq!(ended.record.unwrap().nodes[0].calls, 2);
    assert_eq!(events.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_run() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let mut events = world.client.run_stream(source_run("a = Hang(\"x\")\nout a\n", &json!({}))).await.unwrap();
    let Some(Event::Started(started)) = events.next().await.unwrap() else { panic!("it starts") };
    let running = world.client.get_run(&started.run_id).await.unwrap();
    assert_eq!(running.outcome(), pb::RunOutcome::Running);
    let mut watch = world.client.watch_runs("").await.unwrap();
    while !matches!(watch.next().await.unwrap(), Some(pb::watch_response::Event::Synced(_))) {}
    drop(events);
    loop {
        let Some(pb::watch_response::Event::Run(run)) = watch.next().await.unwrap() else { continue };
        if let Some(Event::Ended(ended)) = run.event.unwrap().event {
            assert_eq!(
                (run.run_id, ended.record.unwrap().outcome()),
                (started.run_id.clone(), pb::RunOutcome::Cancelled)
            );
            break;
        }
    }
    assert_eq!(world.client.get_run(&started.run_id).await.unwrap().outcome(), pb::RunOutcome::Cancelled);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_misses_events_and_its_end_says_how_many() {
    const CALLS: u64 = 5000;
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let mut watch = world.client.watch_runs("").await.unwrap();
    while !matches!(watch.next().await.unwrap(), Some(pb::watch_response::Event::Synced(_))) {}
    let source = "in words: List<String>\nloud = map(words, (w) => Upper(w))\nout loud\n";
    let words: Vec<_> = (0..CALLS).map(|n| n.to_string()).collect();
    let reader = testkit::Client::with_window(&world.url, 1024);
    let mut events = reader.run_stream(source_run(source, &json!({ "words": words }))).await.unwrap();
    loop {
        let Some(pb::watch_response::Event::Run(run)) = watch.next().await.unwrap() else { continue };
        if let Some(Event::Ended(ended)) = run.event.unwrap().event {
            assert_eq!(ended.events_missed, 0, "a watch counts by itself");
            break;
        }
    }
    let mut told = 0;
    let ended = loop {
        match events.next().await.unwrap().unwrap() {
            Event::Started(_) => {}
            Event::NodeStarted(_) | Event::NodeEnded(_) => told += 1,
            Event::Ended(ended) => break ended,
        }
    };
    assert!(ended.events_missed > 0 && told >= 4096, "{told} were told, {} were missed", ended.events_missed);
    assert_eq!(told + ended.events_missed, 2 * CALLS);
    assert_eq!(ended.record.unwrap().nodes[0].calls, CALLS);
}

#[tokio::test]
async fn a_watch_tells_which_caches_there_are() {
    let name = |name: &str| Cache { name: name.into(), max_bytes: 1_000_000 };
    let world = World::start_with(|config| config.pipelines.caches = vec![name("small"), name("large")]).await;
    let mut watch = world.client.watch("").await.unwrap();
    loop {
        if let Some(pb::watch_response::Event::Synced(synced)) = watch.next().await.unwrap() {
            assert_eq!(synced.caches, ["large", "memory", "small"]);
            break;
        }
    }
}
