//! A host with the components of `tests/fixtures/python`, which it starts itself. Knows nothing of what they answer.

use std::fs;

use serde_json::{Value, json};

use crate::host::Host;
use crate::http::Http;
use crate::locate;

/// Starts a host whose components are `words`, a provider, and a scripted middleware per entry, with these members of its
/// configuration besides; `chain` is the order in which they are asked. Waits until all of them are ready.
///
/// # Panics
/// When one is not ready in time.
pub async fn host_with_middleware(components: &[(&str, Value)], chain: &[&str]) -> Host {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let parts = directory.path().join("components");
    fs::create_dir(&parts).expect("the directory is empty");
    let write = |id: &str, component: &Value| {
        fs::write(parts.join(format!("{id}.json")), component.to_string()).expect("there is room for a file");
    };
    write("words", &launched("grpc_local", "words", "words.py"));
    for (id, members) in components {
        write(id, &middleware_component(id, members));
    }
    let file = format!("components_dir = \"components\"\n[middleware]\nchain = {chain:?}\n");
    fs::write(directory.path().join("modrack.toml"), file).expect("there is room for a file");
    let host = Host::start_in(directory, &[]);
    let http = Http::new(host.url());
    for id in components.iter().map(|(id, _)| *id).chain(["words"]) {
        let answer = http.post(&format!("/v1/components/{id}:start"), &json!({})).await;
        assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("ready")), "{id}: {answer:?}");
    }
    host
}

fn middleware_component(id: &str, members: &Value) -> Value {
    let kind = members["kind"].as_str().unwrap_or("http_local_json");
    let mut component = launched(kind, id, "component.py");
    if kind == "http_local_json" {
        component["http"] = json!({ "endpoint": "http://127.0.0.1:0", "startup_timeout_ms": 60_000 });
    }
    merge(&mut component, members);
    component
}

/// Member by member, as layers of a configuration.
fn merge(base: &mut Value, members: &Value) {
    match (base, members) {
        (Value::Object(base), Value::Object(members)) => {
            for (name, member) in members {
                merge(base.entry(name).or_insert(Value::Null), member);
            }
        }
        (base, member) => *base = member.clone(),
    }
}

fn launched(kind: &str, module: &str, program: &str) -> Value {
    let launch = json!({
        "executable": locate::python(), "args": ["-I", program], "cwd": locate::root().join("tests/fixtures/python"),
    });
    let mut component = json!({ "kind": kind, "module_id": module, "launch": launch });
    if kind == "grpc_local" {
        component["grpc"] = json!({ "startup_timeout_ms": 60_000 });
    }
    component
}
