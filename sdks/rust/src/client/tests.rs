//! A client against a host that does what the test wants.

mod fake_pipelines;
mod pipelines;
mod secured;
mod streams;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::client::{CallOptions, Change, Client, EndpointState};
use crate::codec;
use crate::error::{Category, ModuleError, Origin};
use crate::generated::host::v1::call_request::Input;
use crate::generated::host::v1::call_response::Output;
use crate::generated::host::v1::host_server::{Host, HostServer};
use crate::generated::host::v1::watch_response::Event;
use crate::generated::host::v1::*;
use crate::generated::provider::v1::DataPlane;
use crate::provider::{Plane, Task};
use crate::typed_module::TypedModule;
use crate::types::CType;
use crate::value::Value;

type Answer = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, ModuleError> + Send + Sync>;

/// A module of the fake host: its types, and what it answers.
#[derive(Clone)]
struct Fake {
    input: &'static str,
    output: &'static str,
    fingerprint: &'static str,
    answer: Answer,
}

#[derive(Default)]
struct State {
    module: Option<Fake>,
    asked: u32,
    calls: Vec<CallRequest>,
    /// By source or by name; the fingerprint is the hash of the plan.
    pipelines: BTreeMap<String, Fake>,
    runs: Vec<RunPipelineRequest>,
    /// Idempotency keys of the last batch.
    keys: Vec<String>,
    cancelled: Option<mpsc::UnboundedSender<()>>,
}

struct FakeHost(Arc<Mutex<State>>);

/// Tells when it is dropped.
struct Tell(mpsc::UnboundedSender<()>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.send(()).ok();
    }
}

impl Fake {
    fn check(&self, fingerprint: &str) -> Result<(), Status> {
        if fingerprint.is_empty() || fingerprint == self.fingerprint {
            return Ok(());
        }
        let error = ModuleError::core(Category::FailedPrecondition, "registry.schema.changed", "other types");
        Err(error.into_status())
    }
}

struct Setup {
    client: Client,
    state: Arc<Mutex<State>>,
    _server: Task<()>,
}

async fn setup(
    input: &'static str,
    output: &'static str,
    answer: impl Fn(&[u8]) -> Result<Vec<u8>, ModuleError> + Send + Sync + 'static,
) -> Setup {
    let fake = Fake { input, output, fingerprint: "one", answer: Arc::new(answer) };
    let state = Arc::new(Mutex::new(State { module: Some(fake), ..State::default() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = HostServer::new(FakeHost(Arc::clone(&state)));
    let server = tokio::spawn(async move {
        let server = tonic::transport::Server::builder().add_service(service);
        server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
    });
    Setup { client: Client::connect(&address).await.unwrap(), state, _server: Task(server) }
}

fn answers<T: codec::Encode + Send + Sync + 'static>(
    value: T,
) -> impl Fn(&[u8]) -> Result<Vec<u8>, ModuleError> + Send + Sync {
    move |_| Ok(codec::to_bytes(&value).unwrap())
}

impl Setup {
    fn sent(&self, call: usize) -> (Vec<u8>, CallRequest) {
        let request = self.state.lock().unwrap().calls[call].clone();
        match request.input.clone() {
            Some(Input::InputData(input)) => (input.to_vec(), request),
            other => panic!("expected bytes, got {other:?}"),
        }
    }
}

impl State {
    fn module(&self, name: &str) -> Result<Module, Status> {
        let fake = self.module.as_ref().filter(|_| name == "test.Module").ok_or_else(|| {
            ModuleError::core(Category::NotFound, "registry.module.unknown", "no such module").into_status()
        })?;
        let endpoint = Endpoint {
            service_id: "test".to_owned(),
            plane: DataPlane::Link.into(),
            state: SessionState::Ready.into(),
            ..Endpoint::default()
        };
        Ok(Module {
            name: name.to_owned(),
            input: Some(fake.input.parse::<CType>().unwrap().to_wire()),
            output: Some(fake.output.parse::<CType>().unwrap().to_wire()),
            schema_fingerprint: fake.fingerprint.to_owned(),
            endpoints: vec![endpoint],
            ..Module::default()
        })
    }
}

#[tonic::async_trait]
impl Host for FakeHost {
    async fn list_modules(
        &self,
        request: Request<ListModulesRequest>,
    ) -> Result<Response<ListModulesResponse>, Status> {
        let module = self.0.lock().unwrap().module("test.Module")?;
        // Two pages of one module each.
        let next_page_token = if request.into_inner().page_token.is_empty() { "more" } else { "" }.to_owned();
        Ok(Response::new(ListModulesResponse { modules: vec![module], next_page_token }))
    }

    async fn get_module(&self, request: Request<GetModuleRequest>) -> Result<Response<GetModuleResponse>, Status> {
        let mut state = self.0.lock().unwrap();
        state.asked += 1;
        Ok(Response::new(GetModuleResponse { module: Some(state.module(&request.into_inner().name)?) }))
    }

    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let request = request.into_inner();
        let (fake, cancelled) = {
            let mut state = self.0.lock().unwrap();
            state.calls.push(request.clone());
            (state.module.clone().unwrap(), state.cancelled.clone())
        };
        if let Some(cancelled) = cancelled {
            let _tell = Tell(cancelled);
            std::future::pending::<()>().await;
        }
        fake.check(&request.schema_fingerprint)?;
        let output = match request.input.unwrap() {
            Input::InputData(input) => {
                Output::OutputData((fake.answer)(&input).map_err(ModuleError::into_status)?.into())
            }
            Input::InputJson(json) => Output::OutputJson(format!("[{json}]")),
        };
        Ok(Response::new(CallResponse { output: Some(output), info: None }))
    }

    type ComponentLogsStream = Pin<Box<dyn Stream<Item = Result<ComponentLogsResponse, Status>> + Send>>;
    type WatchStream = Pin<Box<ReceiverStream<Result<WatchResponse, Status>>>>;
    type CallStreamStream = Pin<Box<dyn Stream<Item = Result<CallStreamResponse, Status>> + Send>>;

    /// Answers again and again; an input of nothing means no end.
    async fn call_stream(
        &self,
        request: Request<CallStreamRequest>,
    ) -> Result<Response<Self::CallStreamStream>, Status> {
        let request = request.into_inner().call.unwrap();
        let (fake, cancelled) = {
            let mut state = self.0.lock().unwrap();
            state.calls.push(request.clone());
            (state.module.clone().unwrap(), state.cancelled.clone())
        };
        fake.check(&request.schema_fingerprint)?;
        let tell = cancelled.map(Tell);
        let Some(Input::InputData(input)) = request.input else { panic!("expected bytes") };
        Ok(Response::new(Box::pin(async_stream::stream! {
            let _tell = tell;
            yield Ok(CallStreamResponse { event: Some(call_stream_response::Event::Info(CallInfo::default())) });
            loop {
                match (fake.answer)(&input) {
                    Ok(item) if item.is_empty() => return,
                    Ok(item) => yield Ok(CallStreamResponse { event: Some(call_stream_response::Event::ItemData(item)) }),
                    Err(error) => {
                        yield Err(error.into_status());
                        return;
                    }
                }
            }
        })))
    }

    async fn call_batch(&self, request: Request<CallBatchRequest>) -> Result<Response<CallBatchResponse>, Status> {
        let request = request.into_inner();
        let fake = self.0.lock().unwrap().module.clone().unwrap();
        fake.check(&request.schema_fingerprint)?;
        self.0.lock().unwrap().keys = request.inputs.iter().map(|input| input.idempotency_key.clone()).collect();
        let output = |input: BatchInput| {
            let Some(batch_input::Input::InputData(input)) = input.input else { panic!("expected bytes") };
            let result = match (fake.answer)(&input) {
                Ok(output) => batch_output::Result::OutputData(output),
                Err(error) => batch_output::Result::Error(error.into_envelope().into_wire()),
            };
            BatchOutput { result: Some(result) }
        };
        Ok(Response::new(CallBatchResponse { outputs: request.inputs.into_iter().map(output).collect(), info: None }))
    }

    async fn watch(&self, _request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let module = Some(self.0.lock().unwrap().module("test.Module")?);
        let events = [
            Some(Event::Added(ModuleAdded { module })),
            Some(Event::Synced(WatchSynced { modules: 1, caches: vec!["memory".to_owned()] })),
            None,
            Some(Event::Removed(ModuleRemoved { name: "test.Module".to_owned(), reason: "link_lost".to_owned() })),
        ];
        let (tx, rx) = mpsc::channel(8);
        for event in events {
            tx.send(Ok(WatchResponse { event })).await.unwrap();
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(rx))))
    }

    async fn check_pipeline(
        &self,
        request: Request<CheckPipelineRequest>,
    ) -> Result<Response<CheckPipelineResponse>, Status> {
        self.check(&request.into_inner())
    }

    async fn run_pipeline(
        &self,
        request: Request<RunPipelineRequest>,
    ) -> Result<Response<RunPipelineResponse>, Status> {
        self.run(request.into_inner()).await
    }

    type RunPipelineStreamStream = Pin<Box<dyn Stream<Item = Result<RunPipelineStreamResponse, Status>> + Send>>;

    async fn run_pipeline_stream(
        &self,
        request: Request<RunPipelineStreamRequest>,
    ) -> Result<Response<Self::RunPipelineStreamStream>, Status> {
        self.stream(request.into_inner().run.unwrap_or_default())
    }

    async fn put_pipeline(
        &self,
        request: Request<PutPipelineRequest>,
    ) -> Result<Response<PutPipelineResponse>, Status> {
        self.put(request.into_inner())
    }

    async fn get_pipeline(
        &self,
        request: Request<GetPipelineRequest>,
    ) -> Result<Response<GetPipelineResponse>, Status> {
        self.get(&request.into_inner().name)
    }

    async fn list_pipelines(
        &self,
        request: Request<ListPipelinesRequest>,
    ) -> Result<Response<ListPipelinesResponse>, Status> {
        self.list(&request.into_inner().page_token)
    }

    async fn delete_pipeline(
        &self,
        request: Request<DeletePipelineRequest>,
    ) -> Result<Response<DeletePipelineResponse>, Status> {
        self.delete(&request.into_inner().name)
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        Ok(Response::new(fake_pipelines::failed_run(request.into_inner().run_id)))
    }

    async fn list_runs(&self, request: Request<ListRunsRequest>) -> Result<Response<ListRunsResponse>, Status> {
        Ok(Response::new(fake_pipelines::runs(&request.into_inner())))
    }

    async fn list_components(
        &self,
        _request: Request<ListComponentsRequest>,
    ) -> Result<Response<ListComponentsResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn get_component(
        &self,
        _request: Request<GetComponentRequest>,
    ) -> Result<Response<GetComponentResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn start_component(
        &self,
        _request: Request<StartComponentRequest>,
    ) -> Result<Response<StartComponentResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn stop_component(
        &self,
        _request: Request<StopComponentRequest>,
    ) -> Result<Response<StopComponentResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn restart_component(
        &self,
        _request: Request<RestartComponentRequest>,
    ) -> Result<Response<RestartComponentResponse>, Status> {
        Err(Status::unimplemented("no components"))
    }

    async fn component_logs(
        &self,
        _request: Request<ComponentLogsRequest>,
    ) -> Result<Response<Self::ComponentLogsStream>, Status> {
        Err(Status::unimplemented("no components"))
    }
}

#[tokio::test]
async fn types_are_asked_for_once_and_sent_with_each_call() {
    let host = setup("String", "Int", answers(7i64)).await;
    for _ in 0..3 {
        assert_eq!(host.client.call::<_, i64>("test.Module", "a").await.unwrap(), 7);
    }
    assert_eq!(host.state.lock().unwrap().asked, 1);
    let (input, request) = host.sent(2);
    assert_eq!(input, b"\xa1a");
    assert_eq!((request.module.as_str(), request.schema_fingerprint.as_str()), ("test.Module", "one"));
}

#[tokio::test]
async fn changed_types_are_asked_for_again_and_the_call_is_repeated_once() {
    let host = setup("Int", "Int", answers(1i64)).await;
    host.client.call::<_, i64>("test.Module", &5i64).await.unwrap();
    host.state.lock().unwrap().module =
        Some(Fake { input: "String | Int", output: "Int", fingerprint: "two", answer: Arc::new(answers(2i64)) });
    assert_eq!(host.client.call::<_, i64>("test.Module", &5i64).await.unwrap(), 2);
    // The refused one, then the one for the new type, where an Int is the second variant.
    assert_eq!(host.state.lock().unwrap().calls.len(), 3);
    assert_eq!(host.sent(2).0, [0x92, 0x01, 0x05]);
}

#[tokio::test]
async fn an_input_that_only_fits_the_new_types_is_tried_with_them() {
    let host = setup("Int", "Int", answers(1i64)).await;
    host.client.call::<_, i64>("test.Module", &5i64).await.unwrap();
    host.state.lock().unwrap().module =
        Some(Fake { input: "String", output: "Int", fingerprint: "two", answer: Arc::new(answers(2i64)) });
    assert_eq!(host.client.call::<_, i64>("test.Module", "a").await.unwrap(), 2);
    let error = host.client.call::<_, i64>("test.Module", &true).await.unwrap_err();
    assert_eq!((error.code(), error.category()), ("codec.type_mismatch", Category::InvalidArgument));
}

#[tokio::test]
async fn values_are_carried_over_where_the_types_differ_and_fit() {
    #[derive(crate::Record)]
    struct Given {
        text: &'static str,
        more: bool,
    }
    let host = setup("{text: String, find: Option<String>}", "{b: Int, a: String | Int}", |_| {
        Ok(codec::value_to_bytes(
            &"{b: Int, a: String | Int}".parse().unwrap(),
            &Value::record([("b", Value::from(1)), ("a", Value::from("x"))]),
        )
        .unwrap())
    })
    .await;
    let given = Given { text: "abc", more: true };
    let any: Value = host.client.call("test.Module", &given).await.unwrap();
    assert_eq!(any.get("a"), Some(&Value::from("x")));
    assert_eq!(host.sent(0).0, b"\x81\xa4text\xa3abc");

    #[derive(crate::Record, Debug)]
    struct Narrow {
        #[allow(dead_code)]
        a: i64,
    }
    let error = host.client.call::<_, Narrow>("test.Module", &given).await.unwrap_err();
    assert_eq!(error.code(), "codec.type_mismatch");
    assert_eq!(error.details()["path"], ".a");
    assert_eq!(error.details()["actual"], "{b: Int, a: String | Int}");
}

#[tokio::test]
async fn a_failure_arrives_as_the_host_sent_it() {
    let host = setup("{}", "Int", |_| {
        Err(ModuleError::new(Category::RateLimited, "test.busy", "come back")
            .with_retry_after(Duration::from_millis(250))
            .with_detail("queue", "full"))
    })
    .await;
    let error = host.client.call::<_, i64>("test.Module", &()).await.unwrap_err();
    assert_eq!((error.category(), error.code(), error.message()), (Category::RateLimited, "test.busy", "come back"));
    assert_eq!(error.origin(), Origin::Module);
    assert!(error.retryable());
    assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));
    assert_eq!(error.details()["queue"], "full");
    let error = host.client.call::<_, i64>("test.Nothing", &()).await.unwrap_err();
    assert_eq!((error.category(), error.code()), (Category::NotFound, "registry.module.unknown"));
}

#[tokio::test]
async fn a_call_ends_at_its_timeout_and_the_host_hears_of_it() {
    let host = setup("{}", "Int", answers(1i64)).await;
    let (tx, mut cancelled) = mpsc::unbounded_channel();
    host.state.lock().unwrap().cancelled = Some(tx);
    let options = CallOptions::new().timeout(Duration::from_millis(50)).idempotency_key("once");
    let error = host.client.call_with::<_, i64>("test.Module", &(), options).await.unwrap_err();
    assert_eq!((error.category(), error.code()), (Category::DeadlineExceeded, "client.deadline.exceeded"));
    tokio::time::timeout(Duration::from_secs(10), cancelled.recv()).await.unwrap().unwrap();
    assert_eq!(host.sent(0).1.idempotency_key, "once");
}

#[tokio::test]
async fn dropping_a_call_cancels_it() {
    let host = setup("{}", "Int", answers(1i64)).await;
    let (tx, mut cancelled) = mpsc::unbounded_channel();
    host.state.lock().unwrap().cancelled = Some(tx);
    let client = host.client.clone();
    let call = tokio::spawn(async move { client.call::<_, i64>("test.Module", &()).await });
    while host.state.lock().unwrap().calls.is_empty() {
        tokio::task::yield_now().await;
    }
    call.abort();
    tokio::time::timeout(Duration::from_secs(10), cancelled.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_module_is_called_with_values_and_with_json() {
    let host = setup("{n: Float}", "List<Int>", answers(vec![1i64, 2])).await;
    let input = Value::record([("n", Value::from(3))]);
    let output = host.client.call_value("test.Module", &input).await.unwrap();
    assert_eq!(output, Value::from(vec![1, 2]));
    assert_eq!(host.sent(0).0, b"\x81\xa1n\xcb\x40\x08\0\0\0\0\0\0");
    let json = host.client.call_json("test.Module", "{}", CallOptions::new()).await.unwrap();
    assert_eq!(json, "[{}]");
}

#[tokio::test]
async fn the_registry_can_be_listed_and_watched() {
    let host = setup("String", "Int", answers(1i64)).await;
    let modules = host.client.list_modules("test.*").await.unwrap();
    assert_eq!(modules.len(), 2);
    assert_eq!((&modules[0].input, &modules[0].output), (&CType::String, &CType::Int));
    assert_eq!(modules[0].endpoints[0].plane, Some(Plane::Link));
    assert_eq!(modules[0].endpoints[0].state, EndpointState::Ready);

    let mut watch = host.client.watch("").await.unwrap();
    assert!(matches!(watch.next().await, Some(Ok(Change::Added(module))) if module.name == "test.Module"));
    assert_eq!(watch.next().await.unwrap().unwrap(), Change::Synced { modules: 1 });
    let removed = Change::Removed { name: "test.Module".to_owned(), reason: "link_lost".to_owned() };
    assert_eq!(watch.next().await.unwrap().unwrap(), removed);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_host_that_is_not_there_is_an_error_that_may_pass() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::connect(&address).await.unwrap_err();
    assert_eq!((error.category(), error.code()), (Category::Unavailable, "client.host.unreachable"));
    assert!(error.retryable());
    assert!(error.hint().unwrap().contains("modrack serve"));
}

#[tokio::test]
async fn a_typed_call_sends_the_types_of_its_caller_without_asking_for_the_module_s() {
    const MODULE: TypedModule<String, i64> = TypedModule::new("test.Module", "one");
    let host = setup("String", "Int", answers(7i64)).await;
    let options = CallOptions::new().idempotency_key("k");
    assert_eq!(host.client.call_typed(&MODULE, &"a".to_owned(), options).await.unwrap(), 7);
    let (input, request) = host.sent(0);
    assert_eq!(input, b"\xa1a");
    assert_eq!((request.schema_fingerprint.as_str(), request.idempotency_key.as_str()), ("one", "k"));
    assert_eq!(host.state.lock().unwrap().asked, 0);
}

#[tokio::test]
async fn a_typed_call_of_a_module_with_other_types_fails_and_is_not_sent_again() {
    const MODULE: TypedModule<String, i64> = TypedModule::new("test.Module", "older");
    let host = setup("String", "Int", answers(7i64)).await;
    let error = host.client.call_typed(&MODULE, &"a".to_owned(), CallOptions::new()).await.unwrap_err();
    assert_eq!(error.code(), "registry.schema.changed");
    assert_eq!(host.state.lock().unwrap().calls.len(), 1);
}
