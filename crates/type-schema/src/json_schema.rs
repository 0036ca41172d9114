//! JSON Schema of the JSON that a type reads. An export for other tools: the crate itself never validates with it.

use serde_json::{Map, Value, json};

use crate::{
    ctype::{CType, KeyType},
    json::{BYTES, FLOAT, INT, MAP, MAX_SAFE, VALUE, VARIANT},
};

/// The dialect of the export.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Names of the definitions that are the same in every type.
const ANY: &str = "Any";
const INT_TYPE: &str = "Int";

/// A JSON Schema 2020-12 that takes exactly the JSON which [`from_json`](crate::from_json) takes, but for what the language cannot say: that
/// the keys of an array of pairs differ, how deep a value may be, and that an integral number beyond ±(2^53 − 1) has to be written
/// without exponent and fraction. Arrays of pairs carry the annotation `x-unique-keys`.
///
/// Linear in the size of the type: variants, Int and Any stand once, under `$defs`.
pub fn json_schema(ctype: &CType) -> Value {
    let (root, definitions) = json_schema_parts(ctype, "#/$defs/", "");
    let mut schema = Map::from_iter([("$schema".to_owned(), Value::from(DIALECT))]);
    if let Value::Object(members) = root {
        schema.extend(members);
    }
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    Value::Object(schema)
}

/// [`json_schema`] for a document that holds many: the schema itself, and the definitions that it refers to as `<at><name>`. Names
/// begin with `scope`, but for `Any` and `Int`, whose definitions are the same in every type.
pub fn json_schema_parts(ctype: &CType, at: &str, scope: &str) -> (Value, Map<String, Value>) {
    let mut writer = Writer { at, scope, definitions: Map::new(), variants: 0 };
    let root = writer.node(ctype);
    (root, writer.definitions)
}

struct Writer<'a> {
    at: &'a str,
    scope: &'a str,
    definitions: Map<String, Value>,
    variants: usize,
}

impl Writer<'_> {
    fn node(&mut self, ctype: &CType) -> Value {
        match ctype {
            CType::String => json!({ "type": "string" }),
            CType::Int => self.int(),
            CType::Float => float(),
            CType::Bool => json!({ "type": "boolean" }),
            CType::Bytes => bytes(),
            CType::Any => self.any(),
            CType::List(item) => json!({ "type": "array", "items": self.node(item) }),
            CType::Map(KeyType::String, value) => {
                json!({ "type": "object", "additionalProperties": self.node(value) })
            }
            CType::Map(key, value) => {
                let key = self.node(&key.ctype());
                let value = self.node(value);
                pairs(&key, &value)
            }
            CType::Record(record) => {
                let properties: Map<_, _> =
                    record.fields.iter().map(|field| (field.name.clone(), self.node(&field.ctype))).collect();
                let required = record.fields.iter().filter(|field| !field.ctype.is_option());
                let required: Vec<_> = required.map(|field| field.name.clone()).collect();
                json!({ "type": "object", "properties": properties, "required": required })
            }
            CType::Option(some) => json!({ "anyOf": [{ "type": "null" }, self.node(some)] }),
            CType::Union(variants) => self.union(variants),
        }
    }

    fn reference(&self, name: &str) -> Value {
        json!({ "$ref": format!("{}{name}", self.at) })
    }

    /// The bare value that exactly one variant takes, or a mark; an object with the name of the mark is nothing else.
    fn union(&mut self, variants: &[CType]) -> Value {
        let mut bare = Vec::new();
        let mut marked = Vec::new();
        for (i, variant) in variants.iter().enumerate() {
            let name = format!("{}variant{}", self.scope, self.variants);
            self.variants += 1;
            let schema = self.node(variant);
            let reference = self.reference(&name);
            self.definitions.insert(name, schema);
            bare.push(reference.clone());
            marked.push(mark_with(VARIANT, &json!({ "const": i }), Some((VALUE, &reference))));
        }
        let bare = if variants.iter().any(takes_objects) {
            json!({ "oneOf": bare, "not": { "type": "object", "required": [VARIANT] } })
        } else {
            json!({ "oneOf": bare })
        };
        let choices: Vec<_> = std::iter::once(bare).chain(marked).collect();
        json!({ "anyOf": choices })
    }

    fn int(&mut self) -> Value {
        self.definitions.entry(INT_TYPE).or_insert_with(|| {
            json!({ "anyOf": [
                { "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX },
                { "type": "string", "pattern": large_int() },
            ] })
        });
        self.reference(INT_TYPE)
    }

    fn any(&mut self) -> Value {
        let any = self.reference(ANY);
        if self.definitions.contains_key(ANY) {
            return any;
        }
        let int = self.int();
        let small = json!({ "type": "integer", "minimum": -MAX_SAFE, "maximum": MAX_SAFE });
        let int_key = json!({ "anyOf": [small, mark(INT, &int)] });
        let keys = [json!({ "type": "string" }), int_key, json!({ "type": "boolean" })];
        let maps = keys.map(|key| pairs(&key, &any));
        let definition = json!({ "anyOf": [
            { "type": ["null", "boolean", "number", "string"] },
            { "type": "array", "items": any },
            // An object with a name that begins with `$` is a mark or nothing.
            { "type": "object", "propertyNames": { "pattern": "^([^$]|$)" }, "additionalProperties": any },
            mark(INT, &int),
            mark(FLOAT, &float()),
            mark(BYTES, &bytes()),
            mark(MAP, &json!({ "anyOf": maps })),
        ] });
        self.definitions.insert(ANY.to_owned(), definition);
        any
    }
}

fn float() -> Value {
    json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] })
}

/// RFC 4648 section 4, with padding and without unused bits.
fn bytes() -> Value {
    json!({
        "type": "string",
        "contentEncoding": "base64",
        "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
    })
}

fn pairs(key: &Value, value: &Value) -> Value {
    json!({
        "type": "array",
        "items": { "type": "array", "prefixItems": [key, value], "minItems": 2, "maxItems": 2 },
        // The closest that the language comes to keys that differ.
        "uniqueItems": true,
        "x-unique-keys": true,
    })
}

fn mark(name: &str, value: &Value) -> Value {
    mark_with(name, value, None)
}

fn mark_with(name: &str, value: &Value, beside: Option<(&str, &Value)>) -> Value {
    let members = std::iter::once((name, value)).chain(beside);
    let names: Vec<_> = members.clone().map(|(name, _)| name).collect();
    let properties: Map<_, _> = members.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
}

fn takes_objects(ctype: &CType) -> bool {
    match ctype {
        CType::Any | CType::Record(_) | CType::Map(KeyType::String, _) => true,
        CType::Option(some) => takes_objects(some),
        // Only reached inside an option: marks are objects.
        CType::Union(_) => true,
        _ => false,
    }
}

/// The decimal strings of an Int: those beyond the safe range and within i64.
fn large_int() -> String {
    let least = (MAX_SAFE + 1).to_string();
    let between = "[1-9][0-9]{16,17}";
    let from = at_least(&least);
    let to = |most: u64| at_most(&most.to_string());
    let (positive, negative) = (to(i64::MAX.unsigned_abs()), to(i64::MIN.unsigned_abs()));
    format!("^({from}|{between}|{positive}|-({from}|{between}|{negative}))$")
}

/// A pattern of the numbers with as many digits that are no less.
fn at_least(number: &str) -> String {
    bounded(number, |digit| (digit < '9').then(|| (char::from(digit as u8 + 1), '9')))
}

/// A pattern of the numbers with as many digits that are no more, and do not begin with 0.
fn at_most(number: &str) -> String {
    let mut first = true;
    bounded(number, |digit| {
        let least = if std::mem::take(&mut first) { '1' } else { '0' };
        (digit > least).then(|| (least, char::from(digit as u8 - 1)))
    })
}

/// The number itself, and at each digit what `others` may stand there, with anything behind.
fn bounded(number: &str, mut others: impl FnMut(char) -> Option<(char, char)>) -> String {
    let mut choices = vec![number.to_owned()];
    for (i, digit) in number.char_indices() {
        if let Some((from, to)) = others(digit) {
            choices.push(format!("{}[{from}-{to}][0-9]{{{}}}", &number[..i], number.len() - i - 1));
        }
    }
    choices.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_of_bounds_hold_at_the_bounds() {
        insta::assert_snapshot!(at_least("108"), @"108|[2-9][0-9]{2}|1[1-9][0-9]{1}|10[9-9][0-9]{0}");
        insta::assert_snapshot!(at_most("120"), @"120|1[0-1][0-9]{1}");
    }
}
