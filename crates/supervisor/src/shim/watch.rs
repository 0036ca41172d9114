//! The first stage: starts the second, holds its tree, obeys the host and outlives nothing of either. Looks at no file of the
//! component.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitStatus};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use super::frame::{self, Fact, Order, StageFact};
use super::{exec, tree};
use crate::process::{Exit, SpawnFault};
use crate::sandbox::Applied;

/// From SIGTERM to SIGKILL when the host is gone.
const GRACE: Duration = Duration::from_secs(1);

/// From SIGKILL to the next: a process that was just being forked was in no walk.
const AGAIN: Duration = Duration::from_millis(20);

/// From the end of the main process until the rest is given up: what hangs in the kernel cannot be killed.
const BURIAL: Duration = Duration::from_secs(5);

/// Starts what the host orders and stays until nothing of it is left.
pub(super) fn run(args: &[OsString]) -> ExitCode {
    // Where it fails, the host is gone or never was, and there is nobody to tell.
    if watched(args).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn watched(args: &[OsString]) -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let mut host = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    rustix::stdio::dup2_stdin(&null)?;
    // Away from the terminal of the host: Ctrl-C there is the host's, and no component reads or writes it. Fails for one that a
    // person started at a prompt, who is nobody's host.
    rustix::process::setsid()?;
    // Keeps no directory of the host in use.
    rustix::process::chdir("/")?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let children = woken_by(&[SIGCHLD])?;
    // Somebody ends the shim by hand: as if the host were gone.
    let ends = woken_by(&[SIGTERM, SIGINT, SIGHUP])?;
    let Some(order) = frame::read::<Order>(&mut host)? else { return Ok(()) };
    let started = second_stage(args);
    // The pipes are the component's alone from here on: they end when its tree ends.
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    match started {
        Ok((main, stage)) => {
            let mut watch = Watch::new(host, stage, main);
            watch.forward(&order)?;
            watch.until_end(&children, &ends)
        }
        Err(error) => {
            let reason = format!("no process: {error}");
            frame::write(&mut host, &Fact::Failed(SpawnFault::Failed { reason }))
        }
    }
}

/// A socket that gets a byte with each of these signals.
fn woken_by(signals: &[i32]) -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    for signal in signals {
        signal_hook::low_level::pipe::register(*signal, writer.try_clone()?)?;
    }
    Ok(reader)
}

/// The same program once more, in a process group of its own, with the pipes of the host. By `/proc/self/exe`: its file may have
/// been replaced meanwhile.
fn second_stage(args: &[OsString]) -> io::Result<(Pid, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new("/proc/self/exe")
        .args(args)
        .args(exec::arguments(rustix::process::getpid()))
        .env_clear()
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    Ok((Pid::from_child(&child), ours))
}

struct Watch {
    host: UnixStream,
    is_host_gone: bool,
    /// Open until the program runs or has failed.
    stage: Option<UnixStream>,
    /// Until it is buried.
    main: Option<Pid>,
    applied: Option<Applied>,
    fault: Option<SpawnFault>,
    exit: Option<Exit>,
    /// When SIGKILL is due.
    kill_at: Option<Instant>,
}

impl Watch {
    fn new(host: UnixStream, stage: UnixStream, main: Pid) -> Self {
        Self {
            host,
            is_host_gone: false,
            stage: Some(stage),
            main: Some(main),
            applied: None,
            fault: None,
            exit: None,
            kill_at: None,
        }
    }

    /// Hands the order on, and the input behind it.
    fn forward(&mut self, order: &Order) -> io::Result<()> {
        let Some(mut stage) = self.stage.as_ref() else { return Ok(()) };
        // A stage that ended early takes no more; its end tells why. The input is read to its end all the same: commands follow it.
        let mut takes = frame::write(stage, order).is_ok();
        let mut left = order.input.unwrap_or_default();
        let mut buffer = vec![0; left.min(64 << 10)];
        while left > 0 {
            let part = left.min(buffer.len());
            self.host.read_exact(&mut buffer[..part])?;
            takes = takes && stage.write_all(&buffer[..part]).is_ok();
            left -= part;
        }
        Ok(())
    }

    fn until_end(mut self, children: &UnixStream, ends: &UnixStream) -> io::Result<()> {
        while self.exit.is_none() {
            let ready = self.wait(children, ends)?;
            if ready.stage {
                self.hear_stage();
            }
            if ready.children {
                drained(children);
                self.reap();
            }
            if ready.host {
                self.hear_host();
            }
            if ready.ends {
                drained(ends);
                self.terminate_within_grace();
            }
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                self.kill();
            }
        }
        while self.stage.is_some() {
            self.hear_stage();
        }
        bury(children)?;
        let exit = self.exit.unwrap_or(Exit::Lost);
        let fact = match self.fault {
            Some(fault) => Fact::Failed(fault),
            None => Fact::Exited(exit),
        };
        frame::write(&mut self.host, &fact)
    }

    fn wait(&self, children: &UnixStream, ends: &UnixStream) -> io::Result<Ready> {
        let none = PollFlags::empty();
        let host = if self.is_host_gone { none } else { PollFlags::IN };
        let stage = self.stage.as_ref();
        let mut sources = vec![
            PollFd::new(children, PollFlags::IN),
            PollFd::new(ends, PollFlags::IN),
            // A descriptor without interest would still tell that it is closed, at once and for ever.
            PollFd::new(if self.is_host_gone { children } else { &self.host }, host),
        ];
        sources.extend(stage.map(|stage| PollFd::new(stage, PollFlags::IN)));
        poll(&mut sources, self.kill_at)?;
        let is_ready = |source: &PollFd<'_>| !source.revents().is_empty();
        Ok(Ready {
            children: is_ready(&sources[0]),
            ends: is_ready(&sources[1]),
            host: !self.is_host_gone && is_ready(&sources[2]),
            stage: sources.get(3).is_some_and(is_ready),
        })
    }

    /// One message of the second stage, or its end.
    fn hear_stage(&mut self) {
        let Some(stage) = self.stage.as_mut() else { return };
        match frame::read::<StageFact>(stage) {
            Ok(Some(StageFact::Applied(applied))) => self.applied = Some(applied),
            Ok(Some(StageFact::Failed(fault))) => self.fault = Some(fault),
            Ok(None) | Err(_) => {
                self.stage = None;
                self.tell_start();
            }
        }
    }

    /// The socket of the stage has ended: by the execution of the program, or before it.
    fn tell_start(&mut self) {
        if self.fault.is_some() {
            return;
        }
        let pid = self.main.map_or(0, |main| main.as_raw_nonzero().get().unsigned_abs());
        match self.applied.take() {
            Some(sandbox) => drop(frame::write(&mut self.host, &Fact::Started { pid, sandbox })),
            None => {
                self.fault = Some(SpawnFault::Failed { reason: "it ended before the program was executed".to_owned() });
            }
        }
    }

    fn reap(&mut self) {
        if let Some(status) = tree::reap(self.main).main {
            // Its number may be another's from here on. The start is told before, with the number.
            while self.stage.is_some() {
                self.hear_stage();
            }
            self.main = None;
            self.exit = Some(exit(status));
        }
    }

    fn hear_host(&mut self) {
        let mut command = [0];
        match self.host.read(&mut command) {
            Ok(1) if command[0] == frame::TERMINATE => tree::signal(Signal::TERM),
            Ok(1) if command[0] == frame::KILL => self.kill(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => {
                self.is_host_gone = true;
                self.terminate_within_grace();
            }
        }
    }

    fn terminate_within_grace(&mut self) {
        tree::signal(Signal::TERM);
        let due = Instant::now() + GRACE;
        self.kill_at = Some(self.kill_at.map_or(due, |at| at.min(due)));
    }

    fn kill(&mut self) {
        tree::signal(Signal::KILL);
        self.kill_at = Some(Instant::now() + AGAIN);
    }
}

struct Ready {
    children: bool,
    ends: bool,
    host: bool,
    stage: bool,
}

/// Kills what the main process left behind, until nothing is left or cannot be killed.
fn bury(children: &UnixStream) -> io::Result<()> {
    let until = Instant::now() + BURIAL;
    while !tree::reap(None).none_left && Instant::now() < until {
        tree::signal(Signal::KILL);
        poll(&mut [PollFd::new(children, PollFlags::IN)], Some(Instant::now() + AGAIN))?;
        drained(children);
    }
    Ok(())
}

fn poll(sources: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<()> {
    let left = until.map(|at| at.saturating_duration_since(Instant::now()));
    let timeout = left.map(|left| Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    });
    match rustix::event::poll(sources, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn drained(mut waker: &UnixStream) {
    let mut bytes = [0; 64];
    while waker.read(&mut bytes).is_ok_and(|read| read == bytes.len()) {}
}

fn exit(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Lost,
    }
}
