//! Components that go wrong, below a real host: each is told by its code and its reason, ends within its bounds, and takes nobody along.

mod bundled;
mod command_line;
mod going_wrong;
mod rolling;

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::eventually;

use e2e::{Host, Http};

/// The root of the tree.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the tree is there")
}

/// The interpreter of the tree's environment.
pub(crate) fn python() -> PathBuf {
    // Not resolved: it knows by its own path which packages it has.
    root().join(".venv/bin/python")
}

/// A directory for a host, with these components in it; `{ROOT}` in them stands for the tree.
pub(crate) fn directory(components: &[(&str, Value)]) -> TempDir {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    fs::create_dir(directory.path().join("components")).expect("the directory is empty");
    for (id, component) in components {
        write(directory.path(), id, component).expect("there is room for a file");
    }
    directory
}

fn write(directory: &Path, id: &str, component: &Value) -> io::Result<()> {
    fs::write(directory.join(format!("components/{id}.json")), component.to_string())
}

/// A host with these components; waits for none of them.
pub(crate) fn host(components: &[(&str, Value)]) -> Host {
    let directory = directory(components);
    let parts = directory.path().join("components").to_str().expect("the name is UTF-8").to_owned();
    Host::start_in(directory, &[("components_dir", &parts)])
}

/// A provider in Python that the host starts. `module` is its namespace, `program` lies in the tree.
pub(crate) fn provider(module: &str, program: &str) -> Value {
    json!({
        "kind": "grpc_local", "module_id": module, "grpc": { "startup_timeout_ms": 60_000 },
        "launch": { "executable": python(), "args": [root().join(program)], "cwd": root()},
    })
}

/// `wayward.py`, with these words as its arguments.
fn wayward(words: &[&str]) -> Value {
    let args: Vec<_> = ["-I", "wayward.py"].iter().chain(words).collect();
    json!({
        "kind": "http_local_json", "module_id": "wayward",
        "launch": { "executable": python(), "args": args, "cwd": root().join("tests/fixtures/python") },
        "http": { "endpoint": "http://127.0.0.1:0", "startup_timeout_ms": 20_000 },
        "restart_policy": { "mode": "never" },
    })
}

/// A component as an operator sees it.
pub(crate) async fn component(host: &Host, id: &str) -> Value {
    Http::new(host.url()).get(&format!("/v1/components/{id}")).await.json()
}

/// Waits until a component is as it shall be.
pub(crate) async fn until(host: &Host, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{id}: {what}"), async || Some(component(host, id).await).filter(&is)).await
}

/// Waits for a state.
pub(crate) async fn until_state(host: &Host, id: &str, state: &str) -> Value {
    until(host, id, state, |component| component["state"] == state).await
}

/// `start`, `stop` or `restart` of a component: the status, and the component or the error.
async fn order(host: &Host, id: &str, verb: &str) -> (u16, Value) {
    let answer = Http::new(host.url()).post(&format!("/v1/components/{id}:{verb}"), &json!({})).await;
    (answer.status, answer.json())
}

/// Whether there is such a process, and not only its grave.
fn runs(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
