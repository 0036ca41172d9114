//! The one error envelope on the caller's and the provider's side, and what a handler may fail with. Decides no retries.

mod module;
mod status;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use module::ModuleError;

use crate::codec::CodecError;
use crate::types::TypeError;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// Which part failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The function of a module.
    Module,
    /// The host, or this SDK.
    Core,
    /// A middleware component.
    Middleware,
    /// Something that a module or the host depends on.
    Upstream,
}

/// A failure of a call or of a provider, as the host or this SDK tells it.
///
/// Prints as `message (code)`; the `{:?}` form, which `main` prints, adds the hint and the details.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Envelope>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) category: Category,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) origin: Origin,
    pub(crate) retryable: bool,
    pub(crate) trace_id: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) details: BTreeMap<String, String>,
    pub(crate) hint: Option<Cow<'static, str>>,
}

impl Envelope {
    pub(crate) fn new(category: Category, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            category,
            code: code.into(),
            message: message.into(),
            origin: Origin::Core,
            retryable: matches!(category, Category::Unavailable | Category::RateLimited),
            trace_id: String::new(),
            retry_after: None,
            details: BTreeMap::new(),
            hint: None,
        }
    }
}

impl Error {
    pub(crate) fn new(category: Category, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Envelope::new(category, code, message).into()
    }

    /// No answer came in time, whoever was asked.
    pub(crate) fn deadline_exceeded(message: impl Into<String>) -> Self {
        Self::new(Category::DeadlineExceeded, "client.deadline.exceeded", message).with_retryable(true)
    }

    pub(crate) fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_detail(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.details.insert(key.to_owned(), value.into());
        self
    }

    /// What kind of failure it is.
    pub fn category(&self) -> Category {
        self.0.category
    }

    /// The stable code, e.g. `registry.namespace.owned`. Those that begin with `client.` are this SDK's own.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// For people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Which part failed.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// Whether the same request may succeed later without change.
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// Finds the call in the host's log; empty when unknown.
    pub fn trace_id(&self) -> &str {
        &self.0.trace_id
    }

    /// How long to wait before the next attempt; `None` when nothing is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Facts for programs, e.g. `path`, `module`, `expected`, `actual`.
    pub fn details(&self) -> &BTreeMap<String, String> {
        &self.0.details
    }

    /// What to do next; `None` where there is nothing to say.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl From<Envelope> for Error {
    fn from(envelope: Envelope) -> Self {
        Self(Box::new(envelope))
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message(), self.code())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for (key, value) in self.details() {
            write!(f, "\n  {key}: {value}")?;
        }
        match self.hint() {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A value that does not fit its type, on the caller's side.
impl From<CodecError> for Error {
    fn from(fault: CodecError) -> Self {
        let message = match fault.path() {
            "" => fault.message().to_owned(),
            path => format!("{} at `{path}`", fault.message()),
        };
        Self::new(Category::InvalidArgument, fault.code(), message).with_detail("path", fault.path())
    }
}

/// A type that breaks the rules.
impl From<TypeError> for Error {
    fn from(fault: TypeError) -> Self {
        Self::new(Category::InvalidArgument, fault.code(), fault.to_string()).with_detail("path", fault.path())
    }
}

const NAMES: [(Category, &str); 13] = [
    (Category::InvalidArgument, "INVALID_ARGUMENT"),
    (Category::Unauthenticated, "UNAUTHENTICATED"),
    (Category::PermissionDenied, "PERMISSION_DENIED"),
    (Category::NotFound, "NOT_FOUND"),
    (Category::Conflict, "CONFLICT"),
    (Category::FailedPrecondition, "FAILED_PRECONDITION"),
    (Category::RateLimited, "RATE_LIMITED"),
    (Category::Unsupported, "UNSUPPORTED"),
    (Category::Unavailable, "UNAVAILABLE"),
    (Category::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Category::Cancelled, "CANCELLED"),
    (Category::UpstreamError, "UPSTREAM_ERROR"),
    (Category::Internal, "INTERNAL"),
];

impl Category {
    /// The name on every surface, e.g. `NOT_FOUND`.
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(category, _)| *category == self).map_or("INTERNAL", |(_, name)| name)
    }

    /// The category of this name, e.g. of `NOT_FOUND`; `None` for no name of a category.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, n)| *n == name).map(|(category, _)| *category)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
