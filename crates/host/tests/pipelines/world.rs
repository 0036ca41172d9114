//! A host in this process, and providers whose modules are closures over JSON. Holds no test.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use host::Config;
use protocol::generated::provider::v1::{self as pb, ModuleCapabilities};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{Client, Session, module, registration};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};
use type_schema::{CType, Schema, json_to_msgpack, msgpack_to_json};

/// A host that serves on a port of its own.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) executor: executor::Handle,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), host::ServeError>>,
    directory: Arc<TempDir>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), configure).await
    }

    async fn start_in(directory: Arc<TempDir>, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::in_dir(directory.path());
        configure(&mut config);
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, running) = oneshot::channel();
        let serving = tokio::spawn(host::serve(config, async move { drop(stopped.await) }, ready));
        let running = running.await.expect("the host starts");
        let url = format!("http://{}", running.addresses.listen.unwrap());
        Self { client: Client::new(&url), url, executor: running.executor, stop: Some(stop), serving, directory }
    }

    /// Where the host keeps its state.
    pub(crate) fn data_dir(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        testkit::within("the end of the host", &mut self.serving).await.unwrap().unwrap();
    }

    /// Another host in the same directory, after this one ended.
    pub(crate) async fn restarted(mut self) -> Self {
        self.stop().await;
        Self::start_in(Arc::clone(&self.directory), |_| {}).await
    }
}

type Handler = Arc<dyn Fn(Value) -> Answer + Send + Sync>;

/// What a module answers; never, if that is what it does.
pub(crate) enum Answer {
    Now(Value),
    /// When something is sent, or never if it is dropped.
    When(oneshot::Receiver<Value>),
    Never,
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self::Now(value)
    }
}

/// Modules of one namespace.
pub(crate) struct Modules {
    namespace: String,
    specs: Vec<pb::ModuleSpec>,
    handlers: HashMap<String, (String, String, Handler)>,
}

impl Modules {
    pub(crate) fn of(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), specs: Vec::new(), handlers: HashMap::new() }
    }

    pub(crate) fn with<A: Into<Answer>>(
        self,
        name: &str,
        input: &str,
        output: &str,
        handler: impl Fn(Value) -> A + Send + Sync + 'static,
    ) -> Self {
        self.capable(name, input, output, ModuleCapabilities::default(), handler)
    }

    pub(crate) fn capable<A: Into<Answer>>(
        mut self,
        name: &str,
        input: &str,
        output: &str,
        capabilities: ModuleCapabilities,
        handler: impl Fn(Value) -> A + Send + Sync + 'static,
    ) -> Self {
        self.specs.push(pb::ModuleSpec { capabilities: Some(capabilities), ..module(name, input, output) });
        let handler: Handler = Arc::new(move |value| handler(value).into());
        self.handlers.insert(name.to_owned(), (input.to_owned(), output.to_owned(), handler));
        self
    }

    /// Serves them by the link, until the answer is dropped.
    pub(crate) async fn serve(self, world: &World) -> Provider {
        let request = registration(&self.namespace, self.specs);
        let session = world.client.register(request).await.unwrap().keep_alive();
        let handlers = self.handlers;
        let connection = session.link().await;
        let task = tokio::spawn(connection.serve(move |request| {
            let (input, output, handler) = &handlers[&request.module_name];
            let schema = |text: &str| Schema::new(CType::parse(text).unwrap()).unwrap();
            let value = msgpack_to_json(&request.input_data, &schema(input)).unwrap();
            let (answer, output) = (handler(value), schema(output));
            async move {
                let value = match answer {
                    Answer::Now(value) => value,
                    Answer::When(value) => match value.await {
                        Ok(value) => value,
                        Err(_) => std::future::pending().await,
                    },
                    Answer::Never => std::future::pending().await,
                };
                Bytes::from(json_to_msgpack(&value.to_string(), &output).unwrap())
            }
        }));
        Provider { _session: session, task: task.abort_handle() }
    }
}

/// A provider. Dropping it breaks its connection.
pub(crate) struct Provider {
    /// Sends heartbeats while it lives.
    _session: Session,
    task: AbortHandle,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}
