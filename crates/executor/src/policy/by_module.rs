//! What the calls of one module share under one option: found by name and option, forgotten when nobody needs it any more.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Kept without a look whether they are needed.
const FEW: usize = 64;
/// Kept at most, beyond those in use.
const MANY: usize = 10_000;

/// Something that may stay after its last use, since it remembers.
pub(crate) trait Remembers {
    /// Whether a new one would do the same.
    fn is_as_new(&self) -> bool;
}

/// Values by module and option.
#[derive(Debug)]
pub(crate) struct ByModule<K, V>(Mutex<State<K, V>>);

#[derive(Debug)]
struct State<K, V> {
    of: HashMap<Box<str>, HashMap<K, Arc<V>>>,
    len: usize,
    /// Look for what is not needed when there are so many.
    sweep_at: usize,
}

impl<K, V> Default for ByModule<K, V> {
    fn default() -> Self {
        Self(Mutex::new(State { of: HashMap::new(), len: 0, sweep_at: FEW }))
    }
}

impl<K: Copy + Eq + Hash, V: Remembers> ByModule<K, V> {
    /// The value of that module and option. Costs two look-ups; now and then one look at each value that there is.
    pub(crate) fn get(&self, module: &str, key: K, make: impl FnOnce() -> Arc<V>) -> Arc<V> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = state.of.get(module).and_then(|of| of.get(&key)) {
            return Arc::clone(value);
        }
        if state.len >= state.sweep_at {
            state.sweep();
        }
        let value = make();
        state.of.entry(module.into()).or_default().insert(key, Arc::clone(&value));
        state.len += 1;
        value
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().len
    }
}

impl<K: Eq + Hash, V: Remembers> State<K, V> {
    fn sweep(&mut self) {
        self.retain(|value| !value.is_as_new());
        if self.len >= MANY {
            self.retain(|_| false);
        }
        self.sweep_at = (2 * self.len).max(FEW);
    }

    /// Keeps those in use, and of the others what `keep` says.
    fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.of.retain(|_, of| {
            of.retain(|_, value| Arc::strong_count(value) > 1 || keep(value));
            !of.is_empty()
        });
        self.len = self.of.values().map(HashMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Value(bool);

    impl Remembers for Value {
        fn is_as_new(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn what_is_in_use_is_one_and_what_is_not_needed_goes() {
        let values = ByModule::default();
        let used = values.get("a.B", 0, || Arc::new(Value(true)));
        for i in 1..1000 {
            values.get("a.B", i, || Arc::new(Value(true)));
        }
        assert!(values.len() <= FEW + 1, "{}", values.len());
        assert!(Arc::ptr_eq(&used, &values.get("a.B", 0, || panic!("it is there"))));
    }

    #[test]
    fn what_remembers_stays_up_to_a_bound() {
        let values = ByModule::default();
        for i in 0..1000 {
            values.get("a.B", i, || Arc::new(Value(false)));
        }
        assert_eq!(values.len(), 1000);
        for i in 0..30_000 {
            values.get("a.C", i, || Arc::new(Value(false)));
        }
        assert!(values.len() <= 2 * MANY, "{}", values.len());
    }
}
