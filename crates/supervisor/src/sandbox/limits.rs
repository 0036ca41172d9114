//! Resource limits of the process and all that descends from it. Knows no files and no network.

use std::fs;

use rustix::process::{Resource, Rlimit};

use super::Measure;

/// Of each process, in bytes.
pub(super) fn address_space(bytes: u64) -> Result<Measure, String> {
    limited(Resource::As, "address space", bytes, |bytes| format!("{} MiB for each process", bytes >> 20))
}

/// Of each process.
pub(super) fn open_files(files: u64) -> Result<Measure, String> {
    limited(Resource::Nofile, "open files", files, |files| format!("{files} for each process"))
}

/// None.
pub(super) fn core_dumps() -> Result<Measure, String> {
    set(Resource::Core, "core dumps", 0)?;
    Ok(Measure::enforced("off"))
}

/// The kernel counts the threads of a user, not of a component; so the limit is what the user has now and so many more.
pub(super) fn processes(more: u64) -> Result<Measure, String> {
    if more == 0 {
        return Ok(Measure::unavailable("no limit is configured"));
    }
    let user = rustix::process::getuid();
    if user.is_root() {
        set(Resource::Nproc, "processes", more)?;
        return Ok(Measure::unavailable("the kernel does not count the processes of root"));
    }
    let present = threads_of(user.as_raw());
    let limit = set(Resource::Nproc, "processes", present.saturating_add(more))?;
    Ok(Measure::partial(format!(
        "the kernel counts by user, threads too: {limit}, which is {} more than the user has now",
        limit.saturating_sub(present)
    )))
}

fn limited(resource: Resource, name: &str, value: u64, say: impl Fn(u64) -> String) -> Result<Measure, String> {
    if value == 0 {
        return Ok(Measure::unavailable("no limit is configured"));
    }
    Ok(Measure::enforced(say(set(resource, name, value)?)))
}

/// Sets both bounds, so that the process cannot lift its own. A lower one that the host has itself stays.
fn set(resource: Resource, name: &str, value: u64) -> Result<u64, String> {
    let value = rustix::process::getrlimit(resource).maximum.map_or(value, |most| most.min(value));
    rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
        .map_err(|error| format!("limit of {name}: {error}"))?;
    Ok(value)
}

/// Threads of all processes of a user, as far as `/proc` shows them.
fn threads_of(user: u32) -> u64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| threads(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, user)).sum()
}

/// Of one process, from its `status`; none when it is of another user.
fn threads(status: &str, user: u32) -> Option<u64> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next());
    let owner: u32 = field("Uid:")?.parse().ok()?;
    if owner == user { field("Threads:")?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_counted_by_the_real_user() {
        let status = "Name:\tx\nUid:\t1000\t0\t0\t0\nThreads:\t7\n";
        assert_eq!(threads(status, 1000), Some(7));
        assert_eq!(threads(status, 0), None);
    }
}
