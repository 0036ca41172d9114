//! Every stable error code that a product source names has a page in `docs/errors`, and every page a code. Does not know what a
//! code means, nor whether two codes mean the same.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{Finding, sources};
use crate::codegen::OWNED;
use crate::workspace::Workspace;

/// The first words of codes. A quoted `area.word.word` is a code, unless its last word is the suffix of a file.
const AREAS: [&str; 17] = [
    "cli",
    "client",
    "codec",
    "codegen",
    "component",
    "config",
    "executor",
    "host",
    "http",
    "middleware",
    "module",
    "pipeline",
    "protocol",
    "provider",
    "registry",
    "staging",
    "type",
];

/// Names of these areas that are no codes: keys of the configuration, and a component.
const OTHERS: [&str; 6] = [
    "middleware.audit_queue",
    "middleware.chain",
    "middleware.dator",
    "staging.max_bytes",
    "staging.max_entries",
    "staging.ttl_ms",
];

/// Areas that are also what SDKs call their objects, or the namespace of modules: `client.call` in a comment is a method.
const OBJECTS: [&str; 5] = ["client", "host", "module", "pipeline", "provider"];

/// Where the codes of diagnostics are made, such as `E001`; elsewhere a word like that may be anything.
const DIAGNOSTICS: &str = "crates/pipeline/src/";

/// What a name such as `host.toml` ends with.
const SUFFIXES: [&str; 11] = ["cst", "js", "json", "md", "mjs", "proto", "py", "rs", "sock", "toml", "ts"];

/// Faults of the project's own generators, which no user of the product sees.
const INTERNAL: &str = "codegen.";

const PAGES: &str = "docs/errors/";
/// What the pages have in common; no page of a code itself.
const INDEX: &str = "README";

/// A code as it stands in a source, and whether it can leave the program from there or is only spoken of.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mention<'t> {
    code: &'t str,
    line: usize,
    is_literal: bool,
}

/// Checks the sources against the pages.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut files = Vec::new();
    for path in workspace.files()? {
        if is_product(&path) || path.starts_with(PAGES) {
            files.push((path.clone(), workspace.read(&path)?));
        }
    }
    Ok(findings(&files))
}

fn findings(files: &[(String, String)]) -> Vec<Finding> {
    let (pages, sources): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| path.starts_with(PAGES));
    let pages: BTreeMap<_, _> = pages
        .into_iter()
        .filter_map(|(path, text)| Some((path.strip_prefix(PAGES)?.strip_suffix(".md")?, text)))
        .filter(|(code, _)| *code != INDEX)
        .collect();
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in sources {
        for Mention { code, line, is_literal } in mentions(path, text) {
            if is_literal {
                used.insert(code);
            }
            if !pages.contains_key(code) && !code.starts_with(INTERNAL) {
                findings.push(format!("{path}:{line}: `{code}` has no page `{PAGES}{code}.md`"));
            }
        }
    }
    for (code, text) in pages {
        if !used.contains(code) {
            findings.push(format!("{PAGES}{code}.md: no source has this code"));
        }
        let is_whole = text.starts_with(&format!("# {code}\n"))
            && text.contains("\n| category | retryable |\n")
            && text.contains("\n**What to do.** ");
        if !is_whole {
            findings.push(format!("{PAGES}{code}.md: a page has its code as title, the table, and what to do"));
        }
    }
    findings
}

fn is_product(path: &str) -> bool {
    let is_source = [".rs", ".py", ".ts"].iter().any(|suffix| path.ends_with(suffix));
    let is_ours = (path.starts_with("crates/") || path.starts_with("sdks/")) && path.contains("/src/");
    let is_generated = OWNED.iter().any(|owned| path.starts_with(owned));
    // What the testkit says is said to tests.
    is_source && is_ours && !is_generated && !sources::is_test(path) && !path.starts_with("crates/testkit/")
}

/// The codes of one file, before its tests.
fn mentions<'t>(path: &str, text: &'t str) -> Vec<Mention<'t>> {
    let mut mentions = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // Unit tests are the end of a file, and make up codes.
        if path.ends_with(".rs") && line == "#[cfg(test)]" && text.lines().nth(index + 1) == Some("mod tests {") {
            break;
        }
        let is_comment = ["//", "#", "*", "/*"].iter().any(|start| line.trim_start().starts_with(start));
        for quote in ['"', '`'] {
            // Every second piece stands between two literals rather than in one; that is never a code.
            let is_ours = |piece: &&str| is_code(piece) || (path.starts_with(DIAGNOSTICS) && is_diagnostic(piece));
            for code in line.split(quote).skip(1).filter(is_ours) {
                if quote == '"' || !is_expression(code) {
                    mentions.push(Mention { code, line: index + 1, is_literal: quote == '"' && !is_comment });
                }
            }
        }
    }
    mentions
}

fn is_code(text: &str) -> bool {
    let mut words = text.split('.');
    let starts = words.next().is_some_and(|area| AREAS.contains(&area));
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut last = None;
    let follows = words.inspect(|word| last = Some(*word)).all(is_word);
    starts && follows && last.is_some_and(|word| !SUFFIXES.contains(&word)) && !OTHERS.contains(&text)
}

/// `E` or `W` and three digits.
fn is_diagnostic(text: &str) -> bool {
    text.strip_prefix(['E', 'W']).is_some_and(|digits| digits.len() == 3 && digits.chars().all(|c| c.is_ascii_digit()))
}

/// Whether prose that has this in backticks may mean the member of an object.
fn is_expression(text: &str) -> bool {
    let mut words = text.split('.');
    words.next().is_some_and(|first| OBJECTS.contains(&first)) && words.count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "\n\nWhat.\n\n| category | retryable |\n| --- | --- |\n| INTERNAL | no |\n\n**What to do.** This.\n";

    /// Sources against the pages of some codes.
    fn check(sources: &[(&str, &str)], pages: &[&str], expect: &[&str]) {
        let pages = pages.iter().map(|code| (format!("docs/errors/{code}.md"), format!("# {code}{PAGE}")));
        let sources = sources.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        assert_eq!(findings(&pages.chain(sources).collect::<Vec<_>>()), expect);
    }

    const RUST: &str = "crates/host/src/a.rs";
    const TYPESCRIPT: &str = "sdks/typescript/src/a.ts";

    #[test]
    fn a_code_needs_a_page_and_a_page_a_code() {
        check(&[(RUST, "let a = \"host.stopping\";\n")], &["host.stopping"], &[]);
        check(
            &[(RUST, "//! x\nlet a = \"host.stoping\";\n")],
            &["host.stopping"],
            &[
                "crates/host/src/a.rs:2: `host.stoping` has no page `docs/errors/host.stoping.md`",
                "docs/errors/host.stopping.md: no source has this code",
            ],
        );
    }

    #[test]
    fn a_comment_that_names_a_code_spells_it_right_but_does_not_use_it() {
        let finding = "docs/errors/client.host.unset.md: no source has this code";
        check(&[(TYPESCRIPT, " * @throws with `client.host.unset`.\n")], &["client.host.unset"], &[finding]);
        check(&[(TYPESCRIPT, "// not \"client.host.unset\"\n")], &["client.host.unset"], &[finding]);
        check(
            &[(TYPESCRIPT, " * @throws with `client.host.unsett`.\n")],
            &[],
            &["sdks/typescript/src/a.ts:1: `client.host.unsett` has no page `docs/errors/client.host.unsett.md`"],
        );
    }

    #[test]
    fn a_module_author_s_codes_paths_and_file_names_are_no_codes_of_the_product() {
        for text in [
            "from \"./type.js\"; see `type.ts`, `host.sock`, \"host.toml\"",
            "\"text.too_long\" \"limits.sessions\" `t.string`",
            "\"client.\" \"registry\" \"client.Host\" \"client.host unset\" \"client..a\" `provider.publish()`",
            "f(\"a\", module.failed, \"b\")",
            " * `client.call` and `module.name`",
            "\"codegen.compile\"",
        ] {
            check(&[(TYPESCRIPT, text)], &[], &[]);
        }
    }

    #[test]
    fn a_diagnostic_of_pipelines_has_a_page_and_elsewhere_its_form_means_nothing() {
        let source = "crates/pipeline/src/diagnostic.rs";
        check(&[(source, "    A = \"E001\", \"undefined variable\";\n")], &["E001"], &[]);
        check(
            &[(source, "    B = \"W001\", \"unused binding\";\n")],
            &["E001"],
            &[
                "crates/pipeline/src/diagnostic.rs:1: `W001` has no page `docs/errors/W001.md`",
                "docs/errors/E001.md: no source has this code",
            ],
        );
        check(&[(RUST, "let lint = \"E501\";\n"), (source, "\"E01\" \"EEEE\" \"W0001\"\n")], &[], &[]);
    }

    #[test]
    fn a_page_has_its_form() {
        let page = ("docs/errors/host.internal.md".to_owned(), "# host.internall\n".to_owned());
        let source = (RUST.to_owned(), "\"host.internal\"".to_owned());
        let index = ("docs/errors/README.md".to_owned(), "# Error codes\n".to_owned());
        let finding = "docs/errors/host.internal.md: a page has its code as title, the table, and what to do";
        assert_eq!(findings(&[page, source, index]), [finding]);
    }

    #[test]
    fn unit_tests_may_make_up_codes() {
        check(&[(RUST, "//! x\n#[cfg(test)]\nmod tests {\n    \"module.test\"\n}\n")], &[], &[]);
    }

    #[test]
    fn sources_are_those_that_the_product_consists_of() {
        for path in ["crates/cli/src/codes.rs", "sdks/python/src/modrack/_link.py", "sdks/rust/derive/src/lib.rs"] {
            assert!(is_product(path), "{path}");
        }
        for path in [
            "crates/cli/tests/cli/local.rs",
            "crates/registry/src/state/tests.rs",
            "crates/testkit/src/lib.rs",
            "sdks/rust/src/generated/modrack.error.v1.rs",
            "sdks/typescript/examples/data_modules.ts",
            "sdks/typescript/src/notes.md",
        ] {
            assert!(!is_product(path), "{path}");
        }
    }
}
