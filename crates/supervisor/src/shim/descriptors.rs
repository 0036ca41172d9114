//! Closes what a process inherited besides its three standard streams. Opens nothing.

use std::fs;
use std::os::fd::RawFd;

/// Closes every descriptor from 3 on. Only for the first moment of a process, when nothing in it owns one yet.
pub(super) fn close_inherited() {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<RawFd> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The reading of the directory had one of its own, which is closed by now.
        nix::unistd::close(descriptor).ok();
    }
}
