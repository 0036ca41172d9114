//! Somebody who waits for what an order leads to: when he is told, and what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::component::{ComponentState, ComponentView};
use tokio::sync::oneshot;

use crate::config::{ComponentConfig, Kind};
use crate::error::Error;
use crate::handle::{Entry, Order};
use crate::state::Machine;

/// What an order may take beyond what the configuration says: the shim's own bounds, and restarts by policy in between.
const ORDER_MARGIN: Duration = Duration::from_secs(30);

/// Somebody who waits for what an order leads to.
pub(super) struct Waiting {
    order: Order,
    since: Instant,
    pub(super) until: Instant,
    pub(super) done: oneshot::Sender<Result<Arc<ComponentView>, Error>>,
}

impl Waiting {
    pub(super) fn new(
        order: Order,
        config: &ComponentConfig,
        done: oneshot::Sender<Result<Arc<ComponentView>, Error>>,
    ) -> Self {
        let since = Instant::now();
        Self { order, since, until: since + longest(config) + ORDER_MARGIN, done }
    }

    /// What he is told now; none while it may still come true.
    pub(super) fn outcome(
        &self,
        entry: &Entry,
        machine: &Machine,
        now: Instant,
    ) -> Option<Result<Arc<ComponentView>, Error>> {
        let (id, facts) = (&entry.id, machine.facts());
        let failed = || facts.last_error.as_ref().map(|fault| Err(Error::failed(id, fault)));
        let slow =
            || Err(Error::Slow { id: Arc::clone(id), state: facts.state, after: now.duration_since(self.since) });
        let settled = match (self.order, facts.state) {
            (Order::Stop, ComponentState::Stopped) => Some(Ok(entry.now())),
            // Somebody started it meanwhile.
            (Order::Stop, ComponentState::Starting | ComponentState::Ready | ComponentState::Degraded) => Some(slow()),
            (Order::Stop, _) => None,
            (_, _) if machine.is_ready() => Some(Ok(entry.now())),
            (_, ComponentState::Failed | ComponentState::Degraded) => failed(),
            (_, ComponentState::Stopped) => Some(Err(Error::Stopped { id: Arc::clone(id) })),
            _ => None,
        };
        settled.or_else(|| (now >= self.until).then(slow))
    }
}

/// How long one start and one stop may take by the configuration.
fn longest(config: &ComponentConfig) -> Duration {
    let startup = match config.kind {
        Kind::GrpcLocal => config.grpc.clone().unwrap_or_default().startup_timeout_ms,
        Kind::CommandStdio => config.command.clone().unwrap_or_default().request_timeout_ms,
        Kind::HttpLocalJson | Kind::LocalHttpJson => config.http.as_ref().map_or(0, |http| http.startup_timeout_ms),
    };
    Duration::from_millis(startup + config.stop.drain_ms + config.stop.grace_ms)
}
