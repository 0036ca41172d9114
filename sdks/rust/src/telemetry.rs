//! Traces of OpenTelemetry, where the feature `otel` is on; else nothing at all. Starts no exporter that nobody asked for.

#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod otel;

#[cfg(not(feature = "otel"))]
pub(crate) use off::{Observed, calling, current, flush, headers, serving};
#[cfg(feature = "otel")]
pub use otel::flush;
#[cfg(feature = "otel")]
pub(crate) use otel::{Observed, calling, current, headers, serving};

use std::pin::pin;

/// Runs a future in the trace of what is observed.
pub(crate) async fn within<F: Future>(observed: &Observed, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let _attached = observed.attach();
        future.as_mut().poll(cx)
    })
    .await
}
