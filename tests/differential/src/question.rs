//! What is asked of a codec, and what it answers. Asks nobody.

use std::fmt;

use type_schema::{CType, Schema};

/// Bytes or text to be read by a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Decode the MessagePack into the language's own value, and encode that again.
    Decode(Vec<u8>),
    /// The same, and write the value as JSON too.
    DecodeToJson(Vec<u8>),
    /// Read the JSON text into the language's own value, and encode that.
    Read(String),
}

impl Question {
    /// The byte that names the kind on the wire to a peer.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Decode(_) => b'd',
            Self::DecodeToJson(_) => b'j',
            Self::Read(_) => b'r',
        }
    }

    /// What is to be read.
    pub(crate) fn input(&self) -> &[u8] {
        match self {
            Self::Decode(bytes) | Self::DecodeToJson(bytes) => bytes,
            Self::Read(text) => text.as_bytes(),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(bytes) | Self::DecodeToJson(bytes) => write!(f, "decode {}", hex(bytes)),
            Self::Read(text) => write!(f, "read JSON {text}"),
        }
    }
}

/// What a codec makes of a question, or of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The canonical bytes, and the JSON text where it was asked for. Of a type: its printed form in place of the bytes.
    Accepted { bytes: Vec<u8>, json: String },
    /// A refusal by the rules.
    Refused { code: String, path: String },
    /// Something that no codec may answer: what it threw.
    Broken(String),
}

impl Answer {
    fn refused(code: &str, path: String) -> Self {
        Self::Refused { code: code.to_owned(), path }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { bytes, json } if json.is_empty() => write!(f, "{}", hex(bytes)),
            Self::Accepted { bytes, json } => write!(f, "{} and {json}", hex(bytes)),
            Self::Refused { code, path } => write!(f, "refuses with {code} at `{path}`"),
            Self::Broken(what) => write!(f, "fails: {what}"),
        }
    }
}

/// What `type-schema` makes of a type's text; the schema where it accepts it.
pub(crate) fn reference_type(text: &str) -> (Answer, Option<Schema>) {
    match CType::parse(text) {
        Ok(ctype) => {
            let bytes = ctype.to_string().into_bytes();
            let schema = Schema::new(ctype).expect("the parser gives only types that keep the rules");
            (Answer::Accepted { bytes, json: String::new() }, Some(schema))
        }
        Err(error) => (Answer::refused(error.code.as_str(), error.path), None),
    }
}

/// What `type-schema`, the host's own codec, answers.
pub(crate) fn reference(schema: &Schema, question: &Question) -> Answer {
    match question {
        Question::Decode(bytes) | Question::DecodeToJson(bytes) => {
            let canonical = match schema.canonicalize(bytes) {
                Ok(bytes) => bytes.into_owned(),
                Err(error) => return Answer::refused(error.code.as_str(), error.path),
            };
            if question.kind() == b'd' {
                return Answer::Accepted { bytes: canonical, json: String::new() };
            }
            match type_schema::msgpack_to_json(bytes, schema) {
                Ok(json) => Answer::Accepted { bytes: canonical, json: json.to_string() },
                Err(error) => Answer::refused(error.code.as_str(), error.path),
            }
        }
        Question::Read(text) => match type_schema::json_to_msgpack(text, schema) {
            Ok(bytes) => Answer::Accepted { bytes, json: String::new() },
            Err(error) => Answer::refused(error.code.as_str(), error.path),
        },
    }
}

/// Whether two answers agree: the same bytes and equal JSON, or the same refusal at the same place.
///
/// Numbers in JSON are equal as numbers, members in any order; of a refusal of JSON the code and the path depend on the order in
/// which a language walks members, so there the refusal alone counts.
pub(crate) fn agree(question: &Question, a: &Answer, b: &Answer) -> bool {
    match (a, b) {
        (Answer::Accepted { bytes: x, json: p }, Answer::Accepted { bytes: y, json: q }) => x == y && same_json(p, q),
        (Answer::Refused { .. }, Answer::Refused { .. }) if question.kind() == b'r' => true,
        (Answer::Refused { .. }, Answer::Refused { .. }) => a == b,
        _ => false,
    }
}

fn same_json(a: &str, b: &str) -> bool {
    a == b || matches!((parsed(a), parsed(b)), (Some(a), Some(b)) if alike(&a, &b))
}

fn parsed(text: &str) -> Option<serde_json::Value> {
    type_schema::parse_json_text(text).ok()
}

fn alike(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64().map(f64::to_bits) == y.as_f64().map(f64::to_bits),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| alike(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| alike(x, y)))
        }
        _ => a == b,
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
