//! `cargo xtask codegen`: which protos become which files, and whether the files in the tree are those. How code looks is
//! decided in the crate `codegen`.

use std::path::Path;
use std::{fs, str};

use anyhow::{Context, Result, bail};
use codegen::{Files, Sources, python, rust, typescript};
use similar::TextDiff;

use crate::workspace::{Workspace, files_below};

/// Fields that carry payloads: `Bytes` lets them pass through without a copy.
const PAYLOADS: [&str; 5] = [
    ".modrack.host.v1.CallRequest.input_data",
    ".modrack.host.v1.CallResponse.output_data",
    ".modrack.provider.v1.ExecuteRequest.input_data",
    ".modrack.provider.v1.ExecuteResponse.output_data",
    ".modrack.provider.v1.Item.data",
];

/// A set of generated files and the place that is theirs alone.
struct Target {
    /// Directory that the paths of the files are relative to.
    base: &'static str,
    /// Directories and files below the base that hold generated files and nothing else; `.` is the base itself.
    owned: &'static [&'static str],
    files: Files,
}

const COMMAND: &str = "cargo xtask codegen";

/// Places that hold generated files and nothing else, relative to the root.
pub(crate) const OWNED: [&str; 10] = [
    "crates/protocol/src/generated",
    "crates/protocol/src/generated.rs",
    "sdks/python/src/modrack/_generated",
    "sdks/rust/src/generated",
    "sdks/rust/src/generated.rs",
    "sdks/typescript/src/generated",
    "tests/golden/python/golden_stubs",
    "tests/golden/rust/src/generated",
    "tests/golden/rust/src/generated.rs",
    "tests/golden/typescript/src/generated",
];

/// Writes every target so that it holds the generated files and nothing else.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    let mut written = 0;
    for target in targets(workspace)? {
        written += write_target(&workspace.path(target.base), &target)?;
    }
    println!("{written} files changed");
    Ok(())
}

/// Compares every target with what would be written, shows the differences, and fails when there are any.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut stale = 0;
    for target in targets(workspace)? {
        for difference in differences(&workspace.path(target.base), &target)? {
            stale += 1;
            println!("{}", difference.text(target.base));
        }
    }
    if stale > 0 {
        bail!("{stale} generated files differ from what the protos give; run `{COMMAND}`");
    }
    Ok(())
}

fn targets(workspace: &Workspace) -> Result<Vec<Target>> {
    let modrack = sources(&workspace.path("proto"))?.compile()?;
    let golden = sources(&workspace.path("tests/golden/proto"))?.compile()?;
    let rust_options = |descriptor_set| rust::Options {
        bytes: PAYLOADS.map(str::to_owned).to_vec(),
        root: "modrack".to_owned(),
        descriptor_set,
    };
    let rust_owned: &[&str] = &["generated", "generated.rs"];
    Ok(vec![
        Target {
            base: "crates/protocol/src",
            owned: rust_owned,
            files: rust::generate(&modrack, &rust_options(true))?,
        },
        Target { base: "sdks/rust/src", owned: rust_owned, files: rust::generate(&modrack, &rust_options(false))? },
        Target {
            base: "sdks/python/src/modrack/_generated",
            owned: &["."],
            files: python::generate(&modrack, &python::Options { root: "modrack".to_owned() })?,
        },
        Target { base: "sdks/typescript/src/generated", owned: &["."], files: typescript::generate(&modrack)? },
        Target {
            base: "tests/golden/rust/src",
            owned: rust_owned,
            files: rust::generate(
                &golden,
                &rust::Options { bytes: vec![".golden.v1.Everything.payload".to_owned()], ..rust::Options::default() },
            )?,
        },
        Target {
            base: "tests/golden/python/golden_stubs",
            owned: &["."],
            files: python::generate(&golden, &python::Options::default())?,
        },
        Target { base: "tests/golden/typescript/src/generated", owned: &["."], files: typescript::generate(&golden)? },
    ])
}

fn sources(directory: &Path) -> Result<Sources> {
    let mut sources = Sources::new();
    for path in files_below(directory)?.into_iter().filter(|path| path.ends_with(".proto")) {
        let text = fs::read_to_string(directory.join(&path)).with_context(|| format!("cannot read `{path}`"))?;
        sources.insert(path, text);
    }
    Ok(sources)
}

/// What stands in the owned places now, relative to the base.
fn present(base: &Path, owned: &[&str]) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for place in owned {
        let absolute = base.join(place);
        if absolute.is_file() {
            paths.push((*place).to_owned());
            continue;
        }
        let prefix = if *place == "." { String::new() } else { format!("{place}/") };
        paths.extend(files_below(&absolute)?.into_iter().map(|path| format!("{prefix}{path}")));
    }
    Ok(paths)
}

/// Removes what is not generated and writes what differs. A file that is right already keeps its time, so that cargo does
/// not build the product again. Gives the number of files that changed.
fn write_target(base: &Path, target: &Target) -> Result<usize> {
    let mut changed = 0;
    for path in present(base, target.owned)? {
        if target.files.get(&path).is_none() {
            fs::remove_file(base.join(&path)).with_context(|| format!("cannot remove `{path}`"))?;
            changed += 1;
        }
    }
    for (path, content) in target.files.iter() {
        let absolute = base.join(path);
        if fs::read(&absolute).is_ok_and(|present| present == content) {
            continue;
        }
        if let Some(directory) = absolute.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot make the directory of `{path}`"))?;
        }
        fs::write(&absolute, content).with_context(|| format!("cannot write `{path}`"))?;
        changed += 1;
    }
    Ok(changed)
}

/// One file that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    path: String,
    /// What is there; none when the file is missing.
    present: Option<Vec<u8>>,
    /// What should be there; none when nothing generates the file.
    expected: Option<Vec<u8>>,
}

fn differences(base: &Path, target: &Target) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for path in present(base, target.owned)? {
        if target.files.get(&path).is_none() {
            let present = fs::read(base.join(&path)).with_context(|| format!("cannot read `{path}`"))?;
            differences.push(Difference { path, present: Some(present), expected: None });
        }
    }
    for (path, content) in target.files.iter() {
        let present = fs::read(base.join(path)).ok();
        if present.as_deref() != Some(content) {
            differences.push(Difference { path: path.to_owned(), present, expected: Some(content.to_owned()) });
        }
    }
    Ok(differences)
}

impl Difference {
    /// A unified diff, from what is there to what should be.
    fn text(&self, base: &str) -> String {
        let path = format!("{base}/{}", self.path);
        let side =
            |content: &Option<Vec<u8>>| str::from_utf8(content.as_deref().unwrap_or(b"")).ok().map(str::to_owned);
        match (side(&self.present), side(&self.expected)) {
            _ if self.expected.is_none() => format!("{path}: nothing generates this file"),
            (Some(present), Some(expected)) => {
                let from = if self.present.is_some() { format!("a/{path}") } else { "/dev/null".to_owned() };
                TextDiff::from_lines(&present, &expected)
                    .unified_diff()
                    .context_radius(3)
                    .header(&from, &format!("b/{path}"))
                    .to_string()
            }
            _ => format!("{path}: binary content differs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use xshell::Shell;

    use super::*;

    fn target(owned: &'static [&'static str]) -> Target {
        let mut files = Files::new();
        files.insert("generated/a.rs", "one\ntwo\n");
        files.insert("generated/deep/b.bin", vec![0xff]);
        files.insert("generated.rs", "mod\n");
        Target { base: "crate", owned, files }
    }

    fn written() -> (xshell::TempDir, Target) {
        let directory = Shell::new().unwrap().create_temp_dir().unwrap();
        let target = target(&["generated", "generated.rs"]);
        assert_eq!(write_target(directory.path(), &target).unwrap(), 3);
        (directory, target)
    }

    #[test]
    fn writing_twice_changes_nothing() {
        let (directory, target) = written();
        assert_eq!(write_target(directory.path(), &target).unwrap(), 0);
        assert_eq!(differences(directory.path(), &target).unwrap(), []);
    }

    #[test]
    fn generating_twice_gives_the_same_bytes() {
        let workspace = Workspace::find().unwrap();
        let [first, second] = [targets(&workspace).unwrap(), targets(&workspace).unwrap()];
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(first.files, second.files, "{}", first.base);
        }
    }

    #[test]
    fn every_target_is_an_owned_place() {
        let targets = targets(&Workspace::find().unwrap()).unwrap();
        let places = targets.iter().flat_map(|target| target.owned.iter().map(move |place| (target.base, *place)));
        let mut places: Vec<_> = places
            .map(|(base, place)| if place == "." { base.to_owned() } else { format!("{base}/{place}") })
            .collect();
        places.sort();
        assert_eq!(places, OWNED);
    }

    #[test]
    fn a_file_that_nothing_generates_is_a_difference_and_is_removed() {
        let (directory, target) = written();
        fs::write(directory.path().join("generated/old.rs"), "old\n").unwrap();
        let found = differences(directory.path(), &target).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text("crate"), "crate/generated/old.rs: nothing generates this file");
        assert_eq!(write_target(directory.path(), &target).unwrap(), 1);
        assert!(!directory.path().join("generated/old.rs").exists());
    }

    #[test]
    fn a_file_beside_the_owned_places_is_left_alone() {
        let (directory, target) = written();
        fs::write(directory.path().join("lib.rs"), "mine\n").unwrap();
        assert_eq!(differences(directory.path(), &target).unwrap(), []);
        assert_eq!(write_target(directory.path(), &target).unwrap(), 0);
        assert_eq!(fs::read_to_string(directory.path().join("lib.rs")).unwrap(), "mine\n");
    }

    #[test]
    fn a_changed_file_is_shown_as_a_unified_diff() {
        let (directory, target) = written();
        fs::write(directory.path().join("generated/a.rs"), "one\n2\n").unwrap();
        let found = differences(directory.path(), &target).unwrap();
        let text: Vec<_> = found.iter().map(|difference| difference.text("crate")).collect();
        assert_eq!(text, ["--- a/crate/generated/a.rs\n+++ b/crate/generated/a.rs\n@@ -1,2 +1,2 @@\n one\n-2\n+two\n"]);
    }

    #[test]
    fn a_missing_file_and_a_changed_binary_are_differences() {
        let (directory, target) = written();
        fs::remove_file(directory.path().join("generated.rs")).unwrap();
        fs::write(directory.path().join("generated/deep/b.bin"), [0xfe]).unwrap();
        let found = differences(directory.path(), &target).unwrap();
        let text: Vec<_> = found.iter().map(|difference| difference.text("crate")).collect();
        assert_eq!(
            text,
            [
                "--- /dev/null\n+++ b/crate/generated.rs\n@@ -0,0 +1 @@\n+mod\n",
                "crate/generated/deep/b.bin: binary content differs",
            ]
        );
    }
}
