//! On whose behalf calls are that go on, for the runs of stored pipelines that they begin: the executor, which stands in between,
//! knows no callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::frame::ExecutionId;

/// Callers by the id of their call.
#[derive(Debug, Default)]
pub(super) struct Callers(Mutex<HashMap<ExecutionId, Arc<str>>>);

/// A call that goes on.
#[must_use = "the caller is known while this lives"]
pub(crate) struct Calling<'c> {
    callers: &'c Callers,
    id: ExecutionId,
}

impl Callers {
    pub(super) fn calling(&self, id: ExecutionId, caller: &Arc<str>) -> Calling<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(caller));
        Calling { callers: self, id }
    }

    pub(super) fn of(&self, id: ExecutionId) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).map(Arc::clone)
    }
}

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.callers.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
