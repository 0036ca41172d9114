//! Pipelines at the host: sources are checked against the registry and run over the executor, and some are stored as modules. The
//! language and the run loop are the `pipeline` crate's; requests and answers are the surfaces'.
//!
//! ```text
//!  surfaces ──▶ Checks ──▶ Catalogs, Sources (checked once)
//!     │  ▲ Shelf
//!     │  └───── Keeper (stored pipelines) ──modules──▶ registry
//!     └─────▶ Runs (a task each) ──▶ Calls ──▶ executor ──▶ providers, and Shelved: runs inside runs
//! ```
//!
//! Invariants:
//! * What runs was checked against modules as they are registered now; a call of a module with other types by then is not made.
//! * Every run ends: by its outputs, its first failure, its deadline, its caller's leaving, or the host's end. Each has a
//!   record, which is kept while there is room.
//! * A stored pipeline is a module exactly while it checks, and none needs itself.
//! * Runs inside runs take no room of their own, and are at most [`options::DEPTH`] deep.

mod calls;
mod catalog;
mod checks;
mod counted;
mod failure;
mod hooks;
mod inputs;
mod kept;
mod options;
mod prepared;
mod record;
mod runs;
mod sources;
mod stored;

use std::sync::Arc;

use protocol::{Error, SessionId};

use crate::middleware::Middleware;
use crate::telemetry::Telemetry;

pub(crate) use checks::Checks;
pub(crate) use counted::{BUCKETS, CountedRuns};
pub(crate) use inputs::{from_bytes, from_text};
pub(crate) use options::Options;
pub(crate) use prepared::{Checked, Prepared, diagnostics};
pub(crate) use record::{Form, short};
pub(crate) use runs::{Begin, Begun, Ended, Runs};
pub(crate) use stored::{Entry, Keeper, Put, Shelf, Stored};

/// All that the surfaces ask about pipelines. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pipelines {
    pub(crate) options: Arc<Options>,
    pub(crate) checks: Arc<Checks>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) stored: Stored,
}

impl Pipelines {
    /// Reads what is stored, and makes modules of it. The keeper is to be run from then on.
    ///
    /// # Errors
    /// When registry or executor have stopped.
    pub(crate) async fn start(
        registry: registry::Handle,
        executor: executor::Handle,
        telemetry: Telemetry,
        middleware: Middleware,
        options: Options,
    ) -> Result<(Self, Keeper), Error> {
        let checks = Arc::new(Checks::new(registry.clone(), &options));
        let runs = Runs::new(registry.clone(), executor.clone(), telemetry.clone(), middleware.clone(), &options);
        let runs = Arc::new(runs);
        let session = SessionId::random();
        let directory = options.directory.clone();
        let (mut keeper, stored) = Keeper::new(Arc::clone(&checks), registry, directory, options.max_stored, session);
        // Calls reach it before the registry leads any there.
        let shelved = stored::Shelved {
            stored: stored.clone(),
            runs: Arc::clone(&runs),
            executor: executor.clone(),
            telemetry,
            middleware,
            max_timeout: options.max_run_timeout,
        };
        executor.serve_inside(session, Arc::new(shelved)).await?;
        keeper.load().await?;
        Ok((Self { options: Arc::new(options), checks, runs, stored }, keeper))
    }
}
