//! Inputs of a run: from the caller's form to canonical bytes, or every fault at once. Starts nothing.

use bytes::Bytes;
use protocol::{Error, codes};
use type_schema::{CType, CValue, JsonFault, Schema, from_json, json_faults, parse_json_text};

use crate::pipelines::prepared::Prepared;

/// Faults that an answer names one by one.
const TOLD: usize = 32;

/// One fault: the JSON pointer of its place in the inputs, and what is wrong there.
type Fault = (String, String);

/// Reads JSON.
///
/// # Errors
/// `pipeline.inputs.invalid` with every fault by its JSON pointer.
pub(crate) fn from_text(prepared: &Prepared, text: &str) -> Result<Bytes, Error> {
    let json = parse_json_text(text).map_err(|error| invalid(vec![(String::new(), error.to_string())]))?;
    let ctype = prepared.input.ctype();
    let faults = || {
        let told = |fault: JsonFault| (fault.pointer, fault.detail);
        invalid(json_faults(&json, ctype).into_iter().map(told).collect())
    };
    let value = from_json(&json, ctype).map_err(|_| faults())?;
    let encoded = prepared.input.encode(&value);
    encoded.map(Bytes::from).map_err(|error| invalid(vec![(pointer(&error.path), error.to_string())]))
}

/// Reads MessagePack. Costs one validation, and no copy of canonical bytes.
///
/// # Errors
/// `pipeline.inputs.invalid` with the first fault of every input.
pub(crate) fn from_bytes(prepared: &Prepared, bytes: Bytes) -> Result<Bytes, Error> {
    let canonical = match prepared.input.canonicalize(&bytes) {
        Ok(std::borrow::Cow::Borrowed(_)) => None,
        Ok(std::borrow::Cow::Owned(canonical)) => Some(canonical),
        Err(error) => {
            let first = (pointer(&error.path), error.to_string());
            return Err(invalid(faults_of_fields(prepared, &bytes).unwrap_or_else(|| vec![first])));
        }
    };
    Ok(canonical.map_or(bytes, Bytes::from))
}

/// The first fault of each input; `None` where the bytes are no record at all.
fn faults_of_fields(prepared: &Prepared, bytes: &[u8]) -> Option<Vec<Fault>> {
    let any = Schema::new(CType::Any).ok()?;
    let whole = any.decode(bytes).ok()?;
    let mut faults = Vec::new();
    for input in &prepared.plan.inputs {
        let ctype = prepared.plan.ctype(input.ty);
        match member(&whole, &input.name)? {
            None if ctype.is_option() => {}
            None => faults.push((format!("/{}", input.name), "the input is missing".to_owned())),
            Some(value) => {
                let schema = Schema::new(ctype.clone()).ok()?;
                if let Err(error) = schema.validate(&any.encode(value).ok()?) {
                    faults.push((format!("/{}{}", input.name, pointer(&error.path)), error.code.describe().to_owned()));
                }
            }
        }
    }
    // A fault that only the whole has, e.g. bytes behind the record.
    Some(faults).filter(|faults| !faults.is_empty())
}

/// A member of what shows itself as a record or as a map with text keys; `None` for anything else.
fn member<'v>(value: &'v CValue, name: &str) -> Option<Option<&'v CValue>> {
    match value {
        CValue::Record(_) => Some(value.field(name)),
        CValue::Map(entries) => Some(entries.iter().find_map(|(key, value)| match key {
            type_schema::Key::String(key) if **key == *name => Some(value),
            _ => None,
        })),
        _ => None,
    }
}

/// A path of the codec as a JSON pointer (RFC 6901): `.rows[3]` is `/rows/3`.
fn pointer(path: &str) -> String {
    let mut pointer = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '.' | '[' => pointer.push('/'),
            ']' => {}
            // What stands behind is how a union or Option is shown, which has no place in JSON.
            '|' | '?' => break,
            other => pointer.push(other),
        }
    }
    pointer
}

fn invalid(faults: Vec<Fault>) -> Error {
    let told = |(pointer, what): &Fault| if pointer.is_empty() { what.clone() } else { format!("{pointer}: {what}") };
    let listed: Vec<_> = faults.iter().take(TOLD).map(told).collect();
    let message = format!("the inputs do not fit: {}", listed.join("; "));
    let error = Error::of(codes::INPUTS_INVALID, message).detail("count", faults.len().to_string());
    faults.into_iter().take(TOLD).fold(error, |error, (pointer, what)| error.detail(pointer, what))
}
