//! What the supervisor has to know of its host. Nothing here is about one component; that is [`config`](crate::config).

use std::ffi::OsString;
use std::path::PathBuf;

/// What the supervisor has to know of its host.
#[derive(Debug, Clone)]
pub struct Options {
    /// The host's own directory, absolute. Each component has `components/<id>/` in it, mode 0700, with `data/` for its data and
    /// the files of its tokens beside it.
    pub data_dir: PathBuf,
    /// What starts processes.
    pub shim: ShimCommand,
    /// Version of the host's program, as components are told.
    pub host_version: String,
    /// Names the host, for logs of components.
    pub node_id: String,
    /// Where components reach the host: the value of `MODRACK_HOST`, e.g. `unix:/run/modrack/host.sock`.
    pub host_address: String,
    /// Events that a reader of [`Handle::subscribe`](crate::Handle::subscribe) may be behind before it misses some.
    pub event_backlog: usize,
}

impl Options {
    /// Options with a backlog of 1024 events.
    #[must_use]
    pub fn new(data_dir: PathBuf, shim: ShimCommand, host_address: impl Into<String>) -> Self {
        Self {
            data_dir,
            shim,
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            node_id: "local".to_owned(),
            host_address: host_address.into(),
            event_backlog: 1024,
        }
    }
}

/// A program that calls [`shim::main`](crate::shim::main) when it is started like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShimCommand {
    /// Absolute.
    pub program: PathBuf,
    /// Before anything that the supervisor adds.
    pub args: Vec<OsString>,
}
