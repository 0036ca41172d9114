//! The process between the host and a component: it starts the component's process, holds everything that descends from it, and
//! ends all of it when the host says so or is gone. Knows no component, only an order to start one program.
//!
//! The program that embeds the supervisor starts itself again with [`ShimCommand`](crate::ShimCommand) and calls [`main`] before anything else. The
//! first argument after those of the command says which of two stages it is:
//! * none: the *watch*. Its standard input is one end of a socket pair; the other end is the host's. It reads the order, starts the
//!   second stage, tells facts, obeys commands. The end of the socket is the end of the host, however it came: SIGTERM to the whole
//!   tree, SIGKILL a second later. It is the reaper of its descendants (`PR_SET_CHILD_SUBREAPER`): who forks twice or opens a
//!   session of its own still hangs below it.
//! * `exec PID`: the process that becomes the component. It ties its life to the watch (`PR_SET_PDEATHSIG`), closes what it
//!   inherited, applies the sandbox, and executes the program.
//!
//! When somebody kills the watch itself with SIGKILL, the component's process dies with it, and the host kills its group; who has
//! left that group lives on, and nobody can tell whose it was. Under `module-restricted` no component can do that where the kernel
//! scopes signals.
//!
//! Both have one thread and no code that Rust cannot check.

mod descriptors;
mod exec;
pub(crate) mod frame;
mod tree;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

/// Is a shim until the component's process has ended.
///
/// To be called in a process with one thread that has opened nothing: descriptors from 3 on are closed. Does not return in the
/// second stage unless the program could not be executed. The exit code is 0 when the host was told how it ended.
#[must_use]
pub fn main() -> ExitCode {
    descriptors::close_inherited();
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match exec::parent_named_by(&args) {
        Some(watch) => exec::run(watch),
        None => watch::run(&args),
    }
}
