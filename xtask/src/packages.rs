//! `cargo xtask test packages`: the wheel, the npm package and the crates as their users get them. Each is built, installed in a
//! clean environment outside the tree, and used there: a provider, a client and generated bindings against a real host. Publishes nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xshell::cmd;

use crate::progress::Progress;
use crate::stage::Stage;
use crate::workspace::{Workspace, files_below};
use crate::{npm, prerequisites, python, setup};

/// The bindings and the programs that use them.
const BINDINGS: &str = "tests/golden/bindings";
/// What the bindings call as a module besides.
const PIPELINE: &str = "rows-of.cst";
/// How long a provider may take to be callable.
const READY: Duration = Duration::from_secs(30);
/// What leads a program to what is not installed.
const LEAKS: [&str; 4] = ["PYTHONPATH", "VIRTUAL_ENV", "NODE_PATH", "MODRACK_TOKEN_FILE"];

/// Programs of one language that run on an installed package alone.
struct Installed {
    language: &'static str,
    provider: Vec<PathBuf>,
    /// Calls every module of the golden provider through bindings.
    client: Vec<PathBuf>,
}

/// Builds, installs and uses every package; gives the number of programs that did what they should.
pub(crate) fn test(workspace: &Workspace, progress: &Progress) -> Result<usize> {
    setup::run(workspace, progress)?;
    let shell = &workspace.shell;
    let host = ["--package", "cli", "--bin", "modrack"];
    progress.command("host", cmd!(shell, "cargo build --locked {host...}"))?;
    let outside = shell.create_temp_dir()?;
    let languages = [
        python_package(workspace, progress, &outside.path().join("python"))?,
        npm_package(workspace, progress, &outside.path().join("node"))?,
        crates(workspace, progress, &outside.path().join("rust"))?,
    ];
    let mut passed = 0;
    progress.step("packages in use", || {
        let stage = Stage::new(workspace, outside.path());
        let pipeline = workspace.path(BINDINGS).join(PIPELINE);
        passed = used(&stage, &languages, &pipeline, outside.path()).inspect_err(|_| {
            // The error itself says what failed; the logs say more.
            drop(stage.show_logs());
        })?;
        Ok(format!("{passed} passed"))
    })?;
    Ok(passed)
}

/// Runs the providers and clients; gives how many did as they should.
fn used(stage: &Stage<'_>, languages: &[Installed], pipeline: &Path, outside: &Path) -> Result<usize> {
    let (mut host, address) = stage.host(outside)?;
    let mut processes = Vec::new();
    for language in languages {
        let name = format!("provider in {}", language.language);
        let mut command = program(&language.provider, outside, &address);
        command.stdout(Stdio::null());
        processes.push(stage.start(&name, command)?);
    }
    let calls = [
        ("golden.text.Sum", "[1, 2, 3]", "6"),
        ("data.SumList", r#"{"numbers": [1, 2, 3]}"#, "6"),
        ("strings.Contains", r#"{"text": "seashore", "substring": "sea"}"#, "true"),
    ];
    let mut passed = 0;
    for (module, input, output) in calls {
        callable(stage, module, &address)?;
        let modrack = stage.built("modrack");
        let call = Command::new(modrack)
            .args(["modules", "call", module, "--json-input", input])
            .env("MODRACK_HOST", &address)
            .output()?;
        let answer = String::from_utf8_lossy(&call.stdout);
        ensure!(answer.trim() == output, "{module} answered `{answer}`, not `{output}`");
        passed += 1;
    }
    let stored = Command::new(stage.built("modrack"))
        .args(["pipelines", "put"])
        .arg(pipeline)
        .env("MODRACK_HOST", &address)
        .output()?;
    ensure!(stored.status.success(), "the golden pipeline is refused: {}", String::from_utf8_lossy(&stored.stderr));
    for language in languages {
        let output = program(&language.client, outside, &address).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("the client in {} ended with {}:\n{said}", language.language, output.status);
        }
        passed += 1;
    }
    for process in &mut processes {
        process.stop()?;
    }
    host.stop()?;
    Ok(passed)
}

fn callable(stage: &Stage<'_>, module: &str, address: &str) -> Result<()> {
    let until = Instant::now() + READY;
    loop {
        let shown = Command::new(stage.built("modrack"))
            .args(["modules", "show", module])
            .env("MODRACK_HOST", address)
            .output()
            .context("cannot start `modrack`")?;
        if shown.status.success() && String::from_utf8_lossy(&shown.stdout).contains("ready") {
            return Ok(());
        }
        ensure!(Instant::now() < until, "`{module}` was not callable within {READY:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A program with nothing of the tree in its environment.
fn program(words: &[PathBuf], directory: &Path, host: &str) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(directory).env("MODRACK_HOST", host);
    for name in LEAKS {
        command.env_remove(name);
    }
    command
}

fn python_package(workspace: &Workspace, progress: &Progress, at: &Path) -> Result<Installed> {
    let shell = &workspace.shell;
    copy(&workspace.path(BINDINGS).join("python"), &at.join("app"))?;
    fs::copy(workspace.path(BINDINGS).join("provider.py"), at.join("app/provider.py"))?;
    {
        let _directory = shell.push_dir("sdks/python");
        let hatchling = python::program(workspace, "hatchling");
        progress.command("wheel", cmd!(shell, "{hatchling} build --target wheel --directory {at}"))?;
    }
    let wheel = only_file(at, "whl")?;
    let base = prerequisites::python(shell)?;
    let environment = at.join("venv");
    progress.command("clean Python environment", cmd!(shell, "{base} -m venv {environment}"))?;
    let interpreter = environment.join("bin/python");
    let pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet"];
    progress.command(
        "wheel, installed",
        cmd!(shell, "{interpreter} {pip...} {wheel}").env_remove("PYTHONPATH").env_remove("VIRTUAL_ENV"),
    )?;
    Ok(Installed {
        language: "Python",
        provider: vec![interpreter.clone(), at.join("app/provider.py")],
        client: vec![interpreter, at.join("app/use_bindings.py")],
    })
}

fn npm_package(workspace: &Workspace, progress: &Progress, at: &Path) -> Result<Installed> {
    let shell = &workspace.shell;
    let golden = workspace.path(npm::BINDINGS);
    copy(&golden.join("src"), &at.join("src"))?;
    fs::copy(workspace.path("sdks/typescript/examples/data_modules.ts"), at.join("src/data_modules.ts"))?;
    fs::copy(golden.join("tsconfig.json"), at.join("tsconfig.json"))?;
    {
        let _directory = shell.push_dir(npm::SDK);
        progress.command("npm package", cmd!(shell, "npm pack --loglevel=error --pack-destination {at}"))?;
    }
    let package = only_file(at, "tgz")?;
    let manifest = workspace.read(&format!("{}/package.json", npm::BINDINGS))?;
    let manifest = manifest.replace("file:../../../../sdks/typescript", &format!("file:{}", package.display()));
    fs::write(at.join("package.json"), manifest)?;
    let _directory = shell.push_dir(at);
    progress.command("npm package, installed", cmd!(shell, "npm install --no-audit --no-fund --loglevel=error"))?;
    let compiler = at.join("node_modules/.bin/tsc");
    progress.command("npm package, compiled against", cmd!(shell, "{compiler}"))?;
    Ok(Installed {
        language: "TypeScript",
        provider: vec!["node".into(), at.join("dist/data_modules.js")],
        client: vec!["node".into(), at.join("dist/use-bindings.js")],
    })
}

fn crates(workspace: &Workspace, progress: &Progress, at: &Path) -> Result<Installed> {
    let shell = &workspace.shell;
    let golden = workspace.path(BINDINGS).join("rust/src");
    copy(&golden, &at.join("src"))?;
    fs::create_dir_all(at.join("src/bin"))?;
    fs::copy(workspace.path("sdks/rust/examples/strings_modules.rs"), at.join("src/bin/packaged_strings_modules.rs"))?;
    // The compilation below verifies the packages, and more than cargo would: with other packages around them.
    let packages = ["--package", "modrack-derive", "--package", "modrack", "--no-verify", "--allow-dirty"];
    progress.command("crates", cmd!(shell, "cargo package --locked {packages...} --target-dir {at}"))?;
    let directory = at.join("package");
    let mut patches = String::new();
    for name in ["modrack-derive", "modrack"] {
        let file = files_below(&directory)?
            .into_iter()
            .find(|file| file.strip_prefix(name).is_some_and(|rest| rest.starts_with("-0") && rest.ends_with(".crate")))
            .with_context(|| format!("cargo made no package of `{name}`"))?;
        let archive = directory.join(&file);
        cmd!(shell, "tar -x -z -f {archive} -C {directory}").quiet().run()?;
        let unpacked = directory.join(file.trim_end_matches(".crate"));
        patches.push_str(&format!("{name} = {{ path = {:?} }}\n", unpacked.display().to_string()));
    }
    fs::write(at.join("Cargo.toml"), MANIFEST.replace("PATCHES", &patches))?;
    // The same versions as in the tree; the packages' own code comes from the archives alone.
    fs::copy(workspace.path("Cargo.lock"), at.join("Cargo.lock"))?;
    let target = workspace.target();
    let _directory = shell.push_dir(at);
    progress.command("crates, compiled against", cmd!(shell, "cargo build --target-dir {target}"))?;
    let built = target.join("debug");
    Ok(Installed {
        language: "Rust",
        provider: vec![built.join("packaged_strings_modules")],
        client: vec![built.join("packaged_use_bindings")],
    })
}

/// A project that knows the packages by name and version, as any user's does. Nothing has published them, so their archives stand in
/// for the registry. The profile is that of the tree, whose compiled dependencies it may use.
const MANIFEST: &str = r#"[package]
name = "packaged"
version = "0.0.0"
edition = "2024"

[[bin]]
name = "packaged_use_bindings"
path = "src/main.rs"

[dependencies]
modrack = "0.0.0"
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }

[patch.crates-io]
PATCHES
[profile.dev]
debug = "line-tables-only"

[profile.dev.package."*"]
debug = false

[workspace]
"#;

/// The one file of a directory that has this suffix.
fn only_file(directory: &Path, suffix: &str) -> Result<PathBuf> {
    let files = fs::read_dir(directory)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|found| found == suffix)).collect();
    ensure!(files.len() == 1, "{} files end with `.{suffix}` in `{}`", files.len(), directory.display());
    Ok(files.remove(0))
}

/// Copies a directory, without what was made beside the sources.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in files_below(from)? {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().context("a file is in a directory")?)?;
        fs::copy(from.join(&file), &target).with_context(|| format!("cannot copy `{file}`"))?;
    }
    Ok(())
}
