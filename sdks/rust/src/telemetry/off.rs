//! What stands where the feature `otel` is off: things of no size that do nothing. Says nothing of what the feature does: see `otel`.

use crate::provider::Plane;
use crate::provider::request::Request;

/// The trace that code runs in.
#[derive(Debug, Clone)]
pub(crate) struct Trace;

/// A call that is watched.
#[derive(Debug)]
pub(crate) struct Observed;

/// Nothing to undo.
pub(crate) struct Attached;

pub(crate) fn current() -> Trace {
    Trace
}

/// The trace of the code that runs, as headers.
pub(crate) fn headers() -> Option<(String, String)> {
    None
}

pub(crate) fn serving(_namespace: &str, _request: &Request<'_>, _plane: Option<Plane>) -> Observed {
    Observed
}

pub(crate) fn calling(_module: &str, _traceparent: &str, _tracestate: &str) -> Observed {
    Observed
}

pub(crate) async fn flush() {}

impl Trace {
    pub(crate) fn attach(&self) -> Attached {
        Attached
    }
}

impl Observed {
    pub(crate) fn attach(&self) -> Attached {
        Attached
    }

    /// The call is over, well or with a failure of this code.
    pub(crate) fn end(self, _failure: Option<&str>) {}
}
