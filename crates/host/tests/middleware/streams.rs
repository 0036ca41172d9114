//! Streams: asked before, and about each item.

use protocol::generated::provider::v1::host_frame::Frame;
use protocol::generated::provider::v1::{ModuleCapabilities, ModuleSpec};
use serde_json::{Value, json};
use testkit::{Connection, Session, module, msgpack, registration};

use crate::component::{Component, allow, chain};
use crate::world::World;

/// A provider by hand of the stream `hand.Count`.
async fn count(world: &World) -> (Session, Connection) {
    let stream = Some(ModuleCapabilities { stream: true, ..ModuleCapabilities::default() });
    let count = ModuleSpec { capabilities: stream, ..module("Count", "{to: Int}", "Int") };
    let session = world.client.register(registration("hand", [count])).await.unwrap().keep_alive();
    let connection = session.link().await;
    (session, connection)
}

/// Serves one stream: the input that came, and these items.
async fn serve(connection: &mut Connection, items: &[&str]) -> Vec<u8> {
    loop {
        let frame = connection.next().await.unwrap().expect("there is a call");
        if let Some(Frame::ExecuteStream(start)) = frame.frame {
            let items: Vec<_> = items.iter().map(|item| msgpack("Int", item).to_vec()).collect();
            connection.send_items(frame.call_id, start.credit, items).await;
            return start.request.unwrap().input_data.to_vec();
        }
    }
}

fn about_items(envelope: &Value) -> Value {
    match (envelope["hook"].as_str().unwrap(), envelope["payload"].as_i64()) {
        ("pre_invoke", _) => {
            json!({"decision": "rewrite", "reason": "less", "patch": {"to": 9}, "patch_strategy": "merge"})
        }
        (_, Some(3)) => json!({"decision": "reject", "reason": "three is too many"}),
        (_, Some(2)) => json!({
            "decision": "rewrite", "reason": "more", "patch_strategy": "json_patch",
            "patch": [{"op": "replace", "path": "", "value": 20}], "annotations": {"of": "this item"},
        }),
        _ => allow(),
    }
}

#[tokio::test]
async fn each_item_is_asked_about_and_the_one_that_is_refused_is_the_end() {
    let component = Component::start("shaper", about_items).await;
    let may = json!({"hooks": ["pre_invoke", "post_invoke"], "field_policy": {"change": [""]}});
    let world = chain([(&component, may)]).await;
    let (_session, mut connection) = count(&world).await;
    let asking = async {
        let mut items = world.client.stream("hand.Count", json!({"to": 1}), None).await.unwrap();
        let first = [items.next().await.unwrap(), items.next().await.unwrap()];
        (first, items.next().await.unwrap_err())
    };
    let ((first, error), input) = tokio::join!(asking, serve(&mut connection, &["1", "2", "3"]));
    assert_eq!(first, [Some(json!(1)), Some(json!(20))]);
    assert_eq!((error.code(), error.message()), ("middleware.rejected", "three is too many"));
    assert_eq!((error.details()["component"].as_str(), error.details()["hook"].as_str()), ("shaper", "post_invoke"));
    assert_eq!(input, msgpack("{to: Int}", r#"{"to": 9}"#));
    // What is said of one item is not told of the next.
    assert_eq!(component.asked("post_invoke")[2]["annotations"], json!({}));
}

#[tokio::test]
async fn a_return_is_a_stream_of_one_item_and_a_reject_is_no_stream() {
    let component = Component::start("guard", |envelope| match envelope["payload"]["to"].as_i64() {
        Some(0) => json!({"decision": "reject", "reason": "nothing to count"}),
        _ => json!({
            "decision": "return", "reason": "known", "patch_strategy": "json_patch",
            "patch": [{"op": "replace", "path": "", "value": 7}],
        }),
    })
    .await;
    let world = chain([(&component, json!({"hooks": ["pre_invoke"], "field_policy": {"answer": true}}))]).await;
    let (_session, _connection) = count(&world).await;
    let items = world.client.stream("hand.Count", json!({"to": 1}), None).await.unwrap();
    assert_eq!(items.info.attempts, 0);
    assert_eq!(items.collect().await.unwrap(), [json!(7)]);
    let error = world.client.stream("hand.Count", json!({"to": 0}), None).await.unwrap_err();
    assert_eq!(error.code(), "middleware.rejected");
    // What is no call is refused before anybody is asked.
    let error = world.client.call("hand.Count", json!({"to": 0})).await.unwrap_err();
    assert_eq!((error.code(), component.asked("pre_invoke").len()), ("executor.stream.required", 2));
}
