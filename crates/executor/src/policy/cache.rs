//! Outputs that are kept: by module, revision and canonical input, in caches with names, each bounded in bytes. Calls nobody.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use moka::Expiry;
use protocol::{Error, ModuleName, codes};
use tokio::time::Instant;

use crate::options::Options;
use crate::policy::flight::Flight;

/// The cache that is always there.
pub const DEFAULT_CACHE: &str = "memory";

/// What an entry takes beside its input and output, in bytes: about what the tables of the cache hold for it.
const ENTRY_BYTES: u64 = 256;
/// Longest time that an output is kept; a longer one counts as this.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// What one cache holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedCache {
    /// Its name.
    pub name: String,
    /// Most bytes that it holds.
    pub max_bytes: u64,
    /// Bytes of inputs and outputs and what they need beside them; may lag behind by a moment.
    pub bytes: u64,
    /// Outputs; as the bytes.
    pub entries: u64,
}

/// The caches of the host, all there from the start.
pub(crate) struct Caches(BTreeMap<String, Arc<Cache>>);

/// One cache.
pub(crate) struct Cache {
    outputs: moka::future::Cache<Key, Kept>,
    max_bytes: u64,
    /// Bytes that were put in since the cache last looked whether it holds too much.
    unseen: AtomicU64,
    /// Calls that are made now, by what their output will be kept under. Each takes itself out when it is over.
    flights: Mutex<HashMap<Key, Weak<Flight>>>,
}

/// What an output is kept under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) module: ModuleName,
    pub(crate) revision: u64,
    pub(crate) input: Bytes,
}

/// An output.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) output: Bytes,
    since: Instant,
    ttl: Duration,
}

struct Ttl;

impl Expiry<Key, Kept> for Ttl {
    fn expire_after_create(&self, _: &Key, kept: &Kept, _: std::time::Instant) -> Option<Duration> {
        Some(kept.ttl)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        kept: &Kept,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }
}

impl Caches {
    pub(crate) fn new(options: &Options) -> Self {
        let named = options.caches.iter().map(|cache| (cache.name.clone(), cache.max_bytes));
        let caches = named.chain([(DEFAULT_CACHE.to_owned(), options.cache_bytes)]);
        Self(caches.map(|(name, max_bytes)| (name, Cache::new(max_bytes))).collect())
    }

    /// # Errors
    /// `executor.cache.unknown`.
    pub(crate) fn get(&self, name: &str) -> Result<&Arc<Cache>, Error> {
        self.0.get(name).ok_or_else(|| Error::of(codes::CACHE_UNKNOWN, format!("there is no cache `{name}`")))
    }

    pub(crate) async fn counted(&self) -> Vec<CountedCache> {
        let mut counted = Vec::with_capacity(self.0.len());
        for (name, cache) in &self.0 {
            cache.outputs.run_pending_tasks().await;
            counted.push(CountedCache {
                name: name.clone(),
                max_bytes: cache.max_bytes,
                bytes: cache.outputs.weighted_size(),
                entries: cache.outputs.entry_count(),
            });
        }
        counted
    }
}

impl Cache {
    fn new(max_bytes: u64) -> Arc<Self> {
        let weigh = |key: &Key, kept: &Kept| u32::try_from(weight(key, &kept.output)).unwrap_or(u32::MAX);
        let outputs = moka::future::Cache::builder().max_capacity(max_bytes).weigher(weigh).expire_after(Ttl).build();
        Arc::new(Self { outputs, max_bytes, unseen: 0.into(), flights: Mutex::default() })
    }

    /// The output that is kept under a key and is younger than `ttl`.
    pub(crate) async fn get(&self, key: &Key, ttl: Duration) -> Option<Bytes> {
        let kept = self.outputs.get(key).await?;
        // Its own time to live is looked at here too: by this clock it ends to the moment.
        (kept.since.elapsed() < ttl.min(kept.ttl)).then_some(kept.output)
    }

    /// Keeps an output, in the place of one that is kept already. An output that the cache could not hold is not kept.
    pub(crate) async fn keep(&self, key: &Key, output: &Bytes, ttl: Duration) {
        let weight = weight(key, output);
        if weight > self.max_bytes || ttl.is_zero() {
            return;
        }
        // Copied, so that what is kept does not hold the message that it came in.
        let key = Key { input: Bytes::copy_from_slice(&key.input), ..key.clone() };
        let kept = Kept { output: Bytes::copy_from_slice(output), since: Instant::now(), ttl: ttl.min(LONGEST) };
        self.outputs.insert(key, kept).await;
        // It looks by itself after some entries; large ones are not to pile up until then.
        if self.unseen.fetch_add(weight, Ordering::Relaxed) + weight > self.max_bytes / 16 {
            self.unseen.store(0, Ordering::Relaxed);
            self.outputs.run_pending_tasks().await;
        }
    }

    pub(crate) fn flights(&self) -> MutexGuard<'_, HashMap<Key, Weak<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(key: &Key, output: &Bytes) -> u64 {
    key.input.len() as u64 + output.len() as u64 + ENTRY_BYTES
}
