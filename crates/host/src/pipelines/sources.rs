//! Sources that were checked, so that one that runs again is not checked again. Bounded; knows no stored pipelines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::{Error, codes};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::pipelines::catalog::Sight;
use crate::pipelines::prepared::Checked;

/// Sources that are held.
const SOURCES: usize = 256;
/// The text of all of them, in bytes.
const TEXT_BYTES: usize = 8 << 20;
/// Checks at once: each takes a processor.
const CHECKS: usize = 2;

type Key = [u8; 32];

/// What was checked of late.
pub(crate) struct Sources {
    call_timeout: Duration,
    held: Mutex<Held>,
    checks: Semaphore,
}

#[derive(Default)]
struct Held {
    /// Of which version of the catalog all of them are.
    version: u64,
    by_key: HashMap<Key, (u64, Arc<Checked>)>,
    text_bytes: usize,
    uses: u64,
}

impl Sources {
    /// `call_timeout` is what an attempt of a call without a `timeout` may take.
    pub(crate) fn new(call_timeout: Duration) -> Self {
        Self { call_timeout, held: Mutex::default(), checks: Semaphore::new(CHECKS) }
    }

    /// What a check of this source finds. Costs a hash of the text where it was checked before against the same modules; else
    /// a check, off the threads that carry calls.
    ///
    /// # Errors
    /// `host.internal` when the check fails by a fault of the host.
    pub(crate) async fn check(&self, source: &str, sight: &Sight) -> Result<Arc<Checked>, Error> {
        let key = key(source, sight);
        if let Some(checked) = self.get(&key, sight.version) {
            return Ok(checked);
        }
        let _turn = self.checks.acquire().await.map_err(|_| broken())?;
        // Who waited for its turn may find that somebody else checked the same.
        if let Some(checked) = self.get(&key, sight.version) {
            return Ok(checked);
        }
        let (text, catalog, timeout) = (source.to_owned(), Arc::clone(&sight.catalog), self.call_timeout);
        let check = tokio::task::spawn_blocking(move || Arc::new(Checked::new(&text, &catalog, timeout)));
        let checked = check.await.map_err(|_| broken())?;
        self.hold(key, sight.version, &checked);
        Ok(checked)
    }

    fn get(&self, key: &Key, version: u64) -> Option<Arc<Checked>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.version != version {
            return None;
        }
        held.uses += 1;
        let now = held.uses;
        let (used, checked) = held.by_key.get_mut(key)?;
        *used = now;
        Some(Arc::clone(checked))
    }

    fn hold(&self, key: Key, version: u64, checked: &Arc<Checked>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.version > version || checked.source.len() > TEXT_BYTES {
            return;
        }
        if held.version < version {
            // What was true of other modules is of no use any more.
            *held = Held { version, uses: held.uses, ..Held::default() };
        }
        held.uses += 1;
        let used = held.uses;
        held.text_bytes += checked.source.len();
        if let Some((_, before)) = held.by_key.insert(key, (used, Arc::clone(checked))) {
            held.text_bytes -= before.source.len();
        }
        while held.by_key.len() > SOURCES || held.text_bytes > TEXT_BYTES {
            let oldest = held.by_key.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            let Some((_, gone)) = oldest.and_then(|oldest| held.by_key.remove(&oldest)) else { return };
            held.text_bytes -= gone.source.len();
        }
    }
}

fn broken() -> Error {
    Error::of(codes::INTERNAL, "the source could not be checked")
}

fn key(source: &str, sight: &Sight) -> Key {
    let mut hash = Sha256::new();
    hash.update(sight.of.as_deref().unwrap_or_default());
    hash.update([0]);
    hash.update(source);
    hash.finalize().into()
}
