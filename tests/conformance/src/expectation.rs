//! Compares what came with what a scenario says. Calls nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::Error;
use serde_json::Value;

use crate::Outcome;
use crate::scenario::{Expect, Failure};

/// The values that the words of a scenario stand for: `"$pid:1"` is the process id of the first replica, `"$zeros:N"` the base64
/// of so many zero bytes, `"$namespace"` in the name of a module the namespace of the providers.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// The process ids of the replicas.
    pub pids: Vec<u32>,
    /// What the modules' names begin with.
    pub namespace: String,
}

impl Values {
    /// The JSON that a text of a scenario stands for.
    ///
    /// # Panics
    /// When it is no JSON, or a word in it stands for nothing: the scenario is wrong.
    #[must_use]
    pub fn json(&self, text: &str) -> Value {
        let json = serde_json::from_str(text).unwrap_or_else(|error| panic!("the scenario's `{text}`: {error}"));
        self.resolved(json)
    }

    fn resolved(&self, json: Value) -> Value {
        match json {
            Value::String(text) => self.word(text),
            Value::Array(items) => items.into_iter().map(|item| self.resolved(item)).collect(),
            Value::Object(members) => members.into_iter().map(|(name, of)| (name, self.resolved(of))).collect(),
            other => other,
        }
    }

    fn word(&self, text: String) -> Value {
        let number = |digits: &str| digits.parse::<usize>().expect("a word of a scenario ends with a number");
        if let Some(replica) = text.strip_prefix("$pid:") {
            return self.pids[number(replica) - 1].into();
        }
        if let Some(length) = text.strip_prefix("$zeros:") {
            return STANDARD.encode(vec![0; number(length)]).into();
        }
        text.replace("$namespace", &self.namespace).into()
    }
}

/// Whether a call ended as expected.
pub(crate) fn ended(values: &Values, expect: &Expect, answer: &Result<Value, Error>) -> Outcome {
    match (expect, answer) {
        (Expect { output: Some(output), error: None }, Ok(value)) => same("output", value, &values.json(output)),
        (Expect { output: None, error: Some(failure) }, Err(error)) => failed(failure, error),
        (Expect { output: None, error: None } | Expect { output: Some(_), error: Some(_) }, _) => {
            Err("the scenario says neither or both of `output` and `error`".to_owned())
        }
        (_, Ok(value)) => Err(format!("an error was expected, and {} came", shown(value))),
        (_, Err(error)) => Err(format!("an output was expected, and an error came: {error:?}")),
    }
}

/// Whether an error is the expected one.
pub(crate) fn failed(expected: &Failure, error: &Error) -> Outcome {
    let mut faults = Vec::new();
    let mut check = |what: &str, found: &str, expected: &str| {
        if found != expected {
            faults.push(format!("{what} is `{found}`, expected `{expected}`"));
        }
    };
    check("the category", error.category().as_str(), &expected.category);
    check("the code", error.code(), &expected.code);
    for (key, value) in &expected.details {
        let found = error.details().get(key).map_or("", String::as_str);
        check(&format!("the detail `{key}`"), found, value);
    }
    if let Some(message) = &expected.message {
        check("the message", error.message(), message);
    }
    if let Some(part) = &expected.says
        && !error.message().contains(part)
    {
        faults.push(format!("the message does not say `{part}`"));
    }
    if let Some(retryable) = expected.retryable
        && retryable != error.retryable()
    {
        faults.push(format!("retryable is {}", error.retryable()));
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("{}: {error:?}", faults.join(", "))) }
}

/// Whether two values of JSON are equal, numbers as numbers.
pub(crate) fn same(what: &str, found: &Value, expected: &Value) -> Outcome {
    if alike(found, expected) {
        Ok(())
    } else {
        Err(format!("{what}: {} came, expected {}", shown(found), shown(expected)))
    }
}

fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64().map(f64::to_bits) == y.as_f64().map(f64::to_bits),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| alike(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| alike(x, y)))
        }
        _ => a == b,
    }
}

/// The value as text, of a long one the beginning.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
