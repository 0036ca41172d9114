//! Finds `modules.lock.json` for directories, and notices when a lock is written, changed or removed. Checks nothing against it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pipeline::Catalog;
use tokio::sync::watch;

use crate::lsp::catalogs::{Following, News};
use crate::modules::lock;

/// The name that `modrack modules lock` gives a lock.
const NAME: &str = "modules.lock.json";
/// How long a change may stay unseen where the editor does not tell of it.
const LOOK: Duration = Duration::from_secs(2);

/// Follows until the server is gone.
pub(super) async fn follow(
    pinned: Option<PathBuf>,
    mut following: watch::Receiver<Following>,
    tell: &impl Fn(News) -> bool,
) {
    let mut locks = Locks { pinned, ..Locks::default() };
    loop {
        let now = following.borrow_and_update().clone();
        if !locks.look(&now).into_iter().all(tell) {
            return;
        }
        // The end of the wait without a change is the time to look again.
        if let Ok(Err(_gone)) = tokio::time::timeout(LOOK, following.changed()).await {
            return;
        }
    }
}

/// What was told last.
#[derive(Debug, Default)]
struct Locks {
    pinned: Option<PathBuf>,
    located: BTreeMap<PathBuf, Option<PathBuf>>,
    read: BTreeMap<PathBuf, Stamp>,
}

/// Changes when the file does.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: Option<u64>,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let facts = std::fs::metadata(path).ok();
        Self {
            modified: facts.as_ref().and_then(|facts| facts.modified().ok()),
            length: facts.as_ref().map(std::fs::Metadata::len),
        }
    }
}

impl Locks {
    /// What is new since the last look. A lock is told before the first directory that has it.
    fn look(&mut self, following: &Following) -> Vec<News> {
        let mut news = Vec::new();
        self.located.retain(|directory, _| following.directories.contains(directory));
        for directory in &following.directories {
            let lock = self.pinned.clone().or_else(|| locate(directory, &following.roots));
            if let Some(lock) = &lock {
                news.extend(self.read(lock));
            }
            if self.located.get(directory) != Some(&lock) {
                self.located.insert(directory.clone(), lock.clone());
                news.push(News::Located { directory: directory.clone(), lock });
            }
        }
        let used: Vec<_> = self.located.values().flatten().collect();
        self.read.retain(|lock, _| used.contains(&lock));
        news
    }

    fn read(&mut self, lock: &Path) -> Option<News> {
        // Taken before the file is read: what is written meanwhile is seen by the next look.
        let stamp = Stamp::of(lock);
        if self.read.insert(lock.to_owned(), stamp) == Some(stamp) {
            return None;
        }
        let catalog = lock::read(lock).map(|lock| Arc::new(Catalog::from_lock(&lock)));
        Some(News::Lock { lock: lock.to_owned(), catalog: catalog.map_err(|failure| failure.to_string()) })
    }
}

/// The nearest lock in a directory or above it, else in a root.
fn locate(directory: &Path, roots: &[PathBuf]) -> Option<PathBuf> {
    let directories = directory.ancestors().chain(roots.iter().map(PathBuf::as_path));
    directories.map(|directory| directory.join(NAME)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const EMPTY: &str = r#"{"version": 1, "patterns": [], "modules": []}"#;

    /// What was found below a directory; a lock above it is none of the test's.
    fn shown(news: &[News], root: &Path) -> Vec<String> {
        let name = |path: &Path| path.strip_prefix(root).ok().map(|path| path.display().to_string());
        let show = |news: &News| match news {
            News::Located { directory, lock } => {
                let lock = lock.as_deref().and_then(name).unwrap_or_else(|| "none".into());
                Some(format!("{} has {lock}", name(directory)?))
            }
            News::Lock { lock, catalog } => {
                let what = match catalog {
                    Ok(_) => "read",
                    Err(error) => error.rsplit('(').next().unwrap(),
                };
                Some(format!("{}: {what}", name(lock)?))
            }
            other => Some(format!("{other:?}")),
        };
        news.iter().filter_map(show).collect()
    }

    #[test]
    fn the_nearest_lock_counts_and_a_root_is_asked_last() {
        let root = TempDir::new().unwrap();
        let inner = root.path().join("work/a/b");
        fs::create_dir_all(&inner).unwrap();
        let nearest = root.path().join("work/a").join(NAME);
        for lock in [&nearest, &root.path().join(NAME)] {
            fs::write(lock, EMPTY).unwrap();
        }
        assert_eq!(locate(&inner, &[]), Some(nearest));
        // Nothing is above a relative path but the directory that the tests run in.
        let lost = Path::new("no/such/directory");
        assert_eq!(locate(lost, &[]), None);
        assert_eq!(locate(lost, &[root.path().to_owned()]), Some(root.path().join(NAME)));
    }

    #[test]
    fn a_lock_is_told_when_it_comes_when_it_changes_and_when_it_goes() {
        let root = TempDir::new().unwrap();
        let directory = root.path().join("work");
        fs::create_dir(&directory).unwrap();
        let lock = directory.join(NAME);
        let following = Following { directories: [directory].into(), ..Following::default() };
        let mut locks = Locks::default();
        let mut look = || shown(&locks.look(&following), root.path());
        assert_eq!(look(), ["work has none"]);
        assert_eq!(look(), Vec::<String>::new());
        fs::write(&lock, EMPTY).unwrap();
        assert_eq!(look(), ["work/modules.lock.json: read", "work has work/modules.lock.json"]);
        assert_eq!(look(), Vec::<String>::new());
        fs::write(&lock, "{}").unwrap();
        assert_eq!(look(), ["work/modules.lock.json: cli.lock.invalid)"]);
        fs::remove_file(&lock).unwrap();
        assert_eq!(look(), ["work has none"]);
    }
}
