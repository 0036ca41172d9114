//! What the process of the host takes of its machine, as Linux tells it. Elsewhere nothing is told.

use std::time::Duration;

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// User and system time since the start.
    pub(crate) cpu: Duration,
    /// Memory that is in use.
    pub(crate) resident_bytes: u64,
}

impl Process {
    /// Reads `/proc/self`; `None` where there is none.
    pub(crate) fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let ticks = cpu_ticks(&stat)?;
        let per_second = rustix::param::clock_ticks_per_second();
        let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(Self {
            cpu: Duration::from_millis(ticks * 1000 / per_second),
            resident_bytes: pages * rustix::param::page_size() as u64,
        })
    }
}

/// Fields 14 and 15 of proc(5), counted behind the name of the program, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().ok());
    Some(times.next()?? + times.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("7 (x"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(Process::read().is_some_and(|process| process.resident_bytes > 100_000));
    }
}
