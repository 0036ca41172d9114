//! Starts `child.py` and hears what it says; sees processes end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};
use serde_json::Value;
use supervisor::ShimCommand;
use supervisor::process::{self, Launch, Process, Stdin};
use supervisor::sandbox::Plan;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) fn shim() -> ShimCommand {
    ShimCommand { program: PathBuf::from(env!("CARGO_BIN_EXE_supervisor-shim")), args: Vec::new() }
}

/// The interpreter itself, behind whatever `python3` is on PATH.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let say = "import os, sys; print(os.path.realpath(sys.executable))";
        let output = Command::new("python3").args(["-c", say]).output().expect("these tests need python3 on PATH");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/child.py")
}

/// A directory of its own for a test, removed with the value.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// `child.py WORDS…`, unrestricted.
pub(crate) fn child(words: &[&str]) -> Launch {
    let mut args = vec!["-I".to_owned(), script().to_str().unwrap().to_owned()];
    args.extend(words.iter().map(|word| (*word).to_owned()));
    program(python(), args)
}

pub(crate) fn program(executable: &Path, args: Vec<String>) -> Launch {
    Launch {
        executable: executable.to_owned(),
        args,
        cwd: std::env::temp_dir(),
        env: Vec::new(),
        stdin: Stdin::Null,
        sandbox: Plan::none(),
    }
}

/// A process that was started, and what it says.
pub(crate) struct Child {
    pub(crate) process: Process,
    said: Lines<BufReader<ChildStdout>>,
}

pub(crate) async fn start(launch: Launch) -> Child {
    heard(timeout(LONG, process::spawn(&shim(), launch)).await.unwrap().unwrap())
}

pub(crate) fn heard(mut process: Process) -> Child {
    let said = BufReader::new(process.stdout.take().unwrap()).lines();
    Child { process, said }
}

impl Child {
    /// The next thing it says.
    pub(crate) async fn says(&mut self) -> Value {
        match timeout(LONG, self.said.next_line()).await.expect("it says something in time").unwrap() {
            Some(line) => serde_json::from_str(&line).unwrap(),
            None => panic!("it says nothing: {}", self.errors().await),
        }
    }

    /// All that it wrote to standard error until its end.
    async fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            tokio::io::AsyncReadExt::read_to_string(&mut stderr, &mut text).await.unwrap();
        }
        text
    }

    pub(crate) async fn exited(&self) -> process::Exit {
        timeout(LONG, self.process.exited()).await.expect("it ends in time")
    }
}

/// What one run of `child.py` says first.
pub(crate) async fn said(launch: Launch) -> Value {
    start(launch).await.says().await
}

pub(crate) fn pid(said: &Value, name: &str) -> u32 {
    u32::try_from(said[name].as_u64().unwrap()).unwrap()
}

/// Whether there is a process of this number, be it one that nobody has waited for.
pub(crate) fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Waits until a process has ended.
pub(crate) async fn ended(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let Ok(descriptor) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
    let waiting = tokio::task::spawn_blocking(move || {
        let limit = Timespec { tv_sec: LONG.as_secs().try_into().unwrap(), tv_nsec: 0 };
        rustix::event::poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&limit)).unwrap()
    });
    assert_eq!(waiting.await.unwrap(), 1, "process {pid:?} ends in time");
}

/// The process above this one.
pub(crate) fn parent(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}
