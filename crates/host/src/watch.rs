//! The stream of changes that a client watches: the present state first, then what changes. A client that was too slow
//! to hear everything gets the difference to the present state instead. Holds the names that it told, and nothing else.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use futures::Stream;
use protocol::ModuleName;
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::watch_response::Event;
use registry::{Change, Pattern, Route, Routes, Subscription, Update};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::surface::view;

/// Events for modules that match `pattern`, until the client leaves or the host stops.
pub(crate) fn events(
    registry: &registry::Handle,
    pattern: &str,
    stop: CancellationToken,
) -> impl Stream<Item = Result<pb::WatchResponse, Status>> + Send + use<> {
    let watcher = Watcher {
        subscription: registry.subscribe(),
        pattern: Pattern::new(if pattern.is_empty() { "*" } else { pattern }),
        told: BTreeSet::new(),
        synced: false,
        waiting: VecDeque::new(),
    };
    futures::stream::unfold((watcher, stop), |(mut watcher, stop)| async move {
        let event = tokio::select! {
            () = stop.cancelled() => return None,
            event = watcher.next() => event?,
        };
        Some((Ok(pb::WatchResponse { event: Some(event) }), (watcher, stop)))
    })
}

struct Watcher {
    subscription: Subscription,
    pattern: Pattern,
    told: BTreeSet<ModuleName>,
    synced: bool,
    /// At most the events of one update.
    waiting: VecDeque<Event>,
}

impl Watcher {
    async fn next(&mut self) -> Option<Event> {
        while self.waiting.is_empty() {
            match self.subscription.next().await? {
                Update::State(routes) => self.tell_state(&routes),
                Update::Changes(changes) => changes.iter().for_each(|change| self.tell_change(change)),
            }
        }
        self.waiting.pop_front()
    }

    fn tell_state(&mut self, routes: &Routes) {
        let page = routes.page(&self.pattern, None, usize::MAX);
        let mut gone = std::mem::take(&mut self.told);
        for route in &page.routes {
            gone.remove(&route.name);
        }
        for name in gone {
            // What happened in between is not known; that the name left is.
            self.waiting.push_back(removed(&name, "unregistered"));
        }
        for route in &page.routes {
            self.tell_route(route);
        }
        if !self.synced {
            self.synced = true;
            let modules = u32::try_from(page.routes.len()).unwrap_or(u32::MAX);
            self.waiting.push_back(Event::Synced(pb::WatchSynced { modules }));
        }
    }

    fn tell_change(&mut self, change: &Change) {
        match change {
            Change::Added(route) | Change::Changed(route) => {
                if self.pattern.matches(route.name.as_str()) {
                    self.tell_route(route);
                }
            }
            Change::Removed { name, reason } => {
                if self.told.remove(name) {
                    self.waiting.push_back(removed(name, reason.as_str()));
                }
            }
        }
    }

    fn tell_route(&mut self, route: &Arc<Route>) {
        let module = Some(view::module(route));
        self.waiting.push_back(if self.told.insert(route.name.clone()) {
            Event::Added(pb::ModuleAdded { module })
        } else {
            Event::Changed(pb::ModuleChanged { module })
        });
    }
}

fn removed(name: &ModuleName, reason: &str) -> Event {
    Event::Removed(pb::ModuleRemoved { name: name.as_str().into(), reason: reason.into() })
}
