//! What became of a request to a provider of the unary plane, out of tonic's status. Decides nothing about retries.

use crate::codes;
use crate::dial::AddressRefused;
use crate::error::{Error, Origin};

/// What became of one unary request.
#[derive(Debug)]
pub enum UnaryOutcome<T> {
    /// The provider answered.
    Answered(T),
    /// The transport keeps the deadline as well, and was the first to see it pass.
    Late,
    /// Nobody could be reached; nothing was sent.
    Unreachable(Error),
    /// The connection broke while the call ran.
    Lost(Error),
    /// The provider broke this call off without a status; its connection goes on.
    BrokenOff(Error),
}

impl<T> UnaryOutcome<T> {
    /// The same with another answer.
    pub fn map<U>(self, answered: impl FnOnce(T) -> U) -> UnaryOutcome<U> {
        match self {
            Self::Answered(answer) => UnaryOutcome::Answered(answered(answer)),
            Self::Late => UnaryOutcome::Late,
            Self::Unreachable(error) => UnaryOutcome::Unreachable(error),
            Self::Lost(error) => UnaryOutcome::Lost(error),
            Self::BrokenOff(error) => UnaryOutcome::BrokenOff(error),
        }
    }
}

/// A status that a provider sent has no source; one that the transport made has the transport's error.
pub(crate) fn outcome_of(status: &tonic::Status) -> UnaryOutcome<Error> {
    use std::error::Error as _;
    if status.source().is_none() {
        // An uncoded status of a provider by hand: its own failure, with what it said.
        let mut error = Error::from_status(status, codes::PROVIDER_PROTOCOL).origin_is(Origin::Module);
        let uncoded = error.code() == codes::PROVIDER_PROTOCOL.name;
        if uncoded && matches!(status.code(), tonic::Code::Internal | tonic::Code::OutOfRange) {
            // So tonic says that an answer does not parse or is too large; neither is a fault of the host or the caller.
            error = Error::of(codes::PROVIDER_PROTOCOL, error.message()).origin_is(Origin::Module);
        }
        return UnaryOutcome::Answered(error);
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = status.source();
    let mut refused = false;
    while let Some(error) = cause {
        if error.is::<tonic::TimeoutExpired>() {
            return UnaryOutcome::Late;
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
        assert!(matches!(outcome, UnaryOutcome::Late), "{outcome:?}");
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
            let UnaryOutcome::Answered(error) = outcome else { panic!("{outcome:?}") };
            assert_eq!((error.category().as_str(), error.code()), ("UPSTREAM_ERROR", "executor.provider.protocol"));
        }
    }

    #[test]
    fn a_status_that_the_provider_sent_is_its_answer() {
        let outcome = outcome_of(&tonic::Status::not_found("no such row"));
        let UnaryOutcome::Answered(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(
            (error.category().as_str(), error.origin(), error.message()),
            ("NOT_FOUND", Origin::Module, "no such row")
        );
    }
}
