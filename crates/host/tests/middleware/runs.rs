//! Runs of pipelines: asked before and behind the whole, and around each call of a module.

use protocol::generated::host::v1 as pb;
use serde_json::{Value, json};
use testkit::stored_run;

use crate::component::{Component, allow, chain};
use crate::http;
use crate::world::{Modules, Provider, World};

const SOURCE: &str = "in word: String\nloud = text.Upper(word)\nout loud\n";

async fn text(world: &World) -> Provider {
    Modules::of("text")
        .with("Upper", "{text: String}", "String", |input| json!(input["text"].as_str().unwrap().to_uppercase()))
        .with("Lower", "{text: String}", "String", |input| json!(input["text"].as_str().unwrap().to_lowercase()))
        .serve(world)
        .await
}

fn decisions(decisions: &[pb::MiddlewareTrace]) -> Vec<(&str, &str, &str, &str)> {
    let mut shown = Vec::new();
    for pb::MiddlewareTrace { component, hook, decision, reason, .. } in decisions {
        shown.push((component.as_str(), hook.as_str(), decision.as_str(), reason.as_str()));
    }
    shown
}

#[tokio::test]
async fn a_run_is_asked_about_before_and_behind_and_its_record_says_what_was_decided() {
    let component = Component::start("shaper", |envelope| match envelope["hook"].as_str().unwrap() {
        "pre_run" => json!({
            "decision": "rewrite", "reason": "other word", "patch": {"word": "other"}, "patch_strategy": "merge",
            "annotations": {"phase": 1},
        }),
        "post_run" => json!({
            "decision": "rewrite", "reason": "softer", "patch": {"loud": "soft"}, "patch_strategy": "merge",
        }),
        _ => allow(),
    })
    .await;
    let may = json!({
        "hooks": ["pre_run", "pre_invoke", "post_invoke", "post_run"], "field_policy": {"change": ["/word", "/loud"]},
    });
    let world = chain([(&component, may)]).await;
    let _provider = text(&world).await;
    let outputs = world.client.run(SOURCE, json!({"word": "one"})).await.unwrap();
    assert_eq!(outputs.value, json!({"loud": "soft"}));
    let record = outputs.record;
    assert_eq!(
        decisions(&record.decisions),
        [("shaper", "pre_run", "rewrite", "other word"), ("shaper", "post_run", "rewrite", "softer")]
    );
    let call = &record.nodes[0].recorded[0];
    assert_eq!(
        decisions(&call.decisions),
        [("shaper", "pre_invoke", "allow", "fine"), ("shaper", "post_invoke", "allow", "fine")]
    );
    let before = &component.asked("pre_run")[0];
    assert_eq!(before["subject"], json!({"kind": "pipeline", "name": "", "namespace": "", "revision": 0}));
    let asked = &component.asked("pre_invoke")[0];
    assert_eq!((&asked["payload"], &asked["annotations"]), (&json!({"text": "other"}), &json!({"phase": 1})));
    let correlation = &asked["correlation"];
    assert_eq!((&correlation["run_id"], &correlation["node_id"]), (&json!(record.run_id), &json!("0")));
    assert_eq!(correlation["idempotency_key"], json!(format!("{}/0", record.run_id)));
    assert_eq!(component.asked("post_invoke")[0]["payload"], json!("OTHER"));
    // The first call began when it was let.
    assert!(call.started_us >= record.decisions[0].duration_us, "{record:?}");
}

#[tokio::test]
async fn a_run_that_is_refused_has_not_begun_and_is_recorded_as_failed() {
    let component = Component::start("guard", |envelope| match envelope["hook"].as_str().unwrap() {
        "pre_run" if envelope["payload"]["word"] == "no" => json!({"decision": "reject", "reason": "not this"}),
        "pre_run" if envelope["payload"]["word"] == "known" => json!({
            "decision": "return", "reason": "known", "patch_strategy": "json_patch",
            "patch": [{"op": "replace", "path": "", "value": {"loud": "KEPT"}}],
        }),
        "post_run" => json!({"decision": "drop", "reason": "secret"}),
        _ => allow(),
    })
    .await;
    let may = json!({"hooks": ["pre_run", "pre_invoke", "post_run"], "field_policy": {"answer": true}});
    let world = chain([(&component, may)]).await;
    let _provider = text(&world).await;
    let error = world.client.run(SOURCE, json!({"word": "no"})).await.unwrap_err();
    assert_eq!((error.code(), error.message()), ("middleware.rejected", "not this"));
    assert_eq!((error.details()["component"].as_str(), error.details()["hook"].as_str()), ("guard", "pre_run"));
    let record = world.client.get_run(&error.details()["run_id"]).await.unwrap();
    assert_eq!((record.outcome(), record.nodes.len(), record.nodes[0].calls), (pb::RunOutcome::Failed, 1, 0));
    assert_eq!(record.error.unwrap().code, "middleware.rejected");
    assert!(component.asked("pre_invoke").is_empty());

    let known = world.client.run(SOURCE, json!({"word": "known"})).await.unwrap();
    assert_eq!((known.value, known.record.nodes[0].calls), (json!({"loud": "KEPT"}), 0));

    let error = world.client.run(SOURCE, json!({"word": "yes"})).await.unwrap_err();
    assert_eq!((error.code(), error.details()["hook"].as_str()), ("middleware.dropped", "post_run"));
    let record = world.client.get_run(&error.details()["run_id"]).await.unwrap();
    assert_eq!((record.nodes[0].calls, record.partial_outputs.len()), (1, 0));
}

#[tokio::test]
async fn a_node_that_is_refused_takes_its_fallback_and_one_that_is_routed_goes_elsewhere() {
    let component = Component::start("guard", |envelope| match envelope["payload"]["text"].as_str().unwrap() {
        "no" => json!({"decision": "reject", "reason": "not this"}),
        "Low" => json!({"decision": "route", "reason": "down", "route": "text.Lower"}),
        "kept" => json!({
            "decision": "return", "reason": "known", "patch_strategy": "json_patch",
            "patch": [{"op": "replace", "path": "", "value": "KNOWN"}],
        }),
        _ => allow(),
    })
    .await;
    let may = json!({"hooks": ["pre_invoke"], "field_policy": {"answer": true, "route": ["text.Lower"]}});
    let world = chain([(&component, may)]).await;
    let _provider = text(&world).await;
    let source = "in a: String\nin b: String\nin c: String\n\
        x = text.Upper(a) with fallback: \"instead\"\ny = text.Upper(b)\nz = text.Upper(c)\nout x\nout y\nout z\n";
    let outputs = world.client.run(source, json!({"a": "no", "b": "Low", "c": "kept"})).await.unwrap();
    assert_eq!(outputs.value, json!({"x": "instead", "y": "low", "z": "KNOWN"}));
    let nodes = outputs.record.nodes;
    let failed = &nodes[0].recorded[0];
    assert_eq!(failed.error.as_ref().unwrap().code, "middleware.rejected");
    let attempts: Vec<_> = nodes.iter().map(|node| node.recorded[0].attempts.len()).collect();
    assert_eq!(attempts, [0, 1, 0]);
    let error = world.client.run(SOURCE, json!({"word": "no"})).await.unwrap_err();
    let details = error.details();
    assert_eq!(
        (error.code(), details["label"].as_str(), details["line"].as_str()),
        ("middleware.rejected", "loud", "2")
    );
}

#[tokio::test]
async fn a_cache_keeps_what_the_rewritten_input_gave() {
    let component = Component::start("shaper", |_| {
        json!({"decision": "rewrite", "reason": "one for all", "patch": {"text": "same"}, "patch_strategy": "merge"})
    })
    .await;
    let world = chain([(&component, json!({"hooks": ["pre_invoke"], "field_policy": {"change": ["/text"]}}))]).await;
    let _provider = text(&world).await;
    let source = "in word: String\nloud = text.Upper(word) with cache: 5min\nout loud\n";
    for (word, cached) in [("one", false), ("two", true)] {
        let outputs = world.client.run(source, json!({"word": word})).await.unwrap();
        assert_eq!((outputs.value, outputs.record.nodes[0].recorded[0].cached), (json!({"loud": "SAME"}), cached));
    }
}

#[tokio::test]
async fn a_stored_pipeline_is_asked_about_as_a_module_and_as_a_run_of_the_same_caller() {
    let component = Component::start("shaper", |_| allow()).await;
    let world = chain([(&component, json!({"hooks": ["pre_run", "pre_invoke"]}))]).await;
    let _provider = text(&world).await;
    let put = pb::PutPipelineRequest { name: "Loud".into(), source: SOURCE.into(), ..Default::default() };
    world.client.put_pipeline(put).await.unwrap();
    let output = world.client.call("pipeline.Loud", json!({"word": "a"})).await.unwrap();
    assert_eq!(output.value, json!({"loud": "A"}));
    let run = &component.asked("pre_run")[0];
    assert_eq!((&run["subject"]["name"], &run["subject"]["revision"]), (&json!("pipeline.Loud"), &json!(1)));
    let names: Vec<_> = component.asked("pre_invoke").iter().map(|one| one["subject"]["name"].clone()).collect();
    assert_eq!(names, ["pipeline.Loud", "text.Upper"]);
    assert_eq!(run["caller"], json!({"subject": "anybody"}));
    world.client.run_for(stored_run("Loud", &json!({"word": "a"})), None).await.unwrap();
    assert_eq!(component.asked("pre_run").len(), 2);
}

#[tokio::test]
async fn a_component_is_not_asked_about_what_it_runs_itself() {
    let component = Component::start("phases", |_| json!({"decision": "reject", "reason": "whoever it is"})).await;
    let other = Component::start("other", |_| allow()).await;
    let hooks = json!(["pre_run", "pre_invoke", "audit"]);
    let grants =
        json!([{"id": "run_pipeline", "modules": ["text.*"]}, {"id": "call", "modules": ["text.*", "pipeline.*"]}]);
    let world =
        chain([(&component, json!({"hooks": hooks, "capabilities": grants})), (&other, json!({"hooks": hooks}))]).await;
    let _provider = text(&world).await;
    let error = world.client.run(SOURCE, json!({"word": "a"})).await.unwrap_err();
    assert_eq!(error.code(), "middleware.rejected");
    let granted = component.heard("its grants", |heard| heard.inits.last().cloned()).await;
    let token = token(&granted, "run_pipeline");
    let asked = component.asked("pre_run").len();

    let body = json!({"source": SOURCE, "inputs": {"word": "own"}});
    let (status, answer) = http::post_as(&world, &token, "/v1/pipelines:run", &body).await;
    assert_eq!((status, &answer["outputs"]), (200, &json!({"loud": "OWN"})));
    assert_eq!(component.asked("pre_run").len(), asked);
    assert!(component.asked("pre_invoke").is_empty());
    let by_other = other.asked("pre_invoke");
    assert_eq!(by_other[0]["caller"], json!({"subject": "component phases"}));
    // Nor about the run inside a call of its own.
    let put = pb::PutPipelineRequest { name: "Loud".into(), source: SOURCE.into(), ..Default::default() };
    world.client.put_pipeline(put).await.unwrap();
    let (status, answer) =
        http::post_as(&world, &token, "/v1/modules/pipeline.Loud:call", &json!({"word": "own"})).await;
    assert_eq!((status, &answer["output"]), (200, &json!({"loud": "OWN"})));
}

fn token(init: &Value, id: &str) -> String {
    let capabilities = init["capabilities"].as_array().unwrap();
    let granted = capabilities.iter().find(|granted| granted["id"] == id).unwrap();
    std::fs::read_to_string(granted["token_file"].as_str().unwrap()).unwrap().trim().to_owned()
}
