//! What the text of the files must and must not have. Looks at text, not at meaning: a rule that needs a parser is a lint's.

use anyhow::Result;
use xshell::cmd;

use super::Finding;
use crate::codegen::OWNED;
use crate::workspace::Workspace;

/// Crates below the wire that read no file, open no socket and start no process.
const PURE: [&str; 3] = ["crates/type-schema/", "crates/pipeline/", "crates/middleware/"];

/// Modules of the standard library that do.
const IMPURE: [&str; 4] = ["std::fs", "std::net", "std::process", "std::os::unix::net"];

/// The beginnings of paths that are right on one machine only. In halves, so that this file has none itself.
const MACHINE_PATHS: [&str; 3] = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Checks all files of the tree.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let root = workspace.path("").display().to_string();
    let mut findings = untracked(workspace)?;
    for path in workspace.files()? {
        // What is not text has no lines to look at.
        if let Ok(text) = workspace.read(&path) {
            findings.extend(of_file(&path, &text, &root));
        }
    }
    Ok(findings)
}

fn untracked(workspace: &Workspace) -> Result<Vec<Finding>> {
    let shell = &workspace.shell;
    let listed = cmd!(shell, "git ls-files --others --exclude-standard -- {OWNED...}").quiet().read()?;
    Ok(listed.lines().map(|path| format!("{path}: generated and not committed")).collect())
}

fn of_file(path: &str, text: &str, root: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_rust = path.ends_with(".rs");
    let is_generated = OWNED.iter().any(|owned| path.starts_with(owned));
    if is_rust && !is_test(path) && !is_generated && !text.starts_with("//! ") {
        findings.push(format!("{path}: the first line must say what the file is for (`//! …`)"));
    }
    if is_generated {
        return findings;
    }
    for (index, line) in text.lines().enumerate() {
        let mut find = |what: &str| findings.push(format!("{path}:{}: {what}", index + 1));
        if line.contains(root.trim_end_matches('/')) {
            find("a path of one machine");
        }
        // Tests may make up somebody's home directory.
        if is_test(path) {
            continue;
        }
        if MACHINE_PATHS.iter().any(|start| line.contains(start)) {
            find("a path of one machine");
        }
        if is_rust && path.starts_with("crates/") && !path.starts_with("crates/supervisor/") && starts_a_process(line) {
            find("only `supervisor` starts processes");
        }
        if is_rust
            && PURE.iter().any(|pure| path.starts_with(pure))
            && IMPURE.iter().any(|module| line.contains(module))
        {
            find("a pure crate does no I/O");
        }
        if path.starts_with("sdks/") && line.contains(concat!("../", "crates/")) {
            find("an SDK must not use the crates");
        }
        if path.starts_with("crates/") && line.contains(concat!("../", "sdks/")) {
            find("a crate must not use an SDK");
        }
    }
    findings
}

/// Whether a file belongs to tests alone, by its path.
pub(super) fn is_test(path: &str) -> bool {
    ["/tests/", "/benches/", "/fuzz_targets/"].iter().any(|directory| path.contains(directory))
        || path.starts_with("tests/e2e/")
        || path.starts_with("tests/conformance/")
        || path.ends_with("/tests.rs")
}

fn starts_a_process(line: &str) -> bool {
    line.contains("process::Command") || (line.contains("process::{") && line.contains("Command"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expect: &[&str]) {
        assert_eq!(of_file(path, text, "/checkout/"), expect);
    }

    const HEAD: &str = "//! What it is for.\n";

    #[test]
    fn a_rust_file_begins_by_saying_what_it_is_for() {
        check("crates/host/src/lib.rs", HEAD, &[]);
        check(
            "crates/host/src/lib.rs",
            "use std::io;\n",
            &["crates/host/src/lib.rs: the first line must say what the file is for (`//! …`)"],
        );
        check("crates/host/tests/serve.rs", "use std::io;\n", &[]);
        check("crates/protocol/src/generated/modrack.host.v1.rs", "// @generated\n", &[]);
    }

    #[test]
    fn only_the_supervisor_starts_processes() {
        let text = format!("{HEAD}use tokio::process::Command;\n");
        check("crates/supervisor/src/child.rs", &text, &[]);
        check("crates/host/tests/serve.rs", &text, &[]);
        check("crates/host/src/run.rs", &text, &["crates/host/src/run.rs:2: only `supervisor` starts processes"]);
        let text = format!("{HEAD}use std::process::{{Command, Stdio}};\n");
        check("crates/cli/src/main.rs", &text, &["crates/cli/src/main.rs:2: only `supervisor` starts processes"]);
        check("crates/cli/src/main.rs", &format!("{HEAD}use std::process::ExitCode;\n"), &[]);
    }

    #[test]
    fn a_pure_crate_does_no_io() {
        let text = format!("{HEAD}let text = std::fs::read_to_string(path)?;\n");
        check("crates/type-schema/src/lib.rs", &text, &["crates/type-schema/src/lib.rs:2: a pure crate does no I/O"]);
        check("crates/host/src/lib.rs", &text, &[]);
    }

    #[test]
    fn sdks_and_crates_do_not_know_each_other() {
        let manifest = concat!("protocol = { path = \"../", "../crates/protocol\" }\n");
        check("sdks/rust/Cargo.toml", manifest, &["sdks/rust/Cargo.toml:1: an SDK must not use the crates"]);
        let include = concat!("//! x\ninclude!(\"../", "../sdks/rust/src/a.rs\");\n");
        check("crates/host/src/a.rs", include, &["crates/host/src/a.rs:2: a crate must not use an SDK"]);
    }

    #[test]
    fn a_path_of_one_machine_is_found_in_any_file() {
        let text = concat!("see /ho", "me/somebody/notes\nsee /checkout/target\n");
        check("docs/a.md", text, &["docs/a.md:1: a path of one machine", "docs/a.md:2: a path of one machine"]);
        check("crates/cli/tests/a.rs", text, &["crates/cli/tests/a.rs:2: a path of one machine"]);
    }
}
