//! Components as operators and components themselves meet the host: what they may ask, what is told of them, what they keep.

mod surfaces;
mod tokens;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use e2e::{Answer, Host, Http, Language};
use protocol::generated::host::v1::host_client::HostClient;

use crate::supervision::{component, directory, host, until_state};

/// Of a client that may operate components.
const OPERATOR: &str = "token-of-the-operator-0123456789";
/// Of a client that may look at them.
const VIEWER: &str = "token-of-the-viewer-0123456789ab";

/// A client of the gRPC surface.
fn grpc(host: &Host) -> HostClient<Channel> {
    HostClient::new(Endpoint::from_shared(host.url()).expect("it is an address").connect_lazy())
}

/// A host that asks clients for a token, with these components; waits for none of them.
fn host_with_clients(components: &[(&str, Value)], more: &str) -> Host {
    let directory = directory(components);
    let write =
        |name: &str, text: &str| fs::write(directory.path().join(name), text).expect("there is room for a file");
    write("operator.token", OPERATOR);
    write("viewer.token", VIEWER);
    let file = format!(
        "components_dir = \"components\"\n{more}\n\
         [[clients]]\nsubject = \"operator\"\ntoken_file = \"operator.token\"\nscopes = [\"list\", \"watch\", \"components\"]\n\
         [[clients]]\nsubject = \"viewer\"\ntoken_file = \"viewer.token\"\nscopes = [\"list\", \"call:*\"]\n"
    );
    write("modrack.toml", &file);
    Host::start_in(directory, &[])
}

/// A request with a token and, where there is one, a body of JSON.
async fn send(host: &Host, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    Http::new(host.url()).send(method, path, &headers, body.to_owned()).await
}

/// The status, and the code where it is a failure.
fn outcome(answer: &Answer) -> (u16, String) {
    if answer.status == 200 { (200, String::new()) } else { answer.failure() }
}

/// What a component shows to the host: the token of its present start.
fn token_of(component: &Value) -> String {
    let file = component["config"]["runtime"]["token_file"].as_str().unwrap_or_else(|| panic!("no file: {component}"));
    fs::read_to_string(Path::new(file)).expect("the start goes on")
}

#[tokio::test]
async fn providers_in_every_language_are_started_and_called_over_the_link() {
    for language in [Language::Python, Language::TypeScript, Language::Rust] {
        let host = host(&[("text", language.component())]);
        let ready = until_state(&host, "text", "ready").await;
        let call = host.client().call("fixture.Inspect", json!({})).await.expect("it is served");
        assert_eq!((&call.value["language"], &call.value["pid"]), (&json!(language.as_str()), &ready["pid"]));
        let module = host.client().get_module("fixture.Inspect").await.expect("it is registered");
        let [endpoint] = &module.endpoints[..] else { panic!("{module:?}") };
        assert_eq!(endpoint.plane(), protocol::generated::provider::v1::DataPlane::Link);
        assert_eq!((endpoint.service_id.as_str(), &ready["sessions"]), ("text", &json!([endpoint.session_id])));
    }
}

#[tokio::test]
async fn a_caller_that_does_not_wait_does_not_end_what_it_began() {
    let host = host(&[("text", Language::Python.component())]);
    let before = until_state(&host, "text", "ready").await;
    let headers = [("modrack-timeout-ms", "1")];
    let late = Http::new(host.url()).send("POST", "/v1/components/text:restart", &headers, "").await;
    assert_eq!(late.failure(), (504, "executor.deadline.exceeded".to_owned()));
    let after = testkit::eventually("a new start", async || {
        let now = component(&host, "text").await;
        (now["starts"] == 2 && now["state"] == "ready").then_some(now)
    })
    .await;
    assert_ne!(before["pid"], after["pid"]);
    assert_eq!(after["restarts"], 0, "an operator's restart is none of the policy");
}
