//! What any gRPC tool can ask of a host, and how changes are told.

use protocol::generated::host::v1::{SessionState, watch_response::Event};
use protocol::generated::provider::v1::RegisterRequest;
use testkit::{module, registration};

use e2e::Host;

/// `HealthCheckRequest` with this service.
fn health_of(service: &str) -> Vec<u8> {
    let length = u8::try_from(service.len()).expect("the names are short");
    [&[0x0a, length], service.as_bytes()].concat()
}

#[tokio::test]
async fn health_tells_which_services_serve() {
    let host = Host::start();
    let client = host.client();
    for service in ["", "modrack.host.v1.Host", "modrack.provider.v1.ModuleRegistry"] {
        let answer = client.send_bytes("/grpc.health.v1.Health/Check", health_of(service)).await;
        assert_eq!(answer.expect("it is served"), [0x08, 0x01], "{service} is SERVING");
    }
    // What the health protocol says of a service that is not known.
    let status = client.send_bytes("/grpc.health.v1.Health/Check", health_of("nothing")).await;
    assert_eq!(status.expect_err("there is none").code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn reflection_names_the_services() {
    let host = Host::start();
    // `ServerReflectionRequest` with `list_services`.
    let method = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let answer = host.client().send_bytes(method, vec![0x3a, 0x00]).await.expect("it is served");
    let answer = String::from_utf8_lossy(&answer);
    for service in ["modrack.host.v1.Host", "modrack.provider.v1.ModuleRegistry", "grpc.health.v1.Health"] {
        assert!(answer.contains(service), "{service} is not in {answer:?}");
    }
}

#[tokio::test]
async fn a_watch_tells_what_is_there_and_then_what_changes() {
    let host = Host::start();
    let client = host.client();
    let modules = || vec![module("A", "{}", "Int"), module("B", "{}", "Int")];
    let request = || registration("watched", modules());
    let session = client.register(request()).await.expect("it is free").keep_alive();
    client.register(registration("other", [module("A", "{}", "Int")])).await.expect("it is free");

    let mut watch = client.watch("watched.*").await.expect("it is answered");
    let mut tell = async || match watch.next().await {
        Ok(Some(Event::Added(added))) => {
            let module = added.module.expect("it is set");
            format!("+ {} r{} {:?}", module.name, module.revision, module.endpoints[0].state())
        }
        Ok(Some(Event::Changed(changed))) => {
            let module = changed.module.expect("it is set");
            format!("~ {} r{} {:?}", module.name, module.revision, module.endpoints[0].state())
        }
        Ok(Some(Event::Removed(removed))) => format!("- {} {}", removed.name, removed.reason),
        Ok(Some(Event::Synced(synced))) => format!("= {}", synced.modules),
        end => panic!("the watch ended: {end:?}"),
    };
    assert_eq!(tell().await, "+ watched.A r1 Pending");
    assert_eq!(tell().await, "+ watched.B r1 Pending");
    assert_eq!(tell().await, "= 2");

    let _connection = session.link().await;
    assert_eq!(tell().await, "~ watched.A r1 Ready");
    assert_eq!(tell().await, "~ watched.B r1 Ready");

    let replacement = RegisterRequest {
        modules: vec![module("A", "{more: Option<Int>}", "Int"), module("C", "{}", "Int")],
        session_token: session.token().to_owned(),
        ..request()
    };
    client.register(replacement).await.expect("it is compatible");
    let mut changes = [tell().await, tell().await, tell().await];
    changes.sort();
    assert_eq!(changes, ["+ watched.C r1 Ready", "- watched.B replaced", "~ watched.A r2 Ready"]);

    session.unregister().await.expect("it is there");
    assert_eq!(tell().await, "- watched.A unregistered");
    assert_eq!(tell().await, "- watched.C unregistered");
}

#[tokio::test]
async fn a_name_that_waits_for_its_provider_cannot_be_called_and_says_so() {
    let host = Host::start();
    let client = host.client();
    let _session = client.register(registration("late", [module("A", "{}", "Int")])).await.expect("it is free");
    let module = client.get_module("late.A").await.expect("it is registered");
    assert_eq!(module.endpoints[0].state(), SessionState::Pending);
    let error = client.call("late.A", serde_json::json!({})).await.expect_err("nobody is connected");
    assert_eq!((error.code(), error.retryable()), ("executor.provider.unavailable", true), "{error:?}");
}
