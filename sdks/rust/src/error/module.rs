//! What a handler fails with. Has no part in how it travels: see `status`.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::codec::CodecError;
use crate::error::{Category, Envelope, Error, Origin};

/// The failure of a handler, and what its caller will see.
///
/// `?` turns every ordinary error into one with the code `module.failed` and the error's type and text as message. A failure that
/// callers can tell apart is made with [`ModuleError::new`].
///
/// The [`Error`] of a client is such an error too; its code and category become the details `nested_code` and `nested_category`. Where its
/// category is `DEADLINE_EXCEEDED` or `CANCELLED`, the failure keeps that, with the code `executor.deadline.exceeded` or `executor.call.cancelled`:
/// the caller hears the same from the host, which ends the call at the same moment. An error that wraps one is an ordinary error.
///
/// ```
/// use modrack::{Category, ModuleError};
///
/// fn price(text: &str) -> Result<i64, ModuleError> {
///     if text.is_empty() {
///         return Err(ModuleError::new(Category::InvalidArgument, "shop.price.empty", "a price has digits"));
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(price("").unwrap_err().code(), "shop.price.empty");
/// assert_eq!(price("x").unwrap_err().code(), "module.failed");
/// ```
///
/// Like `anyhow::Error` it does not implement [`std::error::Error`]: that is what lets `?` take every other error.
pub struct ModuleError {
    envelope: Box<Envelope>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ModuleError {
    /// A failure with a code of the module's own; it begins with the namespace or with `module.`. Not retryable.
    pub fn new(category: Category, code: impl Into<String>, message: impl Into<String>) -> Self {
        let mut envelope = Envelope::new(category, code.into(), message);
        envelope.origin = Origin::Module;
        envelope.retryable = false;
        Self { envelope: Box::new(envelope), source: None }
    }

    /// `module.failed`, from an error that `?` does not take: a boxed one, an `anyhow::Error`, a text.
    pub fn failed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = error.into();
        Self::caused_by(source.to_string(), source)
    }

    /// Says that the same call may succeed later.
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.envelope.retryable = retryable;
        self
    }

    /// Says when to come back, which makes it retryable.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.envelope.retryable = true;
        self.envelope.retry_after = Some(after);
        self
    }

    /// Adds a fact for programs. Callers see it.
    pub fn with_detail(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.envelope.details.insert(key.into(), value.into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.envelope.code
    }

    /// What kind of failure it is.
    pub fn category(&self) -> Category {
        self.envelope.category
    }

    /// For people.
    pub fn message(&self) -> &str {
        &self.envelope.message
    }

    /// A failure of this SDK's machinery around the handler.
    pub(crate) fn core(category: Category, code: &'static str, message: impl Into<String>) -> Self {
        Self { envelope: Box::new(Envelope::new(category, code, message)), source: None }
    }

    /// An input that does not fit the handler's type.
    pub(crate) fn input(fault: CodecError) -> Self {
        let message = format!("the input does not fit the handler's type: {fault}");
        Self::core(Category::InvalidArgument, "executor.input.invalid", message).with_fault(&fault)
    }

    /// An output that does not fit its type.
    pub(crate) fn output(fault: CodecError) -> Self {
        let message = format!("the handler's output does not fit its type: {fault}");
        Self::new(Category::UpstreamError, "executor.output.invalid", message).with_fault(&fault)
    }

    /// What an error is to the caller whose call it ends.
    fn caused_by(message: String, source: Box<dyn StdError + Send + Sync>) -> Self {
        let nested = source.downcast_ref::<Error>();
        let mut failed = match nested.map(Error::category) {
            Some(category @ Category::DeadlineExceeded) => {
                Self::core(category, "executor.deadline.exceeded", message).with_retryable(true)
            }
            Some(category @ Category::Cancelled) => Self::core(category, "executor.call.cancelled", message),
            _ => Self::new(Category::UpstreamError, "module.failed", message),
        };
        if let Some(error) = nested {
            failed = failed
                .with_detail("nested_code", error.code())
                .with_detail("nested_category", error.category().as_str());
        }
        failed.source = Some(source);
        failed
    }

    fn with_fault(self, fault: &CodecError) -> Self {
        self.with_detail("codec_code", fault.code()).with_detail("path", fault.path())
    }

    pub(crate) fn panicked(text: &str) -> Self {
        Self::new(Category::UpstreamError, "module.panicked", format!("the handler panicked: {text}"))
    }

    /// The errors behind this one, outermost first, one a line. Stays local unless the provider is in debug mode.
    pub(crate) fn causes(&self) -> Option<String> {
        let mut error: Option<&(dyn StdError + 'static)> = self.source.as_deref().map(|e| e as _);
        let mut lines = Vec::new();
        while let Some(cause) = error {
            lines.push(format!("{cause} ({cause:?})"));
            error = cause.source();
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    pub(crate) fn with_trace_id(mut self, trace_id: &str) -> Self {
        if self.envelope.trace_id.is_empty() {
            trace_id.clone_into(&mut self.envelope.trace_id);
        }
        self
    }

    pub(crate) fn into_envelope(self) -> Envelope {
        *self.envelope
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for ModuleError {
    fn from(error: E) -> Self {
        let message = format!("{}: {error}", short_name(std::any::type_name::<E>()));
        Self::caused_by(message, Box::new(error))
    }
}

/// `core::num::error::ParseIntError` → `ParseIntError`, and `std::io::error::Error` → `io::Error`, since `Error` says nothing.
fn short_name(path: &str) -> String {
    let plain = path.split('<').next().unwrap_or(path);
    let mut segments = plain.rsplit("::");
    let name = segments.next().unwrap_or(plain);
    match segments.find(|segment| *segment != "error") {
        Some(owner) if name == "Error" => format!("{owner}::{name}"),
        _ => name.to_owned(),
    }
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message(), self.code())
    }
}

impl fmt::Debug for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match self.causes() {
            Some(causes) => write!(f, "\ncaused by: {causes}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_error_is_named_by_its_type() {
        let message = |error: ModuleError| error.message().to_owned();
        assert_eq!(message("x".parse::<i64>().unwrap_err().into()), "ParseIntError: invalid digit found in string");
        assert_eq!(message(std::io::Error::other("boom").into()), "io::Error: boom");
        assert_eq!(message(ModuleError::failed("as it is")), "as it is");
    }

    #[test]
    fn the_error_of_a_nested_call_keeps_its_category_when_time_or_a_cancel_ended_it() {
        let check = |nested: Category, code: &str, category: Category, retryable: bool| {
            let error = Error::new(nested, "text.chosen", "as chosen");
            let failures =
                [ModuleError::from(error.clone()), ModuleError::failed(Box::<dyn StdError + Send + Sync>::from(error))];
            for failed in failures {
                assert_eq!((failed.code(), failed.category(), failed.envelope.retryable), (code, category, retryable));
                assert!(failed.message().contains("as chosen (text.chosen)"), "{failed}");
                let details: Vec<_> = failed.envelope.details.iter().map(|(key, value)| (&**key, &**value)).collect();
                assert_eq!(details, [("nested_category", nested.as_str()), ("nested_code", "text.chosen")]);
            }
        };
        check(Category::DeadlineExceeded, "executor.deadline.exceeded", Category::DeadlineExceeded, true);
        check(Category::Cancelled, "executor.call.cancelled", Category::Cancelled, false);
        check(Category::NotFound, "module.failed", Category::UpstreamError, false);
        check(Category::Unavailable, "module.failed", Category::UpstreamError, false);
    }

    #[test]
    fn an_error_that_wraps_that_of_a_nested_call_is_an_ordinary_one() {
        #[derive(Debug, thiserror::Error)]
        #[error("mine")]
        struct Mine(#[source] Error);
        let failed = ModuleError::from(Mine(Error::deadline_exceeded("too late")));
        assert_eq!((failed.code(), failed.message()), ("module.failed", "Mine: mine"));
        assert!(failed.envelope.details.is_empty());
    }

    #[test]
    fn causes_are_kept_outermost_first() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::fmt::Error);
        let causes = ModuleError::from(Outer(std::fmt::Error)).causes().unwrap();
        let lines: Vec<_> = causes.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("outer ("));
        assert_eq!(ModuleError::new(Category::NotFound, "a.b", "c").causes(), None);
    }
}
