//! The last revisions of names that are gone, in bounded memory. Live revisions are with their namespace.

use std::collections::{BTreeMap, HashMap};

use protocol::ModuleName;

/// Remembers names up to a bound, the oldest forgotten first. What is forgotten raises a floor under every name that is
/// not remembered, so that revisions rise even where a name comes back after it was forgotten.
#[derive(Debug)]
pub(super) struct Revisions {
    capacity: usize,
    floor: u64,
    by_name: HashMap<ModuleName, (u64, u64)>,
    by_age: BTreeMap<u64, ModuleName>,
    age: u64,
}

impl Revisions {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, floor: 0, by_name: HashMap::new(), by_age: BTreeMap::new(), age: 0 }
    }

    /// Notes the last revision of a name that goes.
    pub(super) fn remember(&mut self, name: ModuleName, revision: u64) {
        self.age += 1;
        self.by_age.insert(self.age, name.clone());
        if let Some((_, age)) = self.by_name.insert(name, (revision, self.age)) {
            self.by_age.remove(&age);
        }
        while self.by_name.len() > self.capacity
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            let forgotten = self.by_name.remove(&oldest).map_or(0, |(revision, _)| revision);
            self.floor = self.floor.max(forgotten);
        }
    }

    /// The revision that a name which is not live would begin with.
    pub(super) fn next(&self, name: &ModuleName) -> u64 {
        self.by_name.get(name).map_or(self.floor, |&(revision, _)| revision) + 1
    }

    /// The revision that a name begins with now. It is live from here on, and so no longer remembered.
    pub(super) fn begin(&mut self, name: &ModuleName) -> u64 {
        let next = self.next(name);
        if let Some((_, age)) = self.by_name.remove(name) {
            self.by_age.remove(&age);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ModuleName {
        ModuleName::parse(text).unwrap()
    }

    #[test]
    fn a_name_that_comes_back_goes_on_where_it_was() {
        let mut revisions = Revisions::new(10);
        assert_eq!(revisions.begin(&name("a.X")), 1);
        revisions.remember(name("a.X"), 4);
        assert_eq!((revisions.begin(&name("a.X")), revisions.begin(&name("a.Y"))), (5, 1));
    }

    #[test]
    fn memory_is_bounded_and_what_was_forgotten_still_rises() {
        let mut revisions = Revisions::new(2);
        revisions.remember(name("a.X"), 7);
        revisions.remember(name("a.Y"), 1);
        revisions.remember(name("a.Z"), 1);
        assert_eq!((revisions.by_name.len(), revisions.by_age.len()), (2, 2));
        assert_eq!((revisions.next(&name("a.X")), revisions.next(&name("a.Y"))), (8, 2));
    }

    #[test]
    fn a_name_that_goes_often_takes_one_place() {
        let mut revisions = Revisions::new(2);
        revisions.remember(name("a.Y"), 1);
        for revision in 1..100 {
            revisions.remember(name("a.X"), revision);
        }
        assert_eq!((revisions.by_name.len(), revisions.by_age.len()), (2, 2));
        assert_eq!((revisions.next(&name("a.X")), revisions.next(&name("a.Y"))), (100, 2));
    }
}
