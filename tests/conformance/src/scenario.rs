//! Scenarios as they are written. Plays none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// What a provider has to do, step by step.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its file's name without the ending.
    #[serde(skip)]
    pub name: String,
    /// What it is about, in a sentence.
    pub about: String,
    /// Keys of the host's configuration with their values.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// It ends or changes its host or its provider, so that nobody else can use them.
    #[serde(default)]
    pub alone: bool,
    /// How many replicas are started; more than one form a group.
    #[serde(default = "one")]
    pub replicas: usize,
    /// In this order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One step. Inputs and outputs are JSON as text.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// The host lists the module with these types and capabilities.
    Registered {
        module: String,
        input: String,
        output: String,
        #[serde(default)]
        capabilities: Vec<String>,
    },
    /// Calls the module and waits for its answer.
    Call {
        module: String,
        #[serde(default = "nothing")]
        input: String,
        timeout_ms: Option<u64>,
        output: Option<String>,
        error: Option<Failure>,
    },
    /// Calls the module until it answers with this output.
    Eventually {
        module: String,
        #[serde(default = "nothing")]
        input: String,
        output: String,
    },
    /// Begins a call, and waits until its handler has it.
    Begin {
        call: String,
        module: String,
        #[serde(default = "nothing")]
        input: String,
        timeout_ms: Option<u64>,
    },
    /// Waits for the answer to a call that was begun.
    Finish { call: String, output: Option<String>, error: Option<Failure> },
    /// Gives up a call or a stream.
    Leave { call: String },
    /// Reads a whole stream: its items, and the error that ends it where one does.
    Stream {
        module: String,
        #[serde(default = "nothing")]
        input: String,
        timeout_ms: Option<u64>,
        items: Option<String>,
        error: Option<Failure>,
    },
    /// Begins a stream and reads nothing of it.
    Open { call: String, module: String, input: String },
    /// Reads so many items of a stream.
    Read { call: String, items: usize },
    /// Reads what is left of a stream: so many items, and its good end.
    Drain { call: String, items: usize },
    /// Calls a module that counts until the count stands still, which it must do at less than this.
    StandsStill { module: String, input: String, below: i64 },
    /// Calls the module once per input.
    Batch {
        module: String,
        inputs: String,
        #[serde(default)]
        outputs: Vec<Expect>,
        /// The error of the batch as a whole.
        error: Option<Failure>,
    },
    /// Calls `Inspect` until exactly these replicas, counted from 1, have answered.
    Answered { by: Vec<usize> },
    /// Waits until the host can call exactly so many replicas; none of them means that the names are gone.
    Callable { replicas: usize },
    /// Ends a replica as `kill -9` does.
    Kill { replica: usize },
    /// Asks a replica to stop.
    Terminate { replica: usize },
    /// Waits until a replica has ended by itself, with status 0.
    Ended { replica: usize },
    /// Starts one more provider.
    Start,
    /// Ends the host as `kill -9` does and starts it again at its address.
    RestartHost,
}

/// How a call ends: by its output, or by an error.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// JSON as text.
    pub output: Option<String>,
    /// The coded error.
    pub error: Option<Failure>,
}

/// An error; what is left out may be anything.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// As `CONFLICT`.
    pub category: String,
    /// As `executor.deadline.exceeded`.
    pub code: String,
    /// The whole message.
    pub message: Option<String>,
    /// A part of the message.
    pub says: Option<String>,
    /// Whether it may be tried again.
    pub retryable: Option<bool>,
    /// Details that it has, among others.
    #[serde(default)]
    pub details: BTreeMap<String, String>,
}

fn one() -> usize {
    1
}

fn nothing() -> String {
    "{}".to_owned()
}

impl Scenario {
    /// Reads one from its text.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { name: name.to_owned(), ..scenario })
    }

    /// Whether it gets a host and a provider of its own.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone || self.replicas != 1 || !self.settings.is_empty()
    }
}

/// All scenarios of the folder, in the order of their names.
///
/// # Panics
/// When one cannot be read: it is part of the tests.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut all: Vec<Scenario> = fs::read_dir(folder)
        .expect("the scenarios are there")
        .map(|entry| {
            let path = entry.expect("the folder can be listed").path();
            let name = path.file_stem().and_then(|name| name.to_str()).expect("names are plain").to_owned();
            let text = fs::read_to_string(&path).expect("a scenario can be read");
            Scenario::parse(&name, &text).unwrap_or_else(|error| panic!("{error}"))
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}
