//! What happens to a component, and what follows from it: the words that [`Machine`](super::Machine) and `service` speak.

use std::time::{Duration, Instant, SystemTime};

use middleware::ModuleReport;
use protocol::component::{ComponentState, SandboxReport};

use crate::handle::Order;
use crate::host::SessionChange;

use super::facts::{Fault, Probe};

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) instant: Instant,
    pub(crate) wall: SystemTime,
}

/// What happens. Facts carry the number of the start that they belong to.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Somebody wants something.
    Order(Order),
    /// It has begun: its process runs, or, for a kind without one, everything is there to ask it.
    Begun { start: u64, pid: Option<u32>, sandbox: Option<SandboxReport>, endpoint: String },
    /// It could not begin; nothing of it runs.
    NotBegun { start: u64, fault: Fault },
    /// No process of it is left. `is_port_taken`: somebody else listens where the host had chosen a free port for it.
    Exited { start: u64, how: String, is_port_taken: bool },
    /// The answer to [`Effect::Ask`].
    Probed { start: u64, question: Question, probe: Probe },
    /// The answer to [`Effect::Init`].
    Answered { start: u64, answer: Result<ModuleReport, Fault> },
    /// A session came or went.
    Session(SessionChange),
    /// The answer to [`Effect::Drain`].
    Drained { start: u64 },
    /// Time has passed.
    Tick,
}

/// What a probe is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Readiness,
    Health,
}

/// What follows. Each `Begin` is answered by `NotBegun`, or by `Begun` and, where there is a process, later by `Exited`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Begin: look at its files, make its tokens, start its process if its kind has one.
    Begin { start: u64 },
    /// Ask once, after a while.
    Ask { start: u64, question: Question, after: Duration },
    /// Tell it the init and take its report, within this time.
    Init { start: u64, within: Duration },
    /// Calls may reach it.
    Open { start: u64 },
    /// No new calls reach it.
    Close,
    /// Wait until none runs, at most so long.
    Drain { start: u64, within: Duration },
    /// Ask its process to end.
    Terminate { start: u64 },
    /// End all its processes. Without one, nothing.
    Kill { start: u64 },
    /// The start is over: its tokens are good for nothing, nobody asks it any more.
    Retire { start: u64 },
    /// Something happened that operators want to know.
    Tell { previous: ComponentState, reason: String },
}
