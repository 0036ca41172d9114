//! The second stage: the process that becomes the component. It prepares itself and executes the program; it watches nothing and
//! waits for nothing but its order.

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::SigSet;
use rustix::fs::{Access, MemfdFlags, Mode, OFlags, SealFlags, SeekFrom};
use rustix::process::{Pid, Signal};

use super::frame::{self, Order, StageFact};
use crate::process::SpawnFault;
use crate::sandbox;

/// Said before the pid of the watch.
const STAGE: &str = "exec";

/// Arguments that make a shim the second stage below the watch of this pid.
pub(super) fn arguments(watch: Pid) -> [OsString; 2] {
    [STAGE.into(), watch.as_raw_nonzero().to_string().into()]
}

/// The watch that these arguments name, when they are those of the second stage.
pub(super) fn parent_named_by(args: &[OsString]) -> Option<Pid> {
    let [.., stage, watch] = args else { return None };
    if stage != OsStr::new(STAGE) {
        return None;
    }
    Pid::from_raw(watch.to_str()?.parse().ok()?)
}

/// Becomes the program that the watch orders; returns only when that fails.
pub(super) fn run(watch: Pid) -> ExitCode {
    let Ok(mut channel) = channel() else { return ExitCode::FAILURE };
    let fault = match prepared(watch, &mut channel) {
        Ok(program) => program.execute(),
        Err(fault) => fault,
    };
    // Without a watch there is nobody to tell.
    drop(frame::write(&mut channel, &StageFact::Failed(fault)));
    ExitCode::FAILURE
}

/// Standard input as the socket that it is, out of the way of what becomes standard input; closed by the execution.
fn channel() -> rustix::io::Result<UnixStream> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(UnixStream::from(socket))
}

fn prepared(watch: Pid, channel: &mut UnixStream) -> Result<Program, SpawnFault> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    // The watch may have ended before the line above; then nobody kills this process.
    if rustix::process::getppid() != Some(watch) {
        return Err(SpawnFault::Failed { reason: "its shim has ended".to_owned() });
    }
    let order: Order = match frame::read(&mut *channel) {
        Ok(Some(order)) => order,
        Ok(None) => return Err(SpawnFault::Failed { reason: "its shim has ended".to_owned() }),
        Err(error) => return Err(failed(error)),
    };
    if let Some(length) = order.input {
        rustix::stdio::dup2_stdin(input(channel, length)?.as_fd()).map_err(failed)?;
    }
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    default_signals();
    enter(&order.cwd)?;
    check(&order.executable)?;
    let program = Program::new(&order)?;
    let applied = sandbox::apply(&order.sandbox, &order.executable, &order.cwd, order.env.len())
        .map_err(|reason| SpawnFault::Sandbox { reason })?;
    frame::write(channel, &StageFact::Applied(applied)).map_err(failed)?;
    Ok(program)
}

/// All that an execution takes.
struct Program {
    path: PathBuf,
    file: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Program {
    fn new(order: &Order) -> Result<Self, SpawnFault> {
        let text = |bytes: &[u8]| {
            CString::new(bytes).map_err(|_| failed("the executable, an argument or the environment has a NUL in it"))
        };
        let file = text(order.executable.as_os_str().as_bytes())?;
        let args = order.args.iter().map(|arg| text(arg.as_bytes()));
        let args = std::iter::once(Ok(file.clone())).chain(args).collect::<Result<_, _>>()?;
        let env = order.env.iter().map(|(name, value)| text(format!("{name}={value}").as_bytes()));
        Ok(Self { path: order.executable.clone(), file, args, env: env.collect::<Result<_, _>>()? })
    }

    /// Returns only when it fails. The system call itself: the library's `execvp`, which std has, gives to a shell what the kernel
    /// does not take.
    fn execute(&self) -> SpawnFault {
        let Err(error) = nix::unistd::execve(&self.file, &self.args, &self.env);
        denied(&self.path, &error.into())
    }
}

/// The bytes behind the order, as a file in memory that nobody can change.
fn input(channel: &mut UnixStream, length: usize) -> Result<OwnedFd, SpawnFault> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = fs::File::from(rustix::fs::memfd_create("input", flags).map_err(failed)?);
    let mut left = length;
    let mut buffer = vec![0; length.min(64 << 10)];
    while left > 0 {
        let part = left.min(buffer.len());
        let read = channel.read(&mut buffer[..part]).map_err(failed)?;
        if read == 0 {
            return Err(SpawnFault::Failed { reason: "its shim has ended".to_owned() });
        }
        file.write_all(&buffer[..read]).map_err(failed)?;
        left -= read;
    }
    rustix::fs::seek(&file, SeekFrom::Start(0)).map_err(failed)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals).map_err(failed)?;
    Ok(file.into())
}

/// No signal is blocked, none is ignored. A signal that was ignored stays ignored behind an execution; one that has a handler gets its default back. So each that this
/// process ignores (as std does with SIGPIPE; and its host may run under `nohup`) gets a handler, which does nothing.
fn default_signals() {
    // It fails for an unknown way of setting alone.
    SigSet::empty().thread_set_mask().ok();
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return };
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    for signal in 1..=64 {
        if ignored.unwrap_or_default() >> (signal - 1) & 1 == 1 && !signal_hook::consts::FORBIDDEN.contains(&signal) {
            drop(signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))));
        }
    }
}

fn enter(cwd: &Path) -> Result<(), SpawnFault> {
    rustix::process::chdir(cwd)
        .map_err(|error| SpawnFault::CwdMissing { path: cwd.to_owned(), reason: error.kind().to_string() })
}

/// What can be told better before the execution than by its error number.
fn check(executable: &Path) -> Result<(), SpawnFault> {
    let path = executable.to_owned();
    let data = match fs::metadata(executable) {
        Ok(data) => data,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(SpawnFault::ExecutableMissing { path });
        }
        Err(error) => return Err(denied(executable, &error)),
    };
    if !data.is_file() {
        return Err(SpawnFault::ExecutableDenied { path, reason: "it is no file".to_owned() });
    }
    if rustix::fs::access(executable, Access::EXEC_OK).is_err() {
        return Err(SpawnFault::ExecutableDenied { path, reason: "it is not executable".to_owned() });
    }
    let Some(interpreter) = sandbox::interpreter(executable) else { return Ok(()) };
    let named = interpreter.display();
    let reason = if !interpreter.is_file() {
        format!("its interpreter `{named}` does not exist")
    } else if rustix::fs::access(&interpreter, Access::EXEC_OK).is_err() {
        format!("its interpreter `{named}` is not executable")
    } else {
        return Ok(());
    };
    Err(SpawnFault::ExecutableDenied { path, reason })
}

fn denied(executable: &Path, error: &std::io::Error) -> SpawnFault {
    let reason = match error.kind() {
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::NotFound => "its interpreter or loader does not exist".to_owned(),
        _ => error.to_string(),
    };
    SpawnFault::ExecutableDenied { path: executable.to_owned(), reason }
}

fn failed(error: impl std::fmt::Display) -> SpawnFault {
    SpawnFault::Failed { reason: error.to_string() }
}
