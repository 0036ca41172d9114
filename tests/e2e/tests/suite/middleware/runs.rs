//! Runs of pipelines: their nodes are calls like any other, and their records tell what was decided.

use serde_json::json;

use e2e::{Http, host_with_middleware};

use super::{SOURCE, everything, script, seen};

#[tokio::test]
async fn a_run_and_its_nodes_meet_all_four_hooks_and_the_record_tells_of_them() {
    let host = host_with_middleware(&[("it", everything())], &[]).await;
    let note = json!({ "decision": "annotate", "reason": "noted", "annotations": { "run": "a" } });
    let text = script(&[("it@pre_run", note)]);
    let body = json!({ "source": SOURCE, "inputs": { "text": text } });
    let answer = Http::new(host.url()).post("/v1/pipelines:run", &body).await.json();
    assert_eq!(answer["outputs"]["result"]["said"], json!(text), "{answer}");
    let envelopes = seen(&host, "it").await;
    let hooks: Vec<_> = envelopes.iter().map(|e| (e["hook"].as_str(), e["subject"]["kind"].as_str())).collect();
    let [run, module] = [Some("pipeline"), Some("module")];
    let expected =
        [(Some("pre_run"), run), (Some("pre_invoke"), module), (Some("post_invoke"), module), (Some("post_run"), run)];
    assert_eq!(hooks, expected);
    let id = &answer["record"]["run_id"];
    assert!(envelopes.iter().all(|e| e["correlation"]["run_id"] == *id), "{envelopes:?}");
    assert_eq!(envelopes[0]["annotations"], json!({}));
    assert!(envelopes[1..].iter().all(|e| e["annotations"] == json!({ "run": "a" })), "{envelopes:?}");
    assert_eq!((&envelopes[0]["payload"], &envelopes[3]["payload"]), (&json!({ "text": text }), &answer["outputs"]));
    let record = answer["record"].to_string();
    assert_eq!(record.matches("\"decision\":\"annotate\"").count(), 1, "{record}");
    assert_eq!(record.matches("\"decision\":\"allow\"").count(), 3, "{record}");
}

#[tokio::test]
async fn a_rejected_node_is_a_failure_that_a_fallback_catches() {
    let host = host_with_middleware(&[("it", everything())], &[]).await;
    let source = "in text: String\nn = words.Count(text) with fallback: 0 - 1\nout n\n";
    let text = script(&[("it@pre_invoke", json!({ "decision": "reject", "reason": "no" }))]);
    let outputs = host.client().run(source, json!({ "text": text })).await.expect("the fallback catches it");
    assert_eq!(outputs.value, json!({ "n": -1 }));
}
