//! Middleware around calls and runs: finds out who wants to be asked, asks, and does what was decided. What an answer may say is
//! the `middleware` crate's to judge, how a component is reached the supervisor's.
//!
//! ```text
//!  calls, runs ──▶ Middleware::passage ──▶ Passage: before ─▶ the call or run ─▶ after ─▶ end
//!                        │ None: nobody wants it           └───────▶ components          └─▶ audit queue ─▶ AuditTask
//! ```
//!
//! Invariants:
//! * What nobody wants to be asked about costs one atomic load where there is no middleware, and one look at the chain where there is;
//!   no payload is read, nothing is allocated.
//! * A call or run meets one chain: the one that was in force when it began.
//! * A component that is configured and enabled is in the chain, whatever its state: one that is down fails, and is not passed over.
//! * What goes on to a module has its input type, what goes to a caller the declared output type.
//! * Audits wait in a bounded queue; nobody waits for them.

mod audit;
mod callers;
mod components;
mod counted;
mod envelope;
mod passage;
mod refusal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use middleware::chain::{About, Chain};
use middleware::{Hook, SubjectKind};
use protocol::frame::ExecutionId;

use crate::middleware::callers::Callers;
use crate::middleware::components::Components;
use crate::telemetry::Telemetry;

pub(crate) use audit::AuditTask;
pub(crate) use callers::Calling;
pub(crate) use counted::{BUCKETS, CountedDecisions};
pub(crate) use passage::{Asking, Elsewhere, Passage, Step};

/// Asks components. Cheap to clone; all clones share one chain.
#[derive(Clone)]
pub(crate) struct Middleware(Arc<Shared>);

/// What the configuration says of the chain.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Ids in the order in which they are asked; those that are not named follow in the order of their ids.
    pub(crate) order: Vec<String>,
    /// Audits that may wait.
    pub(crate) audit_queue: usize,
}

struct Shared {
    /// The hooks that somebody wants, a bit each: what most calls look at, and nothing else.
    hooks: AtomicU64,
    chain: ArcSwap<Chain>,
    components: Components,
    registry: registry::Handle,
    telemetry: Telemetry,
    counted: counted::Counters,
    audits: audit::Queue,
    callers: Callers,
    /// Names envelopes: random per process, and counted.
    process: u64,
    envelopes: AtomicU64,
}

impl Middleware {
    /// Asks the components of a supervisor, from now on. The task keeps the chain up with them and tells audits: it is to be run.
    pub(crate) fn new(
        supervisor: supervisor::Handle,
        registry: registry::Handle,
        telemetry: Telemetry,
        options: Options,
    ) -> (Self, AuditTask) {
        let (audits, waiting) = audit::queue(options.audit_queue);
        let middleware = Self(Arc::new(Shared {
            hooks: AtomicU64::new(0),
            chain: ArcSwap::from_pointee(Chain::default()),
            components: Components::new(supervisor),
            registry,
            telemetry,
            counted: counted::Counters::default(),
            audits,
            callers: Callers::default(),
            process: getrandom::u64().expect("the operating system gives random numbers"),
            envelopes: AtomicU64::new(1),
        }));
        middleware.follow(&options.order);
        let task = AuditTask::new(middleware.clone(), waiting, options.order);
        (middleware, task)
    }

    /// What the chain wants of a call or run; `None` where nobody wants anything.
    pub(crate) fn passage(&self, subject: Subject<'_>, asking: impl FnOnce() -> Asking) -> Option<Passage> {
        let (chain, wants) = self.wants(subject)?;
        Some(Passage::new(self.clone(), Arc::clone(&chain), wants, subject, asking()))
    }

    /// Whether anybody wants to be asked about a call or run.
    pub(crate) fn is_wanted(&self, subject: Subject<'_>) -> bool {
        self.wants(subject).is_some()
    }

    fn wants(&self, subject: Subject<'_>) -> Option<(Guard<Arc<Chain>>, Wants)> {
        let wanted = self.0.hooks.load(Ordering::Acquire);
        if wanted == 0 {
            return None;
        }
        let (before, after) = hooks(subject.kind);
        if wanted & (bit(before) | bit(after) | bit(Hook::Audit)) == 0 {
            return None;
        }
        let chain = self.0.chain.load();
        let skip = component(subject.caller);
        let about = About { name: subject.name, namespace: namespace(subject.name), caller: subject.caller, skip };
        let wants = Wants {
            before: chain.wants(before, &about),
            after: chain.wants(after, &about),
            audit: chain.wants(Hook::Audit, &about),
        };
        (wants.before || wants.after || wants.audit).then_some((chain, wants))
    }

    /// Remembers who makes a call, for runs that it may begin, until the answer is dropped. Does nothing where there is no middleware.
    pub(crate) fn calling(&self, id: ExecutionId, caller: &Arc<str>) -> Option<Calling<'_>> {
        let anybody = self.0.hooks.load(Ordering::Acquire) != 0;
        anybody.then(|| self.0.callers.calling(id, caller))
    }

    /// Who makes the call of this id.
    pub(crate) fn caller_of(&self, id: ExecutionId) -> Option<Arc<str>> {
        self.0.callers.of(id)
    }

    /// What was counted of the components' decisions, in order of their ids. A moment's view.
    pub(crate) fn counted(&self) -> Vec<CountedDecisions> {
        self.0.counted.all()
    }

    /// Audits that found no room.
    pub(crate) fn audits_dropped(&self) -> u64 {
        self.0.audits.dropped()
    }

    /// Makes the chain anew of the components as they are now.
    fn follow(&self, order: &[String]) {
        let links = self.0.components.links(order);
        let wanted = links.iter().flat_map(|link| &link.settings.hooks);
        let hooks = wanted.fold(0, |hooks, hook| hooks | bit(*hook));
        // Whoever sees a hook finds those who want it.
        self.0.chain.store(Arc::new(Chain::new(links)));
        self.0.hooks.store(hooks, Ordering::Release);
    }

    fn envelope_id(&self) -> String {
        format!("{:016x}{:016x}", self.0.process, self.0.envelopes.fetch_add(1, Ordering::Relaxed))
    }

    fn route(&self, name: &str) -> Option<Arc<registry::Route>> {
        self.0.registry.routes().get(name).map(Arc::clone)
    }
}

/// What is called or run, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: SubjectKind,
    /// Qualified; empty for a pipeline that is not stored.
    pub(crate) name: &'a str,
    /// Subject of the caller's token.
    pub(crate) caller: &'a str,
}

/// The hooks before and behind.
fn hooks(kind: SubjectKind) -> (Hook, Hook) {
    match kind {
        SubjectKind::Module => (Hook::PreInvoke, Hook::PostInvoke),
        SubjectKind::Pipeline => (Hook::PreRun, Hook::PostRun),
    }
}

/// Hooks that somebody wants to be asked at.
#[derive(Debug, Clone, Copy)]
struct Wants {
    before: bool,
    after: bool,
    audit: bool,
}

fn bit(hook: Hook) -> u64 {
    1 << hook as u64
}

/// The name without its last part.
fn namespace(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

/// The component that a caller is, which never meets what it began itself.
fn component(caller: &str) -> Option<&str> {
    caller.strip_prefix(COMPONENT)
}

/// How the subject of a component's token begins. No client is called so: there is a space in it.
pub(crate) const COMPONENT: &str = "component ";
