//! The modules that come with Modrack, as files that `cargo xtask bundle` made. How they start and stop with a host is in `supervision`.

use std::fs;

use serde_json::{Value, json};

use e2e::{Host, Http, bundle};

/// A host with both, each configured by a file over what the bundle says.
fn host(layers: &[(&str, Value)]) -> Host {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let components = directory.path().join("components");
    fs::create_dir(&components).expect("the directory is empty");
    for (id, layer) in layers {
        fs::write(components.join(format!("{id}.json")), layer.to_string()).expect("there is room for a file");
    }
    let (components, bundle) = (components.display().to_string(), bundle().display().to_string());
    Host::start_in(directory, &[("components_dir", &components), ("bundled", "true"), ("bundle_dir", &bundle)])
}

async fn start(http: &Http, id: &str) -> Value {
    let answer = http.post(&format!("/v1/components/{id}:start"), &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn each_is_one_file_for_one_interpreter_that_says_what_it_is_and_can_do() {
    let host = host(&[]);
    let http = Http::new(host.url());
    for (id, module, capability) in [
        ("arca-http", "arca", "arca/workflow-orchestration"),
        ("dator-http", "dator", "dator/exchange-service-publication"),
    ] {
        let shown = start(&http, id).await;
        assert_eq!(shown["state"], "ready", "{shown}");
        let capabilities = shown["report"]["capabilities"].as_array().unwrap();
        assert!(capabilities.iter().any(|one| one["id"] == capability), "{shown}");
        let interpreter = shown["bundle"]["interpreter"].as_str().unwrap();
        let executable = bundle().join(module).join(module);
        let first_line = format!("#!{interpreter} -IS\n");
        assert!(fs::read(executable).unwrap().starts_with(first_line.as_bytes()), "{first_line}");
    }
}

#[tokio::test]
async fn a_configuration_that_a_module_refuses_is_a_failed_component_with_the_reason() {
    let host = host(&[("dator-http", json!({ "config": { "offers": [{ "id": "x" }] } }))]);
    let http = Http::new(host.url());
    let answer = http.post("/v1/components/dator-http:start", &json!({})).await;
    let (_, code) = answer.failure();
    assert_eq!(code, "component.init.failed", "{answer:?}");
    let shown = http.get("/v1/components/dator-http").await.json();
    assert!(shown["last_error"]["message"].as_str().unwrap().contains("offers"), "{shown}");
}
