//! The envelope as the run loop has it, to that of every surface and back. Decides no codes.

use std::borrow::Cow;

use pipeline::run::{Failure, RunFailure};
use protocol::codes::{self, Code};
use protocol::generated::error::v1 as pb;
use protocol::{Category, Error};

use crate::pipelines::prepared::Prepared;

/// A failure of the host for the run loop.
pub(crate) fn failure(code: Code, message: impl Into<String>) -> Failure {
    from_error(&Error::of(code, message))
}

/// What the executor said, for the run loop. The trace is the run's to name.
pub(crate) fn from_error(error: &Error) -> Failure {
    let code = match codes::find(error.code()) {
        Some(code) => Cow::Borrowed(code.name),
        None => Cow::Owned(error.code().to_owned()),
    };
    let mut details = error.details().clone();
    if error.retry_after_ms() > 0 {
        details.insert(RETRY_AFTER.to_owned(), error.retry_after_ms().to_string());
    }
    Failure {
        category: error.category().as_str().into(),
        code,
        message: error.message().to_owned(),
        origin: error.origin().as_str().into(),
        retryable: error.retryable(),
        details,
    }
}

/// What names the place of a failure.
const PLACE: [&str; 6] = ["run_id", "node", "label", "module", "line", "column"];

/// Keeps the wait that an envelope names while the run loop has it.
const RETRY_AFTER: &str = "retry_after_ms";

/// The envelope on the wire.
pub(crate) fn to_proto(failure: &Failure) -> pb::Error {
    let category = Category::from_name(&failure.category).unwrap_or(Category::Internal);
    let mut wire = Error::new(category, "", "", protocol::Origin::Core).to_proto();
    wire.code = failure.code.clone().into_owned();
    wire.message.clone_from(&failure.message);
    wire.origin = match &*failure.origin {
        "module" => pb::Origin::Module,
        "middleware" => pb::Origin::Middleware,
        "upstream" => pb::Origin::Upstream,
        _ => pb::Origin::Core,
    }
    .into();
    wire.retryable = failure.retryable;
    wire.details = failure.details.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    if let Some(after) = wire.details.remove(RETRY_AFTER) {
        // Written above, as digits.
        wire.retry_after_ms = after.parse().unwrap_or(0);
    }
    wire
}

/// Why a run failed, with the place in its details.
pub(crate) fn of_run(failed: &RunFailure, prepared: &Prepared, run_id: &str) -> Error {
    let mut wire = to_proto(&failed.failure);
    // Of a run inside this one: where it failed there stays to be seen.
    if wire.details.contains_key("run_id") {
        for key in PLACE {
            if let Some(inner) = wire.details.remove(key) {
                wire.details.entry(format!("inner.{key}")).or_insert(inner);
            }
        }
    }
    let mut error = Error::from_proto(wire).traced(run_id).detail("run_id", run_id);
    if let Some(site) = failed.site.and_then(|site| prepared.site(site)) {
        error = error.detail("node", site.node.node.to_string()).detail("label", site.node.label.as_str());
    }
    if let Some(module) = &failed.module {
        error = error.detail("module", &**module);
    }
    if let Some(span) = failed.span {
        let (line, column) = prepared.lines.line_column(span.start);
        error = error.detail("line", line.to_string()).detail("column", column.to_string());
    }
    error
}
