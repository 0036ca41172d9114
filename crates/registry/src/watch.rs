//! For watchers: the present state and then what changes, without a gap. Does not filter and knows no wire.

use std::sync::Arc;

use arc_swap::ArcSwap;
use protocol::ModuleName;
use tokio::sync::broadcast;

use crate::answer::EndReason;
use crate::routes::{Route, Routes};

/// One change of one name.
#[derive(Debug, Clone)]
pub enum Change {
    /// The name was not there before.
    Added(Arc<Route>),
    /// Its declaration or its endpoints changed.
    Changed(Arc<Route>),
    /// It is gone.
    Removed {
        /// The name.
        name: ModuleName,
        /// Why.
        reason: EndReason,
    },
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub enum Update {
    /// The whole state, which replaces all that was told before. The first update, and again whenever the watcher was
    /// too slow and missed changes.
    State(Arc<Routes>),
    /// What changed in one step, after everything told before. In ascending order of the names, each at most once.
    Changes(Arc<[Change]>),
}

/// The changes of one step and the generation of the routes behind it.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) generation: u64,
    pub(crate) changes: Arc<[Change]>,
}

/// What happens in the registry, from now on. Made by [`crate::Handle::subscribe`].
#[derive(Debug)]
pub struct Subscription {
    steps: broadcast::Receiver<Step>,
    routes: Arc<ArcSwap<Routes>>,
    /// Generation of what has been told; `None` when the state is due.
    told: Option<u64>,
}

impl Subscription {
    pub(crate) fn new(steps: broadcast::Receiver<Step>, routes: Arc<ArcSwap<Routes>>) -> Self {
        Self { steps, routes, told: None }
    }

    /// The next update; `None` when the registry is over. Cancel-safe.
    pub async fn next(&mut self) -> Option<Update> {
        loop {
            let Some(told) = self.told else {
                // The receiver is older than this picture, and a picture is published before its step is sent:
                // what the picture lacks is still to come, and what it has is recognised by its generation.
                let routes = self.routes.load_full();
                self.told = Some(routes.generation());
                return Some(Update::State(routes));
            };
            match self.steps.recv().await {
                Ok(step) if step.generation <= told => {}
                Ok(step) => {
                    self.told = Some(step.generation);
                    return Some(Update::Changes(step.changes));
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    // What is still kept is part of the state that follows, and would only make the next lag likely.
                    self.steps = self.steps.resubscribe();
                    self.told = None;
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
