//! Audits: told behind everything, whatever came of it, and awaited by nobody.

use serde_json::{Value, json};
use testkit::source_run;

use crate::component::{Component, Heard, Reply, allow, chain};
use crate::http;
use crate::world::{Answer, Modules, Provider, World};

async fn text(world: &World) -> Provider {
    Modules::of("text")
        .with("Upper", "{text: String}", "String", |input| json!(input["text"].as_str().unwrap().to_uppercase()))
        .with("Hang", "{text: String}", "String", |_| Answer::Never)
        .serve(world)
        .await
}

/// The audits of a module or pipeline, once there are as many.
async fn audits(component: &Component, name: &str, count: usize) -> Vec<Value> {
    let of = |heard: &Heard| {
        let audits = heard.envelopes.iter().filter(|envelope| envelope["hook"] == "audit");
        let audits: Vec<_> = audits.filter(|envelope| envelope["subject"]["name"] == name).cloned().collect();
        (audits.len() >= count).then_some(audits)
    };
    component.heard("the audits", of).await
}

#[tokio::test]
async fn an_audit_tells_what_came_of_a_call_also_of_one_that_failed_or_was_left() {
    let guard = Component::start("guard", |envelope| match envelope["payload"]["text"].as_str().unwrap() {
        "no" => json!({"decision": "reject", "reason": "no"}),
        _ => json!({"decision": "annotate", "reason": "seen", "annotations": {"tier": "gold"}}),
    })
    .await;
    let auditor = Component::start("auditor", |_| Reply::Says("what is said here is not heard")).await;
    let world = chain([(&guard, json!({"hooks": ["pre_invoke"]})), (&auditor, json!({"hooks": ["audit"]}))]).await;
    let _provider = text(&world).await;
    world.client.call("text.Upper", json!({"text": "a"})).await.unwrap();
    let audit = &audits(&auditor, "text.Upper", 1).await[0];
    let outcome = &audit["outcome"];
    assert_eq!((&outcome["ok"], &outcome["code"], &audit["payload"]), (&json!(true), &json!(""), &Value::Null));
    assert!(outcome["duration_us"].as_u64().unwrap() > 0, "{audit}");
    assert_eq!(audit["annotations"], json!({"tier": "gold"}));
    world.client.call("text.Upper", json!({"text": "no"})).await.unwrap_err();
    let audit = &audits(&auditor, "text.Upper", 2).await[1];
    assert_eq!((&audit["outcome"]["ok"], &audit["outcome"]["code"]), (&json!(false), &json!("middleware.rejected")));
    let left = world.client.call("text.Hang", json!({"text": "a"}));
    tokio::select! {
        _ = left => panic!("nobody answers"),
        _ = guard.heard("the call", |heard| (heard.envelopes.len() == 3).then_some(())) => {}
    }
    let audit = &audits(&auditor, "text.Hang", 1).await[0];
    assert_eq!(audit["outcome"]["code"], "executor.call.cancelled");
}

#[tokio::test]
async fn a_run_and_each_of_its_calls_have_their_audits() {
    let auditor = Component::start("auditor", |_| allow()).await;
    let world = chain([(&auditor, json!({"hooks": ["audit"]}))]).await;
    let _provider = text(&world).await;
    let run = source_run("in a: String\nb = text.Upper(a)\nout b\n", &json!({"a": "x"}));
    let record = world.client.run_for(run, None).await.unwrap().record;
    let of_call = &audits(&auditor, "text.Upper", 1).await[0];
    let of_run = &audits(&auditor, "", 1).await[0];
    assert_eq!((&of_run["subject"]["kind"], &of_run["outcome"]["ok"]), (&json!("pipeline"), &json!(true)));
    for audit in [of_call, of_run] {
        assert_eq!(audit["correlation"]["run_id"], json!(record.run_id));
    }
}

#[tokio::test]
async fn audits_that_find_no_room_are_counted_and_hold_nobody_up() {
    let auditor = Component::start("auditor", |_| Reply::Hangs).await;
    let world = World::start_with(|config| {
        config.components.all = vec![auditor.configured(json!({"hooks": ["audit"]}))];
        config.middleware.audit_queue = 2;
    })
    .await;
    crate::component::ready(&world, "auditor").await;
    let _provider = text(&world).await;
    for _ in 0..20 {
        world.client.call("text.Upper", json!({"text": "a"})).await.unwrap();
    }
    // Some are being told, two wait.
    let page = http::metrics(&world).await;
    let line = page.lines().find(|line| line.starts_with("modrack_middleware_audits_dropped_total")).unwrap();
    assert_eq!(line, "modrack_middleware_audits_dropped_total 10");
}
