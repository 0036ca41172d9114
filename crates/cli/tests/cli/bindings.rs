//! `modrack modules lock` and `modrack codegen` against a real host with scripted providers.

use protocol::generated::provider::v1 as pb;
use testkit::{Connection, Session, module, registration};

use crate::run::{Host, run};

/// A provider of `text.Repeat`, whose input is of the type that the test gives; there as long as the values are kept.
async fn provider(host: &Host, input: &str) -> (Session, Connection) {
    let mut repeat = module("Repeat", input, "String");
    repeat.description = "Repeat a text.".into();
    repeat.version = "1.2.0".into();
    repeat.capabilities = Some(pb::ModuleCapabilities { idempotent: true, ..pb::ModuleCapabilities::default() });
    let session = host.client().register(registration("text", [repeat])).await.unwrap().keep_alive();
    let connection = session.attach().await;
    host.client().watch("text.*").await.unwrap().ready(&["text.Repeat".into()], 1).await;
    (session, connection)
}

const OLD: &str = "{text: String, times: Option<Int>}";
const NEW: &str = "{text: String, times: Int, upper: Option<Bool>}";

#[tokio::test]
async fn a_lock_is_written_once_and_checked() {
    let host = Host::start(&[]).await;
    insta::assert_snapshot!(host.run(&["modules", "lock"]).await, @"
    exit 3
    --- stderr
    error: the host at `http://HOST` has no modules (cli.module.unmatched)
    hint: `modrack modules list` shows what is registered
    ");
    let _provider = provider(&host, OLD).await;
    insta::assert_snapshot!(host.run(&["modules", "lock"]).await, @"
    exit 0
    --- stdout
    written   modules.lock.json: 1 module
    ");
    insta::assert_snapshot!(std::fs::read_to_string(host.dir.path().join("modules.lock.json")).unwrap(), @r#"
    {
      "version": 1,
      "patterns": [],
      "modules": [
        {
          "name": "text.Repeat",
          "version": "1.2.0",
          "fingerprint": "9f507924d4e45a6c66693186217addfe3822239b09369afcb8caf220c5f66bbb",
          "input": "{text: String, times: Option<Int>}",
          "output": "String",
          "capabilities": {
            "idempotent": true,
            "batch": false,
            "stream": false
          },
          "description": "Repeat a text.",
          "examples": []
        }
      ]
    }
    "#);
    insta::assert_snapshot!(host.run(&["modules", "lock"]).await, @"
    exit 0
    --- stdout
    unchanged modules.lock.json: 1 module
    ");
    insta::assert_snapshot!(host.run(&["modules", "lock", "--check"]).await, @"
    exit 0
    --- stdout
    modules.lock.json is up to date: 1 module
    ");
    insta::assert_snapshot!(host.run(&["modules", "lock", "--check", "--out", "none.json"]).await, @"
    exit 2
    --- stderr
    error: `none.json` cannot be read: No such file or directory (os error 2) (cli.lock.unreadable)
    hint: `modrack modules lock` writes a lock of what the host has
    ");
}

#[tokio::test]
async fn a_lock_of_other_types_is_stale_and_says_whether_callers_break() {
    let host = Host::start(&[]).await;
    let first = provider(&host, OLD).await;
    host.run(&["modules", "lock"]).await;
    drop(first);
    let other = Host::start(&[]).await;
    let _second = provider(&other, NEW).await;
    let file = host.dir.path().join("modules.lock.json");
    std::fs::copy(&file, other.dir.path().join("modules.lock.json")).unwrap();
    insta::assert_snapshot!(other.run(&["modules", "lock", "--check"]).await, @"
    exit 1
    --- stdout
    MODULE       CHANGE  CALLERS  DETAILS
    text.Repeat  types   break    input `.times`: changed from Option<Int> to Int (breaking); input `.upper`: field of type Option<Bool> added (compatible)
    --- stderr
    error: `modules.lock.json` differs from the host at `http://HOST` in 1 module; callers of 1 break (cli.lock.stale)
    hint: `modrack modules lock` writes it anew; then generate the bindings anew
    ");
    insta::assert_snapshot!(other.run(&["modules", "lock", "--check", "--json"]).await, @r#"
    exit 1
    --- stdout
    {
      "breaking": true,
      "file": "modules.lock.json",
      "modules": [
        {
          "breaking": true,
          "change": "types",
          "details": [
            "input `.times`: changed from Option<Int> to Int (breaking)",
            "input `.upper`: field of type Option<Bool> added (compatible)"
          ],
          "name": "text.Repeat"
        }
      ],
      "stale": true
    }
    --- stderr
    {"error":{"code":"cli.lock.stale","exit":1,"hint":"`modrack modules lock` writes it anew; then generate the bindings anew","message":"`modules.lock.json` differs from the host at `http://HOST` in 1 module; callers of 1 break","retryable":false}}
    "#);
}

#[tokio::test]
async fn a_lock_that_somebody_edited_is_refused() {
    let host = Host::start(&[]).await;
    let _provider = provider(&host, OLD).await;
    host.run(&["modules", "lock"]).await;
    let file = host.dir.path().join("modules.lock.json");
    let text = std::fs::read_to_string(&file).unwrap().replace("times: Option<Int>", "times: Int");
    std::fs::write(&file, text).unwrap();
    insta::assert_snapshot!(host.run(&["codegen", "--language", "rust", "--out", "b", "--lock"]).await, @"
    exit 2
    --- stderr
    error: `modules.lock.json`: the fingerprint of module `text.Repeat` is not that of its types (cli.lock.invalid)
    hint: write it anew with `modrack modules lock`; it is not made to be edited
    ");
}

#[tokio::test]
async fn bindings_are_written_and_checked_and_only_generated_files_are_touched() {
    let host = Host::start(&[]).await;
    let _provider = provider(&host, OLD).await;
    let generate = ["codegen", "--language", "python", "--module", "text.*", "--out", "bindings"];
    insta::assert_snapshot!(host.run(&generate).await, @"
    exit 0
    --- stdout
    written   bindings/__init__.py
    written   bindings/text.py
    1 module in 2 files of Python, 2 changed
    ");
    insta::assert_snapshot!(host.run(&generate).await, @"
    exit 0
    --- stdout
    unchanged bindings/__init__.py
    unchanged bindings/text.py
    1 module in 2 files of Python, 0 changed
    ");
    let at = |name: &str| host.dir.path().join("bindings").join(name);
    let text = std::fs::read_to_string(at("text.py")).unwrap();
    // An earlier run had a namespace more, and somebody has a file of their own there.
    std::fs::write(at("gone.py"), &text[..200]).unwrap();
    std::fs::write(at("mine.py"), "mine = 1\n").unwrap();
    std::fs::write(at("__init__.py"), text[..100].replace("text", "texts")).unwrap();
    insta::assert_snapshot!(host.run(&[&generate[..], &["--check"]].concat()).await, @r#"
    exit 1
    --- stdout
    --- a/bindings/__init__.py
    +++ b/bindings/__init__.py
    @@ -1,6 +1,4 @@
    -"""Modules of `texts`, typed.
    +"""Typed bindings, a module a namespace.
     
     Generated by `modrack codegen`; not to be edited.
     """
    -# ruff: noqa
    -# f
    \ No newline at end of file
    --- a/bindings/gone.py
    +++ /dev/null
    @@ -1,11 +0,0 @@
    -"""Modules of `text`, typed.
    -
    -Generated by `modrack codegen`; not to be edited.
    -"""
    -# ruff: noqa
    -# fmt: off
    -
    -from __future__ import annotations
    -
    -from modrack import AsyncClient, Client
    -from modrack.bi
    \ No newline at end of file
    --- stderr
    error: 2 files differ in `bindings` from what the modules give (cli.bindings.stale)
    hint: run `modrack codegen --language python --module 'text.*' --out bindings`
    "#);
    insta::assert_snapshot!(host.run(&[&generate[..], &["--json"]].concat()).await, @r#"
    exit 0
    --- stdout
    {
      "files": [
        {
          "change": "written",
          "path": "__init__.py"
        },
        {
          "change": "removed",
          "path": "gone.py"
        },
        {
          "change": "unchanged",
          "path": "text.py"
        }
      ],
      "language": "python",
      "modules": [
        "text.Repeat"
      ],
      "out": "bindings"
    }
    "#);
    assert!(!at("gone.py").exists() && at("mine.py").exists());
    insta::assert_snapshot!(host.run(&[&generate[..], &["--check"]].concat()).await, @"
    exit 0
    --- stdout
    1 module in 2 files of Python, 0 changed
    ");
    std::fs::write(at("text.py"), "mine = 2\n").unwrap();
    insta::assert_snapshot!(host.run(&generate).await, @"
    exit 2
    --- stderr
    error: `bindings/text.py` is in the way, and was not generated (cli.bindings.foreign)
    hint: choose another directory with --out, or move the file away; only generated files are replaced
    ");
    assert_eq!(std::fs::read_to_string(at("text.py")).unwrap(), "mine = 2\n");
    insta::assert_snapshot!(host.run(&["codegen", "-l", "rust", "-m", "date.*", "-o", "rust"]).await, @"
    exit 3
    --- stderr
    error: the host at `http://HOST` has no module that matches `date.*` (cli.module.unmatched)
    hint: `modrack modules list` shows what is registered
    ");
}

#[tokio::test]
async fn codegen_without_arguments_explains_itself() {
    let text = run(&["codegen"]).await;
    assert!(text.starts_with("exit 2\n--- stderr\nWrite typed bindings of modules"), "{text}");
}
