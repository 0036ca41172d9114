//! `cargo xtask bundle`: the modules that come with Modrack, each as an executable file with all that it needs inside but the interpreter,
//! which the file names by its path. Starting one needs no network and no virtual environment. Starts none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use xshell::cmd;

use crate::progress::Progress;
use crate::stamp::Stamp;
use crate::workspace::{Workspace, files_below};
use crate::{prerequisites, python};

/// The modules; each lies in `modules/NAME` as the Python package `modrack_NAME`.
const MODULES: [&str; 2] = ["arca", "dator"];
/// What all of them carry inside.
const SDK: &str = "sdks/python";
/// Versions and digests of the rest.
const LOCK: &str = "xtask/python/bundle.txt";
/// Makes the files.
const PACKER: &str = "xtask/python/pack.py";
/// Older kernels cut a first line that is longer, without a word.
const LONGEST_SHEBANG: usize = 127;
/// What only one kind of machine can load.
const COMPILED: [&str; 4] = [".so", ".pyd", ".dylib", ".dll"];

/// The interpreter that the files are for.
#[derive(Debug, Deserialize)]
struct Interpreter {
    /// The program itself, behind every link and shim.
    path: PathBuf,
    version: String,
    /// Where its library is; all of it may be read.
    prefixes: Vec<PathBuf>,
}

/// Builds every module into a directory of its own below `out`, by default where a host that cargo built looks. Quick when nothing changed.
pub(crate) fn run(workspace: &Workspace, progress: &Progress, out: Option<&Path>) -> Result<()> {
    let out = out.map_or_else(|| workspace.target().join("bundle"), |out| workspace.path("").join(out));
    let interpreter = interpreter(workspace)?;
    let inputs = inputs(workspace)?;
    fs::create_dir_all(&out).with_context(|| format!("cannot make `{}`", out.display()))?;
    let stamp = Stamp::of(workspace, &out.to_string_lossy(), &inputs)?;
    if stamp.is_current() && MODULES.iter().all(|name| is_for(&out.join(name), name, &interpreter)) {
        return Ok(());
    }
    python::install(workspace, progress)?;
    let shell = &workspace.shell;
    let scratch = shell.create_temp_dir()?;
    let shared = scratch.path().join("shared");
    let pip = Pip { workspace, progress, interpreter: python::program(workspace, "python") };
    // No index decides what goes in: each file is the one that the lock has the digest of.
    pip.install(
        "packages of the bundle",
        &shared,
        &["--only-binary", ":all:", "--require-hashes", "--requirement", LOCK],
    )?;
    pip.install("SDK of the bundle", &shared, &["--no-build-isolation", SDK])?;
    for name in MODULES {
        let own = scratch.path().join(name);
        pip.install(name, &own, &["--no-build-isolation", &format!("modules/{name}")])?;
        let target = out.join(name);
        // What an earlier build left there must not be taken for a part of this one.
        if target.is_dir() {
            fs::remove_dir_all(&target).with_context(|| format!("cannot empty `{}`", target.display()))?;
        }
        fs::create_dir_all(&target)?;
        let roots = [shared.as_path(), own.as_path()];
        progress.step(&format!("{name}, bundled"), || bundle(workspace, &interpreter, name, &roots, &target))?;
    }
    stamp.write()
}

/// All that the bundle follows from, but the interpreter.
fn inputs(workspace: &Workspace) -> Result<Vec<String>> {
    let is_input = |path: &String| {
        let below = |directory: &str| path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/'));
        let source = |rest: &str| rest.starts_with("src/") || !rest.contains('/');
        below(SDK).or_else(|| MODULES.iter().find_map(|name| below(&format!("modules/{name}")))).is_some_and(source)
            || path.starts_with("xtask/python/")
            || path == "xtask/src/bundle.rs"
    };
    Ok(workspace.files()?.into_iter().filter(is_input).collect())
}

fn interpreter(workspace: &Workspace) -> Result<Interpreter> {
    let shell = &workspace.shell;
    let name = prerequisites::python(shell)?;
    // Of a virtual environment the one that it was made with: an environment may go at any time.
    let program = "import json, os, platform, sys, sysconfig\n\
        path = os.path.realpath(getattr(sys, '_base_executable', sys.executable))\n\
        prefixes = {sys.base_prefix, sys.base_exec_prefix, sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib')}\n\
        tops = [p for p in prefixes if not any(p != q and p.startswith(q + os.sep) for q in prefixes)]\n\
        print(json.dumps({'path': path, 'version': platform.python_version(), 'prefixes': sorted(tops)}))";
    let told =
        cmd!(shell, "{name} -I -c {program}").quiet().read().context("the interpreter does not tell where it is")?;
    serde_json::from_str(&told).with_context(|| format!("the interpreter tells something else: {told}"))
}

/// Isolated: nothing of the environment, the user or what else is installed for that interpreter gets in.
fn shebang(interpreter: &Interpreter) -> Result<String> {
    let path = interpreter.path.to_str().context("the path of the interpreter is not Unicode")?;
    ensure!(!path.contains([' ', '\n', '\t']), "the path of the interpreter, `{path}`, has a space; use another");
    let shebang = format!("{path} -IS");
    let length = "#!".len() + shebang.len();
    ensure!(
        length <= LONGEST_SHEBANG,
        "the path of the interpreter, `{path}`, is too long for the first line of an executable: {length} bytes with its options, at \
         most {LONGEST_SHEBANG}; use a Python in a shorter path"
    );
    Ok(shebang)
}

/// Whether a bundle is there, for this interpreter.
fn is_for(directory: &Path, name: &str, interpreter: &Interpreter) -> bool {
    let facts = fs::read_to_string(directory.join("bundle.json")).ok();
    let facts = facts.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    directory.join(name).is_file()
        && facts.is_some_and(|facts| {
            facts["interpreter"] == json!(interpreter.path) && facts["python"] == json!(interpreter.version)
        })
}

struct Pip<'a> {
    workspace: &'a Workspace,
    progress: &'a Progress,
    interpreter: PathBuf,
}

impl Pip<'_> {
    /// Installs what is named, and nothing that it depends on.
    fn install(&self, label: &str, target: &Path, what: &[&str]) -> Result<()> {
        let (shell, interpreter) = (&self.workspace.shell, &self.interpreter);
        let pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-compile"];
        self.progress.command(label, cmd!(shell, "{interpreter} {pip...} --target {target} {what...}"))?;
        Ok(())
    }
}

/// Packs the packages of the roots and writes what the host reads beside the file; gives its size.
fn bundle(
    workspace: &Workspace,
    interpreter: &Interpreter,
    name: &str,
    roots: &[&Path],
    target: &Path,
) -> Result<String> {
    let mut contains = BTreeMap::new();
    for root in roots {
        contains.extend(pure(root)?);
    }
    let version = contains.remove(&format!("modrack-{name}")).or_else(|| contains.remove(&format!("modrack_{name}")));
    let version = version.with_context(|| format!("`modules/{name}` is no package `modrack-{name}`"))?;
    let executable = target.join(name);
    let (shell, packer, shebang) = (&workspace.shell, workspace.path(PACKER), shebang(interpreter)?);
    let (python, entry) = (&interpreter.path, format!("modrack_{name}.__main__:main"));
    cmd!(shell, "{python} -IS {packer} {executable} {shebang} {entry} {roots...}")
        .env("PYTHONHASHSEED", "0")
        .quiet()
        .run()
        .with_context(|| format!("`{name}` cannot be packed"))?;
    let packed = fs::read(&executable)?;
    let digest: String = Sha256::digest(&packed).iter().map(|byte| format!("{byte:02x}")).collect();
    let facts = json!({
        "name": name,
        "version": version,
        "executable": name,
        "built": format!("sha256:{digest}"),
        "interpreter": interpreter.path,
        "python": interpreter.version,
        "contains": contains,
    });
    write(&target.join("bundle.json"), &facts)?;
    let defaults = workspace.read(&format!("modules/{name}/component.json"))?;
    let defaults = serde_json::from_str(&defaults).with_context(|| format!("`modules/{name}/component.json`"))?;
    write(&target.join("component.json"), &component(defaults, name, interpreter)?)?;
    Ok(format!("{} KiB, version {version}", packed.len() / 1024))
}

/// The factory defaults with what only the bundle knows. Paths are relative to the file, but those of the interpreter. What the bundle
/// states of itself the host reads from `bundle.json`.
fn component(defaults: Value, name: &str, interpreter: &Interpreter) -> Result<Value> {
    let Value::Object(mut component) = defaults else { bail!("`modules/{name}/component.json` is no object") };
    let object = |component: &mut Map<String, Value>, key: &str| match component.remove(key) {
        None => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => bail!("`{key}` of `modules/{name}/component.json` is no object"),
    };
    let mut launch = object(&mut component, "launch")?;
    launch.insert("executable".into(), name.into());
    launch.insert("cwd".into(), ".".into());
    component.insert("launch".into(), launch.into());
    let mut sandbox = object(&mut component, "sandbox")?;
    let mut read = match sandbox.remove("read") {
        None => Vec::new(),
        Some(Value::Array(paths)) => paths,
        Some(_) => bail!("`sandbox.read` of `modules/{name}/component.json` is no array"),
    };
    read.extend(std::iter::once(&interpreter.path).chain(&interpreter.prefixes).map(|path| json!(path)));
    sandbox.insert("read".into(), read.into());
    component.insert("sandbox".into(), sandbox.into());
    Ok(component.into())
}

/// The packages of a directory with their versions.
///
/// # Errors
/// When one has code that was compiled for one kind of machine.
fn pure(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut packages = BTreeMap::new();
    for file in files_below(root)? {
        let is_compiled = COMPILED.iter().any(|suffix| file.ends_with(suffix) || file.contains(&format!("{suffix}.")));
        ensure!(
            !is_compiled,
            "`{file}` is compiled code, which an executable archive cannot load; the bundle takes packages of pure Python alone"
        );
        let Some(metadata) = file.strip_suffix("/METADATA") else { continue };
        let Some((name, version)) = metadata.strip_suffix(".dist-info").and_then(|both| both.rsplit_once('-')) else {
            continue;
        };
        packages.insert(name.to_owned(), version.to_owned());
    }
    Ok(packages)
}

fn write(path: &Path, value: &Value) -> Result<()> {
    fs::write(path, format!("{value:#}\n")).with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Interpreter {
        Interpreter { path: path.into(), version: "3.11.7".into(), prefixes: vec!["/opt/python".into()] }
    }

    #[test]
    fn a_path_that_the_kernel_would_cut_is_refused() {
        assert_eq!(shebang(&of("/opt/python/bin/python3.11")).unwrap(), "/opt/python/bin/python3.11 -IS");
        let error = shebang(&of(&format!("/{}", "x".repeat(121)))).unwrap_err().to_string();
        assert!(error.contains("128 bytes with its options, at most 127"), "{error}");
        assert!(shebang(&of("/opt/my python/bin/python3")).is_err());
    }

    #[test]
    fn what_the_author_states_of_a_component_is_kept_and_paths_are_filled_in() {
        let defaults = json!({
            "id": "dator", "launch": { "args": ["serve"] }, "sandbox": { "open_files": 64, "read": ["data"] },
        });
        let component = component(defaults, "dator", &of("/opt/python/bin/python3.11")).unwrap();
        assert_eq!(
            component,
            json!({
                "id": "dator",
                "launch": { "args": ["serve"], "executable": "dator", "cwd": "." },
                "sandbox": { "open_files": 64, "read": ["data", "/opt/python/bin/python3.11", "/opt/python"] },
            })
        );
    }

    #[test]
    fn compiled_code_fails_the_build_and_packages_are_told_with_their_versions() {
        let root = std::env::temp_dir().join(format!("modrack-xtask-pure-{}", std::process::id()));
        fs::create_dir_all(root.join("h11-0.16.0.dist-info")).unwrap();
        fs::write(root.join("h11-0.16.0.dist-info/METADATA"), "").unwrap();
        let packages = pure(&root).unwrap();
        fs::create_dir_all(root.join("fast")).unwrap();
        fs::write(root.join("fast/_speedups.cpython-311-x86_64-linux-gnu.so"), "").unwrap();
        let error = pure(&root).unwrap_err().to_string();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(packages, BTreeMap::from([("h11".to_owned(), "0.16.0".to_owned())]));
        assert!(error.starts_with("`fast/_speedups.cpython-311-x86_64-linux-gnu.so` is compiled code"), "{error}");
    }
}
