//! Takes privileges away, and the ways to get new ones. Knows no files and no limits.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::Measure;

/// No set-user-ID program and no file capability gives more than this process has.
pub(super) fn no_new() -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("no new privileges: {error}"))
}

/// Drops the capabilities of root, for good: also a program that root executes gets none back. A process without any is as it was.
pub(super) fn drop_all() -> Measure {
    let enforced = || Measure::enforced("set-user-ID programs give none, and no capability is left");
    match dropped() {
        Ok(()) => enforced(),
        Err(error) => Measure::partial(format!("set-user-ID programs give none; capabilities stay: {error}")),
    }
}

fn dropped() -> Result<(), Errno> {
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Past the last that this kernel knows; or without the right to, and then there is none to lose.
            Err(Errno::INVAL | Errno::PERM) => break,
            Err(error) => return Err(error),
        }
    }
    // Kernels without ambient capabilities have none to clear.
    rustix::thread::clear_ambient_capability_set().ok();
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}
