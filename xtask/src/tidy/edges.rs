//! Which package may use which. The table is the picture of the layers in `docs/architecture.md`: arrows go down.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;
use xshell::cmd;

use super::Finding;
use crate::workspace::Workspace;

/// What each package may use of the workspace; a package that is not here may not exist.
const EDGES: &[(&str, &[&str])] = &[
    ("type-schema", &[]),
    ("pipeline", &["type-schema"]),
    ("middleware", &["type-schema"]),
    ("protocol", &["type-schema", "middleware"]),
    ("registry", &["type-schema", "protocol"]),
    // The one edge inside a layer: a call reads who is alive.
    ("executor", &["type-schema", "protocol", "registry"]),
    ("supervisor", &["protocol", "middleware"]),
    ("autodiscovery", &["protocol"]),
    (
        "host",
        &["type-schema", "pipeline", "middleware", "protocol", "registry", "executor", "supervisor", "autodiscovery"],
    ),
    ("cli", &["host", "codegen", "pipeline", "protocol", "type-schema"]),
    ("codegen", &["type-schema"]),
    ("testkit", &["type-schema", "protocol"]),
    // A generator does not link what it generates.
    ("xtask", &["codegen"]),
    ("modrack", &["modrack-derive"]),
    ("modrack-derive", &[]),
    // Tests from outside: they see what a client sees.
    ("e2e", &["protocol", "testkit"]),
    ("conformance", &["e2e", "protocol", "testkit"]),
    // One of the programs that the conformance tests start: an author's, in Rust.
    ("conformance-provider", &["modrack"]),
    // It runs a host inside itself, and the provider that it measures is one of a user.
    (
        "bench",
        &["executor", "host", "modrack", "pipeline", "protocol", "registry", "supervisor", "testkit", "type-schema"],
    ),
    // The codec of the host takes part in the comparison.
    ("differential", &["type-schema"]),
    ("golden", &[]),
    // Bindings are used as a user of the SDK uses them.
    ("golden-bindings", &["modrack"]),
];

/// What tests may use besides.
const FOR_TESTS: &str = "testkit";

/// Packages that run without a runtime and without I/O.
const PURE: [&str; 3] = ["type-schema", "pipeline", "middleware"];

/// What must not be anywhere below a pure package.
const IMPURE: [&str; 7] = ["async-std", "hyper", "mio", "prost", "smol", "tokio", "tonic"];

/// The only users of libraries that belong to one crate.
const OWNERS: [(&str, &str); 1] = [("async-nats", "autodiscovery")];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
    /// Set for a dependency in the tree.
    path: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

/// Checks all edges of the workspace.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let shell = &workspace.shell;
    let json = cmd!(shell, "cargo metadata --quiet --format-version 1").quiet().read()?;
    let metadata: Metadata = serde_json::from_str(&json).context("cargo's metadata is not as expected")?;
    Ok(findings(&metadata))
}

fn findings(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    let table: BTreeMap<_, _> = EDGES.iter().copied().collect();
    for package in metadata.packages.iter().filter(|package| metadata.workspace_members.contains(&package.id)) {
        let Some(allowed) = table.get(package.name.as_str()) else {
            findings
                .push(format!("package `{}` has no row in the table of edges (xtask/src/tidy/edges.rs)", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let is_dev = dependency.kind.as_deref() == Some("dev");
            let inside = dependency.path.is_some();
            let listed = allowed.contains(&dependency.name.as_str()) || dependency.name == package.name;
            if inside && !listed && !(is_dev && dependency.name == FOR_TESTS) {
                findings.push(format!("`{}` must not use `{}`: arrows go down", package.name, dependency.name));
            }
            for (library, owner) in OWNERS {
                if dependency.name == library && package.name != owner {
                    findings.push(format!("`{}` must not use `{library}`: only `{owner}` knows it", package.name));
                }
            }
        }
        if PURE.contains(&package.name.as_str()) {
            let below = below(metadata, &package.id);
            let impure = IMPURE.iter().filter(|name| below.contains(**name));
            findings.extend(impure.map(|name| format!("`{}` is pure, and `{name}` is in its tree", package.name)));
        }
    }
    findings
}

/// The names of all packages that a package uses, directly or not, outside tests.
fn below<'a>(metadata: &'a Metadata, id: &'a str) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<_, _> = metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let names: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        for edge in nodes.get(id).into_iter().flat_map(|node| &node.deps) {
            let outside_tests = edge.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
            if outside_tests && seen.insert(edge.pkg.as_str()) {
                open.push(&edge.pkg);
            }
        }
    }
    seen.into_iter().filter_map(|id| names.get(id).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of packages that each use some others; `!` marks a dependency of the tests, `+` one from outside.
    fn check(packages: &[(&str, &[&str])], expect: &[&str]) {
        let used: BTreeSet<_> =
            packages.iter().flat_map(|(_, uses)| uses.iter().map(|name| name.trim_matches(['!', '+']))).collect();
        let members: BTreeSet<_> = packages.iter().map(|(name, _)| (*name).to_owned()).collect();
        let outside = used.into_iter().filter(|name| !members.contains(*name)).map(|name| (name, &[][..]));
        let all: Vec<(&str, &[&str])> = packages.iter().copied().chain(outside).collect();
        let kind = |name: &str| name.starts_with('!').then(|| "dev".to_owned());
        let metadata = Metadata {
            packages: all
                .iter()
                .map(|(name, uses)| Package {
                    id: (*name).to_owned(),
                    name: (*name).to_owned(),
                    dependencies: uses
                        .iter()
                        .map(|name| Dependency {
                            name: name.trim_matches(['!', '+']).to_owned(),
                            kind: kind(name),
                            path: (!name.contains('+')).then(String::new),
                        })
                        .collect(),
                })
                .collect(),
            resolve: Resolve {
                nodes: all
                    .iter()
                    .map(|(name, uses)| Node {
                        id: (*name).to_owned(),
                        deps: uses
                            .iter()
                            .map(|name| Edge {
                                pkg: name.trim_matches(['!', '+']).to_owned(),
                                dep_kinds: vec![EdgeKind { kind: kind(name) }],
                            })
                            .collect(),
                    })
                    .collect(),
            },
            workspace_members: members,
        };
        assert_eq!(findings(&metadata), expect);
    }

    #[test]
    fn an_arrow_that_goes_down_is_fine_and_one_that_goes_up_is_not() {
        check(&[("registry", &["protocol"])], &[]);
        check(&[("protocol", &["registry"])], &["`protocol` must not use `registry`: arrows go down"]);
    }

    #[test]
    fn tests_may_use_the_testkit_and_code_may_not() {
        check(&[("registry", &["!testkit"])], &[]);
        check(&[("registry", &["testkit"])], &["`registry` must not use `testkit`: arrows go down"]);
    }

    #[test]
    fn tests_may_not_go_up_either() {
        check(&[("protocol", &["!host"])], &["`protocol` must not use `host`: arrows go down"]);
    }

    #[test]
    fn a_package_without_a_row_is_found() {
        check(&[("new", &[])], &["package `new` has no row in the table of edges (xtask/src/tidy/edges.rs)"]);
    }

    #[test]
    fn an_sdk_may_not_use_a_crate() {
        check(&[("modrack", &["modrack-derive", "protocol"])], &["`modrack` must not use `protocol`: arrows go down"]);
    }

    #[test]
    fn a_pure_package_has_no_runtime_in_its_tree() {
        check(
            &[("pipeline", &["type-schema"]), ("type-schema", &["+tokio", "!+prost"])],
            &["`pipeline` is pure, and `tokio` is in its tree", "`type-schema` is pure, and `tokio` is in its tree"],
        );
    }

    #[test]
    fn only_autodiscovery_knows_nats() {
        check(&[("autodiscovery", &["+async-nats"])], &[]);
        check(&[("host", &["+async-nats"])], &["`host` must not use `async-nats`: only `autodiscovery` knows it"]);
    }
}
