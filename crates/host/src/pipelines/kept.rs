//! The records of runs that are over: the latest, bounded by number and by bytes. Knows nothing of runs that go on.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use prost::Message as _;
use protocol::generated::host::v1 as pb;

/// A ring of records.
#[derive(Debug)]
pub(crate) struct Kept {
    most: usize,
    most_bytes: usize,
    bytes: usize,
    order: VecDeque<Arc<pb::RunRecord>>,
    by_id: HashMap<String, Arc<pb::RunRecord>>,
}

impl Kept {
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self { most, most_bytes, bytes: 0, order: VecDeque::new(), by_id: HashMap::new() }
    }

    /// Takes a record in; the oldest go where there is no room.
    pub(crate) fn keep(&mut self, record: &Arc<pb::RunRecord>) {
        self.bytes += record.encoded_len();
        self.order.push_back(Arc::clone(record));
        self.by_id.insert(record.run_id.clone(), Arc::clone(record));
        while self.order.len() > self.most || self.bytes > self.most_bytes {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= oldest.encoded_len();
            self.by_id.remove(&oldest.run_id);
        }
    }

    pub(crate) fn get(&self, run_id: &str) -> Option<&Arc<pb::RunRecord>> {
        self.by_id.get(run_id)
    }

    /// Those that ended last first.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &Arc<pb::RunRecord>> {
        self.order.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(run_id: &str, hash: &str) -> Arc<pb::RunRecord> {
        Arc::new(pb::RunRecord { run_id: run_id.into(), plan_hash: hash.into(), ..pb::RunRecord::default() })
    }

    fn ids(kept: &Kept) -> Vec<&str> {
        kept.latest().map(|record| record.run_id.as_str()).collect()
    }

    #[test]
    fn the_latest_are_kept_and_found_by_their_ids() {
        let mut kept = Kept::new(2, 1000);
        ["a", "b", "c"].iter().for_each(|id| kept.keep(&record(id, "")));
        assert_eq!(ids(&kept), ["c", "b"]);
        assert_eq!((kept.get("a").is_some(), kept.get("b").is_some()), (false, true));
    }

    #[test]
    fn long_records_leave_room_for_fewer() {
        let mut kept = Kept::new(10, 100);
        kept.keep(&record("a", &"x".repeat(40)));
        kept.keep(&record("b", &"x".repeat(40)));
        assert_eq!(ids(&kept), ["b", "a"]);
        kept.keep(&record("c", &"x".repeat(80)));
        assert_eq!(ids(&kept), ["c"]);
        kept.keep(&record("d", &"x".repeat(200)));
        assert_eq!((ids(&kept), kept.bytes), (vec![], 0));
    }
}
