//! The connection to a host: bounded waits, and statuses as failures. Knows no command's output.

mod components;
mod pipelines;

use std::time::Duration;

use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::host_client::HostClient;
use protocol::{Error, Secret, codes as wire};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, TimeoutExpired};

use crate::codes;
use crate::failure::{Failure, Failures};
use crate::target::Target;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the host may take for an answer out of its memory.
const ANSWER: Duration = Duration::from_secs(10);
/// How much longer than the host a client waits for the end of a call, so that the host's own answer wins.
const MARGIN: Duration = Duration::from_secs(2);
/// How long a silent connection may be dead before a watch notices, at most twice.
const PING: Duration = Duration::from_secs(10);

/// A connected client.
#[derive(Clone)]
pub(crate) struct Client {
    inner: HostClient<InterceptedService<Channel, Bearer>>,
    target: Target,
}

/// Shows the token of the target with every request.
#[derive(Clone)]
struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn of(target: &Target) -> Result<Self, Failure> {
        let header = |token: &Secret| {
            let mut header: MetadataValue<Ascii> = format!("Bearer {}", token.expose()).parse().map_err(|_| {
                Failure::local(codes::CREDENTIAL_UNREADABLE, "the token holds something else than visible ASCII")
            })?;
            header.set_sensitive(true);
            Ok(header)
        };
        target.token.as_ref().map(header).transpose().map(Self)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// Runs a client command to its end, on this thread alone.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failures> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from(Error::of(wire::INTERNAL, format!("the runtime cannot start: {error}"))))?;
    Ok(runtime.block_on(future))
}

impl Client {
    /// Connects within 5 s.
    pub(crate) async fn connect(target: &Target) -> Result<Self, Failure> {
        let bearer = Bearer::of(target)?;
        let mut endpoint = Endpoint::from_shared(target.as_str().to_owned())
            .map_err(|error| Failure::local(codes::HOST_ADDRESS, format!("`{}`: {error}", target.as_str())))?;
        if let Some(tls) = target.tls.clone() {
            endpoint = endpoint
                .tls_config(tls)
                .map_err(|error| Failure::local(codes::CREDENTIAL_UNREADABLE, root_cause(&error)))?;
        }
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .keep_alive_while_idle(true);
        let why = match tokio::time::timeout(CONNECT, endpoint.connect()).await {
            Ok(Ok(channel)) => {
                let limit = host::config::MAX_MESSAGE_BYTES + 1024;
                let inner = HostClient::with_interceptor(channel, bearer)
                    .max_decoding_message_size(limit)
                    .max_encoding_message_size(limit);
                return Ok(Self { inner, target: target.clone() });
            }
            Ok(Err(error)) => root_cause(&error),
            Err(_) => format!("no answer within {} s", CONNECT.as_secs()),
        };
        Err(unreachable(target, &why))
    }

    /// Every module that matches, over all pages.
    pub(crate) async fn list(&self, pattern: &str) -> Result<Vec<pb::Module>, Failure> {
        let mut modules = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListModulesRequest { pattern: pattern.into(), page_size: 0, page_token };
            let page = self.answer(self.inner.clone().list_modules(request), ANSWER).await?;
            modules.extend(page.modules);
            if page.next_page_token.is_empty() {
                return Ok(modules);
            }
            page_token = page.next_page_token;
        }
    }

    /// One module; of an unknown one, the hint names the nearest that there is.
    pub(crate) async fn get(&self, name: &str) -> Result<pb::Module, Failure> {
        let request = pb::GetModuleRequest { name: name.into() };
        match self.answer(self.inner.clone().get_module(request), ANSWER).await {
            Ok(response) => response
                .module
                .ok_or_else(|| Error::of(wire::FIELD_MISSING, "the host answered without a module").into()),
            Err(failure) => Err(self.with_nearest(name, failure).await),
        }
    }

    /// One call. The host ends it after `timeout`.
    pub(crate) async fn call(&self, request: pb::CallRequest, timeout: Duration) -> Result<pb::CallResponse, Failure> {
        let name = request.module.clone();
        let mut request = Request::new(request);
        request.set_timeout(timeout);
        match self.answer(self.inner.clone().call(request), timeout + MARGIN).await {
            Err(failure) => Err(self.with_nearest(&name, failure).await),
            response => response,
        }
    }

    /// Starts a stream. The host ends it after `timeout`.
    pub(crate) async fn stream(
        &self,
        call: pb::CallRequest,
        timeout: Duration,
    ) -> Result<tonic::Streaming<pb::CallStreamResponse>, Failure> {
        let mut request = Request::new(pb::CallStreamRequest { call: Some(call) });
        request.set_timeout(timeout);
        self.answer(self.inner.clone().call_stream(request), timeout + MARGIN).await
    }

    /// Several calls at once. The host ends them after `timeout`.
    pub(crate) async fn call_batch(
        &self,
        request: pb::CallBatchRequest,
        timeout: Duration,
    ) -> Result<pb::CallBatchResponse, Failure> {
        let name = request.module.clone();
        let mut request = Request::new(request);
        request.set_timeout(timeout);
        match self.answer(self.inner.clone().call_batch(request), timeout + MARGIN).await {
            Err(failure) => Err(self.with_nearest(&name, failure).await),
            response => response,
        }
    }

    /// What changes. The stream itself has no deadline; a dead connection is noticed by pings.
    pub(crate) async fn watch(
        &self,
        pattern: &str,
        runs: bool,
        components: bool,
    ) -> Result<tonic::Streaming<pb::WatchResponse>, Failure> {
        let request = pb::WatchRequest { pattern: pattern.into(), runs, components };
        self.answer(self.inner.clone().watch(request), ANSWER).await
    }

    /// A status of this connection as a failure.
    pub(crate) fn failure(&self, status: &Status) -> Failure {
        match status.code() {
            _ if !status.details().is_empty() => Error::from_status(status, wire::INTERNAL).into(),
            // The library's own end of the wait, at the same moment as the host's.
            Code::Cancelled if status.message() == TimeoutExpired(()).to_string() => {
                Error::of(wire::DEADLINE_EXCEEDED, "no answer came before the deadline").into()
            }
            // A status that no host sent: the connection broke, or what is at its other end speaks something else.
            _ if std::error::Error::source(status).is_some() => unreachable(&self.target, &root_cause(status)),
            Code::Unavailable | Code::Cancelled | Code::Unknown => unreachable(&self.target, status.message()),
            Code::Unimplemented => Error::from_status(status, wire::METHOD_UNKNOWN).into(),
            Code::DeadlineExceeded => Error::from_status(status, wire::DEADLINE_EXCEEDED).into(),
            _ => Error::from_status(status, wire::INTERNAL).into(),
        }
    }

    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
        within: Duration,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(within, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failure(&status)),
            Err(_) => {
                let message = format!("`{}` gave no answer within {within:?}", self.target.as_str());
                Err(Failure::local(codes::HOST_SILENT, message))
            }
        }
    }

    async fn with_nearest(&self, name: &str, failure: Failure) -> Failure {
        if failure.code() != wire::MODULE_UNKNOWN.name && failure.code() != wire::NAME_INVALID.name {
            return failure;
        }
        // The list only improves the hint, so its own failure says nothing.
        let Ok(modules) = self.list("").await else { return failure };
        match nearest(name, modules.iter().map(|module| module.name.as_str())) {
            Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
            None => failure,
        }
    }
}

/// The name that was most likely meant: the same without its namespace or case, or a small slip of the pen.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let local = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let slip = known
        .clone()
        .map(|candidate| (strsim::osa_distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 4).clamp(1, 3))
        .min();
    slip.map(|(_, candidate)| candidate).or_else(|| known.clone().find(|candidate| local(candidate) == local(name)))
}

fn unreachable(target: &Target, why: &str) -> Failure {
    let why = if why.is_empty() { "the connection ended" } else { why };
    Failure::local(codes::HOST_UNREACHABLE, format!("cannot reach a host at `{}`: {why}", target.as_str()))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
