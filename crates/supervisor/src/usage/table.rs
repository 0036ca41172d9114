//! One reading of `/proc`: who is whose child. Sends no signal.

use std::collections::HashMap;
use std::fs;

/// A process as `/proc/PID/stat` tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    /// Ended, and not yet waited for.
    pub(crate) is_zombie: bool,
    /// User and system time of its own, in clock ticks.
    pub(crate) ticks: u64,
    /// The same of its children that ended and were waited for.
    pub(crate) ticks_of_children: u64,
    /// When it was started, in clock ticks since the machine was; with the pid it names a process for ever.
    pub(crate) started: u64,
    pub(crate) resident_pages: u64,
}

/// The processes of this machine, as far as this process may see them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    processes: HashMap<u32, Process>,
}

impl Table {
    /// Reads them; those that end meanwhile are left out.
    pub(crate) fn read() -> Self {
        let Ok(entries) = fs::read_dir("/proc") else { return Self::default() };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self { processes: pids.filter_map(process).map(|process| (process.pid, process)).collect() }
    }

    pub(crate) fn get(&self, pid: u32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// All that descend from a process, without it, in the order of their pids.
    pub(crate) fn below(&self, pid: u32) -> Vec<Process> {
        let mut children: HashMap<u32, Vec<&Process>> = HashMap::new();
        for process in self.processes.values() {
            children.entry(process.parent).or_default().push(process);
        }
        let mut found = Vec::new();
        let mut open = vec![pid];
        // Each is taken out when it is met: two moments in one reading may show a circle.
        while let Some(pid) = open.pop() {
            for child in children.remove(&pid).unwrap_or_default() {
                open.push(child.pid);
                found.push(*child);
            }
        }
        found.sort_unstable_by_key(|process| process.pid);
        found
    }
}

/// One process, none when it has ended.
pub(crate) fn process(pid: u32) -> Option<Process> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// See proc_pid_stat(5). The name stands in parentheses and may hold any byte, so fields are counted from the last `)`.
fn parse(stat: &str) -> Option<Process> {
    let (head, tail) = stat.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let small = |field: usize| u32::try_from(number(field)?).ok();
    Some(Process {
        pid,
        parent: small(4)?,
        group: small(5)?,
        is_zombie: matches!(*fields.first()?, "Z" | "X"),
        ticks: number(14)? + number(15)?,
        ticks_of_children: number(16)? + number(17)?,
        started: number(22)?,
        resident_pages: number(24)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_shifts_no_field() {
        let stat =
            "42 (a) b (c) Z 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 555 8192 66 18446744073709551615\n";
        let process = parse(stat).unwrap();
        assert_eq!((process.pid, process.parent, process.group, process.is_zombie), (42, 7, 42, true));
        assert_eq!(
            (process.ticks, process.ticks_of_children, process.started, process.resident_pages),
            (30, 70, 555, 66)
        );
    }

    #[test]
    fn a_process_finds_itself_below_its_parent() {
        let table = Table::read();
        let me = table.get(std::process::id()).unwrap();
        assert!(table.below(me.parent).iter().any(|process| process.pid == me.pid));
        assert!(table.below(me.pid).iter().all(|process| process.pid != me.pid));
    }
}
