//! What one call or run may take, and what is expected of the host. Sends nothing.

use std::time::Duration;

/// Time for a call whose caller says nothing.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for a run whose caller says nothing.
const RUN_TIMEOUT: Duration = Duration::from_secs(300);

/// What the last attempt of a call has at least, so that it is the host who says that the time is over.
pub(crate) const LEAST: Duration = Duration::from_millis(1);

/// What one call may take, and what its caller knows.
#[derive(Debug, Clone)]
pub struct CallOptions {
    pub(crate) timeout: Duration,
    pub(crate) idempotency_key: String,
    pub(crate) schema_fingerprint: Option<String>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self { timeout: DEFAULT_TIMEOUT, idempotency_key: String::new(), schema_fingerprint: None }
    }
}

impl CallOptions {
    /// 30 s, no idempotency key, no expected types.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the call may take, from now to its answer, of a stream to its end. A nested call takes no longer than what is left of the
    /// call that it is made for.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Equal for calls that must have one effect. Of a batch, each input has the key with its place behind it: `key/0`, `key/1`.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = key.into();
        self
    }

    /// The types that the caller was built for, by the module's fingerprint ([`ModuleInfo::fingerprint`](crate::ModuleInfo::fingerprint)).
    ///
    /// The native types of the call must then be exactly those of the module: nothing is asked of the host before the call, nothing is carried
    /// over from one type to another, and a module that has other types now fails the call with `registry.schema.changed` before it runs.
    /// Generated bindings call so.
    pub fn schema_fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.schema_fingerprint = Some(fingerprint.into());
        self
    }
}

/// What one run of a pipeline may take.
#[derive(Debug, Clone)]
pub struct RunOptions {
    pub(crate) timeout: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { timeout: RUN_TIMEOUT }
    }
}

impl RunOptions {
    /// 300 s.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the run may take, from now to its answer. In a handler, no longer than what is left of the call that it is made for.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Under which conditions a pipeline is stored.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    pub(crate) replaces: String,
    pub(crate) allow_breaking: bool,
}

impl PutOptions {
    /// Whatever is there, but only where its callers still fit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only where this is the hash of the plan that is there, or `new` where there must be none; else `pipeline.plan.changed`.
    pub fn replaces(mut self, hash: impl Into<String>) -> Self {
        self.replaces = hash.into();
        self
    }

    /// Also where callers of the present one would no longer fit.
    pub fn allow_breaking(mut self) -> Self {
        self.allow_breaking = true;
        self
    }
}
