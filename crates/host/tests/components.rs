//! The configuration of components as an operator meets it: which layer wins, where it came from, and every fault at once.
// Tests fail by panicking, their helpers included.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use host::config::{Config, ConfigError, Loaded, Sources};

/// A directory with files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn load(dir: &Path, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let env = [("HOME", "/home/ada")].iter().chain(env);
    Config::load(&Sources {
        file: None,
        working_dir: dir.into(),
        env: env.map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        program: Some(dir.join("bin/modrack")),
        flags: Vec::new(),
    })
}

/// The values of components and where they came from.
fn shown(files: &[(&str, &str)], env: &[(&str, &str)]) -> String {
    let dir = directory(files);
    let loaded = load(dir.path(), env).unwrap_or_else(|error| panic!("{error}"));
    let of_components = loaded.entries().iter().filter(|entry| entry.key.starts_with("components."));
    let lines: Vec<_> = of_components.map(|e| format!("{} = {} ({})", e.key, e.value, e.origin)).collect();
    lines.join("\n").replace(dir.path().to_str().unwrap(), "<dir>")
}

/// Every fault with its hint.
fn faults(files: &[(&str, &str)], env: &[(&str, &str)]) -> String {
    let dir = directory(files);
    let error = load(dir.path(), env).expect_err("a fault");
    let lines: Vec<_> = error.faults.iter().map(|fault| format!("{fault}\n  {}", fault.hint)).collect();
    lines.join("\n").replace(dir.path().to_str().unwrap(), "<dir>")
}

const TEXT: &str =
    r#"{ "kind": "grpc_local", "module_id": "text", "launch": { "executable": "bin/text", "cwd": "." } }"#;
const DATOR: &str = r#"{ "id": "dator-http", "kind": "http_local_json", "module_id": "dator",
    "launch": { "executable": "dator", "args": ["serve"], "cwd": "." },
    "http": { "endpoint": "http://127.0.0.1:0" }, "config": { "offers": [], "queue": 4 } }"#;

#[test]
fn later_layers_win_member_by_member_and_paths_belong_to_the_layer_that_says_them() {
    let toml = "components_dir = \"parts\"\nbundled = true\n\n[components.dator-http]\nlog_lines = 7\n[components.dator-http.config]\nqueue = 9\n[components.text]\nlaunch.cwd = \"work\"\n";
    let files = [
        ("modrack.toml", toml),
        ("bundle/dator/component.json", DATOR),
        ("bundle/dator/bundle.json", r#"{ "version": "1.2.3", "files": 3 }"#),
        ("parts/dator-http.json", r#"{ "config": { "queue": 8, "limit": 1 }, "launch": { "args": [] } }"#),
        ("parts/text.json", TEXT),
        ("parts/README.md", "no component"),
    ];
    insta::assert_snapshot!(shown(&files, &[]), @r#"
    components.dator-http.bundle.version = "1.2.3" (<dir>/bundle/dator/component.json)
    components.dator-http.config.limit = 1 (<dir>/parts/dator-http.json)
    components.dator-http.config.offers = [] (<dir>/bundle/dator/component.json)
    components.dator-http.config.queue = 9 (modrack.toml:7)
    components.dator-http.http.endpoint = "http://127.0.0.1:0" (<dir>/bundle/dator/component.json)
    components.dator-http.id = "dator-http" (<dir>/bundle/dator/component.json)
    components.dator-http.kind = "http_local_json" (<dir>/bundle/dator/component.json)
    components.dator-http.launch.args = [] (<dir>/parts/dator-http.json)
    components.dator-http.launch.cwd = "<dir>/bundle/dator/." (<dir>/bundle/dator/component.json)
    components.dator-http.launch.executable = "<dir>/bundle/dator/dator" (<dir>/bundle/dator/component.json)
    components.dator-http.log_lines = 7 (modrack.toml:5)
    components.dator-http.module_id = "dator" (<dir>/bundle/dator/component.json)
    components.text.kind = "grpc_local" (<dir>/parts/text.json)
    components.text.launch.cwd = "<dir>/work" (modrack.toml:9)
    components.text.launch.executable = "<dir>/parts/bin/text" (<dir>/parts/text.json)
    components.text.module_id = "text" (<dir>/parts/text.json)
    "#);
}

#[test]
fn the_layers_of_a_component_are_told_in_their_order() {
    let toml = "components_dir = \"parts\"\nbundled = true\n[components.dator-http]\nenabled = false\n";
    let files = [("modrack.toml", toml), ("bundle/dator/component.json", DATOR), ("parts/dator-http.json", "{}")];
    let dir = directory(&files);
    let components = load(dir.path(), &[]).unwrap().config.components;
    let [dator] = &components.all[..] else { panic!("{components:?}") };
    assert!(!dator.config.enabled);
    let layers: Vec<_> =
        dator.layers.iter().map(|layer| layer.replace(dir.path().to_str().unwrap(), "<dir>")).collect();
    assert_eq!(layers, ["<dir>/bundle/dator/component.json", "<dir>/parts/dator-http.json", "modrack.toml"]);
}

#[test]
fn what_changes_a_bundle_that_is_not_in_use_is_ignored_and_its_place_in_the_chain_too() {
    let toml = "[components.dator-http]\nenabled = false\n[middleware]\nchain = [\"dator-http\"]\n";
    let files = [("modrack.toml", toml), ("bundle/dator/component.json", DATOR)];
    let dir = directory(&files);
    assert_eq!(load(dir.path(), &[]).unwrap().config.components.all, []);
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let toml = r#"components_dir = "parts"
[middleware]
chain = ["gaurd", "guard", "guard"]
[components.guard]
kind = "http_local_jsn"
module_id = 3
hook = ["pre_invoke"]
launch = { executable = "guard", cwd = ".", arg = [] }
[components.remote]
kind = "local_http_json"
module_id = "remote"
[components.remote.http]
endpoint = "http://10.0.0.1:80"
startup_timeout_ms = -1
[components.away]
kind = "local_http_json"
module_id = "away"
capabilities = [{ id = "call", modules = ["text.*", "te xt"] }]
http.endpoint = "http://10.0.0.1:80"
[components."a b"]
kind = "grpc_local"
"#;
    let files = [
        ("modrack.toml", toml),
        ("parts/text.json", r#"{ "id": "txt", "kind": "grpc_local" }"#),
        ("parts/broken.json", "{\n  \"kind\": \n}"),
        ("parts/list.json", "[]"),
        ("parts/half.json", r#"{ "kind": "grpc_local", "launch": { "cwd": "." }, "log_lines": "many" }"#),
    ];
    insta::assert_snapshot!(faults(&files, &[]), @r#"
    <dir>/parts/text.json: `components.text.id` is "txt", and the file is called `text.json` (config.value.conflict)
      name the file after the id, or leave `id` out
    <dir>/parts/half.json: `components.half.log_lines` takes an integer, found a string (config.value.type)
      give it an integer
    <dir>/parts/half.json: `components.half.launch.executable` is missing (config.key.missing)
      say `executable`
    <dir>/parts/half.json: `components.half.module_id` is missing (config.key.missing)
      say `module_id`
    <dir>/parts/list.json:1: the file holds no JSON object (config.syntax)
      a file of `components_dir` holds one JSON object, the component that it is named after
    <dir>/parts/broken.json:3: no JSON: expected value at line 3 column 1 (config.syntax)
      a file of `components_dir` holds one JSON object, the component that it is named after
    modrack.toml:3: `middleware.chain` names `gaurd`, which is no component (config.value.invalid)
      did you mean `guard`?
    modrack.toml:3: `middleware.chain` names `guard` twice (config.value.conflict)
      a component is asked once at a hook
    modrack.toml:5: `components.guard.kind` cannot be `http_local_jsn` (config.value.invalid)
      choose one of `http_local_json`, `local_http_json`, `grpc_local`, `command_stdio`
    modrack.toml:6: `components.guard.module_id` takes a string, found an integer (config.value.type)
      give it a string
    modrack.toml:7: `components.guard.hook` is no key of a component (config.key.unknown)
      did you mean `hooks`?
    modrack.toml:8: `components.guard.launch.arg` is no key of a component (config.key.unknown)
      did you mean `args`?
    modrack.toml:13: `components.remote.http.endpoint`: `http://10.0.0.1:80` is not on loopback (config.value.invalid)
      take `http://127.0.0.1:PORT`; components listen on loopback alone
    modrack.toml:14: `components.remote.http.startup_timeout_ms` cannot be -1 (config.value.range)
      give a number of at least 0
    modrack.toml:18: `components.away.capabilities.0.modules.1`: `te xt` is no pattern of modules (config.value.invalid)
      take `text.Uppercase`, `text.*` or `*`
    modrack.toml:19: `components.away.http.endpoint`: `http://10.0.0.1:80` is not on loopback (config.value.invalid)
      take `http://127.0.0.1:PORT`; components listen on loopback alone
    modrack.toml:20: `components.a b.id`: `a b` is no id (config.value.invalid)
      take 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or digit
    modrack.toml:20: `components.a b.launch`: `launch` is missing (config.key.missing)
      a component of kind `grpc_local` has it
    modrack.toml:20: `components.a b.module_id` is missing (config.key.missing)
      say `module_id`
    "#);
}

#[test]
fn components_are_set_in_files_alone() {
    let env = [("MODRACK_COMPONENTS__TEXT__KIND", "grpc_local"), ("MODRACK_COMPONENT_DIR", "x")];
    insta::assert_snapshot!(faults(&[], &env), @r#"
    env MODRACK_COMPONENT_DIR: `MODRACK_COMPONENT_DIR` is no key of the configuration (config.key.unknown)
      did you mean `MODRACK_COMPONENTS_DIR`?
    env MODRACK_COMPONENTS__TEXT__KIND: `MODRACK_COMPONENTS__TEXT__KIND` is no key of the configuration (config.key.unknown)
      `[components.ID]` can only be set in files
    "#);
}

#[test]
fn places_that_are_not_there_are_faults_where_somebody_named_them() {
    let toml = "components_dir = \"nowhere\"\nbundled = true\ncomponents = 3\n[staging]\nmax_bytes = 1\n";
    insta::assert_snapshot!(faults(&[("modrack.toml", toml)], &[]), @r#"
    modrack.toml:1: `components_dir`: `<dir>/nowhere` cannot be read: No such file or directory (os error 2) (config.file.unreadable)
      name a directory; each `*.json` in it is one component
    modrack.toml:2: `bundled` is true, and `<dir>/bundle` holds no bundle (config.file.unreadable)
      `cargo xtask bundle` makes the bundles; `bundle_dir` says where they are
    modrack.toml:3: `components` is no table of tables (config.value.type)
      write a table for each component, `[components.ID]`
    modrack.toml:5: `staging.max_bytes` cannot be 1 (config.value.range)
      give a number from 1024 to 1073741824
    "#);
}

#[test]
fn a_bundle_is_wrong_only_where_bundles_are_wanted() {
    let files =
        [("bundle/dator/component.json", "{ 3 }"), ("bundle/arca/component.json", r#"{ "kind": "grpc_local" }"#)];
    let dir = directory(&files);
    assert_eq!(load(dir.path(), &[]).unwrap().config.components.all, []);
    insta::assert_snapshot!(faults(&files, &[("MODRACK_BUNDLED", "true")]), @r#"
    <dir>/bundle/arca/component.json: the bundle has no `id` (config.key.missing)
      `cargo xtask bundle` makes the bundles; `bundle_dir` says where they are
    <dir>/bundle/dator/component.json:1: no JSON: key must be a string at line 1 column 3 (config.syntax)
      `cargo xtask bundle` makes the bundles; `bundle_dir` says where they are
    "#);
}
