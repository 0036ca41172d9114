//! Streams and batches: one question before the stream, one for each item; one for each element of a batch.

use serde_json::json;

use e2e::host_with_middleware;

use super::{everything, script, seen, told};

#[tokio::test]
async fn each_item_of_a_stream_is_asked_about() {
    let host = host_with_middleware(&[("it", everything())], &[]).await;
    let rewrite =
        json!({ "decision": "rewrite", "reason": "r", "patch": { "said": "changed" }, "patch_strategy": "merge" });
    let text = script(&[("it@post_invoke", rewrite)]);
    let items =
        host.client().stream("words.Repeat", json!({ "text": text, "times": 3 }), None).await.expect("it begins");
    let items = items.collect().await.expect("it ends well");
    let expected: Vec<_> = (0..3).map(|i| json!({ "said": "changed", "by": format!("Repeat {i}") })).collect();
    assert_eq!(items, expected);
    let hooks: Vec<_> = seen(&host, "it").await.iter().map(|e| e["hook"].clone()).collect();
    assert_eq!(hooks, ["pre_invoke", "post_invoke", "post_invoke", "post_invoke"]);
}

#[tokio::test]
async fn a_stream_that_is_rejected_before_it_does_not_begin_and_an_item_that_is_rejected_ends_it() {
    let host = host_with_middleware(&[("it", everything())], &[]).await;
    let reject = json!({ "decision": "reject", "reason": "no" });
    let stream = |hook: &str| json!({ "text": script(&[(hook, reject.clone())]), "times": 3 });
    let begun = host.client().stream("words.Repeat", stream("it@pre_invoke"), None).await;
    assert_eq!(told(&begun.expect_err("it is rejected"))["code"], "middleware.rejected");
    let items = host.client().stream("words.Repeat", stream("it@post_invoke"), None).await.expect("it begins");
    let failure = told(&items.collect().await.expect_err("its first item is rejected"));
    assert_eq!([&failure["code"], &failure["hook"]], ["middleware.rejected", "post_invoke"]);
}

#[tokio::test]
async fn each_element_of_a_batch_is_asked_about() {
    let host = host_with_middleware(&[("it", everything())], &[]).await;
    let reject = script(&[("it@pre_invoke", json!({ "decision": "reject", "reason": "no" }))]);
    let inputs = ["a", &reject, "b"].map(|text| json!({ "text": text }));
    let (outputs, _) = host.client().call_batch("words.Say", inputs).await.expect("the batch is taken");
    let outputs: Vec<_> = outputs.into_iter().map(|output| output.map_err(|error| error.code().to_owned())).collect();
    let said = |text: &str| Ok(json!({ "said": text, "by": "Say" }));
    assert_eq!(outputs, [said("a"), Err("middleware.rejected".to_owned()), said("b")]);
}
