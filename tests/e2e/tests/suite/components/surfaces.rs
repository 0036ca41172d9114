//! What gRPC and HTTP tell of components: the same, and to the end.

use http_body_util::BodyExt as _;
use serde_json::json;

use e2e::{Http, Language};
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::watch_response::Event;

use super::grpc;
use crate::supervision::{host, until_state};

#[tokio::test]
async fn both_surfaces_tell_the_same_of_a_component() {
    let host = host(&[("text", Language::Python.component())]);
    until_state(&host, "text", "ready").await;
    let listed = Http::new(host.url()).get("/v1/components").await.json();
    let mut client = grpc(&host);
    let told = client.list_components(pb::ListComponentsRequest {}).await.expect("it is served").into_inner();
    let told: Vec<_> = told.components.iter().map(protocol::listing::components::component).collect();
    assert_eq!(listed, json!({ "components": told }));
    let one = client.get_component(pb::GetComponentRequest { id: "text".into() }).await.expect("it is known");
    let one = one.into_inner().component.expect("it is set");
    let usage = one.usage.expect("its process runs");
    assert!(usage.memory_bytes > 1 << 20 && usage.processes >= 1, "{usage:?}");
    assert_eq!(one.pid, listed["components"][0]["pid"]);
    let unknown =
        client.get_component(pb::GetComponentRequest { id: "txt".into() }).await.expect_err("it is not known");
    assert_eq!(testkit::coded(&unknown).code(), "component.unknown");
}

#[tokio::test]
async fn lines_are_followed_until_the_host_ends() {
    let mut host = host(&[("text", Language::Python.component())]);
    until_state(&host, "text", "ready").await;
    let http = Http::new(host.url());
    let kept = http.get("/v1/components/text/logs?tail=1").await.json();
    assert_eq!(kept["lines"].as_array().map(Vec::len), Some(1), "{kept}");
    assert_eq!((&kept["lines"][0]["start"], &kept["lines"][0]["stream"]), (&json!(1), &json!("stderr")));
    let followed = http.open("GET", "/v1/components/text/logs?follow=true", &[], "").await;
    let mut lines = grpc(&host)
        .component_logs(pb::ComponentLogsRequest { id: "text".into(), tail: 0, follow: true })
        .await
        .expect("it is known")
        .into_inner();
    assert!(host.terminate().await.success());
    let whole = testkit::within("the end of the events", followed.into_body().collect()).await.expect("it is whole");
    let text = String::from_utf8(whole.to_bytes().into()).expect("it is text");
    assert!(text.starts_with("event: line\ndata: {") && text.ends_with("event: end\ndata: {}\n\n"), "{text}");
    let mut numbers = Vec::new();
    while let Some(message) = testkit::within("the end of the lines", lines.message()).await.expect("it ends well") {
        numbers.extend(message.lines.iter().map(|line| line.number));
    }
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "none is missed, none comes twice");
    assert!(!numbers.is_empty());
}

#[tokio::test]
async fn a_watch_tells_the_present_state_first_and_then_each_change() {
    let host = host(&[("text", Language::Python.component())]);
    until_state(&host, "text", "ready").await;
    let request = pb::WatchRequest { pattern: "none.*".into(), runs: false, components: true };
    let mut watch = grpc(&host).watch(request).await.expect("it is served").into_inner();
    let mut told = Vec::new();
    let mut next =
        async || testkit::within("an event", watch.message()).await.expect("it goes on").expect("it goes on");
    while told.last() != Some(&"synced".to_owned()) {
        match next().await.event.expect("it is set") {
            Event::Component(event) => {
                let component = event.component.as_ref().expect("it is set");
                told.push(format!(
                    "{} {} from {}",
                    component.id,
                    component.state().as_str_name(),
                    event.previous().as_str_name()
                ));
                assert!(component.config_json.is_empty() && component.usage.is_none());
            }
            Event::Synced(_) => told.push("synced".to_owned()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, ["text COMPONENT_STATE_READY from COMPONENT_STATE_UNSPECIFIED", "synced"]);
    let restarted = Http::new(host.url()).post("/v1/components/text:restart", &json!({})).await;
    assert_eq!(restarted.status, 200);
    let mut changes = Vec::new();
    while changes.last() != Some(&(pb::ComponentState::Starting, pb::ComponentState::Ready)) {
        let Some(Event::Component(event)) = next().await.event else { panic!("another event") };
        changes.push((event.previous(), event.component.as_ref().expect("it is set").state()));
        assert!(!event.reason.is_empty());
    }
    let states: Vec<_> = changes.iter().map(|(_, state)| *state).collect();
    use pb::ComponentState::{Ready, Starting, Stopping};
    assert_eq!((states.first(), states.last()), (Some(&Stopping), Some(&Ready)), "{states:?}");
    assert!(states.contains(&Starting));
    assert!(changes.windows(2).all(|pair| pair[0].1 == pair[1].0), "no change is missed: {changes:?}");
}
