//! What happened at the call sites, as it is recorded. Decides nothing.

use std::time::Duration;

use super::{CallOutcome, CallRecord, SiteRecord};
use crate::plan::SiteId;

/// The records of all sites.
#[derive(Debug)]
pub(super) struct Ledger {
    sites: Vec<SiteRecord>,
    /// Calls below this number are recorded one by one.
    recorded: u64,
}

impl Ledger {
    pub(super) fn new(sites: u32, recorded: usize) -> Self {
        let site = |i| SiteRecord {
            site: SiteId(i),
            calls: 0,
            failed: 0,
            cached: 0,
            attempts: 0,
            bytes_in: 0,
            bytes_out: 0,
            busy: Duration::ZERO,
            recorded: Vec::new(),
        };
        Self { sites: (0..sites).map(site).collect(), recorded: recorded as u64 }
    }

    pub(super) fn started(&mut self, site: SiteId, bytes_in: usize) {
        let site = &mut self.sites[site.0 as usize];
        site.calls += 1;
        site.bytes_in += bytes_in as u64;
    }

    pub(super) fn ended(&mut self, site: SiteId, call: CallRecord) {
        let site = &mut self.sites[site.0 as usize];
        site.failed += u64::from(matches!(call.outcome, CallOutcome::Failed(_)));
        site.cached += u64::from(call.facts.cached);
        site.attempts += call.facts.attempts.len() as u64;
        site.bytes_out += call.bytes_out;
        site.busy += call.duration;
        if call.number < self.recorded {
            site.recorded.push(call);
        }
    }

    /// The records, cancelled calls last.
    pub(super) fn finish(mut self) -> Vec<SiteRecord> {
        for site in &mut self.sites {
            site.recorded.sort_by_key(|call| call.outcome == CallOutcome::Cancelled);
        }
        self.sites
    }
}
