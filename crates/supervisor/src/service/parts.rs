//! Which components are asked as middleware now. Asks none.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::ComponentConfig;
use crate::host::Part;

/// Takes a component in or out; others keep their places.
pub(super) fn change(parts: &watch::Sender<Arc<[Part]>>, id: &Arc<str>, config: &ComponentConfig, is_wanted: bool) {
    if config.hooks.is_empty() {
        return;
    }
    parts.send_if_modified(|parts| {
        let present = parts.binary_search_by(|part| part.id.cmp(id));
        let mut changed = parts.to_vec();
        match (present, is_wanted) {
            (Ok(at), false) => drop(changed.remove(at)),
            (Err(at), true) => changed.insert(at, Part { id: Arc::clone(id), settings: config.settings() }),
            _ => return false,
        }
        *parts = changed.into();
        true
    });
}
