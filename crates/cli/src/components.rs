//! The commands about components: one file each, with what they share. Each is a client of the host, whose supervisor owns the processes.

pub(crate) mod change;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod palette;
pub(crate) mod show;

use std::time::{Duration, SystemTime};

use comfy_table::Color;
use protocol::generated::host::v1 as pb;

/// How a state is coloured: what serves green, what changes or limps yellow, what failed red, what rests not at all.
fn colour_of(state: pb::ComponentState) -> Option<Color> {
    match state {
        pb::ComponentState::Ready => Some(Color::Green),
        pb::ComponentState::Starting | pb::ComponentState::Degraded | pb::ComponentState::Stopping => {
            Some(Color::Yellow)
        }
        pb::ComponentState::Failed => Some(Color::Red),
        pb::ComponentState::Configured | pb::ComponentState::Stopped | pb::ComponentState::Unspecified => None,
    }
}

/// How long ago, by the clock of this machine: `3 s`, `12 min`, `5 h`, `2 d`; `-` where there is no time.
fn age(at: Option<&prost_types::Timestamp>, now: SystemTime) -> String {
    let at = at.and_then(|at| SystemTime::try_from(*at).ok());
    // A host whose clock is ahead has just done it.
    at.map_or("-".into(), |at| rounded(now.duration_since(at).unwrap_or_default()))
}

/// A time in its largest unit.
fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86400),
    }
}
