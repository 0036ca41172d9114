//! The bindings that `modrack codegen` makes are those in `tests/golden/bindings`, and are enough to call every module of a real
//! provider, in every language.

use std::process::Command as Program;

use e2e::{Host, Language, Process};
use tokio::process::Command;

const PATTERN: &str = "golden*";
/// A stored pipeline is a module as any other.
const PIPELINE: &str = "rows-of";
const MODULES: [&str; 11] = [
    "golden-words.Echo",
    "golden-words.constructor",
    "golden-words.do-it",
    "golden-words.do_it",
    "golden-words.import",
    "golden-words.list_",
    "golden.text.Count",
    "golden.text.Everything",
    "golden.text.Now",
    "golden.text.Replace",
    "golden.text.Sum",
];

/// A host with the golden provider. Both end with the value.
struct World {
    host: Host,
    _provider: Process,
}

impl World {
    async fn start() -> Self {
        let host = Host::start();
        let provider = Process::start("the golden provider", e2e::golden_provider().env("MODRACK_HOST", host.url()));
        let mut watch = host.client().watch(PATTERN).await.expect("the host can be watched");
        watch.ready(&MODULES.map(str::to_owned), 1).await;
        let source = e2e::golden_bindings_directory().join(format!("{PIPELINE}.cst"));
        let source = std::fs::read_to_string(source).expect("the pipeline is there");
        host.client().store(PIPELINE, &source).await.expect("the pipeline checks");
        Self { host, _provider: provider }
    }

    /// Runs a program in the directory of the golden bindings, and expects that it ends well.
    async fn run(&self, program: Program) {
        let mut command = Command::from(program);
        command.current_dir(e2e::golden_bindings_directory()).env("MODRACK_HOST", self.host.url()).kill_on_drop(true);
        let output = testkit::within("the end of the program", command.output()).await.expect("it can be started");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    }

    async fn modrack(&self, arguments: &[&str]) {
        let mut program = Program::new(e2e::program());
        program.args(arguments);
        self.run(program).await;
    }
}

#[tokio::test]
async fn the_lock_and_the_bindings_in_the_tree_are_those_of_the_provider() {
    let world = World::start().await;
    world.modrack(&["modules", "lock", "--check"]).await;
    for (language, out) in
        [("python", "python/bindings"), ("typescript", "typescript/src/bindings"), ("rust", "rust/src/bindings")]
    {
        world.modrack(&["codegen", "--language", language, "--out", out, "--check", "--lock"]).await;
        // A live host says the same.
        let modules = ["--module", PATTERN, "--module", "pipeline.*"];
        let check = ["codegen", "--language", language, "--out", out, "--check"];
        world.modrack(&[check.as_slice(), &modules].concat()).await;
    }
}

async fn call_every_module(language: Language) {
    World::start().await.run(e2e::golden_bindings(language)).await;
}

#[tokio::test]
async fn python_bindings_call_every_module() {
    call_every_module(Language::Python).await;
}

#[tokio::test]
async fn typescript_bindings_call_every_module() {
    call_every_module(Language::TypeScript).await;
}

#[tokio::test]
async fn rust_bindings_call_every_module() {
    call_every_module(Language::Rust).await;
}
