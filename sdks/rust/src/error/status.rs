//! The envelope on the wire: as a message of the protocol and in the trailer of a gRPC status. Makes no failures of its own.

use std::borrow::Cow;
use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};

use crate::error::{Category, Envelope, Error, ModuleError, Origin};
use crate::generated::error::v1 as wire;

/// The type of the one element of `StatusDetails.details`.
const TYPE_URL: &str = "type.googleapis.com/modrack.error.v1.Error";

/// One row per category: on the wire, and the gRPC status code.
const CATEGORIES: [(Category, wire::Category, Code); 13] = [
    (Category::InvalidArgument, wire::Category::InvalidArgument, Code::InvalidArgument),
    (Category::Unauthenticated, wire::Category::Unauthenticated, Code::Unauthenticated),
    (Category::PermissionDenied, wire::Category::PermissionDenied, Code::PermissionDenied),
    (Category::NotFound, wire::Category::NotFound, Code::NotFound),
    (Category::Conflict, wire::Category::Conflict, Code::Aborted),
    (Category::FailedPrecondition, wire::Category::FailedPrecondition, Code::FailedPrecondition),
    (Category::RateLimited, wire::Category::RateLimited, Code::ResourceExhausted),
    (Category::Unsupported, wire::Category::Unsupported, Code::Unimplemented),
    (Category::Unavailable, wire::Category::Unavailable, Code::Unavailable),
    (Category::DeadlineExceeded, wire::Category::DeadlineExceeded, Code::DeadlineExceeded),
    (Category::Cancelled, wire::Category::Cancelled, Code::Cancelled),
    (Category::UpstreamError, wire::Category::UpstreamError, Code::Unknown),
    (Category::Internal, wire::Category::Internal, Code::Internal),
];

/// What a gRPC status without our details means, and whether to try again: who sent it does not speak the protocol.
const BARE: [(Code, Category, &str, bool); 7] = [
    (Code::Unavailable, Category::Unavailable, "client.host.unreachable", true),
    (Code::Unimplemented, Category::Unsupported, "client.method.unsupported", false),
    (Code::ResourceExhausted, Category::RateLimited, "client.message.refused", false),
    (Code::Unauthenticated, Category::Unauthenticated, "client.credential.refused", false),
    (Code::PermissionDenied, Category::PermissionDenied, "client.permission.denied", false),
    (Code::InvalidArgument, Category::InvalidArgument, "client.request.refused", false),
    (Code::NotFound, Category::NotFound, "client.target.unknown", false),
];

impl Envelope {
    pub(crate) fn into_wire(self) -> wire::Error {
        let category =
            CATEGORIES.iter().find(|row| row.0 == self.category).map_or(wire::Category::Internal, |row| row.1);
        let origin = match self.origin {
            Origin::Module => wire::Origin::Module,
            Origin::Core => wire::Origin::Core,
            Origin::Middleware => wire::Origin::Middleware,
            Origin::Upstream => wire::Origin::Upstream,
        };
        wire::Error {
            category: category.into(),
            code: self.code.into_owned(),
            message: self.message,
            origin: origin.into(),
            retryable: self.retryable,
            trace_id: self.trace_id,
            retry_after_ms: self.retry_after.map_or(0, |t| u32::try_from(t.as_millis()).unwrap_or(u32::MAX)),
            details: self.details.into_iter().collect(),
        }
    }

    pub(crate) fn from_wire(error: wire::Error) -> Self {
        let category = CATEGORIES.iter().find(|row| row.1 == error.category());
        let origin = match error.origin() {
            wire::Origin::Module => Origin::Module,
            wire::Origin::Middleware => Origin::Middleware,
            wire::Origin::Upstream => Origin::Upstream,
            wire::Origin::Core | wire::Origin::Unspecified => Origin::Core,
        };
        Self {
            category: category.map_or(Category::Internal, |row| row.0),
            code: Cow::Owned(error.code),
            message: error.message,
            origin,
            retryable: error.retryable,
            trace_id: error.trace_id,
            retry_after: (error.retry_after_ms > 0).then(|| Duration::from_millis(error.retry_after_ms.into())),
            details: error.details.into_iter().collect(),
            hint: None,
        }
    }
}

impl Error {
    pub(crate) fn from_wire(error: wire::Error) -> Self {
        Envelope::from_wire(error).into()
    }

    /// The envelope in the trailer; where there is none, what the gRPC code says.
    pub(crate) fn from_status(status: &Status) -> Self {
        let packed = wire::StatusDetails::decode(status.details()).ok().and_then(|d| d.details.into_iter().next());
        let error = packed.filter(|any| any.type_url.ends_with("/modrack.error.v1.Error"));
        match error.map(|any| wire::Error::decode(any.value.as_slice())) {
            Some(Ok(error)) => Self::from_wire(error),
            Some(Err(_)) | None => Self::from_bare_status(status),
        }
    }

    /// A status that no Modrack host wrote: a proxy's, or gRPC's own.
    fn from_bare_status(status: &Status) -> Self {
        let message = status.message();
        match status.code() {
            // The client's end of gRPC says that it lost the server.
            Code::Unknown | Code::Internal if std::error::Error::source(status).is_some() => {
                Self::new(Category::Unavailable, "client.host.unreachable", "the connection to the host broke")
            }
            Code::DeadlineExceeded => Self::deadline_exceeded(message),
            // So tonic, on either side, calls a deadline that passed.
            Code::Cancelled if message == "Timeout expired" => {
                Self::deadline_exceeded("the host did not answer in time")
            }
            Code::Cancelled => Self::new(Category::Cancelled, "client.call.cancelled", message),
            code => {
                let known = BARE.iter().find(|row| row.0 == code).map(|row| (row.1, row.2, row.3));
                let (category, name, retryable) = known.unwrap_or((Category::Internal, "client.rpc.failed", false));
                Self::new(category, name, format!("{code:?}: {message}")).with_retryable(retryable)
            }
        }
    }
}

impl ModuleError {
    /// The envelope as a gRPC status, for the rpcs that have no place for it in their answer.
    pub(crate) fn into_status(self) -> Status {
        let envelope = self.into_envelope();
        let code = CATEGORIES.iter().find(|row| row.0 == envelope.category).map_or(Code::Internal, |row| row.2);
        let message = envelope.message.clone();
        let packed = prost_types::Any { type_url: TYPE_URL.to_owned(), value: envelope.into_wire().encode_to_vec() };
        let details = wire::StatusDetails { code: code.into(), message: message.clone(), details: vec![packed] };
        Status::with_details(code, message, details.encode_to_vec().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_status_has_the_code_that_every_sdk_gives_it() {
        let check = |status: Code, message: &str, expect: (&str, Category, bool)| {
            let error = Error::from_status(&Status::new(status, message));
            assert_eq!((error.code(), error.category(), error.retryable()), expect, "{status:?}");
        };
        check(Code::Unavailable, "", ("client.host.unreachable", Category::Unavailable, true));
        check(Code::DeadlineExceeded, "", ("client.deadline.exceeded", Category::DeadlineExceeded, true));
        check(Code::Cancelled, "Timeout expired", ("client.deadline.exceeded", Category::DeadlineExceeded, true));
        check(Code::Cancelled, "", ("client.call.cancelled", Category::Cancelled, false));
        check(Code::Unimplemented, "", ("client.method.unsupported", Category::Unsupported, false));
        check(Code::ResourceExhausted, "", ("client.message.refused", Category::RateLimited, false));
        check(Code::Unauthenticated, "", ("client.credential.refused", Category::Unauthenticated, false));
        check(Code::DataLoss, "", ("client.rpc.failed", Category::Internal, false));
    }
}
