//! The end that a chain puts to a call or run, as the envelope of a failure. Decides nothing.

use middleware::Hook;
use middleware::chain::{End, Failed};
use protocol::{Category, Error, Origin, codes};

/// The failure that the caller sees. The reasons of `drop`, `defer` and `reject` are for it.
pub(super) fn of(hook: Hook, end: End) -> Error {
    let (error, component) = match end {
        End::Dropped { component, reason } => (Error::of(codes::MIDDLEWARE_DROPPED, reason), component),
        End::Rejected { component, reason } => (Error::of(codes::MIDDLEWARE_REJECTED, reason), component),
        End::Deferred { component, reason, after } => {
            (Error::of(codes::MIDDLEWARE_DEFERRED, reason).retry_after(after), component)
        }
        End::Failed { component, failed } => (failure(&component, &failed), component),
        End::Continue { .. } | End::Route { .. } | End::Answer { .. } => {
            return Error::of(codes::INTERNAL, format!("the chain ended in a way that `{hook}` does not have"));
        }
    };
    at(error, hook, &component)
}

/// A component that let the caller's time pass.
pub(super) fn late(hook: Hook, component: &str) -> Error {
    let message = format!("the time was over before the component `{component}` had answered");
    at(Error::of(codes::DEADLINE_EXCEEDED, message), hook, component)
}

fn failure(component: &str, failed: &Failed) -> Error {
    let message = format!("the component `{component}` failed: {}", failed.message);
    match codes::find(failed.code) {
        Some(code) => Error::of(*code, message),
        None => Error::new(Category::UpstreamError, failed.code, message, Origin::Middleware),
    }
}

fn at(error: Error, hook: Hook, component: &str) -> Error {
    error.origin_is(Origin::Middleware).detail("component", component).detail("hook", hook.as_str())
}
