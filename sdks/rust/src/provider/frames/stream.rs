//! Streams on attach and link: an item for a credit, and none without. Knows nothing of the unary plane, where HTTP/2 does the same.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_stream::StreamExt as _;

use crate::error::ModuleError;
use crate::generated::provider::v1::provider_frame::Frame as FromProvider;
use crate::generated::provider::v1::{ExecuteRequest, ExecutionMetrics, StreamEnd, StreamStart};
use crate::provider::calls::micros;
use crate::provider::frames::coding::ItemFrame;
use crate::provider::frames::{OVERHEAD, Shared, too_large};

/// Permits more items. A host that has lost count gets as many as can be counted.
pub(super) fn grant(credits: &Semaphore, items: u32) {
    let items = usize::try_from(items).unwrap_or(usize::MAX);
    credits.add_permits(items.min(Semaphore::MAX_PERMITS.saturating_sub(credits.available_permits())));
}

impl Shared {
    /// Starts a stream in a task of its own.
    pub(super) fn stream(self: &Arc<Self>, call_id: u64, start: StreamStart) {
        let credits = Arc::new(Semaphore::new(0));
        grant(&credits, start.credit);
        let request = start.request.unwrap_or_default();
        self.spawn(call_id, Some(Arc::clone(&credits)), |shared| async move {
            let started = Instant::now();
            let ended = shared.send_items(call_id, &request, &credits).await;
            move || {
                shared.send(
                    call_id,
                    match ended {
                        Ok(()) => FromProvider::End(StreamEnd {
                            metrics: Some(ExecutionMetrics { duration_us: micros(started) }),
                        }),
                        Err(error) => FromProvider::Error(error.into_envelope().into_wire()),
                    },
                );
            }
        });
    }

    async fn send_items(&self, call_id: u64, request: &ExecuteRequest, credits: &Semaphore) -> Result<(), ModuleError> {
        let mut items = self.calls.stream(request, Some(self.plane))?;
        loop {
            // The handler does not go on before its next item may be sent, so nothing is produced that nobody has asked for.
            let Ok(credit) = credits.acquire().await else { return Ok(()) };
            self.outbox.room().await;
            let Some(item) = items.next().await.transpose()? else { return Ok(()) };
            if item.len() + OVERHEAD > self.max_message {
                return Err(too_large(item.len(), self.max_message));
            }
            credit.forget();
            let frame = ItemFrame::new(call_id, &item);
            self.outbox.put(frame.len(), |into| frame.write(into));
        }
    }
}
