//! Handlers with their types forgotten: encoded input to encoded output, items or batch. Decides nothing of where and when they run.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio_stream::{Stream, StreamExt as _};

use crate::codec::{self, Encode};
use crate::context::{CancelOnDrop, Incoming};
use crate::error::{Category, ModuleError};
use crate::handler::{BatchHandler, BlockingHandler, Handler, StreamHandler};
use crate::provider::request::Request;

/// What answers a call.
pub(crate) type Outcome = Result<Vec<u8>, ModuleError>;
pub(crate) type CallFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;
pub(crate) type Items = Pin<Box<dyn Stream<Item = Outcome> + Send>>;
pub(crate) type BatchFuture = Pin<Box<dyn Future<Output = Result<Vec<Outcome>, ModuleError>> + Send>>;

type RunBatch = dyn Fn(&[Request<'_>], &mut Incoming<'_>) -> BatchFuture + Send + Sync;

/// How a module is called. Each decodes its input before it returns, and may panic as the handler may.
pub(crate) enum Run {
    Call(Box<dyn Fn(&mut Incoming<'_>) -> CallFuture + Send + Sync>),
    Stream(Box<dyn Fn(&mut Incoming<'_>) -> Items + Send + Sync>),
    Batch(Box<RunBatch>),
}

/// A module whose first steps take longer on average gets a task from the start, so that it does not stand in the way of other calls.
const LONG: Duration = Duration::from_micros(50);

/// A moving average of the time that calls take until they end or wait for the first time.
#[derive(Debug, Default)]
pub(crate) struct Cost(AtomicU32);

impl Cost {
    pub(crate) fn is_high(&self) -> bool {
        u128::from(self.0.load(Ordering::Relaxed)) > LONG.as_nanos()
    }

    /// Two calls that end at once may lose one of the two, which does no harm.
    pub(crate) fn record(&self, taken: Duration) {
        let taken = u32::try_from(taken.as_nanos()).unwrap_or(u32::MAX);
        let old = self.0.load(Ordering::Relaxed);
        self.0.store(old - old / 8 + taken / 8, Ordering::Relaxed);
    }
}

pub(crate) fn call<Args, H: Handler<Args>>(handler: H) -> Run {
    Run::Call(Box::new(move |call| {
        let input = match codec::from_bytes(call.request.input_data) {
            Ok(input) => input,
            Err(fault) => return failed(ModuleError::input(fault)),
        };
        let running = handler.start(input, call);
        match call.cancel.take() {
            None => Box::pin(async move { encode(&running.await?) }),
            Some(cancel) => Box::pin(async move {
                let output = running.await;
                cancel.finish();
                encode(&output?)
            }),
        }
    }))
}

pub(crate) fn blocking<Args, H: BlockingHandler<Args>>(handler: H) -> Run {
    let handler = Arc::new(handler);
    Run::Call(Box::new(move |call| {
        let handler = Arc::clone(&handler);
        let ctx = call.context();
        let cancel = call.cancel.take();
        let input = call.request.input_data.to_vec();
        let span = tracing::Span::current();
        let trace = crate::telemetry::current();
        let work = move || {
            let _entered = span.enter();
            let _attached = trace.attach();
            let input = codec::from_bytes(&input).map_err(ModuleError::input)?;
            encode(&handler.call(input, ctx)?)
        };
        Box::pin(async move {
            let ended = tokio::task::spawn_blocking(work).await;
            if let Some(cancel) = cancel {
                cancel.finish();
            }
            match ended {
                Ok(result) => result,
                Err(fault) => match fault.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(ModuleError::core(
                        Category::Unavailable,
                        "executor.provider.lost",
                        "the provider ended before the call could run",
                    )),
                },
            }
        })
    }))
}

pub(crate) fn stream<Args, H: StreamHandler<Args>>(handler: H) -> Run {
    Run::Stream(Box::new(move |call| {
        let input = match codec::from_bytes(call.request.input_data) {
            Ok(input) => input,
            Err(fault) => return Box::pin(tokio_stream::once(Err(ModuleError::input(fault)))),
        };
        let items = handler.start(input, call).map(|item| encode(&item?));
        match call.cancel.take() {
            None => Box::pin(items),
            Some(cancel) => Box::pin(Guarded { items: Box::pin(items), cancel: Some(cancel) }),
        }
    }))
}

pub(crate) fn batch<Args, H: BatchHandler<Args>>(handler: H) -> Run {
    Run::Batch(Box::new(move |requests, call| {
        let mut inputs = Vec::with_capacity(requests.len());
        let mut places = Vec::with_capacity(requests.len());
        for request in requests {
            places.push(match codec::from_bytes(request.input_data) {
                Ok(input) => {
                    inputs.push(input);
                    call.idempotency_keys.push(request.idempotency_key.to_owned());
                    None
                }
                Err(fault) => Some(ModuleError::input(fault)),
            });
        }
        let expected = inputs.len();
        if expected == 0 {
            let refused = places.into_iter().flatten().map(Err).collect();
            return Box::pin(std::future::ready(Ok(refused)));
        }
        let running = handler.start(inputs, call);
        let cancel = call.cancel.take();
        Box::pin(async move {
            let outputs = running.await;
            if let Some(cancel) = cancel {
                cancel.finish();
            }
            let outputs = outputs?;
            if outputs.len() != expected {
                let message = format!("the handler gave {} results for {expected} inputs", outputs.len());
                return Err(ModuleError::new(Category::UpstreamError, "executor.output.invalid", message));
            }
            let mut outputs = outputs.into_iter();
            let mut next = || outputs.next().expect("there are as many results as inputs that fit");
            Ok(places.into_iter().map(|refused| refused.map_or_else(|| encode(&next()?), Err)).collect())
        })
    }))
}

fn encode<O: Encode>(output: &O) -> Outcome {
    codec::to_bytes(output).map_err(ModuleError::output)
}

pub(crate) fn failed(error: ModuleError) -> CallFuture {
    Box::pin(std::future::ready(Err(error)))
}

/// Items whose context hears of it when nobody reads on.
struct Guarded {
    items: Items,
    cancel: Option<CancelOnDrop>,
}

impl Stream for Guarded {
    type Item = Outcome;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Outcome>> {
        let next = self.items.as_mut().poll_next(cx);
        if let Poll::Ready(None | Some(Err(_))) = next
            && let Some(cancel) = self.cancel.take()
        {
            cancel.finish();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_step_makes_a_module_long_and_many_short_ones_make_it_short_again() {
        let cost = Cost::default();
        assert!(!cost.is_high());
        cost.record(Duration::from_millis(1));
        assert!(cost.is_high());
        for _ in 0..40 {
            cost.record(Duration::from_micros(1));
        }
        assert!(!cost.is_high());
    }
}
