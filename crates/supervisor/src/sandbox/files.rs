//! Which files the process may reach, by Landlock. Makes none of them.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use super::{Measure, Plan, runtime};

/// The newest rules that this code was tried with; a kernel that has fewer applies those that it has.
const RULES: ABI = ABI::V6;

/// Applies the rules. What is allowed and does not exist is left out.
pub(super) fn apply(plan: &Plan, executable: &Path, cwd: &Path) -> Result<Measure, String> {
    let read = read_paths(plan, executable, cwd);
    let write = &plan.write;
    let status = restricted(&read, write).map_err(|error| format!("files: {error}"))?;
    let (missing, abi) = match status.landlock {
        LandlockStatus::NotEnabled => (Some("Landlock is switched off in this kernel"), 0),
        LandlockStatus::NotImplemented => (Some("this kernel has no Landlock"), 0),
        LandlockStatus::Available { effective_abi, .. } => (None, effective_abi as i32),
    };
    if let Some(missing) = missing {
        return Ok(Measure::unavailable(missing));
    }
    let allowed = format!("{} paths to read, {} to write (Landlock {abi})", read.len(), write.len());
    let open = within_reach(plan, read.iter().chain(write));
    Ok(match (status.ruleset, open) {
        (RulesetStatus::NotEnforced, _) => Measure::unavailable("Landlock took no rule"),
        (_, Some((path, guarded))) => Measure::partial(allowed).and(&format!(
            "`{}` is allowed, and `{}` is in it",
            path.display(),
            guarded.display()
        )),
        (RulesetStatus::PartiallyEnforced, _) => Measure::partial(allowed)
            .and("this kernel does not know all rules: truncating, renaming or device control is free"),
        (RulesetStatus::FullyEnforced, _) => Measure::enforced(allowed),
    })
}

fn read_paths(plan: &Plan, executable: &Path, cwd: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = runtime::SYSTEM.iter().map(PathBuf::from).filter(|path| path.exists()).collect();
    paths.extend(runtime::of(executable));
    paths.push(cwd.to_owned());
    paths.extend(plan.read.iter().filter(|path| path.exists()).cloned());
    paths.sort();
    paths.dedup();
    paths
}

fn restricted(read: &[PathBuf], write: &[PathBuf]) -> Result<landlock::RestrictionStatus, RulesetError> {
    let all = AccessFs::from_all(RULES);
    let reading = AccessFs::from_read(RULES);
    // No device is made and none is controlled.
    let writing = all & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(all)?.create()?;
    for path in read {
        rules = allow(rules, path, reading)?;
    }
    for path in write {
        rules = allow(rules, path, writing)?;
    }
    rules = allow(rules, Path::new("/dev/null"), AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate)?;
    rules.restrict_self()
}

fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(rules) };
    // What is about directories alone would be refused of a file.
    let access =
        if fs::metadata(path).is_ok_and(|data| data.is_dir()) { access } else { access & AccessFs::from_file(RULES) };
    rules.add_rule(PathBeneath::new(opened, access))
}

/// A path that is allowed and contains one that must stay out of reach.
fn within_reach<'a>(plan: &'a Plan, allowed: impl Iterator<Item = &'a PathBuf>) -> Option<(PathBuf, &'a PathBuf)> {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let guarded: Vec<(PathBuf, &PathBuf)> = plan.guarded.iter().map(|path| (real(path), path)).collect();
    let allowed: Vec<PathBuf> = allowed.map(|path| real(path)).collect();
    let hit = |path: &PathBuf| Some((path.clone(), guarded.iter().find(|(real, _)| real.starts_with(path))?.1));
    allowed.iter().find_map(hit)
}
