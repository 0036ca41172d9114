//! A real host in a directory of its own. Knows nothing of providers.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use tempfile::TempDir;
use testkit::Client;

use crate::locate;
use crate::process::Process;

/// Keys of the configuration with their values as text, e.g. `("limits.message_bytes", "65536")`.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

/// A host that serves. Dropping it ends its process and removes its directory.
#[derive(Debug)]
pub struct Host {
    process: Process,
    settings: Vec<(String, String)>,
    url: String,
    // Last, so that the process is gone when its directory goes.
    directory: TempDir,
}

impl Host {
    /// Starts a host with the defaults, on a free port and sockets of its own, and waits until it serves.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a host with some settings.
    #[must_use]
    pub fn start_with(settings: Settings<'_>) -> Self {
        Self::start_in(tempfile::tempdir().expect("there is room for a directory"), settings)
    }

    /// Starts a host in a directory that may hold a `modrack.toml`.
    #[must_use]
    pub fn start_in(directory: TempDir, settings: Settings<'_>) -> Self {
        let settings: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let process = launch(&directory, &settings, "127.0.0.1:0");
        let url = listen_url(&process);
        Self { process, settings, url, directory }
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.split_once("://").map_or("", |(_, address)| address)
    }

    /// `http://127.0.0.1:port`, or `https` where the host has a certificate.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The Unix socket of the gRPC surfaces.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("data/host.sock")
    }

    /// The Unix socket of the link.
    #[must_use]
    pub fn link_socket(&self) -> PathBuf {
        self.directory.path().join("data/link.sock")
    }

    /// A client on a connection of its own.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.url())
    }

    /// The process of the host.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Ends the host as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks the host to stop, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.signal_term();
        self.process.ended().await
    }

    /// Starts the host again, on the same addresses, after it ended.
    pub fn restart(&mut self) {
        self.process = launch(&self.directory, &self.settings, self.address());
        assert_eq!(listen_url(&self.process), self.url);
    }
}

fn launch(directory: &TempDir, settings: &[(String, String)], listen: &str) -> Process {
    let mut command = Command::new(locate::program());
    command.args(["serve", "--json"]).current_dir(directory.path()).env_clear();
    command.env("HOME", directory.path()).env("MODRACK_DATA_DIR", directory.path().join("data"));
    command.env("MODRACK_LISTEN", listen).env("MODRACK_LOG__FILTER", "info,host=debug,executor=debug,registry=debug");
    for (key, value) in settings {
        command.env(format!("MODRACK_{}", key.to_uppercase().replace('.', "__")), value);
    }
    Process::start("the host", &mut command)
}

fn listen_url(process: &Process) -> String {
    process.stdout_line("where it listens", |line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line.get("listen")?.as_str().map(ToOwned::to_owned)
    })
}
