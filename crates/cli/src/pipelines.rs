//! The commands about pipelines: one file each, with what they share. Checks and runs nothing itself: that is the host's part, or
//! the crate `pipeline`'s where a lock stands in for a host.

pub(crate) mod check;
mod checker;
pub(crate) mod format;
pub(crate) mod graph;
mod picture;
mod place;
mod report;
pub(crate) mod run;
pub(crate) mod runs;
mod source;
pub(crate) mod stored;
mod trace;

/// The local name of a stored pipeline, which people also give as the module's: `pipeline.NAME`.
fn local_name(name: &str) -> &str {
    name.strip_prefix("pipeline.").unwrap_or(name)
}

/// `1 call`, `2 calls`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
