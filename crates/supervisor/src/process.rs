//! One process of a component, through its shim: its start, its end, and nothing of it left behind. Knows no component and no policy.

mod driver;
mod exit;
mod fault;

use std::path::PathBuf;

use bytes::Bytes;
use protocol::component::SandboxReport;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::watch;

use crate::options::ShimCommand;
use crate::sandbox::Plan;

pub use self::exit::Exit;
pub use self::fault::SpawnFault;

/// What is started, and how.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Absolute. Neither looked up on PATH nor given to a shell.
    pub executable: PathBuf,
    /// As they are, without the program's own name.
    pub args: Vec<String>,
    /// Absolute.
    pub cwd: PathBuf,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// What it reads.
    pub stdin: Stdin,
    /// What holds it in.
    pub sandbox: Plan,
}

/// Standard input of a process.
#[derive(Debug, Clone)]
pub enum Stdin {
    /// `/dev/null`.
    Null,
    /// These bytes, then the end.
    Bytes(Bytes),
}

/// A process that runs or has ended. When it is dropped, its whole tree is killed.
#[derive(Debug)]
pub struct Process {
    /// Its number; it leads the process group of that number.
    pub pid: u32,
    /// What holds it in.
    pub sandbox: SandboxReport,
    /// What it writes; ends with the last process of its tree. Somebody has to read it, or the process stands still when the pipe is
    /// full. None once taken.
    pub stdout: Option<ChildStdout>,
    /// The same of standard error.
    pub stderr: Option<ChildStderr>,
    wish: watch::Sender<Wish>,
    exit: watch::Receiver<Option<Exit>>,
}

/// What its owner wants of a process; rises only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Run,
    Terminate,
    Kill,
}

/// Starts a process and waits until its program runs; a process that ends at once has been started. Some milliseconds; at most
/// 10 s. To be called in a tokio runtime with I/O and time.
///
/// # Errors
/// Why it could not be started; nothing of it is left.
pub async fn spawn(shim: &ShimCommand, launch: Launch) -> Result<Process, SpawnFault> {
    driver::spawn(shim, launch).await
}

impl Process {
    /// Sends SIGTERM to its process group and to whatever else descends from it. Does not wait; says nothing when it has ended.
    pub fn terminate(&self) {
        self.want(Wish::Terminate);
    }

    /// Sends SIGKILL to the same. It has ended some milliseconds later, but for a process that hangs in the kernel: that is given
    /// up after 7 s.
    pub fn kill(&self) {
        self.want(Wish::Kill);
    }

    /// How it ended, once nothing of its tree is left. To be asked as often as wanted; without a limit in time, unless it was
    /// killed.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        // The driver tells before it ends; without one the runtime is ending.
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit).unwrap_or(Exit::Lost)
    }

    fn want(&self, wish: Wish) {
        self.wish.send_if_modified(|present| {
            let rises = *present < wish;
            *present = (*present).max(wish);
            rises
        });
    }
}
