//! Calls under a policy: how long an attempt may take, how often it is made again, whose answer is kept, how many run and how
//! soon. Does not know pipelines: a policy is the same whoever asks for it.

mod backoff;
mod batcher;
mod by_module;
mod cache;
pub(crate) mod counters;
mod flight;
mod retry;
mod throttle;
mod turn;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::frame::Execute;
use protocol::{DataPlane, Error, SessionId};
use registry::Route;
use tokio::time::Instant;

use crate::check;
use crate::gate::Gate;
use crate::handle::{Call, Handle};
use crate::options::Options;

use batcher::{BatchKey, Batcher};
use by_module::ByModule;
use cache::Caches;
use throttle::Throttle;

pub use backoff::Backoff;
pub use cache::{CountedCache, DEFAULT_CACHE};
pub use counters::{BATCH_BUCKETS, CountedPolicies};

/// The priority of calls that ask for none.
pub const NORMAL: i32 = 50;

/// How a module is called. The default asks for nothing that [`Handle::call`] does not do. From the inside out: `timeout`,
/// `retry`, `batch`, `throttle`, `concurrency`, `cache`; `priority` goes for every wait among them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Time that a provider has for one attempt, counted from when it has a place for the call.
    pub timeout: Option<Duration>,
    /// Extra attempts after failures that may pass.
    pub retry: u32,
    /// Time before the first extra attempt.
    pub delay: Duration,
    /// How that time grows from one to the next.
    pub backoff: Backoff,
    /// Whether outputs are kept, and where.
    pub cache: Option<CachePolicy>,
    /// Calls in a time, of all callers of the module with the same rate.
    pub throttle: Option<Rate>,
    /// Calls at once, of all callers of the module with the same number; at least 1.
    pub concurrency: Option<u32>,
    /// Who goes first where calls wait: the greater; 0 to 100 as a rule.
    pub priority: i32,
    /// Whether calls travel together.
    pub batch: Option<BatchPolicy>,
}

/// How outputs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CachePolicy {
    /// How old an output may be.
    pub ttl: Duration,
    /// The name of the cache.
    pub backend: String,
}

/// So many in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many; 0 counts as 1.
    pub count: u32,
    /// In which time; nothing counts as a nanosecond.
    pub per: Duration,
}

/// How calls travel together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchPolicy {
    /// Most calls in one batch; 0 counts as 1.
    pub size: u32,
    /// Longest time that a call waits for others.
    pub wait: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: None,
            retry: 0,
            delay: Duration::ZERO,
            backoff: Backoff::default(),
            cache: None,
            throttle: None,
            concurrency: None,
            priority: NORMAL,
            batch: None,
        }
    }
}

/// What a call under a policy came to.
#[derive(Debug, Clone)]
pub struct PolicyReply {
    /// Canonical MessagePack of the declared output type.
    pub output: Bytes,
    /// How it went.
    pub facts: CallFacts,
}

/// Why a call under a policy gave nothing.
#[derive(Debug, Clone)]
pub struct PolicyFailure {
    /// Why; carries the execution id.
    pub error: Error,
    /// How it went until then.
    pub facts: CallFacts,
}

/// How a call went.
#[derive(Debug, Clone, Default)]
pub struct CallFacts {
    /// Revision of the module that answered; 0 when none did.
    pub revision: u64,
    /// Whether the output was kept from before, or is that of an equal call in flight.
    pub cached: bool,
    /// Time spent waiting for a turn: for places, rates and batches, not for a delay between attempts.
    pub queued: Duration,
    /// The attempts of this call in order; none where another call's output served.
    pub attempts: Vec<AttemptFacts>,
}

/// How an attempt went.
#[derive(Debug, Clone)]
pub struct AttemptFacts {
    /// Who was called; `None` when nobody was reached.
    pub session: Option<SessionId>,
    /// By which plane.
    pub plane: Option<DataPlane>,
    /// When it began.
    pub started: std::time::Instant,
    /// How long it took.
    pub duration: Duration,
    /// The code of its failure; `None` when it succeeded.
    pub code: Option<Cow<'static, str>>,
}

impl Handle {
    /// Calls the module of a route as the policy says, at the longest until the call's deadline. Dropping the future
    /// cancels what runs for this call alone.
    ///
    /// # Errors
    /// Those of [`Handle::call`], of the last attempt.
    pub async fn call_with(
        &self,
        route: &Arc<Route>,
        call: Call,
        policy: &Policy,
    ) -> Result<PolicyReply, PolicyFailure> {
        let id = call.execution_id;
        let mut facts = CallFacts::default();
        match self.by_policy(route, call, policy, &mut facts).await {
            Ok(output) => Ok(PolicyReply { output, facts }),
            Err(error) => Err(PolicyFailure { error: error.traced(&id.to_string()), facts }),
        }
    }

    async fn by_policy(
        &self,
        route: &Arc<Route>,
        call: Call,
        policy: &Policy,
        facts: &mut CallFacts,
    ) -> Result<Bytes, Error> {
        self.is_running()?;
        check::plain(route)?;
        let call = Call { input: check::input(route, call.input)?, ..call };
        match &policy.cache {
            Some(cache) => self.cached(route, call, policy, cache, facts).await,
            None => {
                let deadline = call.deadline;
                let execute = self.sendable(route, call)?;
                self.in_turn(route, &execute, deadline, policy, facts).await
            }
        }
    }

    async fn in_turn(
        &self,
        route: &Arc<Route>,
        execute: &Execute,
        deadline: Instant,
        policy: &Policy,
        facts: &mut CallFacts,
    ) -> Result<Bytes, Error> {
        let _place = self.turn(route, deadline, policy, facts).await?;
        self.with_retries(route, execute, deadline, policy, facts).await
    }

    /// What was counted of the policies of each module's calls, of the modules that [`Handle::counted`] tells of, in order; only
    /// of those that were called under one. A moment's view.
    #[must_use]
    pub fn counted_policies(&self) -> Vec<CountedPolicies> {
        self.metrics.counted_policies(&self.registry.routes())
    }

    /// What each cache holds, in order of their names. Lets the caches drop what is too old or too much first.
    pub async fn counted_caches(&self) -> Vec<CountedCache> {
        self.policies.caches.counted().await
    }
}

/// What calls under policies share, whoever makes them.
pub(crate) struct Policies {
    caches: Caches,
    limits: ByModule<u32, Gate>,
    throttles: ByModule<Rate, Throttle>,
    batchers: ByModule<BatchKey, Batcher>,
}

impl Policies {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            caches: Caches::new(options),
            limits: ByModule::default(),
            throttles: ByModule::default(),
            batchers: ByModule::default(),
        }
    }
}
