//! Which functions are handlers. Runs none: see `provider`.

use std::future::Future;

use crate::codec::{Decode, Encode};
use crate::context::Context;
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

    /// Serves one call.
    fn call(&self, input: Self::Input, ctx: Context) -> impl Future<Output = Result<Self::Output, ModuleError>> + Send;
}

impl<F, Fut, I, O> Handler<(I,)> for F
where
    F: Fn(I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ModuleError>> + Send,
    I: Decode + Send + 'static,
    O: Encode + Send + 'static,
{
    type Input = I;
    type Output = O;

    fn call(&self, input: I, _ctx: Context) -> impl Future<Output = Result<O, ModuleError>> + Send {
        self(input)
    }
}

impl<F, Fut, I, O> Handler<(I, Context)> for F
where
    F: Fn(I, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ModuleError>> + Send,
    I: Decode + Send + 'static,
    O: Encode + Send + 'static,
{
    type Input = I;
    type Output = O;

    fn call(&self, input: I, ctx: Context) -> impl Future<Output = Result<O, ModuleError>> + Send {
        self(input, ctx)
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
