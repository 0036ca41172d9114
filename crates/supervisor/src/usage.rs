//! What the tree of a component uses: processor time, memory, processes, read from `/proc`. Limits nothing and keeps nothing.

pub(crate) mod table;

use std::time::Duration;

use protocol::component::ProcessUsage;

use self::table::Table;

/// What the whole tree of a process uses now: the process that [`crate::process::spawn`] gave, all that descends from it, and what
/// got loose by a double fork, which hangs below its shim. The shim itself does not count. Processor time includes that of
/// processes that have ended and were waited for.
///
/// None when the process has ended, and in a process that did not start it. Costs one pass over `/proc`: some microseconds per process of the machine.
#[must_use]
pub fn of(pid: u32) -> Option<ProcessUsage> {
    let table = Table::read();
    let main = table.get(pid)?;
    // An orphan has another parent, below which half of the machine may hang.
    let shim = table.get(main.parent).filter(|shim| shim.parent == std::process::id())?;
    let tree = table.below(shim.pid);
    let ticks: u64 =
        shim.ticks_of_children + tree.iter().map(|process| process.ticks + process.ticks_of_children).sum::<u64>();
    let pages: u64 = tree.iter().map(|process| process.resident_pages).sum();
    Some(ProcessUsage {
        cpu: duration(ticks, rustix::param::clock_ticks_per_second()),
        memory: pages.saturating_mul(u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX)),
        processes: u32::try_from(tree.len()).unwrap_or(u32::MAX),
    })
}

fn duration(ticks: u64, per_second: u64) -> Duration {
    let per_second = per_second.max(1);
    Duration::from_secs(ticks / per_second) + Duration::from_millis(ticks % per_second * 1000 / per_second)
}
