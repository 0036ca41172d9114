//! A host around a supervisor: its directory, its answers, and ways to wait for what components do.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use protocol::component::{ComponentEvent, ComponentState, ComponentView};
use serde_json::{Value, json};
use supervisor::config::{Layer, merge};
use supervisor::{Error, Handle, HostRequest, Options, Service, ShimCommand};
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// The interpreter itself, behind whatever `python3` is on PATH.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let say = "import os, sys; print(os.path.realpath(sys.executable))";
        let output = Command::new("python3").args(["-c", say]).output().expect("these tests need python3 on PATH");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

pub(crate) fn script() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service/component.py").to_str().unwrap().to_owned()
}

/// The configuration of a component of a kind, in a hurry.
pub(crate) fn component(kind: &str, words: &[&str]) -> Value {
    let mut args = vec!["-I".to_owned(), "-S".to_owned(), script()];
    args.extend(words.iter().map(|word| (*word).to_owned()));
    let mut config = json!({
        "id": "a", "kind": kind, "module_id": "dator", "component_id": "middleware.a",
        "restart_policy": { "mode": "on_failure", "max_restarts": 2, "window_sec": 60, "delay_ms": 20 },
        "health": { "interval_ms": 50, "timeout_ms": 500, "degraded_after": 2, "restart_after": 4, "ready_after": 2 },
        "stop": { "drain_ms": 3000, "grace_ms": 2000 },
        "hooks": ["pre_invoke"],
    });
    if kind != "local_http_json" {
        config["launch"] = json!({ "executable": python(), "args": args, "cwd": "." });
    }
    if kind == "http_local_json" {
        config["http"] =
            json!({ "endpoint": "http://127.0.0.1:0", "request_timeout_ms": 5000, "max_response_bytes": 65536 });
    }
    if kind == "grpc_local" {
        config["hooks"] = json!([]);
    }
    config
}

/// With some members changed.
pub(crate) fn with(mut config: Value, changes: Value) -> Value {
    fn over(value: &mut Value, changes: Value) {
        match (value, changes) {
            (Value::Object(value), Value::Object(changes)) => {
                for (name, change) in changes {
                    over(value.entry(name).or_insert(Value::Null), change);
                }
            }
            (value, changes) => *value = changes,
        }
    }
    over(&mut config, changes);
    config
}

/// A running supervisor with one component `a`, or more.
pub(crate) struct Host {
    pub(crate) handle: Handle,
    pub(crate) events: broadcast::Receiver<Arc<ComponentEvent>>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    directory: tempfile::TempDir,
    end: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
    answering: JoinHandle<()>,
}

/// Puts what a component reads at each request where it looks.
fn write_control(directory: &Path, id: &str, control: &Value) {
    let data = directory.join("components").join(id).join("data");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&data).unwrap();
    // Whole or not at all: the component reads while this writes.
    std::fs::write(data.join("control.new"), control.to_string()).unwrap();
    std::fs::rename(data.join("control.new"), data.join("control.json")).unwrap();
}

impl Host {
    /// Starts a supervisor of these components, which do what `control` says.
    pub(crate) fn of(configs: Vec<Value>, control: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut layered = Vec::new();
        for value in configs {
            write_control(directory.path(), value["id"].as_str().unwrap(), control);
            let layer = Layer { origin: "a test".into(), base: directory.path().to_owned(), value };
            layered.push(merge(vec![layer]).unwrap_or_else(|faults| panic!("{faults:?}")));
        }
        let shim = ShimCommand { program: PathBuf::from(env!("CARGO_BIN_EXE_supervisor-shim")), args: Vec::new() };
        let options = Options::new(directory.path().to_owned(), shim, "unix:/nowhere/host.sock");
        let (service, handle, mut requests) = Service::new(options, layered);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let answering = tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                let line = match &request {
                    HostRequest::Admit { id, start, grants, namespaces, .. } => {
                        format!("admit {id} {start} {} {}", grants.len(), namespaces.as_deref().unwrap_or("-"))
                    }
                    HostRequest::Revoke { id, start } => format!("revoke {id} {start}"),
                    HostRequest::Drain { id, .. } => format!("drain {id}"),
                };
                seen.lock().unwrap().push(line);
                match request {
                    HostRequest::Admit { grants, reply, .. } => {
                        let capability = |grant: &supervisor::config::Grant| middleware::HostCapability {
                            id: "run_pipeline".into(),
                            endpoint: "http://127.0.0.1:7420".into(),
                            path: "/v1/pipelines:run".into(),
                            token_file: String::new(),
                            modules: grant.modules.clone(),
                        };
                        drop(reply.send(Ok(grants.iter().map(capability).collect())));
                    }
                    HostRequest::Drain { done, .. } => drop(done.send(())),
                    HostRequest::Revoke { .. } => {}
                }
            }
        });
        let events = handle.subscribe();
        let (end, ended) = oneshot::channel::<()>();
        let running = tokio::spawn(service.run(async move { drop(ended.await) }));
        Self { handle, events, asked, directory, end: Some(end), running: Some(running), answering }
    }

    /// A supervisor of one component that is ready.
    pub(crate) async fn ready(config: Value, control: &Value) -> Self {
        let mut host = Self::of(vec![config], control);
        host.becomes(ComponentState::Ready).await;
        host
    }

    pub(crate) fn control(&self, control: &Value) {
        write_control(self.directory.path(), "a", control);
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.directory.path().join("components/a/data").join(name)
    }

    pub(crate) fn view(&self) -> Arc<ComponentView> {
        self.handle.component("a").unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.view().pid.expect("it has a process")
    }

    pub(crate) fn fault(&self) -> (&'static str, String) {
        let fault = self.view().last_error.clone().expect("something went wrong");
        (fault.code, fault.message)
    }

    /// Waits until component `a` tells of this state, from the events that nobody has waited for yet.
    pub(crate) async fn becomes(&mut self, state: ComponentState) -> Arc<ComponentEvent> {
        let mut seen = Vec::new();
        let wait = async {
            loop {
                let event = self.events.recv().await.unwrap();
                seen.push(format!("{}: {}", event.component.state.as_str(), event.reason));
                if event.component.state == state && event.component.id == "a" {
                    return event;
                }
            }
        };
        match timeout(LONG, wait).await {
            Ok(event) => event,
            Err(_) => panic!("it never became {}: {seen:#?}", state.as_str()),
        }
    }

    pub(crate) async fn invoke(&self, body: &str, within: Duration) -> Result<String, Error> {
        let answer = self.handle.invoke("a", body.to_owned().into(), Instant::now() + within).await;
        answer.map(|answer| String::from_utf8(answer.to_vec()).unwrap())
    }

    /// The code of the failure of an invocation.
    pub(crate) async fn fails(&self, within: Duration) -> &'static str {
        self.invoke("{}", within).await.expect_err("it fails").code().name
    }

    /// What it wrote, in order, without where it was written.
    pub(crate) async fn logs(&self) -> Vec<String> {
        let mut reader = self.handle.logs("a", 0, false).unwrap();
        let mut lines = Vec::new();
        while let Some(some) = reader.next().await {
            lines.extend(some.into_iter().map(|line| line.text));
        }
        lines
    }

    /// Ends the supervisor and says how long that took.
    pub(crate) async fn end(&mut self) -> Duration {
        let begin = Instant::now();
        drop(self.end.take());
        if let Some(running) = self.running.take() {
            timeout(LONG, running).await.expect("it ends in time").unwrap();
        }
        begin.elapsed()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
        self.answering.abort();
    }
}

/// Whether there is a process of this number, be it one that nobody has waited for.
pub(crate) fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
