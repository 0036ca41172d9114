//! The unary plane's client: one call as one gRPC request. Does not choose endpoints and does not retry.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::codes;
use crate::error::{Error, Origin};
use crate::frame::{Answer, Execute};
use crate::generated::provider::v1::module_executor_client::ModuleExecutorClient;
use crate::registration::ServiceUrl;

/// Calls `ModuleExecutor` at one address over one HTTP/2 connection, which is made when it is first needed and again
/// after it broke. Cheap to clone.
#[derive(Debug, Clone)]
pub struct UnaryClient(ModuleExecutorClient<Channel>);

/// What became of one unary call.
#[derive(Debug)]
pub enum UnaryOutcome {
    /// The provider answered, with an output or an error.
    Answered(Answer),
    /// Nobody could be reached; nothing was sent.
    Unreachable(Error),
    /// The connection broke while the call ran.
    Lost(Error),
}

impl UnaryClient {
    /// A client for the address; connects later. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// `registry.service_url.invalid` when the transport cannot use the address.
    pub fn new(url: &ServiceUrl, connect_timeout: Duration, message_bytes: usize) -> Result<Self, Error> {
        let endpoint = Endpoint::from_shared(url.as_str().to_owned())
            .map_err(|error| Error::of(codes::SERVICE_URL_INVALID, error.to_string()))?
            .connect_timeout(connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(false);
        let client = ModuleExecutorClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(message_bytes)
            .max_encoding_message_size(message_bytes);
        Ok(Self(client))
    }

    /// Sends one call and waits. The caller bounds the wait; dropping the future resets the request, which cancels the handler.
    pub async fn execute(&self, execute: Execute) -> UnaryOutcome {
        let timeout = execute.timeout;
        let mut request = tonic::Request::new(execute.into_proto());
        request.set_timeout(timeout);
        match self.0.clone().execute(request).await {
            Ok(response) => UnaryOutcome::Answered(Answer::from_proto(response.into_inner())),
            Err(status) => outcome_of(&status),
        }
    }
}

/// A status that a provider sent has no source; one that the transport made has the transport's error.
fn outcome_of(status: &tonic::Status) -> UnaryOutcome {
    use std::error::Error as _;
    if status.source().is_none() {
        // An uncoded status of a provider by hand: its own failure, with what it said.
        let error = Error::from_status(status, codes::PROVIDER_PROTOCOL).origin_is(Origin::Module);
        return UnaryOutcome::Answered(Answer { result: Err(error), handler_time: None });
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = status.source();
    let mut refused = false;
    while let Some(error) = cause {
        refused |= error.is::<tonic::ConnectError>() || error.downcast_ref::<std::io::Error>().is_some_and(is_refused);
        cause = error.source();
    }
    if refused {
        UnaryOutcome::Unreachable(Error::of(
            codes::PROVIDER_UNREACHABLE,
            "the provider cannot be reached at its service_url",
        ))
    } else {
        UnaryOutcome::Lost(Error::of(codes::PROVIDER_LOST, "the connection of the provider broke"))
    }
}

fn is_refused(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound)
}
