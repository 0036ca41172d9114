//! The one error envelope, and the only place that maps it to gRPC and HTTP status. Does not decide what fails.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use prost::Message as _;

use crate::codes::{self, Code};
use crate::generated::error::v1 as pb;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// The request is wrong whatever the state of the host.
    InvalidArgument,
    /// Who asks is not known.
    Unauthenticated,
    /// Who asks is known and may not.
    PermissionDenied,
    /// The thing named does not exist.
    NotFound,
    /// Somebody else has it, or it changed in the meantime.
    Conflict,
    /// The request is right, the state is not.
    FailedPrecondition,
    /// Too much at once.
    RateLimited,
    /// The receiver does not offer this.
    Unsupported,
    /// Nobody is there to answer, which may pass.
    Unavailable,
    /// The deadline passed first.
    DeadlineExceeded,
    /// The caller gave up.
    Cancelled,
    /// A module, or what it depends on, failed or broke its contract.
    UpstreamError,
    /// A fault of the host itself.
    Internal,
}

/// One row per category: name on every surface, wire value, gRPC code, HTTP status.
const CATEGORIES: [(Category, &str, pb::Category, tonic::Code, u16); 13] = [
    (Category::InvalidArgument, "INVALID_ARGUMENT", pb::Category::InvalidArgument, tonic::Code::InvalidArgument, 400),
    (Category::Unauthenticated, "UNAUTHENTICATED", pb::Category::Unauthenticated, tonic::Code::Unauthenticated, 401),
    (
        Category::PermissionDenied,
        "PERMISSION_DENIED",
        pb::Category::PermissionDenied,
        tonic::Code::PermissionDenied,
        403,
    ),
    (Category::NotFound, "NOT_FOUND", pb::Category::NotFound, tonic::Code::NotFound, 404),
    (Category::Conflict, "CONFLICT", pb::Category::Conflict, tonic::Code::Aborted, 409),
    (
        Category::FailedPrecondition,
        "FAILED_PRECONDITION",
        pb::Category::FailedPrecondition,
        tonic::Code::FailedPrecondition,
        412,
    ),
    (Category::RateLimited, "RATE_LIMITED", pb::Category::RateLimited, tonic::Code::ResourceExhausted, 429),
    (Category::Unsupported, "UNSUPPORTED", pb::Category::Unsupported, tonic::Code::Unimplemented, 501),
    (Category::Unavailable, "UNAVAILABLE", pb::Category::Unavailable, tonic::Code::Unavailable, 503),
    (
        Category::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        pb::Category::DeadlineExceeded,
        tonic::Code::DeadlineExceeded,
        504,
    ),
    (Category::Cancelled, "CANCELLED", pb::Category::Cancelled, tonic::Code::Cancelled, 499),
    (Category::UpstreamError, "UPSTREAM_ERROR", pb::Category::UpstreamError, tonic::Code::Unknown, 502),
    (Category::Internal, "INTERNAL", pb::Category::Internal, tonic::Code::Internal, 500),
];

impl Category {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 13] = {
        let mut all = [Self::Internal; 13];
        let mut i = 0;
        while i < all.len() {
            all[i] = CATEGORIES[i].0;
            i += 1;
        }
        all
    };

    fn row(self) -> &'static (Self, &'static str, pb::Category, tonic::Code, u16) {
        CATEGORIES.iter().find(|row| row.0 == self).expect("the table has a row for each category")
    }

    /// The name on every surface, e.g. `NOT_FOUND`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The category with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        CATEGORIES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The gRPC status code.
    #[must_use]
    pub fn grpc_code(self) -> tonic::Code {
        self.row().3
    }

    /// The HTTP status.
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.row().4
    }

    fn from_grpc(code: tonic::Code) -> Self {
        match code {
            tonic::Code::OutOfRange => Self::InvalidArgument,
            tonic::Code::AlreadyExists => Self::Conflict,
            tonic::Code::DataLoss | tonic::Code::Ok => Self::Internal,
            code => CATEGORIES.iter().find(|row| row.3 == code).map_or(Self::Internal, |row| row.0),
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which part failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The function of a module.
    Module,
    /// The host, or an SDK's own machinery.
    Core,
    /// A middleware component.
    Middleware,
    /// Something that a module or the host depends on.
    Upstream,
}

impl Origin {
    /// The name on every surface, e.g. `module`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Core => "core",
            Self::Middleware => "middleware",
            Self::Upstream => "upstream",
        }
    }
}

/// One failure, told once, to the one concerned. Safe for clients: holds no stack trace and no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Body>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Body {
    category: Category,
    code: Cow<'static, str>,
    message: String,
    origin: Origin,
    retryable: bool,
    trace_id: String,
    retry_after_ms: u32,
    details: BTreeMap<String, String>,
}

/// Longest message and longest detail that is taken from somebody else, in bytes.
const MAX_TEXT_BYTES: usize = 8 * 1024;
/// Most details that are taken from somebody else.
const MAX_DETAILS: usize = 32;

// gRPC peers take 8 KiB of trailers, some of them no byte more, and a status has to fit: `grpc-message`, where each byte may
// become three, and `grpc-status-details-bin`, which is base64 of a short message and the envelope.
/// Longest `grpc-message`, in bytes.
const STATUS_TITLE_BYTES: usize = 512;
/// Longest message of an envelope in a status, in bytes.
const STATUS_MESSAGE_BYTES: usize = 2048;
/// Longest code and longest trace id in a status, in bytes.
const STATUS_NAME_BYTES: usize = 128;
/// All details of an envelope in a status, in bytes.
const STATUS_DETAILS_BYTES: usize = 1280;

impl Error {
    /// A failure of the core with one of its codes.
    #[must_use]
    pub fn of(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Body {
            category: code.category,
            code: Cow::Borrowed(code.name),
            message: message.into(),
            origin: Origin::Core,
            retryable: code.retryable,
            trace_id: String::new(),
            retry_after_ms: 0,
            details: BTreeMap::new(),
        }))
    }

    /// A failure with a code of somebody else, e.g. of a module.
    #[must_use]
    pub fn new(category: Category, code: impl Into<String>, message: impl Into<String>, origin: Origin) -> Self {
        let mut error = Self::of(codes::INTERNAL, message);
        error.0.category = category;
        error.0.code = Cow::Owned(code.into());
        error.0.origin = origin;
        error
    }

    /// Adds a fact for programs.
    #[must_use]
    pub fn detail(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.details.insert(key.into(), value.into());
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_after(mut self, after: std::time::Duration) -> Self {
        self.0.retry_after_ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX).max(1);
        self
    }

    /// Says which part failed.
    #[must_use]
    pub fn origin_is(mut self, origin: Origin) -> Self {
        self.0.origin = origin;
        self
    }

    /// Names the trace or execution. What a module put there is replaced: it would find nothing in this host's log.
    #[must_use]
    pub fn traced(mut self, trace_id: &str) -> Self {
        trace_id.clone_into(&mut self.0.trace_id);
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn category(&self) -> Category {
        self.0.category
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// For people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status: that of the category, but for what HTTP itself has a status for.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        let code = self.code();
        match code {
            _ if code == codes::HTTP_METHOD_UNSUPPORTED.name => 405,
            _ if code == codes::HTTP_CONTENT_TYPE.name => 415,
            _ if code == codes::MESSAGE_TOO_LARGE.name || code == codes::INPUT_TOO_LARGE.name => 413,
            _ => self.category().http_status(),
        }
    }

    /// Which part failed.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// Whether the same request may succeed later without change.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// Finds the entry in the host's log; empty when unknown.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.0.trace_id
    }

    /// How long to wait, in milliseconds; 0 when unknown.
    #[must_use]
    pub fn retry_after_ms(&self) -> u32 {
        self.0.retry_after_ms
    }

    /// Facts for programs.
    #[must_use]
    pub fn details(&self) -> &BTreeMap<String, String> {
        &self.0.details
    }

    /// The envelope on the wire.
    #[must_use]
    pub fn to_proto(&self) -> pb::Error {
        let body = &*self.0;
        pb::Error {
            category: body.category.row().2.into(),
            code: body.code.clone().into_owned(),
            message: body.message.clone(),
            origin: match body.origin {
                Origin::Module => pb::Origin::Module,
                Origin::Core => pb::Origin::Core,
                Origin::Middleware => pb::Origin::Middleware,
                Origin::Upstream => pb::Origin::Upstream,
            }
            .into(),
            retryable: body.retryable,
            trace_id: body.trace_id.clone(),
            retry_after_ms: body.retry_after_ms,
            details: body.details.clone().into_iter().collect(),
        }
    }

    /// Reads an envelope that somebody else sent. Never fails: what is missing or too long is mended, so that
    /// a broken envelope is still an error that says as much as can be said.
    #[must_use]
    pub fn from_proto(error: pb::Error) -> Self {
        let wire = error.category();
        let origin = match error.origin() {
            pb::Origin::Module => Origin::Module,
            pb::Origin::Middleware => Origin::Middleware,
            pb::Origin::Upstream => Origin::Upstream,
            pb::Origin::Core | pb::Origin::Unspecified => Origin::Core,
        };
        Self(Box::new(Body {
            category: CATEGORIES.iter().find(|row| row.2 == wire).map_or(Category::Internal, |row| row.0),
            code: Cow::Owned(if error.code.is_empty() { codes::INTERNAL.name.into() } else { bounded(error.code) }),
            message: bounded(error.message),
            origin,
            retryable: error.retryable,
            trace_id: bounded(error.trace_id),
            retry_after_ms: error.retry_after_ms,
            details: error.details.into_iter().take(MAX_DETAILS).map(|(k, v)| (bounded(k), bounded(v))).collect(),
        }))
    }

    /// The gRPC status, with the envelope in its details. Long texts are cut, and details beyond the first 1280 bytes left
    /// out, so that the status fits the trailers that gRPC peers take.
    #[must_use]
    pub fn to_status(&self) -> tonic::Status {
        let code = self.category().grpc_code();
        let title = cut(self.0.message.clone(), STATUS_TITLE_BYTES);
        let details = pb::StatusDetails {
            code: code as i32,
            message: title.clone(),
            details: vec![prost_types::Any {
                type_url: "type.googleapis.com/modrack.error.v1.Error".into(),
                value: self.to_short_proto().encode_to_vec(),
            }],
        };
        tonic::Status::with_details(code, title, details.encode_to_vec().into())
    }

    /// The envelope, of a size that a status can hold.
    fn to_short_proto(&self) -> pb::Error {
        let mut error = self.to_proto();
        error.message = cut(error.message, STATUS_MESSAGE_BYTES);
        error.code = cut(error.code, STATUS_NAME_BYTES);
        error.trace_id = cut(error.trace_id, STATUS_NAME_BYTES);
        let mut size = 0;
        let fitting = self.0.details.iter().take_while(|(key, value)| {
            // Tags and lengths of the entry and its two parts.
            size += key.len() + value.len() + 9;
            size <= STATUS_DETAILS_BYTES
        });
        error.details = fitting.map(|(key, value)| (key.clone(), value.clone())).collect();
        error
    }

    /// The envelope of a status: the one in its details, else one made of its code, with `fallback` as code.
    #[must_use]
    pub fn from_status(status: &tonic::Status, fallback: Code) -> Self {
        pb::StatusDetails::decode(status.details())
            .ok()
            .and_then(|details| details.details.into_iter().next())
            .and_then(|any| pb::Error::decode(any.value.as_slice()).ok())
            .filter(|error| !error.code.is_empty())
            .map_or_else(
                || {
                    let mut error = Self::of(fallback, bounded(status.message().to_owned()));
                    error.0.category = Category::from_grpc(status.code());
                    error.0.retryable = error.0.category == Category::Unavailable;
                    error
                },
                Self::from_proto,
            )
    }
}

fn bounded(text: String) -> String {
    cut(text, MAX_TEXT_BYTES)
}

fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        let end = text.floor_char_boundary(max_bytes);
        text.truncate(end);
        text.push('…');
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.message, self.0.code)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        error.to_status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_trip_through_a_grpc_status() {
        let error = Error::of(codes::NAMESPACE_OWNED, "namespace `text` is owned")
            .detail("namespace", "text")
            .retry_after(std::time::Duration::from_secs(2))
            .traced("ab12");
        let status = error.to_status();
        assert_eq!(status.code(), tonic::Code::Aborted);
        assert_eq!(Error::from_status(&status, codes::INTERNAL), error);
    }

    #[test]
    fn every_category_comes_back_from_the_wire_and_from_its_name() {
        for (category, name, ..) in CATEGORIES {
            let error = Error::new(category, "module.test", "m", Origin::Module);
            assert_eq!(Error::from_proto(error.to_proto()), error);
            assert_eq!(Category::from_name(name), Some(category));
        }
    }

    #[test]
    fn a_status_without_details_takes_the_fallback_code_and_keeps_its_category() {
        let error = Error::from_status(&tonic::Status::unavailable("gone"), codes::PROVIDER_UNREACHABLE);
        assert_eq!((error.code(), error.category()), ("executor.provider.unreachable", Category::Unavailable));
        let garbage = tonic::Status::with_details(tonic::Code::NotFound, "no", vec![0xff, 0xff].into());
        assert_eq!(Error::from_status(&garbage, codes::MODULE_UNKNOWN).category(), Category::NotFound);
    }

    #[test]
    fn the_largest_error_fits_the_trailers_that_grpc_peers_take() {
        let wire = pb::Error {
            message: "é".repeat(MAX_TEXT_BYTES),
            code: "c".repeat(1000),
            trace_id: "t".repeat(1000),
            details: (0..100).map(|i| (format!("{i:03}"), "x".repeat(100))).collect(),
            ..Default::default()
        };
        let error = Error::from_proto(wire);
        let headers = error.to_status().into_http::<()>().into_parts().0.headers;
        // As HTTP/2 counts them.
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!((4096..8192 - 256).contains(&size), "{size} bytes of headers");
        let received = Error::from_status(&error.to_status(), codes::INTERNAL);
        assert!(received.message().starts_with("ééé") && received.message().len() > 2000, "{received:?}");
        assert_eq!(received.details().len(), 11, "{received:?}");
    }

    #[test]
    fn what_somebody_else_sends_is_bounded() {
        let wire = pb::Error {
            message: "é".repeat(MAX_TEXT_BYTES),
            details: (0..100).map(|i| (i.to_string(), "x".repeat(20_000))).collect(),
            ..Default::default()
        };
        let error = Error::from_proto(wire);
        assert!(error.message().len() <= MAX_TEXT_BYTES + 4);
        assert_eq!((error.details().len(), error.code()), (MAX_DETAILS, "host.internal"));
    }
}
