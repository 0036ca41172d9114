//! The run loop: carries a plan out over [`Invoke`]. Knows no clock but the one it is given, no task, no socket.
//!
//! Its types are a contract between the loop and whoever drives it: the host, a test, a benchmark.

mod drive;
mod each;
mod fault;
mod frame;
mod ledger;
mod list;
mod machine;
mod number;
mod operate;
mod outputs;
mod program;
mod record;
mod slab;
mod text;
mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::diagnostic::Span;
use crate::plan::{PlanHash, PlannedModule, Policy, SiteId};

pub use self::drive::run;
pub use self::program::{InvalidPlan, Program};

/// Calls modules. What it gives back has been checked: an output is canonical bytes of the module's output type.
pub trait Invoke: Send + Sync {
    /// Calls one module once, with all that its policy asks for. Dropping the future cancels the call.
    fn invoke(&self, call: Invocation<'_>) -> impl Future<Output = Result<Invoked, NotInvoked>> + Send;

    /// What the clock shows. Only differences matter.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Takes a line of `log`, or of `on_error: log`.
    fn log(&self, line: &str);
}

/// One call of a module.
#[derive(Debug, Clone)]
pub struct Invocation<'p> {
    /// Its site.
    pub site: SiteId,
    /// Counts the calls of the run, from 0.
    pub number: u64,
    /// The module as it was planned.
    pub module: &'p PlannedModule,
    /// How.
    pub policy: &'p Policy,
    /// Canonical bytes of the module's input type.
    pub input: Bytes,
    /// Whether calls of the same site run beside it, as in a `map`: a module that takes batches may get them together.
    pub among_many: bool,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoked {
    /// Canonical bytes of the module's output type.
    pub output: Bytes,
    /// How it went.
    pub facts: CallFacts,
}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct NotInvoked {
    /// Why.
    pub failure: Failure,
    /// How it went until then.
    pub facts: CallFacts,
}

/// How a call went, for the record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CallFacts {
    /// Which revision answered; 0 when none did.
    pub revision: u64,
    /// Whether the output came from the cache or from an equal call in flight.
    pub cached: bool,
    /// Time spent waiting for a turn: throttle, concurrency, queues, batch.
    pub queued: Duration,
    /// The attempts in order; empty when the output was cached.
    pub attempts: Vec<Attempt>,
}

/// One attempt of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Who was called: a session; empty when nobody was reached.
    pub provider: String,
    /// By which plane, e.g. `link`; empty when nobody was reached.
    pub plane: Cow<'static, str>,
    /// When it began.
    pub started: Instant,
    /// How long it took.
    pub duration: Duration,
    /// The code of its failure; `None` when it succeeded.
    pub code: Option<Cow<'static, str>>,
}

/// A failure as the envelope of every surface has it (`docs/errors/README.md`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// E.g. `INVALID_ARGUMENT`.
    pub category: Cow<'static, str>,
    /// The stable code.
    pub code: Cow<'static, str>,
    /// Safe for clients.
    pub message: String,
    /// `module`, `core`, `middleware` or `upstream`.
    pub origin: Cow<'static, str>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Facts for programs.
    pub details: BTreeMap<String, String>,
}

/// Bounds of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Elements of a `map` and its like at once, where no `concurrency` says otherwise; at least 1.
    pub each_concurrency: usize,
    /// Calls of which the record tells one by one; of the others it has the sums only.
    pub recorded_calls: usize,
    /// Largest value that an operation may make, in bytes.
    pub value_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { each_concurrency: 64, recorded_calls: 1000, value_bytes: 64 << 20 }
    }
}

/// What happens in a run, as it happens.
#[derive(Debug, Clone)]
pub enum Event<'r> {
    /// A call begins: its input is there, its turn may still have to come.
    CallStarted {
        /// Its site.
        site: SiteId,
        /// Which call of the run, from 0.
        number: u64,
        /// Bytes in.
        bytes_in: usize,
        /// Since the run began.
        at: Duration,
    },
    /// A call ended.
    CallEnded {
        /// Its site.
        site: SiteId,
        /// What is recorded of it.
        call: &'r CallRecord,
    },
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// Canonical bytes of [`crate::Plan::output_type`].
    pub outcome: Result<Bytes, RunFailure>,
    /// What happened.
    pub record: RunRecord,
}

/// Why a run failed, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFailure {
    /// Why.
    pub failure: Failure,
    /// The call site, when it was a call.
    pub site: Option<SiteId>,
    /// The module, when it was a call.
    pub module: Option<Arc<str>>,
    /// The operation in the source; `None` when the run was stopped from outside.
    pub span: Option<Span>,
}

/// What happened in a run.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// Which plan.
    pub plan: PlanHash,
    /// When it began, by the clock of [`Invoke::now`].
    pub started: Instant,
    /// How long it took.
    pub duration: Duration,
    /// Per call site, in ascending order; those that were not needed too.
    pub sites: Vec<SiteRecord>,
    /// Outputs that were there at the end, canonical bytes of their types: all of them when the run succeeded.
    pub outputs: Vec<(String, Bytes)>,
}

/// What happened at one call site.
#[derive(Debug, Clone)]
pub struct SiteRecord {
    /// Which.
    pub site: SiteId,
    /// How many calls began; 0 where it was not needed.
    pub calls: u64,
    /// How many failed, a fallback or not.
    pub failed: u64,
    /// How many were answered from the cache.
    pub cached: u64,
    /// How many attempts there were.
    pub attempts: u64,
    /// Bytes of all inputs.
    pub bytes_in: u64,
    /// Bytes of all outputs.
    pub bytes_out: u64,
    /// Time that all calls took, together.
    pub busy: Duration,
    /// The first calls, one by one, in the order in which they ended; those that were cancelled last.
    pub recorded: Vec<CallRecord>,
}

/// What happened to one call.
#[derive(Debug, Clone)]
pub struct CallRecord {
    /// Which call of the run, from 0.
    pub number: u64,
    /// When its input was there, since the run began.
    pub started: Duration,
    /// How long it took, waiting included.
    pub duration: Duration,
    /// Bytes in.
    pub bytes_in: u64,
    /// Bytes out; 0 on failure.
    pub bytes_out: u64,
    /// How it went.
    pub facts: CallFacts,
    /// What it came to.
    pub outcome: CallOutcome,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// It gave an output.
    Succeeded,
    /// It failed; a fallback or `on_error` may have stood in.
    Failed(Failure),
    /// The run ended first.
    Cancelled,
}
