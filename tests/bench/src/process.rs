//! A process that the benchmark owns: it says on its first line that it is ready, and ends with the value that owns it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How long a process may take to say that it is ready.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program whose output nobody reads; its errors go to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?).spawn();
        Ok(Self { child: child.with_context(|| format!("cannot start {:?}", command.get_program()))? })
    }

    /// Starts a program and waits for its first line of output.
    pub(crate) fn announced(command: &mut Command, log: &Path) -> Result<(Self, String)> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log)?).spawn();
        let mut process = Self { child: child.with_context(|| format!("cannot start {:?}", command.get_program()))? };
        let out = process.child.stdout.take().context("the output is piped")?;
        let (line, first) = mpsc::channel();
        thread::spawn(move || {
            for read in BufReader::new(out).lines().map_while(Result::ok) {
                // Only the first is waited for; the rest is read so that the process does not block.
                let _unheard = line.send(read).is_err();
            }
        });
        let line = first.recv_timeout(PATIENCE).with_context(|| {
            let log = std::fs::read_to_string(log).unwrap_or_else(|error| error.to_string());
            format!("{:?} did not say that it is ready; it wrote:\n{log}", command.get_program())
        })?;
        Ok((process, line))
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already needs nothing.
        let _ended = self.child.kill().is_err();
        let _reaped = self.child.wait().is_err();
    }
}

/// Starts `modrack serve` of the same build with its state below `directory`; gives its process and `http://host:port`.
pub(crate) fn host(directory: &Path) -> Result<(Process, String)> {
    let mut command = Command::new(beside_this("modrack")?);
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(directory.join("served"));
    let (process, line) = Process::announced(&mut command, &directory.join("host.log"))?;
    let line: serde_json::Value = serde_json::from_str(&line)?;
    Ok((process, line["listen"].as_str().context("no address")?.to_owned()))
}

/// A program of the same build.
pub(crate) fn beside_this(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.exists(), "{} is missing; `cargo xtask bench call` builds it", path.display());
    Ok(path)
}

/// Time that all threads of a process spent on a core, from the scheduler's own account in nanoseconds.
pub(crate) fn cpu_time(process: u32) -> Result<Duration> {
    let mut total = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        total += text.split_whitespace().next().context("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("an empty VmRSS")?.parse()?;
    Ok(kib * 1024)
}

/// Waits until `ready` says so.
pub(crate) async fn until(what: &str, mut ready: impl AsyncFnMut() -> bool) -> Result<()> {
    let since = Instant::now();
    while !ready().await {
        anyhow::ensure!(since.elapsed() < PATIENCE, "{what} did not happen within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
