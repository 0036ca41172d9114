//! The pipelines of `examples` and the providers of their modules, as processes. Knows nothing of what they give.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::host::Host;
use crate::locate;
use crate::process::Process;

/// The modules of the example providers, in ascending order.
pub const EXAMPLE_MODULES: [&str; 19] = [
    "data.Average",
    "data.FilterGreaterThan",
    "data.FormatNumber",
    "data.Max",
    "data.Min",
    "data.MultiplyEach",
    "data.Range",
    "data.SumList",
    "strings.Contains",
    "strings.ParseNumber",
    "strings.Split",
    "strings.SplitLines",
    "text.Lowercase",
    "text.Measure",
    "text.Replace",
    "text.TextLength",
    "text.Trim",
    "text.Uppercase",
    "text.WordCount",
];

/// A pipeline of `examples`.
#[derive(Debug)]
pub struct Example {
    /// E.g. `hello`.
    pub name: String,
    /// Its source.
    pub source: String,
    /// Inputs with the outputs that they give; those of its `@example`s first.
    pub cases: Vec<(Value, Value)>,
}

/// All pipelines of `examples`, in ascending order of their names.
///
/// # Panics
/// When one has no file in `examples/expected`, or such a file has no pipeline.
#[must_use]
pub fn examples() -> Vec<Example> {
    let names = |directory: PathBuf, suffix: &str| {
        let entries = std::fs::read_dir(directory).expect("the directory can be listed");
        let names = entries.map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is UTF-8"));
        let mut names: Vec<String> =
            names.filter_map(|name| name.strip_suffix(suffix).map(ToOwned::to_owned)).collect();
        names.sort();
        names
    };
    let directory = locate::examples_directory();
    let pipelines = names(directory.clone(), ".cst");
    assert_eq!(names(directory.join("expected"), ".json"), pipelines, "each pipeline has its expected outputs");
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("it can be read");
    let example = |name: String| {
        let expected = read(directory.join("expected").join(format!("{name}.json")));
        let expected: Vec<Value> = serde_json::from_str(&expected).expect("it is a list");
        let cases = expected.into_iter().map(|case| (case["inputs"].clone(), case["outputs"].clone())).collect();
        Example { source: read(directory.join(format!("{name}.cst"))), name, cases }
    };
    pipelines.into_iter().map(example).collect()
}

/// Starts the providers of the examples, in Python, TypeScript and Rust, and waits until the host can call all their modules.
///
/// # Panics
/// When one of them ends first.
pub async fn example_providers(host: &Host) -> Vec<Process> {
    let mut python = Command::new(locate::python());
    python.arg(locate::root().join("sdks/python/examples/text_modules.py"));
    let mut node = Command::new("node");
    node.arg(locate::typescript_example());
    let commands = [python, node, Command::new(locate::rust_example())];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let start = |mut command: Command| {
        command.current_dir(locate::root()).env_clear().env("PATH", &path).env("HOME", "/nonexistent");
        Process::start("a provider of the examples", command.env("MODRACK_HOST", host.url()))
    };
    let processes: Vec<Process> = commands.into_iter().map(start).collect();
    let names = EXAMPLE_MODULES.map(str::to_owned);
    let mut watch = host.client().watch("").await.expect("the host can be watched");
    let [text, data, strings] = processes.as_slice() else { unreachable!("there are three") };
    tokio::select! {
        () = watch.ready(&names, 1) => {}
        () = text.closed() => panic!("the provider text ended before the host could call it"),
        () = data.closed() => panic!("the provider data ended before the host could call it"),
        () = strings.closed() => panic!("the provider strings ended before the host could call it"),
    }
    processes
}
