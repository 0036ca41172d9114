//! The host's side of components: who was admitted with which token, which sessions they serve, what they keep here. Starts and stops
//! none; that is the supervisor's.

mod admitted;
mod grants;
mod keeper;
mod staging;

use std::sync::Arc;
use std::time::Duration;

use supervisor::ShimCommand;
use supervisor::config::Layered;

use crate::serve::Addresses;

pub(crate) use admitted::{Admitted, Start};
pub(crate) use grants::Offers;
pub(crate) use keeper::{Facts, Keeper};
pub(crate) use staging::Staging;

/// The first argument of a program that is started as a shim.
const SHIM: &str = "__shim";

/// Runs the supervisor's shim where the process was started as one. A program that serves asks this before anything else in `main`:
/// the host starts each component through a process of the same program.
#[must_use]
pub fn shim() -> Option<std::process::ExitCode> {
    (std::env::args_os().nth(1)? == SHIM).then(supervisor::shim::main)
}

/// How this program is started as a shim. Not by its path: another version may lie there by now.
pub(crate) fn shim_command() -> ShimCommand {
    ShimCommand { program: "/proc/self/exe".into(), args: vec![SHIM.into()] }
}

/// What the surfaces ask about components. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Components {
    pub(crate) supervisor: supervisor::Handle,
    pub(crate) staging: Arc<Staging>,
}

/// Where components reach the host, as `MODRACK_HOST` has it: the Unix socket where there is one.
pub(crate) fn host_address(addresses: &Addresses) -> String {
    let scheme = if addresses.tls { "https" } else { "http" };
    let tcp = addresses.listen.map(|address| format!("{scheme}://{address}"));
    let socket = addresses.socket.as_ref().map(|path| format!("unix:{}", path.display()));
    socket.or(tcp).unwrap_or_default()
}

/// The longest that stopping all components takes, by their own bounds.
pub(crate) fn longest_stop(components: &[Layered]) -> Duration {
    let of = |component: &Layered| component.config.stop.drain_ms + component.config.stop.grace_ms;
    Duration::from_millis(components.iter().map(of).max().unwrap_or(0))
}
