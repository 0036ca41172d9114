//! One call while its handler runs: polled inside its span and its trace, its panics turned into failures, its failures reported.
//! Does not know where it runs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio_stream::Stream;
use tracing::Span;

use crate::error::ModuleError;
use crate::run::{BatchFuture, CallFuture, Items, Outcome};
use crate::telemetry::Observed;

/// A call that was polled once.
pub(crate) enum Step {
    Done(Outcome),
    Waits(Box<Waiting>),
}

/// What is known of a call beside its handler, at its beginning.
pub(crate) struct Observer<'a> {
    pub(crate) span: Span,
    pub(crate) trace: Observed,
    pub(crate) trace_id: &'a str,
    pub(crate) debug: bool,
}

/// The same when the message of the call is gone.
struct Kept {
    span: Span,
    /// Taken when the call is over.
    trace: Option<Observed>,
    trace_id: String,
    debug: bool,
}

/// A call that waits for something.
pub(crate) struct Waiting {
    running: CallFuture,
    kept: Kept,
}

/// The items of a call, each encoded; an error is the last.
pub(crate) struct ServedItems {
    items: Items,
    kept: Kept,
    is_over: bool,
}

/// A batch that runs.
pub(crate) struct ServedBatch {
    running: BatchFuture,
    kept: Kept,
}

impl Observer<'_> {
    /// Runs until the call ends or waits. Nobody wakes it before it is polled again.
    pub(crate) fn step(self, start: impl FnOnce() -> CallFuture) -> Step {
        let stepped = self.isolated(|| {
            let mut running = start();
            match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => Ok(outcome),
                Poll::Pending => Err(running),
            }
        });
        match stepped {
            Ok(Ok(outcome)) => Step::Done(self.end(outcome)),
            Ok(Err(running)) => Step::Waits(Box::new(Waiting { running, kept: self.keep() })),
            Err(panic) => Step::Done(self.end(Err(panic))),
        }
    }

    pub(crate) fn items(self, start: impl FnOnce() -> Items) -> Result<ServedItems, ModuleError> {
        match self.isolated(start) {
            Ok(items) => Ok(ServedItems { items, kept: self.keep(), is_over: false }),
            Err(panic) => Err(self.fail(panic)),
        }
    }

    pub(crate) fn batch(self, start: impl FnOnce() -> BatchFuture) -> Result<ServedBatch, ModuleError> {
        match self.isolated(start) {
            Ok(running) => Ok(ServedBatch { running, kept: self.keep() }),
            Err(panic) => Err(self.fail(panic)),
        }
    }

    fn isolated<T>(&self, run: impl FnOnce() -> T) -> Result<T, ModuleError> {
        isolated(&self.span, Some(&self.trace), run)
    }

    fn end(self, outcome: Outcome) -> Outcome {
        match outcome {
            Ok(output) => {
                self.trace.end(None);
                Ok(output)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(self, error: ModuleError) -> ModuleError {
        self.trace.end(Some(error.code()));
        report(&self.span, error, self.trace_id, self.debug)
    }

    fn keep(self) -> Kept {
        Kept { span: self.span, trace: Some(self.trace), trace_id: self.trace_id.to_owned(), debug: self.debug }
    }
}

impl Kept {
    /// The handler is not polled again after a panic, so nothing sees what it left behind.
    fn isolated<T>(&self, run: impl FnOnce() -> T) -> Result<T, ModuleError> {
        isolated(&self.span, self.trace.as_ref(), run)
    }

    fn succeed(&mut self) {
        if let Some(trace) = self.trace.take() {
            trace.end(None);
        }
    }

    fn fail(&mut self, error: ModuleError) -> ModuleError {
        if let Some(trace) = self.trace.take() {
            trace.end(Some(error.code()));
        }
        self.report(error)
    }

    fn report(&self, error: ModuleError) -> ModuleError {
        report(&self.span, error, &self.trace_id, self.debug)
    }
}

impl Future for Waiting {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Self { running, kept } = self.get_mut();
        let outcome = match kept.isolated(|| running.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome,
            Err(panic) => Err(panic),
        };
        Poll::Ready(match outcome {
            Ok(output) => {
                kept.succeed();
                Ok(output)
            }
            Err(error) => Err(kept.fail(error)),
        })
    }
}

impl Stream for ServedItems {
    type Item = Outcome;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let Self { items, kept, is_over } = self.get_mut();
        if *is_over {
            return Poll::Ready(None);
        }
        let error = match kept.isolated(|| items.as_mut().poll_next(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Some(Ok(item)))) => return Poll::Ready(Some(Ok(item))),
            Ok(Poll::Ready(None)) => {
                *is_over = true;
                kept.succeed();
                return Poll::Ready(None);
            }
            Ok(Poll::Ready(Some(Err(error)))) | Err(error) => error,
        };
        *is_over = true;
        Poll::Ready(Some(Err(kept.fail(error))))
    }
}

impl Future for ServedBatch {
    type Output = Result<Vec<Outcome>, ModuleError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { running, kept } = self.get_mut();
        let outcomes = match kept.isolated(|| running.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcomes)) => outcomes,
            Err(panic) => Err(panic),
        };
        Poll::Ready(match outcomes {
            Ok(outcomes) => {
                kept.succeed();
                Ok(outcomes.into_iter().map(|outcome| outcome.map_err(|error| kept.report(error))).collect())
            }
            Err(error) => Err(kept.fail(error)),
        })
    }
}

fn isolated<T>(span: &Span, trace: Option<&Observed>, run: impl FnOnce() -> T) -> Result<T, ModuleError> {
    let _entered = span.enter();
    let _attached = trace.map(Observed::attach);
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| ModuleError::panicked(panic_text(panic.as_ref())))
}

/// What lies behind a failure stays here, unless the provider is in debug mode.
fn report(span: &Span, error: ModuleError, trace_id: &str, debug: bool) -> ModuleError {
    span.in_scope(|| tracing::warn!(code = error.code(), "call failed: {error:?}"));
    let error = match error.causes().filter(|_| debug) {
        Some(causes) => error.with_detail("causes", causes),
        None => error,
    };
    error.with_trace_id(trace_id)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
