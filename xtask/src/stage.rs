//! A fresh host and other programs as processes, for the demo and the tests of packages. Knows no module.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// How long the host may take to listen.
const START: Duration = Duration::from_secs(20);
/// How long a process may take to end after it was asked to.
const STOP: Duration = Duration::from_secs(20);

/// The processes of one run.
pub(crate) struct Stage<'a> {
    workspace: &'a Workspace,
    logs: PathBuf,
}

impl<'a> Stage<'a> {
    /// Logs go to a directory.
    pub(crate) fn new(workspace: &'a Workspace, logs: &Path) -> Self {
        Self { workspace, logs: logs.to_owned() }
    }

    /// Where cargo built a program or an example of the tree.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.workspace.target().join("debug").join(name)
    }

    /// Starts a host on a free port with its state below `data`, and waits until it listens.
    pub(crate) fn host(&self, data: &Path) -> Result<(Process, String)> {
        self.host_with(data, &[])
    }

    /// Starts a host with more arguments.
    pub(crate) fn host_with(&self, data: &Path, arguments: &[&Path]) -> Result<(Process, String)> {
        let mut command = Command::new(self.built("modrack"));
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.join("host"));
        command.args(arguments).stdout(Stdio::piped());
        let mut host = self.start("host", command)?;
        let out = host.child.stdout.take().context("the host has no output")?;
        let (lines, received) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let line = received.recv_timeout(START).context("the host did not say where it listens")?;
        let ready: serde_json::Value = serde_json::from_str(&line).context("the host's first line is no JSON")?;
        let address = ready["listen"].as_str().with_context(|| format!("no address in `{line}`"))?;
        let address = if address.starts_with("http") { address.to_owned() } else { format!("http://{address}") };
        Ok((host, address))
    }

    /// Starts a program; its log is kept.
    pub(crate) fn start(&self, name: &str, mut command: Command) -> Result<Process> {
        let log = fs::File::create(self.logs.join(format!("{name}.log")))?;
        command.stdin(Stdio::null()).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Process { name: name.to_owned(), child })
    }

    /// Prints what the processes wrote.
    pub(crate) fn show_logs(&self) -> Result<()> {
        for entry in fs::read_dir(&self.logs)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                eprintln!("--- {}\n{}", path.display(), fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }
}

/// A process that ends with its owner.
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Asks it to end and waits, at most for [`STOP`].
    ///
    /// # Errors
    /// When it does not end in time or not with status 0.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().context("cannot run kill")?;
        let deadline = Instant::now() + STOP;
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "{} ended with {status}", self.name);
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{} did not end within {STOP:?}", self.name);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // It is ours and still there; after a failure nobody waits for it to end politely.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
