//! Where the modules come from that sources are checked against: locks and a host, both followed in the background. Checks nothing.
//!
//! One thread with a runtime of its own does all waiting for disks and the network, so that neither holds up an edit. What it is to
//! follow is a value that the server replaces; what it finds are events of the server.

mod host;
mod locks;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use pipeline::Catalog;
use tokio::sync::watch;

use crate::client;
use crate::failure::Failures;
use crate::lsp::server::Event;
use crate::target::Target;

/// What is to be followed. Replaced as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Following {
    /// Directories of open documents, each to be given the nearest lock in it or above it.
    pub(crate) directories: BTreeSet<PathBuf>,
    /// Directories that are searched last: the roots of the workspace.
    pub(crate) roots: Vec<PathBuf>,
    /// Whether the host's modules are needed; once true, always.
    pub(crate) host: bool,
    /// Rises when files may have changed, so that they are looked at now.
    pub(crate) looks: u64,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum News {
    /// The lock that documents of a directory are checked against; `None` where there is none.
    Located {
        /// The directory.
        directory: PathBuf,
        /// The file.
        lock: Option<PathBuf>,
    },
    /// A lock was read, or read anew because it changed.
    Lock {
        /// The file.
        lock: PathBuf,
        /// Its modules, or why it cannot be read.
        catalog: Result<Arc<Catalog>, String>,
    },
    /// The host's modules and its caches, also after each change of the modules.
    Host(Arc<Catalog>),
    /// There is no connection to a host, and why. It is tried again until there is one; said after every attempt.
    NoHost(String),
}

impl News {
    /// Adds caches to the modules of a lock, which tells of none. A host tells of its own.
    fn with_caches(self, caches: &[String]) -> Self {
        match self {
            Self::Lock { lock, catalog: Ok(catalog) } => {
                let catalog =
                    caches.iter().fold(Arc::unwrap_or_clone(catalog), |catalog, cache| catalog.with_cache(cache));
                Self::Lock { lock, catalog: Ok(Arc::new(catalog)) }
            }
            other => other,
        }
    }
}

/// Where modules may come from.
pub(crate) struct Sources {
    /// The lock that every directory has.
    pub(crate) pinned: Option<PathBuf>,
    /// The caches that `cache_backend` may name besides the default one where the modules are of a lock.
    pub(crate) caches: Vec<String>,
    /// The host, or why none can be asked.
    pub(crate) target: Result<Target, Failures>,
}

/// Follows until the process ends.
pub(crate) fn spawn(from: Sources, following: watch::Receiver<Following>, events: SyncSender<Event>) {
    let Sources { pinned, caches, target } = from;
    // Nobody waits for its end: it may hang on a dead disk, and the end of the server must not.
    thread::spawn(move || {
        // The server is gone when nobody takes events any more, and soon the process is.
        let tell = |news: News| events.send(Event::News(news.with_caches(&caches))).is_ok();
        let all = async {
            let host = async {
                if following.clone().wait_for(|following| following.host).await.is_ok() {
                    match target {
                        Ok(target) => host::follow(&target, &tell).await,
                        Err(failures) => drop(tell(News::NoHost(failures.to_string()))),
                    }
                }
            };
            tokio::join!(locks::follow(pinned, following.clone(), &tell), host)
        };
        if let Err(failures) = client::block_on(all) {
            tell(News::NoHost(failures.to_string()));
        }
    });
}
