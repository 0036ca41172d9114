//! Stored pipelines: modules that the host makes of sources.

use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::watch_response::Event;
use serde_json::json;
use testkit::stored_run;

use crate::runs::text;
use crate::world::{Modules, World};

const LOUD: &str = "# Says it aloud.\nin word: String\nloud = text.Upper(word)\nout loud\n";

fn put(name: &str, source: &str) -> pb::PutPipelineRequest {
    pb::PutPipelineRequest { name: name.into(), source: source.into(), ..pb::PutPipelineRequest::default() }
}

async fn until(world: &World, name: &str, callable: bool) -> pb::StoredPipeline {
    let found = async {
        loop {
            let pipeline = world.client.get_pipeline(name).await.unwrap();
            if pipeline.callable == callable {
                return pipeline;
            }
        }
    };
    testkit::within("another state of a stored pipeline", found).await
}

#[tokio::test]
async fn a_stored_pipeline_is_a_module_like_any_other() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let stored = world.client.store("Loud", LOUD).await.unwrap();
    assert_eq!((stored.callable, stored.description.as_str()), (true, "Says it aloud."));
    let module = world.client.get_module("pipeline.Loud").await.unwrap();
    assert_eq!((module.input_text.as_str(), module.output_text.as_str()), ("{word: String}", "{loud: String}"));
    assert_eq!((module.revision, module.description.as_str()), (1, "Says it aloud."));
    let hash = stored.plan.unwrap().hash;
    assert_eq!(module.version, format!("0.0.0+{hash}"));
    let endpoint = &module.endpoints[0];
    assert_eq!(
        (endpoint.plane().as_str_name(), endpoint.info.as_ref().unwrap().language.as_str()),
        ("DATA_PLANE_HOST", "cst")
    );
    let output = world.client.call("pipeline.Loud", json!({"word": "a"})).await.unwrap();
    assert_eq!(output.value, json!({"loud": "A"}));
    let record = world.client.get_run(&output.info.execution_id).await.unwrap();
    assert_eq!((record.pipeline.as_str(), record.plan_hash.as_str()), ("Loud", hash.as_str()));
    let (outputs, _) =
        world.client.call_batch("pipeline.Loud", [json!({"word": "b"}), json!({"word": "c"})]).await.unwrap();
    assert_eq!(outputs, [Ok(json!({"loud": "B"})), Ok(json!({"loud": "C"}))]);
    let run = world.client.run_for(stored_run("Loud", &json!({"word": "d"})), None).await.unwrap();
    assert_eq!((run.value, run.record.pipeline.as_str()), (json!({"loud": "D"}), "Loud"));
    let error = world.client.call("pipeline.Loud", json!({"word": 1})).await.unwrap_err();
    assert_eq!(error.code(), "executor.input.invalid");
    let request = pb::ListRunsRequest { pipeline: "Loud".into(), limit: 3 };
    assert_eq!(world.client.list_runs(request).await.unwrap().len(), 3);
}

#[tokio::test]
async fn pipelines_call_pipelines_and_the_inner_failure_names_its_place() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    world.client.store("Loud", LOUD).await.unwrap();
    let outer = "in words: List<String>\nall = map(words, (w) => Loud(w).loud)\nout all\n";
    world.client.store("Outer", outer).await.unwrap();
    let run = stored_run("Outer", &json!({"words": ["a", "b"]}));
    let run = world.client.run_for(run, None).await.unwrap();
    assert_eq!(run.value, json!({"all": ["A", "B"]}));
    assert_eq!(run.record.nodes[0].recorded[0].attempts[0].plane().as_str_name(), "DATA_PLANE_HOST");
    let inner = "in list: List<Int>\nfirst = list-first(list)\nout first\n";
    world.client.store("First", inner).await.unwrap();
    let error = world.client.run("\n x = pipeline.First([])\nout x\n", json!({})).await.unwrap_err();
    let at = |key: &str| error.details()[key].as_str();
    assert_eq!((error.code(), at("line"), at("inner.line")), ("pipeline.list.empty", "2", "2"));
    assert_ne!(at("run_id"), at("inner.run_id"));
    assert_eq!(world.client.get_run(at("inner.run_id")).await.unwrap().pipeline, "First");
}

#[tokio::test]
async fn a_pipeline_is_replaced_only_by_what_fits_its_callers_and_by_who_knows_it() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let first = world.client.store("P", "in a: Int\nout a\n").await.unwrap().plan.unwrap();
    let error = world.client.store("P", "in a: Int\nin b: Int\nout a\n").await.unwrap_err();
    assert_eq!(error.code(), "pipeline.incompatible");
    assert!(error.details().contains_key("input.b"), "{:?}", error.details());
    let replaces = |replaces: &str, source| pb::PutPipelineRequest { replaces: replaces.into(), ..put("P", source) };
    for refused in ["new", "0123"] {
        let error = world.client.put_pipeline(replaces(refused, "in a: Int\nout a\n")).await.unwrap_err();
        assert_eq!((error.code(), &error.details()["plan_hash"]), ("pipeline.plan.changed", &first.hash));
    }
    // The same types, another plan: another revision.
    let request = replaces(&first.hash, "in a: Int\nb = a + 1\nout a\n");
    assert_eq!(world.client.put_pipeline(request).await.unwrap().diagnostics[0].code, "W001");
    let request = pb::PutPipelineRequest { allow_breaking: true, ..put("P", "in a: Int\nb = a + 1\nout b\n") };
    world.client.put_pipeline(request).await.unwrap();
    let module = world.client.get_module("pipeline.P").await.unwrap();
    assert_eq!((module.revision, module.output_text.as_str()), (2, "{b: Int}"));
    assert_eq!(world.client.call("pipeline.P", json!({"a": 1})).await.unwrap().value, json!({"b": 2}));
}

#[tokio::test]
async fn what_does_not_check_or_needs_itself_is_not_stored() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let error = world.client.store("P", "a = Nope()\nout a\n").await.unwrap_err();
    assert_eq!((error.code(), error.details()["first_code"].as_str()), ("pipeline.check.failed", "E002"));
    for name in ["", "a.b", "a b", "1"] {
        let error = world.client.store(name, "in a: Int\nout a\n").await.unwrap_err();
        assert_eq!(error.code(), "pipeline.name.invalid", "{name}");
    }
    world.client.store("A", "in x: Int\nout x\n").await.unwrap();
    world.client.store("B", "in x: Int\ny = pipeline.A(x)\nz = y.x\nout z\n").await.unwrap();
    let error = world.client.store("A", "in x: Int\ny = pipeline.B(x)\nout x\nout y\n").await.unwrap_err();
    assert_eq!(
        (error.code(), error.details()["cycle"].as_str()),
        ("pipeline.cycle", "pipeline.A -> pipeline.B -> pipeline.A")
    );
    let error = world.client.store("A", "in x: Int\ny = pipeline.A(x)\nout x\nout y\n").await.unwrap_err();
    assert_eq!((error.code(), error.details()["cycle"].as_str()), ("pipeline.cycle", "pipeline.A -> pipeline.A"));
    assert_eq!(world.client.names("pipeline.*").await, ["pipeline.A", "pipeline.B"]);
    for error in [
        world.client.get_pipeline("Nope").await.unwrap_err(),
        world.client.delete_pipeline("Nope").await.unwrap_err(),
        world.client.run_for(stored_run("Nope", &json!({})), None).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), "pipeline.unknown");
    }
}

#[tokio::test]
async fn a_pipeline_whose_name_is_that_of_a_module_still_means_the_module() {
    let world = World::start().await;
    let _provider = text().serve(&world).await;
    let source = "in text: String\nx = Upper(text)\nout x\n";
    world.client.store("Upper", source).await.unwrap();
    assert_eq!(world.client.call("pipeline.Upper", json!({"text": "a"})).await.unwrap().value, json!({"x": "A"}));
    // Somebody else has to say which.
    let error = world.client.run(source, json!({"text": "a"})).await.unwrap_err();
    assert_eq!(error.details()["first_code"], "E005");
    world.client.store("Upper", source).await.unwrap();
}

#[tokio::test]
async fn pipelines_that_check_no_longer_are_no_modules_until_they_do_again() {
    let world = World::start().await;
    let provider = text().serve(&world).await;
    world.client.store("Loud", LOUD).await.unwrap();
    world.client.store("Outer", "in w: String\nx = pipeline.Loud(w)\nout x\n").await.unwrap();
    let mut watch = world.client.watch("pipeline.*").await.unwrap();
    let mut told = Vec::new();
    loop {
        match watch.next().await.unwrap().unwrap() {
            Event::Pipeline(changed) => told.push(changed.pipeline.unwrap().name),
            Event::Synced(_) => break,
            _ => {}
        }
    }
    assert_eq!(told, ["Loud", "Outer"]);
    drop(provider);
    let broken = until(&world, "Outer", false).await;
    // The module is gone; whether its namespace is gone too depends on which of the two pipelines was checked first.
    let code = &*broken.diagnostics[0].code;
    assert!(["E002", "E004"].contains(&code), "{code}");
    assert!(broken.plan.is_some() && world.client.names("pipeline.*").await.is_empty());
    let error = world.client.call("pipeline.Loud", json!({"word": "a"})).await.unwrap_err();
    assert_eq!((error.code(), error.details()["pipeline"].as_str()), ("pipeline.check.failed", "Loud"));
    let run = stored_run("Outer", &json!({"w": "a"}));
    let error = world.client.run_for(run.clone(), None).await.unwrap_err();
    assert_eq!((error.code(), error.details()["pipeline"].as_str()), ("pipeline.check.failed", "Outer"));
    let listed = world.client.list_pipelines(pb::ListPipelinesRequest::default()).await.unwrap().pipelines;
    assert_eq!(listed.iter().map(|one| one.callable).collect::<Vec<_>>(), [false, false]);
    // Other types do not do.
    let other = Modules::of("text").with("Upper", "{text: Int}", "String", |_| json!(""));
    let provider = other.serve(&world).await;
    while until(&world, "Loud", false).await.diagnostics[0].code != "E010" {}
    drop(provider);
    let _provider = text().serve(&world).await;
    until(&world, "Outer", true).await;
    let run = world.client.run_for(run, None).await.unwrap();
    assert_eq!(run.value, json!({"x": {"loud": "A"}}));
    let mut states = Vec::new();
    while states.last() != Some(&("Outer".to_owned(), true)) {
        if let Some(Event::Pipeline(changed)) = watch.next().await.unwrap() {
            let pipeline = changed.pipeline.unwrap();
            states.push((pipeline.name, pipeline.callable));
        }
    }
    assert!(states.contains(&("Loud".into(), false)) && states.contains(&("Loud".into(), true)), "{states:?}");
    world.client.delete_pipeline("Outer").await.unwrap();
    loop {
        if let Some(Event::PipelineRemoved(removed)) = watch.next().await.unwrap() {
            assert_eq!(removed.name, "Outer");
            break;
        }
    }
}

#[tokio::test]
async fn what_is_stored_is_there_after_a_restart_and_runs_when_its_modules_are() {
    let world = World::start().await;
    let provider = text().serve(&world).await;
    let before = world.client.store("Loud", LOUD).await.unwrap();
    world.client.store("Gone", "in a: Int\nout a\n").await.unwrap();
    world.client.delete_pipeline("Gone").await.unwrap();
    drop(provider);
    std::fs::write(world.data_dir().join("pipelines/ByHand.cst"), "in a: Int\nb = a * 2\nout b\n").unwrap();
    let world = world.restarted().await;
    let after = world.client.get_pipeline("Loud").await.unwrap();
    assert_eq!((after.callable, after.source.as_str(), after.plan), (false, LOUD, None));
    let millis = |at: Option<prost_types::Timestamp>| at.map(|at| (at.seconds, at.nanos / 1_000_000));
    assert_eq!(millis(after.stored_at), millis(before.stored_at));
    assert_eq!(world.client.call("pipeline.ByHand", json!({"a": 2})).await.unwrap().value, json!({"b": 4}));
    // Its types are known all the same.
    let _provider = Modules::of("more").with("Upper", "{text: String}", "Int", |_| json!(1)).serve(&world).await;
    let breaking = "in word: String\nloud = more.Upper(word)\nout loud\n";
    assert_eq!(world.client.store("Loud", breaking).await.unwrap_err().code(), "pipeline.incompatible");
    let _provider = text().serve(&world).await;
    assert_eq!(until(&world, "Loud", true).await.plan, before.plan);
    assert_eq!(world.client.names("pipeline.*").await, ["pipeline.ByHand", "pipeline.Loud"]);
}

#[tokio::test]
async fn the_number_of_stored_pipelines_and_of_runs_is_bounded() {
    let world = World::start_with(|config| {
        config.pipelines.max_stored = 1;
        config.pipelines.max_runs = 1;
        config.pipelines.kept_runs = 2;
    })
    .await;
    let _provider = text().serve(&world).await;
    world.client.store("A", LOUD).await.unwrap();
    let error = world.client.store("B", LOUD).await.unwrap_err();
    assert_eq!((error.code(), error.details()["limit"].as_str()), ("pipeline.limit", "pipelines.max_stored"));
    world.client.store("A", LOUD).await.unwrap();
    let hangs = testkit::source_run("a = Hang(\"x\")\nout a\n", &json!({}));
    let mut events = world.client.run_stream(hangs).await.unwrap();
    events.next().await.unwrap();
    let error = world.client.call("pipeline.A", json!({"word": "a"})).await.unwrap_err();
    assert_eq!((error.code(), error.details()["limit"].as_str()), ("pipeline.limit", "pipelines.max_runs"));
    drop(events);
    let mut runs = Vec::new();
    while runs.len() < 4 {
        // The place is free once the run that was left is over.
        if let Ok(run) = world.client.run("in a: Int\nout a\n", json!({"a": 1})).await {
            runs.push(run.record.run_id);
        }
    }
    let listed = world.client.list_runs(pb::ListRunsRequest::default()).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|run| run.run_id).collect();
    assert_eq!(listed, [runs[3].clone(), runs[2].clone()]);
    assert_eq!(world.client.get_run(&runs[0]).await.unwrap_err().code(), "pipeline.run.unknown");
}
