//! A local service that somebody else runs, here the test.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use protocol::component::ComponentState as State;
use serde_json::{Value, json};

use crate::host::{Host, component, python, script, with};

/// The service, until it is dropped.
struct Somebody(Child);

impl Somebody {
    fn serves(address: SocketAddr, data: &Path) -> Self {
        let mut command = Command::new(python());
        command.args(["-I", "-S", &script(), "serve"]).stdout(Stdio::piped()).stderr(Stdio::null());
        command.env("MODRACK_BIND", address.to_string()).env("MODRACK_COMPONENT_DATA", data);
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        assert_eq!(said, "listening");
        Self(child)
    }
}

impl Drop for Somebody {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn config(address: SocketAddr, changes: Value) -> Value {
    let http = json!({ "http": { "endpoint": format!("http://{address}"), "startup_timeout_ms": 300 } });
    with(with(component("local_http_json", &[]), http), changes)
}

#[tokio::test]
async fn a_local_service_may_come_late_go_and_come_back_and_has_the_init_each_time() {
    let (address, data) = (free(), tempfile::tempdir().unwrap());
    let mut host = Host::of(vec![config(address, json!({}))], &json!({}));
    host.becomes(State::Degraded).await;
    assert_eq!(host.fault().0, "component.readiness.timeout");
    assert_eq!(host.fails(Duration::from_secs(1)).await, "component.not_ready");

    let somebody = Somebody::serves(address, data.path());
    host.becomes(State::Ready).await;
    assert_eq!((host.view().pid, host.invoke("{}", Duration::from_secs(5)).await.unwrap().as_str()), (None, "{}"));

    drop(somebody);
    host.becomes(State::Degraded).await;
    assert_eq!(host.fails(Duration::from_secs(5)).await, "middleware.unreachable");

    let somebody = Somebody::serves(address, data.path());
    host.becomes(State::Ready).await;
    assert_eq!(std::fs::read_to_string(data.path().join("inits")).unwrap().lines().count(), 2);
    assert_eq!(host.view().starts, 1);
    assert_eq!(host.handle.stop("a").await.unwrap().state, State::Stopped);
    drop(somebody);
}

#[tokio::test]
async fn its_token_comes_from_a_file_and_a_missing_one_fails_the_start() {
    let (address, data) = (free(), tempfile::tempdir().unwrap());
    std::fs::write(data.path().join("token"), "secret\n").unwrap();
    std::fs::write(data.path().join("control.json"), json!({ "token": "secret" }).to_string()).unwrap();
    let _somebody = Somebody::serves(address, data.path());
    let auth = json!({ "auth": { "token_file": data.path().join("token") } });
    let host = Host::ready(config(address, auth), &json!({})).await;
    assert!(!host.view().config_json.contains("secret"), "{}", host.view().config_json);

    let mut host = Host::of(vec![config(address, json!({ "auth": { "token_file": "nowhere" } }))], &json!({}));
    host.becomes(State::Failed).await;
    let (code, message) = host.fault();
    assert_eq!(code, "component.init.failed");
    assert!(message.starts_with("its token file `"), "{message}");
}
