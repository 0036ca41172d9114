//! Which files change below some directories, in groups: what changes at once is told at once. Starts nothing anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// How long nothing may happen before a group ends: an editor writes a file in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// How long a group may take where it never gets quiet.
const LONGEST: Duration = Duration::from_secs(2);
/// Events that wait; past that all directories count as changed.
const WAITING: usize = 1024;
/// What is made from sources, or installed; whatever begins with a dot is left out, too.
const LEFT_OUT: [&str; 4] = ["node_modules", "__pycache__", "target", "venv"];
/// What programs write while they run, and editors while somebody types.
const SUFFIXES: [&str; 7] = ["log", "pyc", "swp", "swx", "tmp", "db-wal", "db-shm"];

/// Changes below the directories.
pub(crate) struct Changes {
    watcher: RecommendedWatcher,
    roots: Vec<PathBuf>,
    events: mpsc::Receiver<PathBuf>,
    overflown: Arc<AtomicBool>,
    /// What has changed and is not told yet.
    group: BTreeSet<PathBuf>,
    /// When it is told, once it has begun.
    due: Option<Due>,
}

/// The ends of a group.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// If nothing else happens.
    quiet: Instant,
    /// Whatever happens.
    latest: Instant,
}

impl Changes {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the system cannot watch, or not so many directories.
    pub(crate) fn watch(roots: &BTreeSet<PathBuf>) -> notify::Result<Self> {
        let (tx, events) = mpsc::channel(WAITING);
        let overflown = Arc::new(AtomicBool::new(false));
        let overflow = Arc::clone(&overflown);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // What cannot be told is told as a change of everything.
            let lost = match event {
                // An empty path wakes whoever waits.
                Ok(event) if event.need_rescan() => {
                    let _full = tx.try_send(PathBuf::new());
                    true
                }
                Ok(Event { kind: EventKind::Access(_), .. }) => false,
                Ok(event) => event.paths.into_iter().any(|path| tx.try_send(path).is_err()),
                Err(_) => true,
            };
            if lost {
                overflow.store(true, Ordering::Relaxed);
            }
        })?;
        let mut changes = Self {
            watcher,
            roots: roots.iter().cloned().collect(),
            events,
            overflown,
            group: BTreeSet::new(),
            due: None,
        };
        for root in roots {
            changes.add(root, true)?;
        }
        Ok(changes)
    }

    /// The files of the next group; of more changes than can be told, the directories themselves. Never ends by itself. Who stops
    /// waiting loses nothing: the next one who waits is told.
    pub(crate) async fn next(&mut self) -> BTreeSet<PathBuf> {
        loop {
            let path = match self.due {
                None => self.events.recv().await,
                Some(due) => match timeout_at(due.quiet.min(due.latest), self.events.recv()).await {
                    Ok(path) => path,
                    Err(_) => break,
                },
            };
            // The sender lives as long as the watcher.
            let Some(path) = path else { std::future::pending().await };
            if path.as_os_str().is_empty() {
                self.group.extend(self.roots.iter().cloned());
            } else if !self.counts(&path) {
                continue;
            } else if path.is_dir() {
                // What was written there before it was watched is in it now.
                let _gone_again = self.add(&path, false);
                self.group.extend(files_in(&path));
            } else {
                self.group.insert(path);
            }
            if !self.group.is_empty() {
                let now = Instant::now();
                let latest = self.due.map_or(now + LONGEST, |due| due.latest);
                self.due = Some(Due { quiet: now + QUIET, latest });
            }
        }
        self.due = None;
        if self.overflown.swap(false, Ordering::Relaxed) {
            self.group.extend(self.roots.iter().cloned());
        }
        std::mem::take(&mut self.group)
    }

    /// Watches a directory and all below it that count. Links are not followed.
    fn add(&mut self, directory: &Path, must: bool) -> notify::Result<()> {
        let watched = self.watcher.watch(directory, RecursiveMode::NonRecursive);
        if must {
            watched?;
        }
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let path = entry.path();
            if self.counts(&path) {
                // One that is gone again needs no watch.
                self.add(&path, must && path.is_dir())?;
            }
        }
        Ok(())
    }

    fn counts(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| path.strip_prefix(root).is_ok_and(is_source))
    }
}

/// Whether a path below a root is one of an author.
fn is_source(relative: &Path) -> bool {
    let left_out = relative.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name.starts_with('.') || LEFT_OUT.contains(&name.as_ref())
    });
    let name = relative.file_name().unwrap_or_default().to_string_lossy();
    let suffix = relative.extension().unwrap_or_default().to_string_lossy();
    // `4913` is what vi probes a directory with.
    !left_out && !name.ends_with('~') && name != "4913" && !SUFFIXES.contains(&suffix.as_ref())
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && path.file_name().is_some_and(|name| is_source(Path::new(name))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_author_writes_counts() {
        for (path, counts) in [
            ("provider.py", true),
            ("lib/text.ts", true),
            ("data/words.txt", true),
            ("node_modules/x/index.js", false),
            (".venv/bin/python", false),
            ("lib/__pycache__/text.cpython-311.pyc", false),
            ("target/debug/app", false),
            (".git/index", false),
            (".provider.py.swp", false),
            ("provider.py~", false),
            ("4913", false),
            ("run.log", false),
        ] {
            assert_eq!(is_source(Path::new(path)), counts, "{path}");
        }
    }

    #[tokio::test]
    async fn what_changes_at_once_is_told_at_once_also_in_new_directories() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("node_modules")).unwrap();
        let mut changes = Changes::watch(&BTreeSet::from([root.clone()])).unwrap();
        std::fs::write(root.join("node_modules/a.js"), "").unwrap();
        std::fs::write(root.join("b.py"), "").unwrap();
        std::fs::write(root.join("a.py"), "").unwrap();
        std::fs::create_dir(root.join("lib")).unwrap();
        std::fs::write(root.join("lib/c.py"), "").unwrap();
        let names = |group: BTreeSet<PathBuf>| {
            let names = group.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(testkit::within("a change", changes.next()).await), ["a.py", "b.py", "lib/c.py"]);
        std::fs::write(root.join("lib/c.py"), "x").unwrap();
        assert_eq!(names(testkit::within("a change", changes.next()).await), ["lib/c.py"]);
    }

    #[tokio::test]
    async fn who_stops_waiting_in_the_middle_of_a_group_loses_nothing_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let mut changes = Changes::watch(&BTreeSet::from([root.clone()])).unwrap();
        std::fs::write(root.join("a.py"), "").unwrap();
        let all = BTreeSet::from([root.join("a.py")]);
        // Until the event is taken from the queue, and the group has begun.
        while changes.due.is_none() {
            if let Ok(told) = tokio::time::timeout(Duration::from_millis(10), changes.next()).await {
                // So slow a machine cut nothing off.
                assert_eq!(told, all);
                return;
            }
        }
        assert_eq!(testkit::within("a change", changes.next()).await, all);
    }
}
