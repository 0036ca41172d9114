//! What one call may take and what is expected of the module. Sends nothing.

use std::time::Duration;

/// Time for a call whose caller says nothing.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

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
