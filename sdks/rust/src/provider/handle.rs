//! The handle of a running provider: changes its modules and stops it. The session carries it out.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::codec::{Decode, Encode};
use crate::error::{Category, Error};
use crate::module::{Definition, Module};

/// Changes the modules of a provider, or stops it, while it runs. Cheap to clone; handlers may keep one.
#[derive(Debug, Clone)]
pub struct ProviderHandle {
    changes: mpsc::Sender<Change>,
    stop: watch::Sender<Stop>,
}

/// A change of the modules, and who waits for it.
pub(crate) struct Change {
    pub(crate) what: What,
    pub(crate) done: oneshot::Sender<Result<(), Error>>,
}

pub(crate) enum What {
    /// Adds a module, or replaces the one of the same name.
    Put(Arc<Definition>),
    Remove(String),
}

/// How far the provider is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Stop {
    No,
    /// Leave, and finish what runs.
    Drain,
    /// Do not wait for what runs.
    Now,
}

impl ProviderHandle {
    pub(crate) fn new(changes: mpsc::Sender<Change>, stop: watch::Sender<Stop>) -> Self {
        Self { changes, stop }
    }

    /// Adds a module, or replaces the one of the same name, and registers again without leaving. Returns when the host has accepted it;
    /// while there is no connection to a host that is when one is there again.
    ///
    /// # Errors
    /// What the host refuses, e.g. a replacement that breaks callers; the modules then stay as they were.
    pub async fn add_module<I, O>(&self, module: Module<I, O>) -> Result<(), Error>
    where
        I: Decode + Send + 'static,
        O: Encode + Send + 'static,
    {
        module.definition.check()?;
        self.change(What::Put(Arc::new(module.definition))).await
    }

    /// Removes a module and registers again without leaving. Calls of it that run are finished.
    ///
    /// # Errors
    /// `registry.module.unknown`, `registry.registration.empty` for the last one, and what the host refuses.
    pub async fn remove_module(&self, name: impl Into<String>) -> Result<(), Error> {
        self.change(What::Remove(name.into())).await
    }

    /// Leaves the registry, finishes what runs, and lets `run` return. Returns at once.
    pub fn stop(&self) {
        self.stop.send_if_modified(|stop| {
            let first = *stop == Stop::No;
            if first {
                *stop = Stop::Drain;
            }
            first
        });
    }

    /// The first signal stops the provider, the second ends the grace.
    pub(crate) fn signalled(&self) {
        self.stop.send_modify(|stop| *stop = if *stop == Stop::No { Stop::Drain } else { Stop::Now });
    }

    async fn change(&self, what: What) -> Result<(), Error> {
        let ended = || Error::new(Category::FailedPrecondition, "client.provider.stopped", "the provider does not run");
        let (done, outcome) = oneshot::channel();
        self.changes.send(Change { what, done }).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}
