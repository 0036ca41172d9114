//! The runtime that a host runs in. Starts no host.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// A runtime for [`serve`](crate::serve()): as many threads as there are cores.
///
/// # Errors
/// What the system says when threads or the poller cannot be made.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}
