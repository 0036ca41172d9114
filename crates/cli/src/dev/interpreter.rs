//! Where the interpreter of a provider is, as an absolute path. Runs none: what only a shell could resolve is not found.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The Python of the directory's own environment, else of the active one, else the first on PATH.
pub(super) fn python(directory: &Path, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let active = env("VIRTUAL_ENV").map(PathBuf::from);
    let environments = [Some(directory.join(".venv")), active].into_iter().flatten();
    // Not resolved any further: the path is how such an interpreter knows its environment.
    let own = environments.map(|environment| environment.join("bin/python")).find(|python| python.is_file());
    own.or_else(|| on_path("python3", directory, env))
}

/// The first Node on PATH.
pub(super) fn node(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    on_path("node", Path::new("/"), env)
}

/// The first program of this name on PATH that is one. A script in its place needs the environment of the shell, which a component
/// does not get; of pyenv's it is known what they stand for.
fn on_path(name: &str, directory: &Path, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let path = env("PATH")?;
    std::env::split_paths(&path).filter(|entry| entry.is_absolute()).find_map(|entry| {
        let candidate = entry.join(name);
        if is_program(&candidate) {
            return candidate.canonicalize().ok();
        }
        let shims = candidate.is_file() && entry.ends_with("shims");
        shims.then(|| of_pyenv(entry.parent()?, name, directory, env)).flatten()
    })
}

fn is_program(path: &Path) -> bool {
    let mut head = [0; 2];
    let readable = File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok();
    readable && path.is_file() && head != *b"#!"
}

/// The version that pyenv would take: that of its variable, of the nearest `.python-version`, or the global one.
fn of_pyenv(root: &Path, name: &str, directory: &Path, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let nearest = || directory.ancestors().find_map(|directory| read(directory.join(".python-version")));
    let versions = env("PYENV_VERSION").or_else(nearest).or_else(|| read(root.join("version")))?;
    let candidates = versions.split([':', '\n', ' ']).map(str::trim).filter(|version| !version.is_empty());
    candidates
        .map(|version| root.join("versions").join(version).join("bin").join(name))
        .find(|program| is_program(program))
        .and_then(|program| program.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn program(path: &Path, head: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{head} and more")).unwrap();
    }

    #[test]
    fn a_script_on_the_path_is_passed_over_unless_it_is_pyenv_s() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        program(&root.join("wrapped/python3"), "#!/bin/sh");
        program(&root.join("pyenv/shims/python3"), "#!/bin/sh");
        program(&root.join("pyenv/versions/3.12.1/bin/python3"), "\u{7f}ELF");
        program(&root.join("system/python3"), "\u{7f}ELF");
        let path = |names: &[&str]| {
            std::env::join_paths(names.iter().map(|name| root.join(name))).unwrap().into_string().unwrap()
        };
        let resolved = |names: &[&str]| {
            let path = path(names);
            python(&root, &move |name| (name == "PATH").then(|| path.clone()))
        };
        assert_eq!(resolved(&["wrapped"]), None);
        // Without a version pyenv has no program to give.
        assert_eq!(resolved(&["wrapped", "pyenv/shims", "system"]), Some(root.join("system/python3")));
        fs::write(root.join("pyenv/version"), "3.12.1\n").unwrap();
        assert_eq!(
            resolved(&["wrapped", "pyenv/shims", "system"]),
            Some(root.join("pyenv/versions/3.12.1/bin/python3"))
        );
    }

    #[test]
    fn an_environment_of_the_directory_comes_before_the_active_one() {
        let dir = tempfile::tempdir().unwrap();
        let active = dir.path().join("active");
        program(&active.join("bin/python"), "\u{7f}ELF");
        let env = |name: &str| (name == "VIRTUAL_ENV").then(|| active.display().to_string());
        assert_eq!(python(dir.path(), &env), Some(active.join("bin/python")));
        program(&dir.path().join(".venv/bin/python"), "\u{7f}ELF");
        assert_eq!(python(dir.path(), &env), Some(dir.path().join(".venv/bin/python")));
    }
}
