//! A client of the host without opinions of its own: no retry, no deadline that the test did not ask for, no limit on sizes.
//! Not the `Client` of an SDK; those are tested against it.

use std::time::Duration;

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message as _;
use tonic::body::Body;
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status, Streaming};

use protocol::Error;
use protocol::generated::error::v1::StatusDetails;
use protocol::generated::host::v1::{
    self as host, batch_input, batch_output, call_request, call_response, call_stream_response, host_client::HostClient,
};
use protocol::generated::provider::v1::{self as pb, module_registry_client::ModuleRegistryClient};

use crate::codec::BytesCodec;
use crate::session::Session;
use crate::wait::within;

// The `Channel` of tonic would enforce a deadline itself and so hide whether the host does.
pub(crate) type Http = HttpClient<HttpConnector, Body>;

/// A client of one host. Cheap to clone; clones share a connection.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    origin: Uri,
}

/// What a call gave.
#[derive(Debug, Clone)]
pub struct Output {
    /// The output as JSON.
    pub value: serde_json::Value,
    /// What happened.
    pub info: host::CallInfo,
}

/// The coded error of a status.
///
/// # Panics
/// When the status carries none: that is a failure that the host did not foresee.
#[must_use]
pub fn coded(status: &Status) -> Error {
    let details = StatusDetails::decode(status.details()).unwrap_or_default();
    assert!(!details.details.is_empty(), "a status without a coded error: {status:?}");
    let error = Error::from_status(status, protocol::codes::INTERNAL);
    assert_eq!(error.category().grpc_code(), status.code(), "the status does not match its error: {status:?}");
    error
}

impl Client {
    /// A client for the address of a host, e.g. `http://127.0.0.1:4711`. Connects when it is first used, on a connection of its own.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let http = HttpClient::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self { http, origin: address.parse().unwrap_or_else(|_| panic!("`{address}` is no address")) }
    }

    /// A client that takes so many bytes of an answer before somebody reads it.
    #[must_use]
    pub fn with_window(address: &str, bytes: u32) -> Self {
        let mut builder = HttpClient::builder(TokioExecutor::new());
        let http = builder.http2_only(true).http2_initial_stream_window_size(bytes).build_http();
        Self { http, origin: address.parse().unwrap_or_else(|_| panic!("`{address}` is no address")) }
    }

    pub(crate) fn host(&self) -> HostClient<Http> {
        HostClient::with_origin(self.http.clone(), self.origin.clone()).max_decoding_message_size(usize::MAX)
    }

    fn registry(&self) -> ModuleRegistryClient<Http> {
        ModuleRegistryClient::with_origin(self.http.clone(), self.origin.clone())
    }

    pub(crate) fn raw(&self) -> tonic::client::Grpc<Http> {
        tonic::client::Grpc::with_origin(self.http.clone(), self.origin.clone())
    }

    /// Calls a module with an input in JSON, with the host's default deadline.
    ///
    /// # Errors
    /// The coded error of the call.
    pub async fn call(&self, module: &str, input: serde_json::Value) -> Result<Output, Error> {
        self.call_for(module, input, None).await
    }

    /// Calls a module with an input in JSON and a deadline.
    ///
    /// # Errors
    /// The coded error of the call.
    pub async fn call_for(
        &self,
        module: &str,
        input: serde_json::Value,
        timeout: Option<Duration>,
    ) -> Result<Output, Error> {
        let input = Some(call_request::Input::InputJson(input.to_string()));
        let request = host::CallRequest { module: module.to_owned(), input, ..host::CallRequest::default() };
        let response = self.call_request(request, timeout).await.map_err(|status| coded(&status))?;
        let Some(call_response::Output::OutputJson(json)) = response.output else {
            panic!("the output is not in the form of the input: {response:?}");
        };
        let value = parsed(&json);
        Ok(Output { value, info: response.info.expect("an answer tells what happened") })
    }

    /// Calls a module with an input in MessagePack.
    ///
    /// # Errors
    /// The coded error of the call.
    pub async fn call_bytes(&self, module: &str, input: impl Into<Vec<u8>>) -> Result<Vec<u8>, Error> {
        let input = Some(call_request::Input::InputData(input.into().into()));
        let request = host::CallRequest { module: module.to_owned(), input, ..host::CallRequest::default() };
        match self.call_request(request, None).await.map_err(|status| coded(&status))?.output {
            Some(call_response::Output::OutputData(output)) => Ok(output.to_vec()),
            other => panic!("the output is not in the form of the input: {other:?}"),
        }
    }

    /// Makes a call as it stands.
    ///
    /// # Errors
    /// The status, coded or, when the connection broke, not.
    pub async fn call_request(
        &self,
        request: host::CallRequest,
        timeout: Option<Duration>,
    ) -> Result<host::CallResponse, Status> {
        let mut request = Request::new(request);
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        within("the answer to a call", self.host().call(request)).await.map(tonic::Response::into_inner)
    }

    /// Calls a module for its stream with an input in JSON. Gives what happened and the items as they come.
    ///
    /// # Errors
    /// The coded error of a stream that does not begin.
    pub async fn stream(
        &self,
        module: &str,
        input: serde_json::Value,
        timeout: Option<Duration>,
    ) -> Result<Items, Error> {
        let input = Some(call_request::Input::InputJson(input.to_string()));
        let call = host::CallRequest { module: module.to_owned(), input, ..host::CallRequest::default() };
        let mut request = Request::new(host::CallStreamRequest { call: Some(call) });
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let answer = within("the beginning of a stream", self.host().call_stream(request)).await;
        let mut messages = answer.map_err(|status| coded(&status))?.into_inner();
        let first =
            within("the first message of a stream", messages.message()).await.map_err(|status| coded(&status))?;
        match first.and_then(|message| message.event) {
            Some(call_stream_response::Event::Info(info)) => Ok(Items { info, messages }),
            other => panic!("a stream begins with what happened: {other:?}"),
        }
    }

    /// Calls a module once per input, in JSON.
    ///
    /// # Errors
    /// The coded error of the batch as a whole, or of each element.
    pub async fn call_batch(
        &self,
        module: &str,
        inputs: impl IntoIterator<Item = serde_json::Value>,
    ) -> Result<(Vec<Result<serde_json::Value, Error>>, host::CallInfo), Error> {
        let inputs = inputs.into_iter().map(|input| host::BatchInput {
            input: Some(batch_input::Input::InputJson(input.to_string())),
            ..host::BatchInput::default()
        });
        let request = host::CallBatchRequest {
            module: module.to_owned(),
            inputs: inputs.collect(),
            ..host::CallBatchRequest::default()
        };
        let answer = within("the answer to a batch", self.host().call_batch(request)).await;
        let answer = answer.map_err(|status| coded(&status))?.into_inner();
        let outputs = answer.outputs.into_iter().map(|output| match output.result {
            Some(batch_output::Result::OutputJson(json)) => Ok(parsed(&json)),
            Some(batch_output::Result::Error(error)) => Err(Error::from_proto(error)),
            other => panic!("the output is not in the form of the input: {other:?}"),
        });
        Ok((outputs.collect(), answer.info.expect("an answer tells what happened")))
    }

    /// One page of the modules.
    ///
    /// # Errors
    /// The coded error.
    pub async fn list_modules(&self, request: host::ListModulesRequest) -> Result<host::ListModulesResponse, Error> {
        let answer = within("a list of modules", self.host().list_modules(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| coded(&status))
    }

    /// The qualified names of the modules that match, from the first page.
    pub async fn names(&self, pattern: &str) -> Vec<String> {
        let request = host::ListModulesRequest { pattern: pattern.to_owned(), ..host::ListModulesRequest::default() };
        let modules = self.list_modules(request).await.expect("the list is answered").modules;
        modules.into_iter().map(|module| module.name).collect()
    }

    /// One module.
    ///
    /// # Errors
    /// The coded error.
    pub async fn get_module(&self, name: &str) -> Result<host::Module, Error> {
        let request = host::GetModuleRequest { name: name.to_owned() };
        let answer = within("a module", self.host().get_module(request)).await;
        let answer = answer.map_err(|status| coded(&status))?.into_inner();
        Ok(answer.module.expect("an answer holds the module"))
    }

    /// Watches the modules that match.
    ///
    /// # Errors
    /// The coded error.
    pub async fn watch(&self, pattern: &str) -> Result<Watch, Error> {
        self.watch_all(host::WatchRequest { pattern: pattern.to_owned(), runs: false, components: false }).await
    }

    pub(crate) async fn watch_all(&self, request: host::WatchRequest) -> Result<Watch, Error> {
        let answer = within("the beginning of a watch", self.host().watch(request)).await;
        Ok(Watch(answer.map_err(|status| coded(&status))?.into_inner()))
    }

    /// Registers a provider.
    ///
    /// # Errors
    /// The coded error of a registration that is refused as a whole.
    pub async fn register(&self, request: pb::RegisterRequest) -> Result<Session, Error> {
        let answer = within("the answer to a registration", self.registry().register(request)).await;
        let answer = answer.map_err(|status| coded(&status))?.into_inner();
        Ok(Session::new(self.clone(), answer))
    }

    /// Sends a heartbeat.
    ///
    /// # Errors
    /// The coded error.
    pub async fn heartbeat(&self, token: &str) -> Result<pb::HeartbeatResponse, Error> {
        let request = pb::HeartbeatRequest { session_token: token.to_owned() };
        let answer = within("the answer to a heartbeat", self.registry().heartbeat(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| coded(&status))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The coded error.
    pub async fn unregister(&self, token: &str) -> Result<pb::UnregisterResponse, Error> {
        let request = pb::UnregisterRequest { session_token: token.to_owned() };
        let answer = within("the answer to an unregistration", self.registry().unregister(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| coded(&status))
    }

    /// Sends bytes as the one message of a unary method, e.g. `/modrack.host.v1.Host/Call`.
    ///
    /// # Errors
    /// The status as it came.
    pub async fn send_bytes(&self, method: &'static str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut grpc = self.raw();
        let answer = grpc.unary(Request::new(message), PathAndQuery::from_static(method), BytesCodec);
        within("the answer to raw bytes", answer).await.map(tonic::Response::into_inner)
    }
}

/// The items of a stream as they come. Dropping it leaves the stream.
#[derive(Debug)]
pub struct Items {
    /// What happened until the stream began.
    pub info: host::CallInfo,
    messages: Streaming<host::CallStreamResponse>,
}

impl Items {
    /// The next item as JSON; none when the stream ended well.
    ///
    /// # Errors
    /// The coded error that ended it.
    pub async fn next(&mut self) -> Result<Option<serde_json::Value>, Error> {
        let message = within("an item", self.messages.message()).await.map_err(|status| coded(&status))?;
        Ok(message.map(|message| match message.event {
            Some(call_stream_response::Event::ItemJson(json)) => parsed(&json),
            other => panic!("an item is in the form of the input: {other:?}"),
        }))
    }

    /// All items that are left.
    ///
    /// # Errors
    /// The coded error that ended the stream.
    pub async fn collect(mut self) -> Result<Vec<serde_json::Value>, Error> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await? {
            items.push(item);
        }
        Ok(items)
    }
}

pub(crate) fn parsed(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("`{json}`: {error}"))
}

/// Changes of the registry as they come.
#[derive(Debug)]
pub struct Watch(Streaming<host::WatchResponse>);

impl Watch {
    /// The next change; none when the host ended the stream.
    ///
    /// # Errors
    /// The status with which the stream ended.
    pub async fn next(&mut self) -> Result<Option<host::watch_response::Event>, Status> {
        let change = within("a change of the registry", self.0.message()).await?;
        Ok(change.map(|change| change.event.expect("a change says what changed")))
    }

    /// Waits until one of these modules left, and tells its name and why.
    pub async fn removed(&mut self) -> host::ModuleRemoved {
        loop {
            match self.next().await {
                Ok(Some(host::watch_response::Event::Removed(removed))) => return removed,
                Ok(Some(_)) => {}
                end => panic!("the watch ended: {end:?}"),
            }
        }
    }

    /// Waits until each of these modules has that many endpoints which can be called.
    pub async fn ready(&mut self, names: &[String], endpoints: usize) {
        let mut waiting: Vec<&String> = names.iter().collect();
        while !waiting.is_empty() {
            let module = match self.next().await {
                Ok(Some(host::watch_response::Event::Added(host::ModuleAdded { module: Some(module) }))) => module,
                Ok(Some(host::watch_response::Event::Changed(host::ModuleChanged { module: Some(module) }))) => module,
                Ok(Some(_)) => continue,
                end => panic!("the watch ended while {waiting:?} were awaited: {end:?}"),
            };
            let ready = module.endpoints.iter().filter(|e| e.state() == host::SessionState::Ready).count();
            if ready >= endpoints {
                waiting.retain(|name| **name != module.name);
            }
        }
    }
}
