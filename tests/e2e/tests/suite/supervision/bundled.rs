//! The modules that come with Modrack, as `cargo xtask bundle` makes them: started by `--bundled`, each on its own.

use std::time::Instant;

use serde_json::{Value, json};

use super::{component, until_state};
use e2e::Host;

fn settings(bundle: &str) -> [(&'static str, &str); 2] {
    [("bundled", "true"), ("bundle_dir", bundle)]
}

fn bundle() -> String {
    e2e::bundle().to_str().expect("the name is UTF-8").to_owned()
}

#[tokio::test]
async fn both_are_started_with_the_host_and_tell_their_versions() {
    let bundle = bundle();
    let begun = Instant::now();
    let host = Host::start_with(&settings(&bundle));
    for (id, module) in [("arca-http", "arca"), ("dator-http", "dator")] {
        let seen = until_state(&host, id, "ready").await;
        // Told, and asserted by nobody: it says as much of the machine.
        eprintln!("{id} is ready {} ms after the start of the host", begun.elapsed().as_millis());
        assert_eq!(seen["report"]["module_name"], module);
        assert_eq!(seen["bundle"]["version"], seen["report"]["version"], "{seen}");
        assert!(seen["bundle"]["interpreter"].is_string(), "{seen}");
        assert_eq!(seen["sandbox"]["profile"], "module-restricted");
    }
}

#[tokio::test]
async fn each_can_be_switched_off() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    std::fs::write(directory.path().join("modrack.toml"), "[components.arca-http]\nenabled = false\n")
        .expect("there is room for a file");
    let host = Host::start_in(directory, &settings(&bundle()));
    until_state(&host, "dator-http", "ready").await;
    let seen = component(&host, "arca-http").await;
    assert_eq!((&seen["state"], &seen["enabled"], &seen["pid"]), (&json!("configured"), &json!(false), &Value::Null));
}
