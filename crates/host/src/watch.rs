//! The stream of changes that a client watches: the present state first, then what changes. A client that was too slow
//! to hear everything gets the difference to the present state instead, or, of components, that state itself; of what happens in runs,
//! which has no state, it is told how much it missed. Holds what it told, and nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures::Stream;
use protocol::ModuleName;
use protocol::component::{ComponentEvent, ComponentView};
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::watch_response::Event;
use registry::{Change, Pattern, Route, Routes, Subscription, Update};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::pipelines::{Entry, Shelf};
use crate::surface::view;

/// What is watched besides modules.
pub(crate) struct Pipelines {
    /// Stored pipelines, marked as changed.
    pub(crate) shelf: watch::Receiver<Arc<Shelf>>,
    /// What happens in runs, where the client wants to hear it.
    pub(crate) runs: Option<broadcast::Receiver<Arc<pb::RunEvent>>>,
    /// Names that `cache_backend` may take, ascending; told once.
    pub(crate) caches: Vec<String>,
}

/// The components, where the client wants to hear of them.
pub(crate) struct Components {
    supervisor: supervisor::Handle,
    /// What happened since it was made.
    events: broadcast::Receiver<Arc<ComponentEvent>>,
}

impl Components {
    pub(crate) fn of(supervisor: &supervisor::Handle) -> Self {
        // In this order, so that nothing is missed between the present state and what changes.
        let events = supervisor.subscribe();
        Self { supervisor: supervisor.clone(), events }
    }
}

/// Events for modules that match `pattern`, until the client leaves or the host stops.
pub(crate) fn events(
    registry: &registry::Handle,
    pattern: &str,
    pipelines: Pipelines,
    components: Option<Components>,
    stop: CancellationToken,
) -> impl Stream<Item = Result<pb::WatchResponse, Status>> + Send + use<> {
    let watcher = Watcher {
        subscription: registry.subscribe(),
        pattern: Pattern::new(if pattern.is_empty() { "*" } else { pattern }),
        pipelines,
        components,
        told: BTreeMap::new(),
        stored: BTreeMap::new(),
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
    pipelines: Pipelines,
    components: Option<Components>,
    told: BTreeMap<ModuleName, Arc<Route>>,
    /// Stored pipelines that were told.
    stored: BTreeMap<String, Arc<Entry>>,
    synced: bool,
    /// At most the news of one update.
    waiting: VecDeque<News>,
}

/// An event that has no wire form yet: that is made when its turn comes, so that what waits is small.
enum News {
    Added(Arc<Route>),
    Changed(Arc<Route>),
    Removed(ModuleName, &'static str),
    Stored(Arc<Entry>),
    NotStored(String),
    Run(Arc<pb::RunEvent>),
    Missed(u64),
    Component(Arc<ComponentEvent>),
    Synced(pb::WatchSynced),
}

impl Watcher {
    async fn next(&mut self) -> Option<Event> {
        while self.waiting.is_empty() {
            tokio::select! {
                // What changed is told before what runs made of it.
                biased;
                update = self.subscription.next() => match update? {
                    Update::State(routes) => self.tell_state(&routes),
                    Update::Changes(changes) => changes.iter().for_each(|change| self.tell_change(change)),
                },
                Ok(()) = self.pipelines.shelf.changed(), if self.synced => self.tell_shelf(),
                event = of_runs(&mut self.pipelines.runs), if self.synced => match event {
                    Ok(event) => self.waiting.push_back(News::Run(event)),
                    Err(RecvError::Lagged(missed)) => self.waiting.push_back(News::Missed(missed)),
                    Err(RecvError::Closed) => self.pipelines.runs = None,
                },
                event = of_components(&mut self.components), if self.synced => match event {
                    Ok(event) => self.waiting.push_back(News::Component(event)),
                    // As they are now: that there is no state before tells that something was missed.
                    Err(RecvError::Lagged(_)) => self.tell_components("as it is now; changes were missed"),
                    Err(RecvError::Closed) => self.components = None,
                },
            }
        }
        self.waiting.pop_front().map(event)
    }

    fn tell_shelf(&mut self) {
        let shelf = Arc::clone(&self.pipelines.shelf.borrow_and_update());
        let gone: Vec<_> = self.stored.keys().filter(|name| !shelf.contains_key(*name)).cloned().collect();
        for name in gone {
            self.stored.remove(&name);
            self.waiting.push_back(News::NotStored(name));
        }
        let matching = shelf.values().filter(|entry| self.pattern.matches(&format!("pipeline.{}", entry.name)));
        for entry in matching {
            let told = self.stored.insert(entry.name.clone(), Arc::clone(entry));
            if told.is_none_or(|told| !told.shows_as(entry)) {
                self.waiting.push_back(News::Stored(Arc::clone(entry)));
            }
        }
    }

    fn tell_state(&mut self, routes: &Routes) {
        let page = routes.page(&self.pattern, None, usize::MAX);
        let gone = std::mem::take(&mut self.told);
        for (name, route) in gone {
            if page.routes.binary_search_by(|there| there.name.cmp(&name)).is_ok() {
                self.told.insert(name, route);
            } else {
                // What happened in between is not known; that the name left is.
                self.waiting.push_back(News::Removed(name, "unregistered"));
            }
        }
        for route in &page.routes {
            self.tell_route(route);
        }
        if !self.synced {
            self.synced = true;
            self.tell_shelf();
            self.tell_components("as it is now");
            self.waiting.push_back(News::Synced(pb::WatchSynced {
                modules: u32::try_from(page.routes.len()).unwrap_or(u32::MAX),
                caches: std::mem::take(&mut self.pipelines.caches),
            }));
        }
    }

    fn tell_components(&mut self, reason: &str) {
        let views = self.components.as_ref().map(|components| components.supervisor.components()).unwrap_or_default();
        self.waiting.extend(views.iter().map(|view| {
            let component = ComponentView::clone(view);
            News::Component(Arc::new(ComponentEvent { component, previous: None, reason: reason.to_owned() }))
        }));
    }

    fn tell_change(&mut self, change: &Change) {
        match change {
            Change::Added(route) | Change::Changed(route) => {
                if self.pattern.matches(route.name.as_str()) {
                    self.tell_route(route);
                }
            }
            Change::Removed { name, reason } => {
                if self.told.remove(name).is_some() {
                    self.waiting.push_back(News::Removed(name.clone(), reason.as_str()));
                }
            }
        }
    }

    fn tell_route(&mut self, route: &Arc<Route>) {
        match self.told.insert(route.name.clone(), Arc::clone(route)) {
            None => self.waiting.push_back(News::Added(Arc::clone(route))),
            Some(told) if same(&told, route) => {}
            Some(_) => self.waiting.push_back(News::Changed(Arc::clone(route))),
        }
    }
}

/// The next event of runs; never where nobody wants to hear any.
async fn of_runs(runs: &mut Option<broadcast::Receiver<Arc<pb::RunEvent>>>) -> Result<Arc<pb::RunEvent>, RecvError> {
    match runs {
        Some(runs) => runs.recv().await,
        None => std::future::pending().await,
    }
}

/// The next event of components; never where nobody wants to hear any.
async fn of_components(components: &mut Option<Components>) -> Result<Arc<ComponentEvent>, RecvError> {
    match components {
        Some(components) => components.events.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether a client sees no difference.
fn same(told: &Route, now: &Route) -> bool {
    Arc::ptr_eq(&told.module, &now.module)
        && (Arc::ptr_eq(&told.endpoints, &now.endpoints) || told.endpoints == now.endpoints)
}

/// Ejections are no changes of the registry, and are not told.
fn shown(route: &Route) -> pb::Module {
    view::module(route, |_| false)
}

fn event(news: News) -> Event {
    match news {
        News::Added(route) => Event::Added(pb::ModuleAdded { module: Some(shown(&route)) }),
        News::Changed(route) => Event::Changed(pb::ModuleChanged { module: Some(shown(&route)) }),
        News::Removed(name, reason) => {
            Event::Removed(pb::ModuleRemoved { name: name.as_str().into(), reason: reason.into() })
        }
        News::Stored(entry) => Event::Pipeline(pb::PipelineChanged { pipeline: Some(entry.view(false)) }),
        News::NotStored(name) => Event::PipelineRemoved(pb::PipelineRemoved { name }),
        News::Run(event) => Event::Run(pb::RunEvent::clone(&event)),
        News::Component(event) => Event::Component(event.to_proto()),
        News::Missed(count) => Event::RunsMissed(pb::RunEventsMissed { count }),
        News::Synced(synced) => Event::Synced(synced),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::time::Duration;

    use futures::StreamExt as _;
    use protocol::{Registration, SessionToken};
    use testkit::{module, registration};

    use super::*;

    struct World {
        registry: registry::Handle,
        stop: CancellationToken,
    }

    type Events = Pin<Box<dyn Stream<Item = Result<pb::WatchResponse, Status>> + Send>>;

    impl World {
        /// A registry whose watchers may be `backlog` steps behind.
        fn start(backlog: usize) -> Self {
            let options = registry::Options { watch_backlog: backlog, ..Default::default() };
            let (service, registry, _) = registry::Service::new(options);
            tokio::spawn(service.run(std::future::pending()));
            Self { registry, stop: CancellationToken::new() }
        }

        async fn register(&self, namespace: &str, names: &[&str]) -> SessionToken {
            let request = registration(namespace, names.iter().map(|name| module(name, "{}", "Int")));
            self.registry.register(Registration::from_proto(request).unwrap(), None).await.unwrap().token
        }

        fn watch(&self, pattern: &str) -> Events {
            let pipelines = Pipelines { shelf: watch::channel(Arc::default()).1, runs: None, caches: Vec::new() };
            Box::pin(events(&self.registry, pattern, pipelines, None, self.stop.clone()))
        }
    }

    /// All that is to be told now, in a word each.
    async fn told(events: &mut Events) -> Vec<String> {
        let mut words = Vec::new();
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
            words.push(match event.unwrap().event.unwrap() {
                Event::Added(added) => format!("+{}", added.module.unwrap().name),
                Event::Changed(changed) => format!("~{}", changed.module.unwrap().name),
                Event::Removed(removed) => format!("-{} {}", removed.name, removed.reason),
                Event::Synced(synced) => format!("synced {}", synced.modules),
                Event::Pipeline(_)
                | Event::PipelineRemoved(_)
                | Event::Run(_)
                | Event::RunsMissed(_)
                | Event::Component(_) => continue,
            });
        }
        words
    }

    #[tokio::test(start_paused = true)]
    async fn the_present_state_comes_first_and_then_what_changes() {
        let world = World::start(16);
        world.register("a", &["X", "Y"]).await;
        let mut events = world.watch("");
        assert_eq!(told(&mut events).await, ["+a.X", "+a.Y", "synced 2"]);
        let token = world.register("b", &["X"]).await;
        world.registry.connect(token.clone(), protocol::DataPlane::Link).await.unwrap();
        world.registry.unregister(token).await.unwrap();
        assert_eq!(told(&mut events).await, ["+b.X", "~b.X", "-b.X unregistered"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pattern_chooses_what_is_told() {
        let world = World::start(16);
        let mut events = world.watch("b.*");
        world.register("a", &["X"]).await;
        let token = world.register("b", &["X"]).await;
        assert_eq!(told(&mut events).await, ["+b.X", "synced 1"]);
        world.register("c", &["X"]).await;
        world.registry.unregister(token).await.unwrap();
        assert_eq!(told(&mut events).await, ["-b.X unregistered"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watcher_that_fell_behind_hears_the_difference_alone() {
        let world = World::start(2);
        world.register("a", &["X", "Y"]).await;
        let goes = world.register("b", &["X"]).await;
        let changes = world.register("c", &["X"]).await;
        let mut events = world.watch("*");
        assert_eq!(told(&mut events).await, ["+a.X", "+a.Y", "+b.X", "+c.X", "synced 4"]);
        world.registry.unregister(goes).await.unwrap();
        world.registry.connect(changes, protocol::DataPlane::Link).await.unwrap();
        for namespace in ["d", "e", "f", "g"] {
            let token = world.register(namespace, &["X"]).await;
            if namespace != "g" {
                world.registry.unregister(token).await.unwrap();
            }
        }
        assert_eq!(told(&mut events).await, ["-b.X unregistered", "~c.X", "+g.X"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_ends_with_the_host() {
        let world = World::start(16);
        let mut events = world.watch("*");
        assert_eq!(told(&mut events).await, ["synced 0"]);
        world.stop.cancel();
        assert!(events.next().await.is_none());
    }
}
