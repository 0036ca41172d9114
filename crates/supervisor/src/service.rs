//! Owns one task per component, starts those that are enabled, and ends them all. Decides nothing of a component's life; that is
//! `state`'s.

mod ask;
mod begin;
mod component;
mod files;
mod launch;
mod parts;
mod port;
mod view;
mod waiting;
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use protocol::component::ComponentView;
use serde_json::Map;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::config::Layered;
use crate::handle::{Entry, Handle, Shared};
use crate::host::{HostRequest, Part};
use crate::options::Options;
use crate::output::Ring;
use crate::state::Machine;

use self::begin::Place;
use self::component::Component;
use self::view::Fixed;

/// Requests to the host that may wait; components wait in turn.
const HOST_REQUESTS: usize = 64;
/// Orders of operators that may wait for one component; who gives more waits in turn.
const ORDERS: usize = 16;
/// What the end of all may take beyond what the configuration says: the bounds of shims, for starts under way and for SIGKILL.
const END_MARGIN: Duration = Duration::from_secs(20);

/// The supervisor before it runs. Made together with its [`Handle`] and what it asks of the host.
pub struct Service {
    components: Vec<Component>,
    data_dir: PathBuf,
    /// The longest that one component may take to stop.
    longest: Duration,
    /// Dropped at the end, which readers of logs wait for.
    alive: watch::Sender<()>,
}

impl Service {
    /// A supervisor of these components, each as [`config::merge`](crate::config::merge) gave it. Of two with one id the later counts.
    /// Nothing runs before [`Service::run`].
    #[must_use]
    pub fn new(options: Options, components: Vec<Layered>) -> (Self, Handle, mpsc::Receiver<HostRequest>) {
        let (host, host_requests) = mpsc::channel(HOST_REQUESTS);
        let (events, _) = broadcast::channel(options.event_backlog.max(1));
        let (parts, _) = watch::channel::<Arc<[Part]>>(Arc::default());
        let (alive, alive_receiver) = watch::channel(());
        let options = Arc::new(options);
        let components: BTreeMap<String, Layered> =
            components.into_iter().map(|layered| (layered.config.id.clone(), layered)).collect();

        let mut entries = BTreeMap::new();
        let mut waiting = Vec::with_capacity(components.len());
        let mut longest = Duration::ZERO;
        for Layered { config, layers } in components.into_values() {
            let (id, config): (Arc<str>, _) = (config.id.as_str().into(), Arc::new(config));
            longest = longest.max(Duration::from_millis(config.stop.drain_ms + config.stop.grace_ms));
            let fixed = Fixed::new(Arc::clone(&config), layers);
            let machine = Machine::new(Arc::clone(&config), SystemTime::now());
            let ring = Ring::new(config.log_lines);
            let (requests, requests_receiver) = mpsc::channel(ORDERS);
            let (sessions, sessions_receiver) = mpsc::unbounded_channel();
            let entry = Arc::new(Entry {
                id: Arc::clone(&id),
                config: Arc::clone(&config),
                view: ArcSwap::from_pointee(ComponentView::clone(&fixed.view(&machine, Map::new()))),
                line: ArcSwapOption::empty(),
                ring: ring.clone(),
                answered: AtomicU64::new(0),
                failed: AtomicU64::new(0),
                requests,
                sessions,
            });
            // In force from the first call on, also while it starts.
            parts::change(&parts, &id, &config, config.enabled);
            let home = begin::home(&options, &id);
            let place =
                Place { id: Arc::clone(&id), config, options: Arc::clone(&options), host: host.clone(), ring, home };
            entries.insert(id, Arc::clone(&entry));
            waiting.push((place, entry, fixed, machine, requests_receiver, sessions_receiver));
        }
        let shared = Arc::new(Shared { entries, events, parts, alive: alive_receiver });
        let component = |(place, entry, fixed, machine, requests, sessions)| {
            Component::new(place, entry, Arc::clone(&shared), fixed, machine, requests, sessions)
        };
        let components = waiting.into_iter().map(component).collect();
        (Self { components, data_dir: options.data_dir.clone(), longest, alive }, Handle { shared }, host_requests)
    }

    /// Starts the enabled components and runs until `shutdown`; then stops them all at the same time, each within its drain time and
    /// its grace. No process of any is left when this answers, or when it is dropped.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { components, data_dir, longest, alive } = self;
        if let Err(error) = files::sweep(&data_dir) {
            warn!(%error, "token files of an earlier host cannot be removed");
        }
        let end = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for component in components {
            tasks.spawn(component.run(end.clone()));
        }
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = tasks.join_next() => {
                    // A component's task ends with the service alone; its process went with it.
                    if let Err(fault) = ended { error!(%fault, "the task of a component failed") }
                }
            }
        }
        end.cancel();
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(longest + END_MARGIN, ended).await.is_err() {
            error!("components did not stop in time; their processes are killed");
            tasks.shutdown().await;
        }
        drop(alive);
    }
}
