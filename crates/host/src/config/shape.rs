//! Holds JSON against a JSON Schema that `schemars` made, and tells every fault with its place, the names that are not known with the
//! nearest that are. Says nothing of what is missing. Reads the part of the language that `schemars` writes for plain types; what it does not judge, serde does.

use serde_json::Value;

use crate::config::document::escaped;
use crate::config::fault::FaultCode;

/// The most that TOML can write.
const UNBOUNDED: u64 = i64::MAX.unsigned_abs();

/// One fault.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) code: FaultCode,
    /// JSON pointer to the value.
    pub(super) pointer: String,
    /// What is wrong, as what follows the key in a sentence.
    pub(super) message: String,
    pub(super) hint: String,
}

/// Every fault of a value, in the order of its members.
pub(super) fn check(value: &Value, schema: &Value) -> Vec<Misfit> {
    let mut faults = Vec::new();
    Walk { root: schema, faults: &mut faults }.value(value, schema, "");
    faults
}

struct Walk<'a> {
    root: &'a Value,
    faults: &'a mut Vec<Misfit>,
}

impl<'a> Walk<'a> {
    fn fault(&mut self, code: FaultCode, pointer: &str, message: String, hint: String) {
        self.faults.push(Misfit { code, pointer: pointer.to_owned(), message, hint });
    }

    /// The schema behind references and `null or`; none for one that is not judged here.
    fn resolved(&self, schema: &'a Value) -> Option<&'a Value> {
        let mut schema = schema;
        loop {
            if let Some(reference) = schema["$ref"].as_str() {
                schema = self.root.pointer(reference.strip_prefix('#')?)?;
            } else if let Some(choices) = schema["anyOf"].as_array() {
                let mut others = choices.iter().filter(|choice| choice["type"] != "null");
                match (others.next(), others.next()) {
                    (Some(one), None) => schema = one,
                    _ => return None,
                }
            } else {
                return Some(schema);
            }
        }
    }

    fn value(&mut self, value: &Value, schema: &'a Value, pointer: &str) {
        let Some(schema) = self.resolved(schema) else { return };
        let names = names(schema);
        if !names.is_empty() {
            if !value.as_str().is_some_and(|text| names.contains(&text)) {
                let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let message = format!(" cannot be {}", shown(value));
                self.fault(FaultCode::ValueInvalid, pointer, message, format!("choose one of {listed}"));
            }
            return;
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
            _ => return,
        };
        if !kinds.iter().any(|kind| is_of(value, kind)) {
            let wanted = kinds.first().map_or("something else", |kind| article(kind));
            let message = format!(" takes {wanted}, found {}", kind_of(value));
            self.fault(FaultCode::ValueType, pointer, message, format!("give it {wanted}"));
            return;
        }
        match value {
            Value::Object(members) => self.members(members, schema, pointer),
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.value(item, &schema["items"], &format!("{pointer}/{i}"));
                }
            }
            Value::Number(number) => {
                let (least, most) = range(schema);
                let fits = number.as_u64().is_some_and(|number| (least..=most).contains(&number));
                if kinds == ["integer"] && !fits {
                    let hint = match most {
                        UNBOUNDED => format!("give a number of at least {least}"),
                        most => format!("give a number from {least} to {most}"),
                    };
                    self.fault(FaultCode::ValueRange, pointer, format!(" cannot be {number}"), hint);
                }
            }
            _ => {}
        }
    }

    fn members(&mut self, members: &serde_json::Map<String, Value>, schema: &'a Value, pointer: &str) {
        let known = schema["properties"].as_object();
        for (name, value) in members {
            let place = format!("{pointer}/{}", escaped(name));
            match known.and_then(|known| known.get(name)) {
                Some(of) => self.value(value, of, &place),
                None if is_free(name, schema) => {}
                None if schema["additionalProperties"] == Value::Bool(false) => {
                    let names = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
                    let hint = match nearest(name, names.clone()) {
                        Some(nearest) => format!("did you mean `{nearest}`?"),
                        None => format!("the keys here are {}", names.collect::<Vec<_>>().join(", ")),
                    };
                    self.fault(FaultCode::KeyUnknown, &place, " is no key of a component".to_owned(), hint);
                }
                None if schema["additionalProperties"].is_object() => {
                    self.value(value, &schema["additionalProperties"], &place);
                }
                None => {}
            }
        }
    }
}

/// Whether names that begin as this one does are the operator's: `^/` in `patternProperties`, say.
fn is_free(name: &str, schema: &Value) -> bool {
    let patterns = schema["patternProperties"].as_object().into_iter().flat_map(|patterns| patterns.keys());
    patterns.filter_map(|pattern| pattern.strip_prefix('^')).any(|start| name.starts_with(start))
}

/// The texts of which a value must be one; none where it is no such choice.
fn names(schema: &Value) -> Vec<&str> {
    if let Some(names) = schema["enum"].as_array() {
        return names.iter().filter_map(Value::as_str).collect();
    }
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    choices
        .flat_map(|choice| match choice["enum"].as_array() {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => choice["const"].as_str().into_iter().collect::<Vec<_>>(),
        })
        .collect()
}

fn range(schema: &Value) -> (u64, u64) {
    let most = match schema["format"].as_str() {
        Some("uint16") => u64::from(u16::MAX),
        Some("uint32") => u64::from(u32::MAX),
        _ => UNBOUNDED,
    };
    (schema["minimum"].as_u64().unwrap_or(0), schema["maximum"].as_u64().unwrap_or(most))
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn article(kind: &str) -> &'static str {
    match kind {
        "string" => "a string",
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "array" => "an array",
        _ => "a table",
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a float",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "a table",
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", text.escape_debug()),
        value => kind_of(value).to_owned(),
    }
}

/// The name that one is most likely meant to be: a small slip of the pen.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.map(|candidate| (strsim::osa_distance(name, candidate), candidate));
    near.filter(|(distance, candidate)| *distance <= (candidate.len() / 4).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
