//! Which functions are handlers. Runs none: see `provider`.

use std::future::Future;

use tokio_stream::Stream;

use crate::codec::{Decode, Encode};
use crate::context::{Context, Incoming};
use crate::error::ModuleError;

/// An async function from an input, with or without a [`Context`], to `Result<output, ModuleError>`.
///
/// `Args` only tells the two forms apart and is inferred. The error type is fixed, so that a closure needs no annotation for it; `?` turns any
/// ordinary error into it.
pub trait Handler<Args>: Send + Sync + 'static {
    /// The input type of the module.
    type Input: Decode + Send + 'static;
    /// The output type of the module.
    type Output: Encode + Send + 'static;
    /// One call that runs.
    type Future: Future<Output = Result<Self::Output, ModuleError>> + Send + 'static;

    /// Begins one call.
    #[doc(hidden)]
    fn start(&self, input: Self::Input, call: &mut Incoming<'_>) -> Self::Future;
}

impl<F, Fut, I, O> Handler<(I,)> for F
where
    F: Fn(I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ModuleError>> + Send + 'static,
    I: Decode + Send + 'static,
    O: Encode + Send + 'static,
{
    type Input = I;
    type Output = O;
    type Future = Fut;

    fn start(&self, input: I, _call: &mut Incoming<'_>) -> Fut {
        self(input)
    }
}

impl<F, Fut, I, O> Handler<(I, Context)> for F
where
    F: Fn(I, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ModuleError>> + Send + 'static,
    I: Decode + Send + 'static,
    O: Encode + Send + 'static,
{
    type Input = I;
    type Output = O;
    type Future = Fut;

    fn start(&self, input: I, call: &mut Incoming<'_>) -> Fut {
        self(input, call.context())
    }
}

/// An ordinary function that may block or compute for long, with or without a [`Context`]. It runs on a thread of its own.
pub trait BlockingHandler<Args>: Send + Sync + 'static {
    /// The input type of the module.
    type Input: Decode + Send + 'static;
    /// The output type of the module.
    type Output: Encode + Send + 'static;

    /// Serves one call.
    ///
    /// # Errors
    /// Whatever the handler fails with.
    fn call(&self, input: Self::Input, ctx: Context) -> Result<Self::Output, ModuleError>;
}

impl<F, I, O> BlockingHandler<(I,)> for F
where
    F: Fn(I) -> Result<O, ModuleError> + Send + Sync + 'static,
    I: Decode + Send + 'static,
    O: Encode + Send + 'static,
{
    type Input = I;
    type Output = O;

    fn call(&self, input: I, _ctx: Context) -> Result<O, ModuleError> {
        self(input)
    }
}

impl<F, I, O> BlockingHandler<(I, Context)> for F
where
    F: Fn(I, Context) -> Result<O, ModuleError> + Send + Sync + 'static,
    I: Decode + Send + 'static,
    O: Encode + Send + 'static,
{
    type Input = I;
    type Output = O;

    fn call(&self, input: I, ctx: Context) -> Result<O, ModuleError> {
        self(input, ctx)
    }
}

/// A function from an input, with or without a [`Context`], to a stream of `Result<item, ModuleError>`.
///
/// The stream is polled only while the caller has room for an item, and dropped when the caller gives up. An error is its last item.
pub trait StreamHandler<Args>: Send + Sync + 'static {
    /// The input type of the module.
    type Input: Decode + Send + 'static;
    /// The type of an item, which is the output type of the module.
    type Item: Encode + Send + 'static;
    /// The items of one call.
    type Stream: Stream<Item = Result<Self::Item, ModuleError>> + Send + 'static;

    /// Begins one call.
    #[doc(hidden)]
    fn start(&self, input: Self::Input, call: &mut Incoming<'_>) -> Self::Stream;
}

impl<F, S, I, T> StreamHandler<(I,)> for F
where
    F: Fn(I) -> S + Send + Sync + 'static,
    S: Stream<Item = Result<T, ModuleError>> + Send + 'static,
    I: Decode + Send + 'static,
    T: Encode + Send + 'static,
{
    type Input = I;
    type Item = T;
    type Stream = S;

    fn start(&self, input: I, _call: &mut Incoming<'_>) -> S {
        self(input)
    }
}

impl<F, S, I, T> StreamHandler<(I, Context)> for F
where
    F: Fn(I, Context) -> S + Send + Sync + 'static,
    S: Stream<Item = Result<T, ModuleError>> + Send + 'static,
    I: Decode + Send + 'static,
    T: Encode + Send + 'static,
{
    type Input = I;
    type Item = T;
    type Stream = S;

    fn start(&self, input: I, call: &mut Incoming<'_>) -> S {
        self(input, call.context())
    }
}

/// An async function from several inputs, with or without a [`Context`], to as many outputs or failures, in the order of the inputs.
///
/// The outer `Result` fails all of them; an inner one fails its own input alone. Another number of results fails all with
/// `executor.output.invalid`.
pub trait BatchHandler<Args>: Send + Sync + 'static {
    /// The input type of the module.
    type Input: Decode + Send + 'static;
    /// The output type of the module.
    type Output: Encode + Send + 'static;
    /// One batch that runs.
    type Future: Future<Output = Result<Vec<Result<Self::Output, ModuleError>>, ModuleError>> + Send + 'static;

    /// Begins one batch.
    #[doc(hidden)]
    fn start(&self, inputs: Vec<Self::Input>, call: &mut Incoming<'_>) -> Self::Future;
}

impl<F, Fut, I, O> BatchHandler<(I,)> for F
where
    F: Fn(Vec<I>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<Result<O, ModuleError>>, ModuleError>> + Send + 'static,
    I: Decode + Send + 'static,
    O: Encode + Send + 'static,
{
    type Input = I;
    type Output = O;
    type Future = Fut;

    fn start(&self, inputs: Vec<I>, _call: &mut Incoming<'_>) -> Fut {
        self(inputs)
    }
}

impl<F, Fut, I, O> BatchHandler<(I, Context)> for F
where
    F: Fn(Vec<I>, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<Result<O, ModuleError>>, ModuleError>> + Send + 'static,
    I: Decode + Send + 'static,
    O: Encode + Send + 'static,
{
    type Input = I;
    type Output = O;
    type Future = Fut;

    fn start(&self, inputs: Vec<I>, call: &mut Incoming<'_>) -> Fut {
        self(inputs, call.context())
    }
}
