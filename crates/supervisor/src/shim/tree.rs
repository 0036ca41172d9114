//! The processes below the watch: finds them, signals them, buries them. Decides nothing.

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use crate::usage::table::{self, Process, Table};

/// Signals every process below this one that has not ended. By their groups, which the kernel signals at one moment: who forks and
/// ends faster than anybody can look is caught as well. No group reaches beyond the tree, for this process leads the session that
/// holds it; its own group is the exception, and whoever joined that is signalled alone.
pub(super) fn signal(signal: Signal) {
    let own = std::process::id();
    let living: Vec<Process> = Table::read().below(own).into_iter().filter(|process| !process.is_zombie).collect();
    let mut groups: Vec<u32> = living.iter().map(|process| process.group).filter(|group| *group != own).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups.into_iter().filter_map(pid) {
        // A group that is empty by now is as well.
        rustix::process::kill_process_group(group, signal).ok();
    }
    for process in living.iter().filter(|process| process.group == own) {
        signal_one(process, signal);
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// Not by the number alone: it may be another's by now.
fn signal_one(process: &Process, signal: Signal) {
    let Some(pid) = pid(process.pid) else { return };
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) => {
            if table::process(process.pid).is_some_and(|now| now.started == process.started) {
                rustix::process::pidfd_send_signal(&descriptor, signal).ok();
            }
        }
        // A kernel before 5.3, or no descriptor left: the number is what there is.
        Err(Errno::NOSYS | Errno::MFILE | Errno::NFILE) => {
            rustix::process::kill_process(pid, signal).ok();
        }
        Err(_) => {}
    }
}

/// What [`reap`] found.
pub(super) struct Reaped {
    /// How the main process ended, when it was among them.
    pub(super) main: Option<WaitStatus>,
    /// Whether no child is left, neither living nor ended.
    pub(super) none_left: bool,
}

/// Buries all children that have ended, without waiting for others.
pub(super) fn reap(main: Option<Pid>) -> Reaped {
    let mut reaped = Reaped { main: None, none_left: false };
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if Some(pid) == main {
                    reaped.main = Some(status);
                }
            }
            Ok(None) => return reaped,
            Err(Errno::INTR) => {}
            Err(_) => {
                reaped.none_left = true;
                return reaped;
            }
        }
    }
}
