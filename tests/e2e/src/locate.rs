//! Where the programs are that the tests start. Builds none of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::provider::Language;

/// A program or file that a test needs.
///
/// # Panics
/// When it is missing, with the command that makes it.
fn existing(path: PathBuf, make: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing; make it with `{make}`", path.display());
    path
}

/// The root of the tree.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |path| root().join(path)).join("debug")
}

/// The `modrack` binary.
#[must_use]
pub fn program() -> PathBuf {
    existing(target().join("modrack"), "cargo build -p cli")
}

/// The client of `tests/golden` in a language: it lists the modules of a host and calls one, with generated stubs alone.
#[must_use]
pub fn golden_client(language: Language) -> Command {
    let golden = root().join("tests/golden");
    let make = "cargo xtask test e2e";
    match language {
        Language::Rust => Command::new(existing(target().join("call_host"), make)),
        Language::Python => {
            let mut command = Command::new(python());
            command.arg(golden.join("python/call_host.py"));
            command
        }
        Language::TypeScript => {
            let mut command = Command::new("node");
            let built = golden.join("typescript/dist/tests/golden/typescript/src/call-host.js");
            command.arg(existing(built, make));
            command
        }
    }
}

/// `tests/golden/bindings`.
#[must_use]
pub fn golden_bindings_directory() -> PathBuf {
    root().join("tests/golden/bindings")
}

/// The program of `tests/golden/bindings` in a language: it calls every module of the golden provider through generated bindings.
#[must_use]
pub fn golden_bindings(language: Language) -> Command {
    let golden = golden_bindings_directory();
    let make = "cargo xtask test e2e";
    match language {
        Language::Rust => Command::new(existing(target().join("use_bindings"), make)),
        Language::Python => {
            let mut command = Command::new(python());
            command.arg(golden.join("python/use_bindings.py"));
            command
        }
        Language::TypeScript => {
            let mut command = Command::new("node");
            command.arg(existing(golden.join("typescript/dist/use-bindings.js"), make));
            command
        }
    }
}

/// The provider whose modules the golden bindings are of.
#[must_use]
pub fn golden_provider() -> Command {
    let mut command = Command::new(python());
    command.arg(golden_bindings_directory().join("provider.py"));
    command
}

/// The fuzzer of OpenAPI documents, with what it has to know of this one. Draws the same cases each time, and leaves no files.
#[must_use]
pub fn schemathesis(document: &str) -> Command {
    let mut command = Command::new(existing(root().join(".venv/bin/st"), "cargo xtask setup"));
    let directory = root().join("tests/e2e/schemathesis");
    command.current_dir(directory).env("PYTHONDONTWRITEBYTECODE", "1").args([
        "--config-file",
        "schemathesis.toml",
        "run",
    ]);
    // One worker: threads that draw cases at once trip over each other's recursion limits in CPython 3.11.
    command.arg(document).args(["--checks", "all", "--max-examples", "5", "--seed", "1"]);
    // How long it takes to draw a case says something of the machine, not of the host.
    command.args(["--suppress-health-check", "too_slow"]);
    command.args(["--continue-on-failure", "--no-color", "--request-timeout", "30"]);
    command
}

/// `examples`.
#[must_use]
pub fn examples_directory() -> PathBuf {
    root().join("examples")
}

pub(crate) fn typescript_example() -> PathBuf {
    existing(root().join("sdks/typescript/dist-examples/data_modules.js"), "cargo xtask setup")
}

pub(crate) fn rust_example() -> PathBuf {
    existing(target().join("examples/strings_modules"), "cargo build -p modrack --example strings_modules")
}

/// The provider of `shapes.*`.
pub(crate) fn python_shapes() -> PathBuf {
    existing(root().join("tests/fixtures/python/shapes.py"), "git checkout")
}

pub(crate) fn rust_fixture() -> PathBuf {
    existing(target().join("examples/fixture"), "cargo build -p modrack --example fixture --features otel")
}

/// The virtual environment with the SDK.
#[must_use]
pub fn python_environment() -> PathBuf {
    existing(root().join(".venv"), "cargo xtask setup")
}

/// Where the bundled modules are.
#[must_use]
pub fn bundle() -> PathBuf {
    let bundle = target().join("../bundle");
    existing(bundle, "cargo xtask bundle").canonicalize().expect("it is there")
}

pub(crate) fn python() -> PathBuf {
    existing(root().join(".venv/bin/python"), "cargo xtask setup")
}

pub(crate) fn python_fixture() -> PathBuf {
    existing(root().join("tests/fixtures/python/provider.py"), "git checkout")
}

pub(crate) fn typescript_fixture() -> PathBuf {
    existing(root().join("sdks/typescript/dist/index.js"), "cargo xtask setup");
    existing(root().join("tests/fixtures/typescript/fixture.mjs"), "git checkout")
}
