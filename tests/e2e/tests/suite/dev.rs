//! `modrack dev` with a provider whose author edits it, makes a slip, and mends it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use e2e::{Http, Process};

fn source(greeting: &str) -> String {
    format!(
        "from modrack import Provider\n\nprovider = Provider(\"greet\")\n\n\n@provider.module\n\
         def Hello(name: str) -> str:\n    return f\"{greeting}, {{name}}\"\n\n\nprovider.run()\n"
    )
}

fn dev(directory: &Path) -> Process {
    let mut command = Command::new(e2e::program());
    command.args(["dev", "--json"]).current_dir(directory).env_clear().env("HOME", directory);
    command.env("VIRTUAL_ENV", e2e::python_environment());
    Process::start("modrack dev", &mut command)
}

/// Waits for an event that `select` takes something from; looks at all that were told.
fn told<T>(process: &Process, what: &str, select: impl Fn(&Value) -> Option<T>) -> T {
    process.stdout_line(what, |line| select(&serde_json::from_str(line).ok()?))
}

/// The process of the component, once it is ready as another one than those.
fn ready(process: &Process, not: &[u64]) -> u64 {
    told(process, "that it is ready", |event| {
        let component = &event["component"];
        let pid = component["pid"].as_u64()?;
        (event["event"] == "component" && component["state"] == "ready" && !not.contains(&pid)).then_some(pid)
    })
}

async fn greeting(http: &Http) -> Value {
    http.post("/v1/modules/greet.Hello:call", &json!({ "name": "Ann" })).await.json()
}

#[tokio::test]
async fn a_provider_follows_its_file_and_a_slip_in_it_waits_to_be_mended() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("greet");
    fs::create_dir_all(directory.join("__pycache__")).unwrap();
    let provider = directory.join("provider.py");
    fs::write(&provider, source("Hello")).unwrap();
    let mut dev = dev(&directory);
    let url = told(&dev, "where its host is", |event| event["listen"].as_str().map(str::to_owned));
    let http = Http::new(&url);
    let first = ready(&dev, &[]);
    let before = greeting(&http).await;
    assert!(before.to_string().contains("Hello, Ann"), "{before}");

    // What counts for nothing starts nothing: the next start is that of the edit.
    fs::write(directory.join("__pycache__/x.pyc"), "").unwrap();
    fs::write(&provider, source("Good evening")).unwrap();
    let changed = told(&dev, "what changed", |event| (event["event"] == "changed").then(|| event["files"].clone()));
    assert_eq!(changed, json!(["provider.py"]));
    let second = ready(&dev, &[first]);
    let after = greeting(&http).await;
    assert!(after.to_string().contains("Good evening, Ann"), "{after}");

    fs::write(&provider, "def broken(\n").unwrap();
    let trace = told(&dev, "the trace", |event| {
        let text = event["line"]["text"].as_str()?;
        text.contains("SyntaxError").then(|| text.to_owned())
    });
    assert!(trace.starts_with("SyntaxError: "), "{trace}");
    told(&dev, "that it failed", |event| (event["component"]["state"] == "failed").then_some(()));

    fs::write(&provider, source("Good night")).unwrap();
    let third = ready(&dev, &[first, second]);
    let mended = greeting(&http).await;
    assert!(mended.to_string().contains("Good night, Ann"), "{mended}");

    dev.signal_term();
    assert_eq!(dev.ended().await.code(), Some(0));
    for pid in [first, second, third] {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is still there");
    }
}

#[tokio::test]
async fn a_component_file_that_comes_later_is_taken_up_and_the_host_stays_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("provider.py"), source("Hello")).unwrap();
    let mut dev = dev(directory.path());
    let first = ready(&dev, &[]);
    let component = json!({
        "id": "evening",
        "kind": "grpc_local",
        "module_id": "greet",
        "launch": {
            "executable": e2e::python_environment().join("bin/python"),
            "args": ["provider.py"],
            "cwd": ".",
        },
    });
    fs::write(directory.path().join("evening.json"), component.to_string()).unwrap();
    let file = told(&dev, "the file", |event| (event["event"] == "reconfigured").then(|| event["file"].clone()));
    assert_eq!(file, "evening.json");
    ready(&dev, &[first]);
    let listens: Vec<_> =
        dev.output().lines().filter_map(|line| Some(line.split_once("\"listen\":")?.1.to_owned())).collect();
    assert_eq!((listens.len(), listens.first()), (2, listens.last()), "callers find it where it was");
    dev.signal_term();
    assert_eq!(dev.ended().await.code(), Some(0));
}
