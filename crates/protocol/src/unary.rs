//! The unary plane's client: one call as one gRPC request. Does not choose endpoints and does not retry.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::codes;
use crate::dial::{AddressRefused, Dialer};
use crate::error::{Error, Origin};
use crate::frame::{Answer, Execute};
use crate::generated::provider::v1::DrainRequest;
use crate::generated::provider::v1::module_executor_client::ModuleExecutorClient;
use crate::generated::provider::v1::module_lifecycle_client::ModuleLifecycleClient;
use crate::registration::ServiceUrl;

/// Calls `ModuleExecutor` and `ModuleLifecycle` at one address over one HTTP/2 connection, which is made when it is first
/// needed and again after it broke. Cheap to clone.
#[derive(Debug, Clone)]
pub struct UnaryClient {
    executor: ModuleExecutorClient<Channel>,
    lifecycle: ModuleLifecycleClient<Channel>,
}

/// What became of one unary call.
#[derive(Debug)]
pub enum UnaryOutcome {
    /// The provider answered, with an output or an error.
    Answered(Answer),
    /// Nobody could be reached; nothing was sent.
    Unreachable(Error),
    /// The connection broke while the call ran.
    Lost(Error),
    /// The provider broke this call off without a status; its connection goes on.
    BrokenOff(Error),
}

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
            .keep_alive_while_idle(false);
        let channel = dialer.connect_lazy(url, endpoint)?;
        let executor = ModuleExecutorClient::new(channel.clone())
            .max_decoding_message_size(message_bytes)
            .max_encoding_message_size(message_bytes);
        Ok(Self { executor, lifecycle: ModuleLifecycleClient::new(channel) })
    }

    /// Sends one call and waits. The caller bounds the wait; dropping the future resets the request, which cancels the handler.
    pub async fn execute(&self, execute: Execute) -> UnaryOutcome {
        let timeout = execute.timeout;
        let mut request = tonic::Request::new(execute.into_proto());
        request.set_timeout(timeout);
        match self.executor.clone().execute(request).await {
            Ok(response) => UnaryOutcome::Answered(Answer::from_proto(response.into_inner())),
            Err(status) => outcome_of(&status),
        }
    }

    /// Asks a provider that serves `ModuleLifecycle` to refuse new calls and to finish within `grace`. Returns how many
    /// calls still run. The caller bounds the wait.
    ///
    /// # Errors
    /// What the provider answered, or that it did not.
    pub async fn drain(&self, grace: Duration) -> Result<u32, Error> {
        let mut request =
            tonic::Request::new(DrainRequest { grace_ms: u32::try_from(grace.as_millis()).unwrap_or(u32::MAX) });
        request.set_timeout(grace + Duration::from_secs(1));
        let answer = self.lifecycle.clone().drain(request).await;
        answer
            .map(|drained| drained.into_inner().in_flight)
            .map_err(|status| Error::from_status(&status, codes::PROVIDER_UNREACHABLE))
    }
}

/// A status that a provider sent has no source; one that the transport made has the transport's error.
fn outcome_of(status: &tonic::Status) -> UnaryOutcome {
    use std::error::Error as _;
    if status.source().is_none() {
        // An uncoded status of a provider by hand: its own failure, with what it said.
        let mut error = Error::from_status(status, codes::PROVIDER_PROTOCOL).origin_is(Origin::Module);
        let uncoded = error.code() == codes::PROVIDER_PROTOCOL.name;
        if uncoded && matches!(status.code(), tonic::Code::Internal | tonic::Code::OutOfRange) {
            // So tonic says that an answer does not parse or is too large; neither is a fault of the host or the caller.
            error = Error::of(codes::PROVIDER_PROTOCOL, error.message()).origin_is(Origin::Module);
        }
        return UnaryOutcome::Answered(Answer { result: Err(error), handler_time: None });
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = status.source();
    let mut refused = false;
    while let Some(error) = cause {
        // The transport keeps the deadline as well and may be the first to see it pass.
        if error.is::<tonic::TimeoutExpired>() {
            let error = Error::of(codes::DEADLINE_EXCEEDED, "the call's time was over before the module answered");
            return UnaryOutcome::Answered(Answer { result: Err(error), handler_time: None });
        }
        if error.downcast_ref::<h2::Error>().is_some_and(|error| error.is_reset() && error.is_remote()) {
            return UnaryOutcome::BrokenOff(Error::of(codes::PROVIDER_LOST, "the provider broke the call off"));
        }
        if let Some(error) = AddressRefused::in_cause(error) {
            return UnaryOutcome::Unreachable(error);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn made_by_the_transport(error: impl std::error::Error + Send + Sync + 'static) -> tonic::Status {
        tonic::Status::from_error(Box::new(error))
    }

    #[test]
    fn a_deadline_that_the_transport_sees_first_is_no_loss_of_the_provider() {
        let outcome = outcome_of(&made_by_the_transport(tonic::TimeoutExpired(())));
        let UnaryOutcome::Answered(Answer { result: Err(error), .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.code(), "executor.deadline.exceeded");
    }

    #[test]
    fn a_refused_connection_sent_nothing_and_a_broken_one_may_have() {
        let io = |kind: std::io::ErrorKind| made_by_the_transport(std::io::Error::from(kind));
        let refused = outcome_of(&io(std::io::ErrorKind::ConnectionRefused));
        assert!(
            matches!(&refused, UnaryOutcome::Unreachable(e) if e.code() == "executor.provider.unreachable"),
            "{refused:?}"
        );
        let broken = outcome_of(&io(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(&broken, UnaryOutcome::Lost(e) if e.code() == "executor.provider.lost"), "{broken:?}");
    }

    #[test]
    fn an_answer_that_tonic_cannot_take_is_the_providers_fault() {
        for status in [tonic::Status::internal("it does not decode"), tonic::Status::out_of_range("it is too large")] {
            let outcome = outcome_of(&status);
            let UnaryOutcome::Answered(Answer { result: Err(error), .. }) = outcome else { panic!("{outcome:?}") };
            assert_eq!((error.category().as_str(), error.code()), ("UPSTREAM_ERROR", "executor.provider.protocol"));
        }
    }

    #[test]
    fn a_status_that_the_provider_sent_is_its_answer() {
        let outcome = outcome_of(&tonic::Status::not_found("no such row"));
        let UnaryOutcome::Answered(Answer { result: Err(error), .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(
            (error.category().as_str(), error.origin(), error.message()),
            ("NOT_FOUND", Origin::Module, "no such row")
        );
    }
}
