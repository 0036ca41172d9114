//! On what was measured, and with which versions. Holds nothing that names the machine.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Serialize;

/// Processor, kernel and versions.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    versions: BTreeMap<&'static str, String>,
}

impl Machine {
    /// Of this machine; what cannot be found out is `unknown`.
    pub(crate) fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let unknown = || "unknown".to_owned();
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kib = memory.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
        let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let python = format!("{root}/.venv/bin/python");
        let version_of = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))";
        let python_package = |name: &str| output(&python, &["-c", version_of, name]).unwrap_or_else(unknown);
        let package = |name: &str| {
            let text = read(&format!("{root}/sdks/typescript/node_modules/{name}/package.json"));
            let json: serde_json::Value = serde_json::from_str(&text).ok()?;
            Some(json.get("version")?.as_str()?.to_owned())
        };
        let locked = |name: &str| {
            let lock = read(&format!("{root}/Cargo.lock"));
            let after = lock.split(&format!("name = \"{name}\"\nversion = \"")).nth(1)?.to_owned();
            Some(after.split('"').next()?.to_owned())
        };
        let versions = BTreeMap::from([
            ("rustc", output("rustc", &["--version"]).unwrap_or_else(unknown)),
            ("tonic", locked("tonic").unwrap_or_else(unknown)),
            ("tokio", locked("tokio").unwrap_or_else(unknown)),
            ("python", output(&python, &["--version"]).unwrap_or_else(unknown)),
            ("grpcio", python_package("grpcio")),
            ("uvloop", python_package("uvloop")),
            ("node", output("node", &["--version"]).unwrap_or_else(unknown)),
            ("grpc-js", package("@grpc/grpc-js").unwrap_or_else(unknown)),
        ]);
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_mib: memory_kib / 1024,
            kernel,
            versions,
        }
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
