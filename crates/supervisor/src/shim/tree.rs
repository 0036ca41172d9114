//! The processes below the watch: finds them, signals them, buries them. Decides nothing.

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use crate::usage::table::{self, Process, Table};

/// Signals every process below this one that has not ended; the group of the main process at once, the others one by one. How many
/// there were.
pub(super) fn signal(main: Option<Pid>, signal: Signal) -> usize {
    let living: Vec<Process> =
        Table::read().below(std::process::id()).into_iter().filter(|process| !process.is_zombie).collect();
    let group = main.and_then(|main| u32::try_from(main.as_raw_nonzero().get()).ok());
    if let Some(main) = main {
        // Nobody in it is nothing to say: the walk has told who lives.
        rustix::process::kill_process_group(main, signal).ok();
    }
    for process in living.iter().filter(|process| Some(process.group) != group) {
        signal_one(process, signal);
    }
    living.len()
}

/// Not by the number alone: it may be another's by now.
fn signal_one(process: &Process, signal: Signal) {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return };
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
