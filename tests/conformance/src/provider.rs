//! The conformance providers as processes, one program per language. Knows nothing of the scenarios.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use e2e::{Host, Language, Plane, Process};

use crate::verdict::plane_name;

/// The namespace of all conformance providers.
pub(crate) const NAMESPACE: &str = "conformance";

/// A provider that runs. Dropping it ends its process.
#[derive(Debug)]
pub(crate) struct Provider(Process);

impl Provider {
    /// Starts one and waits for nothing. Replicas have numbers of their own and one group.
    pub(crate) fn launch(host: &Host, language: Language, plane: Plane, replica: Option<usize>) -> Self {
        let mut command = command(language);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.current_dir(root()).env_clear().env("PATH", path).env("HOME", Path::new("/nonexistent"));
        command.env("MODRACK_HOST", host.url()).env("MODRACK_PLANE", plane_name(plane));
        command.env("MODRACK_NAMESPACE", NAMESPACE).env("PYTHONUNBUFFERED", "1");
        if let Some(number) = replica {
            command.env("MODRACK_GROUP_ID", "replicas").env("MODRACK_SERVICE_ID", format!("replica-{number}"));
        }
        let name = format!("the conformance provider in {} on {}", language.as_str(), plane_name(plane));
        Self(Process::start(&name, &mut command))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }

    pub(crate) fn signal_term(&self) {
        self.0.signal_term();
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.0.ended().await
    }

    /// Returns when the process is gone, and never before.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }

    /// What it wrote so far.
    pub(crate) fn output(&self) -> String {
        self.0.output()
    }
}

fn command(language: Language) -> Command {
    let providers = root().join("tests/conformance/providers");
    match language {
        Language::Python => {
            let mut command = Command::new(existing(root().join(".venv/bin/python"), "cargo xtask setup"));
            command.arg(providers.join("python.py"));
            command
        }
        Language::TypeScript => {
            existing(root().join("sdks/typescript/dist/index.js"), "cargo xtask setup");
            let mut command = Command::new("node");
            command.arg(providers.join("typescript.mjs"));
            command
        }
        Language::Rust => {
            let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
            let program = target.join("debug/conformance-provider");
            Command::new(existing(program, "cargo build -p conformance-provider"))
        }
    }
}

fn existing(path: PathBuf, make: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing; make it with `{make}`", path.display());
    path
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
