//! One namespace: its live sessions and its live modules. Who may join is decided at registration.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{LocalName, SessionId};

use crate::routes::Module;

/// A namespace with at least one session. Its owner is what its members have in common, and so is not stored.
#[derive(Debug, Default)]
pub(super) struct NamespaceState {
    /// Live sessions in the order of registration: pending, ready or draining, never retiring.
    pub(super) members: Vec<SessionId>,
    /// What is live: the modules of the member that became callable last; while none is callable, of the newest.
    pub(super) modules: BTreeMap<LocalName, Arc<Module>>,
}
