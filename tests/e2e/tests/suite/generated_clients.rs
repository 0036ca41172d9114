//! The stubs that codegen makes are enough to use a host, in every language.

use e2e::{Host, Language};
use tokio::process::Command;

use crate::others::Others;

async fn check(language: Language) {
    let host = Host::start();
    let others = Others::start(&host).await;
    let run = async |module: &str, input: &str| {
        let mut command = Command::from(e2e::golden_client(language));
        command.args([module, input]).env("MODRACK_HOST", host.url()).kill_on_drop(true);
        let output = testkit::within("the end of the client", command.output()).await.expect("it can be started");
        let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, stdout, stderr) = run("others.Echo", r#"{"n": -9}"#).await;
    assert_eq!((code, stdout.as_str()), (Some(0), "others.Echo,others.Held\n{\"n\":-9}\n"), "{stderr}");
    for (module, input, error) in [
        ("others.Nothing", "{}", "registry.module.unknown"),
        ("others.Echo", r#"{"n": "x"}"#, "executor.input.invalid"),
    ] {
        let (code, _, stderr) = run(module, input).await;
        assert_eq!((code, stderr.trim()), (Some(1), error));
    }
    others.are_unharmed().await;
}

#[tokio::test]
async fn generated_python_lists_and_calls() {
    check(Language::Python).await;
}

#[tokio::test]
async fn generated_typescript_lists_and_calls() {
    check(Language::TypeScript).await;
}

#[tokio::test]
async fn generated_rust_lists_and_calls() {
    check(Language::Rust).await;
}
