//! Stored pipelines: what is on the shelf, and how it is asked to change. One task owns the shelf and the directory (`keeper`); whoever
//! reads has a picture of it.

mod files;
mod keeper;
mod serve;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::generated::host::v1 as pb;
use protocol::{Error, ModuleName, codes};
use tokio::sync::{mpsc, oneshot, watch};
use type_schema::Signature;

use crate::access::Principal;
use crate::pipelines::prepared::{Checked, Prepared, diagnostics};
use crate::pipelines::record;

pub(crate) use keeper::Keeper;
pub(crate) use serve::Shelved;

/// The namespace of stored pipelines as modules.
pub(crate) const NAMESPACE: &str = "pipeline";

/// All stored pipelines by name, at one moment.
pub(crate) type Shelf = BTreeMap<String, Arc<Entry>>;

/// One stored pipeline as it is now.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) source: Arc<str>,
    pub(crate) stored_at: SystemTime,
    /// What the last check found.
    pub(crate) checked: Arc<Checked>,
    /// The plan that runs; where the last check failed, the one before.
    pub(crate) plan: Option<Arc<Prepared>>,
    /// Types of the plan, also of one from before the host's start.
    pub(crate) signature: Option<Signature>,
}

impl Entry {
    /// What runs.
    ///
    /// # Errors
    /// `pipeline.check.failed`, which names the pipeline.
    pub(crate) fn runnable(&self) -> Result<&Arc<Prepared>, Error> {
        self.checked.runnable().map_err(|error| error.detail("pipeline", self.name.as_str()))
    }

    /// Whether a listing shows no difference.
    pub(crate) fn shows_as(&self, other: &Self) -> bool {
        let hash = |entry: &Self| entry.plan.as_ref().map(|plan| plan.plan.hash);
        self.stored_at == other.stored_at
            && hash(self) == hash(other)
            && self.checked.diagnostics == other.checked.diagnostics
            && self.checked.prepared.is_some() == other.checked.prepared.is_some()
    }

    /// As clients see it; `whole` with its source and the plan's graph.
    pub(crate) fn view(&self, whole: bool) -> pb::StoredPipeline {
        let callable = self.checked.prepared.is_some();
        let plan = self.plan.as_ref().map(|plan| match whole {
            true => plan.view.clone(),
            false => pb::PipelinePlan { graph_json: String::new(), examples_json: Vec::new(), ..plan.view.clone() },
        });
        let shown = |checked: &Checked| diagnostics(&checked.lines, &checked.diagnostics);
        pb::StoredPipeline {
            name: self.name.clone(),
            source: if whole { self.source.to_string() } else { String::new() },
            plan,
            diagnostics: if callable { Vec::new() } else { shown(&self.checked) },
            callable,
            stored_at: Some(record::timestamp(self.stored_at)),
            description: self.checked.description.clone(),
        }
    }
}

/// What the keeper is asked.
enum Request {
    Put(Put, oneshot::Sender<Result<Arc<Entry>, Error>>),
    Delete(String, oneshot::Sender<Result<(), Error>>),
}

/// A pipeline to store.
#[derive(Debug)]
pub(crate) struct Put {
    /// An identifier.
    pub(crate) name: String,
    pub(crate) source: String,
    /// Empty, `new`, or the hash of the plan that it is to replace.
    pub(crate) replaces: String,
    pub(crate) allow_breaking: bool,
    /// Who must be allowed to call each module in it.
    pub(crate) by: Principal,
}

/// Access to the stored pipelines. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stored {
    requests: mpsc::Sender<Request>,
    shelf: watch::Receiver<Arc<Shelf>>,
}

/// How long a request may wait for its turn and its answer.
const PATIENCE: Duration = Duration::from_secs(30);

impl Stored {
    /// What is stored now.
    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.shelf.borrow())
    }

    /// What is stored, and then whenever that changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Shelf>> {
        let mut shelf = self.shelf.clone();
        shelf.mark_changed();
        shelf
    }

    /// # Errors
    /// `pipeline.unknown`.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Entry>, Error> {
        self.shelf.borrow().get(name).cloned().ok_or_else(|| unknown(name))
    }

    /// Why a name is no module although a pipeline of it is stored.
    pub(crate) fn why_no_module(&self, module: &ModuleName) -> Option<Error> {
        let name = module.as_str().strip_prefix(NAMESPACE)?.strip_prefix('.')?;
        self.shelf.borrow().get(name)?.runnable().err()
    }

    /// Stores a pipeline; when this returns its module can be called.
    ///
    /// # Errors
    /// `pipeline.limit`, `pipeline.plan.changed`, `pipeline.check.failed`, `host.scope.missing`, `pipeline.cycle`, `pipeline.incompatible`; `host.internal` where it
    /// cannot be written. Nothing is stored then.
    pub(crate) async fn put(&self, put: Put) -> Result<Arc<Entry>, Error> {
        self.ask(|answer| Request::Put(put, answer)).await?
    }

    /// Removes a pipeline; when this returns its module is gone.
    ///
    /// # Errors
    /// `pipeline.unknown`; `host.internal` where it cannot be removed.
    pub(crate) async fn delete(&self, name: String) -> Result<(), Error> {
        self.ask(|answer| Request::Delete(name, answer)).await?
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.requests.send(request(answer)).await.map_err(|_| stopping())?;
            answered.await.map_err(|_| stopping())
        };
        let busy = |_| Error::of(codes::REGISTRY_BUSY, "stored pipelines are being checked").retry_after(PATIENCE / 30);
        tokio::time::timeout(PATIENCE, asked).await.map_err(busy)?
    }
}

fn stopping() -> Error {
    Error::of(codes::HOST_STOPPING, "the host is shutting down")
}

/// `pipeline.unknown`.
pub(crate) fn unknown(name: &str) -> Error {
    Error::of(codes::PIPELINE_UNKNOWN, "no such pipeline is stored").detail("pipeline", name)
}
