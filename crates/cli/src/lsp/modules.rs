//! Which modules count for which document, out of what the background found. Finds nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use lsp_types::MessageType;
use pipeline::Catalog;

use crate::lsp::catalogs::{Following, News};
use crate::lsp::documents::Snapshot;

/// What is known of the modules.
#[derive(Debug)]
pub(crate) struct Modules {
    pinned_host: bool,
    following: Following,
    /// Which lock a directory has; a directory that is not here was not looked at yet.
    located: BTreeMap<PathBuf, Option<PathBuf>>,
    locks: BTreeMap<PathBuf, Arc<Catalog>>,
    host: Option<Arc<Catalog>>,
    /// What counts as long as nothing is known.
    empty: Arc<Catalog>,
    /// The client was told that there is no host.
    told_no_host: bool,
}

/// What is said to the one who edits.
pub(crate) type Said = Vec<(MessageType, String)>;

impl Modules {
    /// With `pinned_host` a host's modules count and no lock's.
    pub(crate) fn new(pinned_host: bool) -> Self {
        Self {
            pinned_host,
            following: Following::default(),
            located: BTreeMap::new(),
            locks: BTreeMap::new(),
            host: None,
            empty: Arc::default(),
            told_no_host: false,
        }
    }

    pub(crate) fn following(&self) -> &Following {
        &self.following
    }

    pub(crate) fn set_roots(&mut self, roots: Vec<PathBuf>) {
        self.following.roots = roots;
    }

    /// The directory that documents belong to which are no files: the first root, else the one that the server was started in.
    pub(crate) fn home(&self) -> PathBuf {
        self.following.roots.first().cloned().unwrap_or_default()
    }

    /// Asks for a look at the locks now.
    pub(crate) fn look(&mut self) {
        self.following.looks += 1;
    }

    /// Has the modules of documents in these directories found.
    pub(crate) fn follow(&mut self, directories: BTreeSet<PathBuf>) {
        if self.pinned_host {
            self.following.host = true;
        } else {
            self.located.retain(|directory, _| directories.contains(directory));
            self.following.directories = directories;
        }
    }

    /// Takes in what was found.
    pub(crate) fn apply(&mut self, news: News) -> Said {
        match news {
            News::Located { directory, lock } => {
                self.following.host |= lock.is_none();
                self.located.insert(directory, lock);
                Said::new()
            }
            News::Lock { lock, catalog: Ok(catalog) } => {
                self.locks.insert(lock, catalog);
                Said::new()
            }
            News::Lock { lock, catalog: Err(why) } => {
                self.locks.remove(&lock);
                vec![(MessageType::ERROR, format!("modules are not known: {why}"))]
            }
            News::Host(catalog) => {
                self.host = Some(catalog);
                Said::new()
            }
            // What a host said last still is the best guess.
            News::NoHost(why) if self.host.is_none() && !std::mem::replace(&mut self.told_no_host, true) => {
                let advice = "calls of modules are not checked until there is a host (`--host`, MODRACK_HOST) or a lock (`modrack modules lock`)";
                vec![(MessageType::INFO, format!("no modules are known: {why}; {advice}"))]
            }
            News::NoHost(_) => Said::new(),
        }
    }

    /// The modules that count for a document, and whether they are known: if not, that a module is missing says nothing.
    pub(crate) fn of(&self, snapshot: &Snapshot) -> (Arc<Catalog>, bool) {
        let found = match self.located.get(&snapshot.directory) {
            _ if self.pinned_host => self.host.as_ref(),
            Some(Some(lock)) => self.locks.get(lock),
            Some(None) => self.host.as_ref(),
            None => None,
        };
        found.map_or_else(|| (Arc::clone(&self.empty), false), |catalog| (Arc::clone(catalog), true))
    }
}
