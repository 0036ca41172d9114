//! What holds a component's process in: the plan, which the host makes, and its application, which happens in the process itself
//! just before it becomes the component. What the kernel cannot do is reported, never left out in silence.

mod files;
mod limits;
mod network;
mod privileges;
mod runtime;

use std::path::{Path, PathBuf};

use protocol::component::{self, SandboxReport};
use serde::{Deserialize, Serialize};

use crate::config::{SandboxOptions, SandboxProfile};

pub(crate) use self::runtime::interpreter;

/// What is to hold a process in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// With [`SandboxProfile::None`] all the rest is ignored.
    pub profile: SandboxProfile,
    /// Of each process, in bytes; 0: as many as the machine gives.
    pub address_space: u64,
    /// So many more than its user has at the start; 0: as many as the machine gives.
    pub processes: u64,
    /// Of each process; 0: as many as the machine gives.
    pub open_files: u64,
    /// May be read and executed, besides its executable, its working directory and the system's libraries. Absolute; what does not
    /// exist is left out.
    pub read: Vec<PathBuf>,
    /// May be read and written. Absolute; what does not exist is left out.
    pub write: Vec<PathBuf>,
    /// TCP ports that it may listen at.
    pub bind: Vec<u16>,
    /// TCP ports that it may connect to.
    pub connect: Vec<u16>,
    /// Must stay out of reach: where one of the paths above it is allowed, the report says so.
    pub guarded: Vec<PathBuf>,
}

impl Plan {
    /// Nothing but a cleared environment, closed descriptors and an end with the host.
    #[must_use]
    pub fn none() -> Self {
        Self::new(SandboxProfile::None, &SandboxOptions::default())
    }

    /// A plan with the bounds, paths and ports that the operator configured. The caller adds what he knows: the data directory to
    /// `write`, token files to `read`, the component's port to `bind`, the host's to `connect`, the host's directory to `guarded`.
    #[must_use]
    pub fn new(profile: SandboxProfile, options: &SandboxOptions) -> Self {
        Self {
            profile,
            address_space: options.address_space_bytes,
            processes: options.processes,
            open_files: options.open_files,
            read: options.read.clone(),
            write: options.write.clone(),
            bind: Vec::new(),
            connect: options.connect.clone(),
            guarded: Vec::new(),
        }
    }
}

/// What was applied, as the shim tells it to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    profile: SandboxProfile,
    measures: Vec<Measure>,
}

/// One measure, as the shim tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measure {
    state: State,
    detail: String,
}

/// How far a measure goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Enforced,
    Partial,
    Unavailable,
}

/// Names of the measures, in the order of the report.
const NAMES: [&str; 10] = [
    "no_new_privileges",
    "environment",
    "descriptors",
    "address_space",
    "processes",
    "open_files",
    "core_dumps",
    "files",
    "network",
    "parent_death",
];

impl Measure {
    fn enforced(detail: impl Into<String>) -> Self {
        Self { state: State::Enforced, detail: detail.into() }
    }

    fn partial(detail: impl Into<String>) -> Self {
        Self { state: State::Partial, detail: detail.into() }
    }

    fn unavailable(detail: impl Into<String>) -> Self {
        Self { state: State::Unavailable, detail: detail.into() }
    }

    fn and(mut self, more: &str) -> Self {
        self.detail.push_str("; ");
        self.detail.push_str(more);
        self
    }
}

/// Applies a plan to this process, which must have one thread. From here on it has the bounds of the component.
///
/// # Errors
/// A measure that the kernel has and refuses, in a line. What the kernel has not is no error but in the report.
pub(crate) fn apply(plan: &Plan, executable: &Path, cwd: &Path, env: usize) -> Result<Applied, String> {
    let environment = Measure::enforced(format!("{env} variables, all of them listed"));
    let descriptors = Measure::enforced("standard input, output and error only");
    let parent_death = Measure::enforced("killed when its shim ends, which ends with the host");
    if plan.profile == SandboxProfile::None {
        let not_asked = || Measure::unavailable("not part of the profile `none`");
        let measures = NAMES.iter().map(|name| match *name {
            "environment" => environment.clone(),
            "descriptors" => descriptors.clone(),
            "parent_death" => parent_death.clone(),
            _ => not_asked(),
        });
        return Ok(Applied { profile: plan.profile, measures: measures.collect() });
    }
    privileges::no_new()?;
    // Read before Landlock, which hides `/proc`.
    let processes = limits::processes(plan.processes)?;
    let open_files = limits::open_files(plan.open_files)?;
    let core_dumps = limits::core_dumps()?;
    let files = files::apply(plan, executable, cwd)?;
    let (network, signals) = network::apply(plan)?;
    let no_new_privileges = privileges::drop_all();
    // Last: what is to come in this process needs memory, too.
    let address_space = limits::address_space(plan.address_space)?;
    let measures = vec![
        no_new_privileges,
        environment,
        descriptors,
        address_space,
        processes.and(signals),
        open_files,
        core_dumps,
        files,
        network,
        parent_death,
    ];
    Ok(Applied { profile: plan.profile, measures })
}

impl Applied {
    /// As an operator sees it.
    pub(crate) fn into_report(self) -> SandboxReport {
        let profile = match self.profile {
            SandboxProfile::None => "none",
            SandboxProfile::ModuleRestricted => "module-restricted",
        };
        let measure = |(name, measure): (&&str, Measure)| component::Measure {
            name: (*name).to_owned(),
            state: match measure.state {
                State::Enforced => component::MeasureState::Enforced,
                State::Partial => component::MeasureState::Partial,
                State::Unavailable => component::MeasureState::Unavailable,
            },
            detail: measure.detail,
        };
        SandboxReport { profile: profile.to_owned(), measures: NAMES.iter().zip(self.measures).map(measure).collect() }
    }
}
