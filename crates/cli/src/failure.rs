//! What a command failed with, and how that is told to people and to machines. Fails at nothing itself.

use std::fmt;

use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use host::config::ConfigError;
use protocol::{Error, Origin};
use serde_json::{Map, Value};

use crate::codes::{self, LocalCode};
use crate::exit::Exit;

const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();
/// For a code that a module chose itself.
const MODULE_HINT: &str = "the module answered this itself; the log of its provider may say more";

/// One failure.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    code: String,
    message: String,
    hint: Option<String>,
    retryable: bool,
    /// Members of the JSON form beyond the common ones.
    facts: Map<String, Value>,
    /// What people see in place of code and message: the same with its place in a source.
    shown: Option<Box<str>>,
}

impl Failure {
    /// A failure on this side of the wire.
    pub(crate) fn local(code: LocalCode, message: impl Into<String>) -> Self {
        Self {
            exit: code.exit,
            code: code.name.into(),
            message: message.into(),
            hint: Some(code.hint.into()),
            retryable: code.exit == Exit::Unavailable,
            facts: Map::new(),
            shown: None,
        }
    }

    /// What clap found, as one line and a hint.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        let text = error.to_string();
        let lines: Vec<_> = text
            .lines()
            .map(str::trim)
            .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
            .collect();
        let (tips, lines): (Vec<_>, Vec<_>) =
            lines.into_iter().filter(|line| !line.is_empty()).partition(|line| line.starts_with("tip: "));
        let failure = Self::local(codes::USAGE, lines.join(" ").trim_start_matches("error: "));
        match tips.first() {
            Some(tip) => failure.hint(tip.trim_start_matches("tip: ")),
            None => failure,
        }
    }

    /// Replaces the hint by a better one.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a member to the JSON form.
    pub(crate) fn fact(mut self, name: &str, value: Value) -> Self {
        self.facts.insert(name.into(), value);
        self
    }

    /// Shows people this, with code and message in it.
    pub(crate) fn shown_as(mut self, text: String) -> Self {
        self.shown = Some(text.into());
        self
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Counts for that of others which were told already.
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// As machines read it: one member `error`.
    pub(crate) fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("code".into(), self.code.clone().into());
        object.insert("message".into(), self.message.clone().into());
        if let Some(hint) = &self.hint {
            object.insert("hint".into(), hint.clone().into());
        }
        object.insert("retryable".into(), self.retryable.into());
        object.insert("exit".into(), (self.exit as u8).into());
        object.extend(self.facts.clone());
        serde_json::json!({ "error": object })
    }
}

/// One line, as in the middle of another text.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", printable(&self.message), self.code)
    }
}

/// A failure that the host or a module answered.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut facts = Map::new();
        if !error.details().is_empty() {
            let details = error.details().iter().map(|(key, value)| (key.clone(), value.clone().into()));
            facts.insert("details".into(), Value::Object(details.collect()));
        }
        facts.insert("category".into(), error.category().as_str().into());
        facts.insert("origin".into(), error.origin().as_str().into());
        if !error.trace_id().is_empty() {
            facts.insert("trace_id".into(), error.trace_id().into());
        }
        let after = error.retry_after_ms();
        if after > 0 {
            facts.insert("retry_after_ms".into(), after.into());
        }
        Self {
            exit: Exit::of(&error),
            code: error.code().into(),
            message: error.message().into(),
            hint: match protocol::codes::find(error.code()) {
                Some(code) if after > 0 => Some(format!("{} ({after} ms)", code.hint)),
                Some(code) => Some(code.hint.into()),
                None => (error.origin() == Origin::Module).then(|| MODULE_HINT.into()),
            },
            retryable: error.retryable(),
            facts,
            shown: None,
        }
    }
}

/// At least one failure.
#[derive(Debug)]
pub(crate) struct Failures(Vec<Failure>);

impl From<Failure> for Failures {
    fn from(failure: Failure) -> Self {
        Self(vec![failure])
    }
}

impl From<Error> for Failures {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<ConfigError> for Failures {
    fn from(error: ConfigError) -> Self {
        let failure = |fault: host::config::Fault| Failure {
            exit: Exit::Usage,
            code: fault.code.as_str().into(),
            message: format!("{}: {}", fault.origin, fault.message),
            hint: Some(fault.hint),
            retryable: false,
            facts: Map::from_iter([
                ("key".into(), fault.key.into()),
                ("source".into(), fault.origin.to_string().into()),
            ]),
            shown: None,
        };
        Self(error.faults.into_iter().map(failure).collect())
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("; "))
    }
}

impl Failures {
    pub(crate) fn exit(&self) -> Exit {
        self.0.first().map_or(Exit::Failed, |failure| failure.exit)
    }

    /// On stderr: two lines each for people, one JSON object a line for machines.
    pub(crate) fn print(&self, json: bool) {
        for failure in &self.0 {
            if json {
                eprintln!("{}", failure.json());
                continue;
            }
            let Failure { message, code, hint, shown, .. } = failure;
            match shown {
                Some(shown) => eprintln!("{}", shown.trim_end()),
                None => eprintln!("{RED}error:{RED:#} {} ({code})", printable(message)),
            }
            if let Some(hint) = hint {
                eprintln!("{CYAN}hint:{CYAN:#} {}", printable(hint));
            }
        }
    }
}

/// Text of somebody else without what could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}
