//! Runs `modrack` in an environment of its own and shows what a user would see.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use testkit::{Client, within};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// A command with nothing of the caller's environment that could change its output.
pub(crate) fn modrack(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modrack"));
    command.args(args).env_clear().env("HOME", dir).current_dir(dir).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The end of one run: exit code, stdout, stderr.
pub(crate) async fn shown(mut command: Command, stdin: &str) -> String {
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input closes the pipe.
    let _unread = child.stdin.take().unwrap().write_all(stdin.as_bytes()).await;
    let output = within("the command", child.wait_with_output()).await.unwrap();
    let mut text = format!("exit {}\n", output.status.code().map_or("by signal".into(), |code| code.to_string()));
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            write!(text, "--- {name}\n{}", String::from_utf8_lossy(bytes)).unwrap();
        }
    }
    text
}

/// One run without a host.
pub(crate) async fn run(args: &[&str]) -> String {
    let dir = TempDir::new().unwrap();
    shown(modrack(dir.path(), args), "").await.replace(dir.path().to_str().unwrap(), "<dir>")
}

/// A host as its own process. Ends with the test.
pub(crate) struct Host {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) dir: TempDir,
    pub(crate) lines: Vec<String>,
}

impl Host {
    /// Starts `modrack serve` on a free port and waits until it says that it listens.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::start_in(TempDir::new().unwrap(), flags).await
    }

    /// The same in a directory, whose `modrack.toml` it reads where there is one.
    pub(crate) async fn start_in(dir: TempDir, flags: &[&str]) -> Self {
        let args =
            [&["serve", "--listen", "127.0.0.1:0", "--data-dir", "data", "--log-format", "text"], flags].concat();
        let mut child = modrack(dir.path(), &args).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains("MODRACK_HOST") || line.starts_with('{')) {
            let line = within("the host's address", stdout.next_line()).await.unwrap();
            lines.push(line.expect("the host says where it listens"));
        }
        let url = lines[0].trim_start_matches("listening on ").to_owned();
        Self { child, url, dir, lines }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// A command that talks to this host.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = modrack(self.dir.path(), args);
        command.env("MODRACK_HOST", &self.url);
        command
    }

    /// One run against this host, with what differs from run to run taken out.
    pub(crate) async fn run(&self, args: &[&str]) -> String {
        self.run_with(args, "").await
    }

    /// One run against this host with this input.
    pub(crate) async fn run_with(&self, args: &[&str], stdin: &str) -> String {
        self.tidy(&shown(self.command(args), stdin).await)
    }

    pub(crate) fn tidy(&self, text: &str) -> String {
        let text = text.replace(&self.url, "http://HOST").replace(self.dir.path().to_str().unwrap(), "<dir>");
        let mut parts = text.split("ses-");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |text, part| format!("{text}ses-{}{}", "x".repeat(16), &part[16..]))
    }

    /// Sends a signal to the host.
    pub(crate) async fn signal(&self, name: &str) {
        signal(&self.child, name).await;
    }
}

/// Sends a signal to one process, by its id.
pub(crate) async fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().await.unwrap().success());
}
