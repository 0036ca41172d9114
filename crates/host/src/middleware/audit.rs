//! Audits: told behind everything, from a bounded queue, by a task of their own. Nobody waits for them, and nothing follows from
//! what is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use middleware::chain::{Chain, Types};
use middleware::{Hook, WorkflowEnvelope};
use protocol::frame::TraceContext;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::middleware::{Middleware, components};

/// Audits that are told at once.
const AT_ONCE: usize = 8;
/// The longest that one audit takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time for what waits when the host ends.
const LAST: Duration = Duration::from_secs(1);

/// What an audit tells.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) chain: Arc<Chain>,
    pub(super) envelope: WorkflowEnvelope,
    pub(super) types: Types,
    pub(super) skip: Option<String>,
}

/// Takes audits, as many as there is room for.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: mpsc::Sender<Told>,
    dropped: AtomicU64,
    /// Whether the queue was full and has not been empty since.
    full: AtomicBool,
}

pub(super) fn queue(room: usize) -> (Queue, mpsc::Receiver<Told>) {
    let (waiting, told) = mpsc::channel(room.max(1));
    (Queue { waiting, dropped: AtomicU64::new(0), full: AtomicBool::new(false) }, told)
}

impl Queue {
    pub(super) fn tell(&self, told: Told) {
        if self.waiting.try_send(told).is_ok() {
            return;
        }
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if !self.full.swap(true, Ordering::Relaxed) && !self.waiting.is_closed() {
            tracing::warn!(room = self.waiting.max_capacity(), "audits are dropped: components take them too slowly");
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The burst is over when all of it was told.
    fn emptied(&self) {
        if self.full.load(Ordering::Relaxed) && self.full.swap(false, Ordering::Relaxed) {
            tracing::info!(dropped = self.dropped(), "audits find room again");
        }
    }
}

/// Tells audits, and keeps the chain up with the components.
#[must_use = "without it the chain stays as it is, and audits pile up"]
pub(crate) struct AuditTask {
    middleware: Middleware,
    waiting: mpsc::Receiver<Told>,
    order: Vec<String>,
}

impl AuditTask {
    pub(super) fn new(middleware: Middleware, waiting: mpsc::Receiver<Told>, order: Vec<String>) -> Self {
        Self { middleware, waiting, order }
    }

    /// Runs until it is stopped; then takes no more audits, and tells those that wait within a second.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.middleware.0.components.changes();
        // Of what changed between the first chain and now.
        self.middleware.follow(&self.order);
        let mut told = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = told.next() => {}
                next = self.waiting.recv(), if told.len() < AT_ONCE => {
                    let Some(next) = next else { break };
                    told.push(tell(&self.middleware, next));
                    if self.waiting.is_empty() {
                        self.middleware.0.audits.emptied();
                    }
                }
                () = changes.next() => self.middleware.follow(&self.order),
            }
        }
        self.waiting.close();
        let last = async {
            loop {
                if told.len() < AT_ONCE
                    && let Ok(next) = self.waiting.try_recv()
                {
                    told.push(tell(&self.middleware, next));
                } else if told.next().await.is_none() {
                    return;
                }
            }
        };
        if tokio::time::timeout(LAST, last).await.is_err() {
            tracing::info!("some audits were not told before the end");
        }
    }
}

async fn tell(middleware: &Middleware, told: Told) {
    let Told { chain, envelope, types, skip } = told;
    let course = chain.begin(envelope, types, skip.as_deref());
    let deadline = Instant::now() + PATIENCE;
    let no_trace = TraceContext::default();
    let _ignored = components::carry(middleware, course, Hook::Audit, deadline, &no_trace, &mut |_, _| None).await;
}
