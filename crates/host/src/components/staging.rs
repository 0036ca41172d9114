//! What components keep at the host for a while: texts by key, for each component apart, bounded in number, size and time. Knows no
//! surface, and what is in a value is the component's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::{Error, codes};
use tokio::time::Instant;

use crate::config;

/// Longest key, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 256;

/// Whether a text may be a key: visible letters and digits, `-`, `_`, `.`, `:` and `/`.
pub(crate) fn is_key(key: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/');
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(inner)
}

/// All values of all components.
#[derive(Debug)]
pub(crate) struct Staging {
    bounds: config::Staging,
    /// Held for a look or a change, and never while anything is awaited.
    kept: Mutex<HashMap<Arc<str>, Shelf>>,
}

/// The values of one component.
#[derive(Debug, Default)]
struct Shelf {
    entries: HashMap<String, Entry>,
    /// Of all keys and values.
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    json: Arc<str>,
    until: Instant,
}

/// What a component keeps in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

impl Shelf {
    fn drop_old(&mut self, now: Instant) {
        let bytes = &mut self.bytes;
        self.entries.retain(|key, entry| {
            let stays = entry.until > now;
            if !stays {
                *bytes -= key.len() + entry.json.len();
            }
            stays
        });
    }

    fn remove(&mut self, key: &str) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.bytes -= key.len() + entry.json.len();
        Some(entry)
    }
}

impl Staging {
    pub(crate) fn new(bounds: config::Staging) -> Self {
        Self { bounds, kept: Mutex::new(HashMap::new()) }
    }

    /// How long a value stays.
    pub(crate) fn ttl(&self) -> Duration {
        self.bounds.ttl
    }

    /// Keeps a value in the place of what was there. Costs a look at all values of the component.
    ///
    /// # Errors
    /// `staging.key.invalid`, `staging.limit`.
    pub(crate) fn put(&self, component: &Arc<str>, key: &str, json: &str) -> Result<Kept, Error> {
        check(key)?;
        let now = Instant::now();
        let mut kept = self.kept();
        let shelf = kept.entry(Arc::clone(component)).or_default();
        shelf.drop_old(now);
        let replaced = shelf.entries.get(key).map_or(0, |entry| key.len() + entry.json.len());
        let bytes = shelf.bytes - replaced + key.len() + json.len();
        let entries = shelf.entries.len() + usize::from(replaced == 0);
        let over = [
            ("staging.max_entries", entries, self.bounds.max_entries),
            ("staging.max_bytes", bytes, self.bounds.max_bytes),
        ];
        if let Some((limit, would_be, most)) = over.into_iter().find(|(_, would_be, most)| would_be > most) {
            let message = format!("`{component}` would keep {would_be}, and `{limit}` is {most}");
            return Err(Error::of(codes::STAGING_LIMIT, message).detail("limit", limit));
        }
        shelf.remove(key);
        shelf.entries.insert(key.to_owned(), Entry { json: json.into(), until: now + self.bounds.ttl });
        shelf.bytes = bytes;
        Ok(Kept { entries, bytes })
    }

    /// A value as it was put.
    ///
    /// # Errors
    /// `staging.key.invalid`, `staging.unknown`.
    pub(crate) fn get(&self, component: &str, key: &str) -> Result<Arc<str>, Error> {
        check(key)?;
        let kept = self.kept();
        let entry = kept.get(component).and_then(|shelf| shelf.entries.get(key));
        let entry = entry.filter(|entry| entry.until > Instant::now());
        entry.map(|entry| Arc::clone(&entry.json)).ok_or_else(|| unknown(component, key))
    }

    /// Takes a value away.
    ///
    /// # Errors
    /// `staging.key.invalid`, `staging.unknown`.
    pub(crate) fn delete(&self, component: &str, key: &str) -> Result<(), Error> {
        check(key)?;
        let removed = self.kept().get_mut(component).and_then(|shelf| shelf.remove(key));
        removed.filter(|entry| entry.until > Instant::now()).map(drop).ok_or_else(|| unknown(component, key))
    }

    /// What a component keeps now.
    pub(crate) fn of(&self, component: &str) -> Kept {
        let mut kept = self.kept();
        let shelf = kept.get_mut(component);
        shelf.map_or(Kept { entries: 0, bytes: 0 }, |shelf| {
            shelf.drop_old(Instant::now());
            Kept { entries: shelf.entries.len(), bytes: shelf.bytes }
        })
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Arc<str>, Shelf>> {
        // No change is left half done by a panic: each is one insertion or removal.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(key: &str) -> Result<(), Error> {
    if is_key(key) {
        return Ok(());
    }
    let message = format!("a key has 1 to {MAX_KEY_BYTES} letters, digits, `-`, `_`, `.`, `:` and `/`");
    Err(Error::of(codes::STAGING_KEY_INVALID, message).detail("key", key.escape_debug().to_string()))
}

fn unknown(component: &str, key: &str) -> Error {
    Error::of(codes::STAGING_UNKNOWN, format!("`{component}` keeps nothing as `{key}`")).detail("key", key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staging() -> Staging {
        Staging::new(config::Staging { max_entries: 2, max_bytes: 20, ttl: Duration::from_secs(10) })
    }

    fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.expect_err("a failure").code().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_there_for_its_component_alone_until_its_time_is_over() {
        let (staging, a) = (staging(), Arc::from("a"));
        assert_eq!(staging.put(&a, "k", "[1]").unwrap(), Kept { entries: 1, bytes: 4 });
        assert_eq!(&*staging.get("a", "k").unwrap(), "[1]");
        assert_eq!(code(staging.get("b", "k")), "staging.unknown");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(code(staging.get("a", "k")), "staging.unknown");
        assert_eq!(code(staging.delete("a", "k")), "staging.unknown");
        assert_eq!(staging.of("a"), Kept { entries: 0, bytes: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn what_replaces_counts_once_and_what_is_too_much_changes_nothing() {
        let (staging, a) = (staging(), Arc::from("a"));
        staging.put(&a, "k", "\"0123456789abcdef\"").unwrap();
        assert_eq!(code(staging.put(&a, "l", "1")), "staging.limit", "bytes");
        assert_eq!(staging.put(&a, "k", "1").unwrap(), Kept { entries: 1, bytes: 2 });
        staging.put(&a, "l", "1").unwrap();
        assert_eq!(code(staging.put(&a, "m", "1")), "staging.limit", "entries");
        staging.delete("a", "l").unwrap();
        staging.put(&a, "m", "1").unwrap();
        staging.put(&Arc::from("b"), "m", "1").unwrap();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(staging.put(&a, "n", "1").unwrap(), Kept { entries: 1, bytes: 2 }, "the old ones made room");
    }

    #[test]
    fn a_key_is_plain() {
        for (key, fits) in [("run/1:phase-2.out_x", true), ("", false), ("a b", false), ("ä", false), ("a%", false)] {
            assert_eq!(is_key(key), fits, "{key:?}");
        }
        assert!(is_key(&"k".repeat(MAX_KEY_BYTES)) && !is_key(&"k".repeat(MAX_KEY_BYTES + 1)));
    }
}
