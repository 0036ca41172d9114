//! The unary plane's client: one call as one gRPC request. Does not choose endpoints and does not retry.

use std::time::Duration;

use bytes::Bytes;
use tonic::transport::{Channel, Endpoint};

use crate::codes;
use crate::dial::Dialer;
use crate::error::Error;
use crate::frame::{Answer, Execute};
use crate::generated::provider::v1 as pb;
use crate::generated::provider::v1::module_executor_client::ModuleExecutorClient;
use crate::generated::provider::v1::module_lifecycle_client::ModuleLifecycleClient;
use crate::registration::ServiceUrl;

mod outcome;

pub use outcome::UnaryOutcome;
use outcome::outcome_of;

/// Calls `ModuleExecutor` and `ModuleLifecycle` at one address over one HTTP/2 connection, which is made when it is first
/// needed and again after it broke. Cheap to clone.
#[derive(Debug, Clone)]
pub struct UnaryClient {
    executor: ModuleExecutorClient<Channel>,
    lifecycle: ModuleLifecycleClient<Channel>,
}

/// Bytes of one answer or stream that may be on their way unread.
const STREAM_WINDOW: u32 = 1 << 20;
/// The most that HTTP/2 knows.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

impl UnaryClient {
    /// A client for the address; connects later, to where `dialer` permits. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// `registry.service_url.invalid` when the transport cannot use the address.
    pub fn new(
        url: &ServiceUrl,
        dialer: &Dialer,
        connect_timeout: Duration,
        message_bytes: usize,
    ) -> Result<Self, Error> {
        let endpoint = Endpoint::from(url.uri())
            .connect_timeout(connect_timeout)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(false)
            // A slow reader of a stream fills the window of that stream alone: those of all that may run fit the connection's.
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let channel = dialer.connect_lazy(url, endpoint)?;
        let executor = ModuleExecutorClient::new(channel.clone())
            .max_decoding_message_size(message_bytes)
            .max_encoding_message_size(message_bytes);
        Ok(Self { executor, lifecycle: ModuleLifecycleClient::new(channel) })
    }

    /// Sends one call and waits. The caller bounds the wait; dropping the future resets the request, which cancels the handler.
    pub async fn execute(&self, execute: Execute) -> UnaryOutcome<Answer> {
        let request = within(execute.timeout, execute.into_proto());
        match self.executor.clone().execute(request).await {
            Ok(response) => UnaryOutcome::Answered(Answer::from_proto(response.into_inner())),
            Err(status) => outcome_of(&status).map(|error| Answer { result: Err(error), handler_time: None }),
        }
    }

    /// Sends several calls that are answered together, under the deadline of the first; see [`UnaryClient::execute`]. The
    /// answers are as many as the provider gave.
    pub async fn execute_batch(&self, calls: Vec<Execute>) -> UnaryOutcome<Result<Vec<Answer>, Error>> {
        let timeout = calls.first().map(|call| call.timeout).unwrap_or_default();
        let requests = calls.into_iter().map(Execute::into_proto).collect();
        let request = within(timeout, pb::ExecuteBatchRequest { requests });
        match self.executor.clone().execute_batch(request).await {
            Ok(response) => {
                let answers = response.into_inner().responses.into_iter().map(Answer::from_proto);
                UnaryOutcome::Answered(Ok(answers.collect()))
            }
            Err(status) => outcome_of(&status).map(Err),
        }
    }

    /// Starts a stream. The caller bounds every wait; dropping the items resets the request, which cancels the handler.
    pub async fn execute_stream(&self, execute: Execute) -> UnaryOutcome<Result<UnaryItems, Error>> {
        let timeout = execute.timeout;
        let request = within(timeout, pb::ExecuteStreamRequest { request: Some(execute.into_proto()) });
        match self.executor.clone().execute_stream(request).await {
            Ok(response) => UnaryOutcome::Answered(Ok(UnaryItems(response.into_inner()))),
            Err(status) => outcome_of(&status).map(Err),
        }
    }

    /// Asks a provider that serves `ModuleLifecycle` to refuse new calls and to finish within `grace`. Returns how many
    /// calls still run. The caller bounds the wait.
    ///
    /// # Errors
    /// What the provider answered, or that it did not.
    pub async fn drain(&self, grace: Duration) -> Result<u32, Error> {
        let mut request =
            tonic::Request::new(pb::DrainRequest { grace_ms: u32::try_from(grace.as_millis()).unwrap_or(u32::MAX) });
        request.set_timeout(grace + Duration::from_secs(1));
        let answer = self.lifecycle.clone().drain(request).await;
        answer
            .map(|drained| drained.into_inner().in_flight)
            .map_err(|status| Error::from_status(&status, codes::PROVIDER_UNREACHABLE))
    }
}

/// The items of one stream. The provider is asked for more only as they are taken.
#[derive(Debug)]
pub struct UnaryItems(tonic::Streaming<pb::ExecuteStreamResponse>);

impl UnaryItems {
    /// The next item; `None` when the stream ended well.
    pub async fn next(&mut self) -> Option<UnaryOutcome<Result<Bytes, Error>>> {
        match self.0.message().await {
            Ok(item) => item.map(|item| UnaryOutcome::Answered(Ok(item.item_data.into()))),
            Err(status) => Some(outcome_of(&status).map(Err)),
        }
    }
}

fn within<T>(timeout: Duration, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(timeout);
    request
}
