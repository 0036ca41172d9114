//! JSON Schema of the JSON that a type reads. An export for other tools: the crate itself never validates with it.

use serde_json::{Map, Value, json};

use crate::{
    ctype::{CType, KeyType},
    json::{VALUE, VARIANT},
};

/// The dialect of the export.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A JSON Schema 2020-12 that takes all JSON which [`from_json`](crate::from_json) takes. It also takes some that is refused: a union's bare value
/// that fits several variants, decimal strings just outside the range of an Int, repeated keys in pairs, marks of an Any.
///
/// Linear in the size of the type: variants stand once, under `$defs`.
pub fn json_schema(ctype: &CType) -> Value {
    let mut definitions = Map::new();
    let mut schema = Map::from_iter([("$schema".to_owned(), Value::from(DIALECT))]);
    if let Value::Object(members) = node(ctype, &mut definitions) {
        schema.extend(members);
    }
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    Value::Object(schema)
}

fn node(ctype: &CType, definitions: &mut Map<String, Value>) -> Value {
    match ctype {
        CType::String => json!({ "type": "string" }),
        CType::Int => json!({ "anyOf": [
            { "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX },
            { "type": "string", "pattern": "^-?[1-9][0-9]{15,18}$" },
        ] }),
        CType::Float => json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] }),
        CType::Bool => json!({ "type": "boolean" }),
        CType::Bytes => json!({
            "type": "string",
            "contentEncoding": "base64",
            "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        }),
        CType::Any => json!({}),
        CType::List(item) => json!({ "type": "array", "items": node(item, definitions) }),
        CType::Map(KeyType::String, value) => {
            json!({ "type": "object", "additionalProperties": node(value, definitions) })
        }
        CType::Map(key, value) => json!({
            "type": "array",
            "items": {
                "type": "array",
                "prefixItems": [node(&key.ctype(), definitions), node(value, definitions)],
                "minItems": 2,
                "maxItems": 2,
            },
        }),
        CType::Record(record) => {
            let properties: Map<_, _> =
                record.fields.iter().map(|field| (field.name.clone(), node(&field.ctype, definitions))).collect();
            let required: Vec<_> =
                record.fields.iter().filter(|field| !field.ctype.is_option()).map(|field| field.name.clone()).collect();
            json!({ "type": "object", "properties": properties, "required": required })
        }
        CType::Option(some) => json!({ "anyOf": [{ "type": "null" }, node(some, definitions)] }),
        CType::Union(variants) => {
            let mut choices = Vec::new();
            let mut marked = Vec::new();
            for (i, variant) in variants.iter().enumerate() {
                let schema = node(variant, definitions);
                let name = format!("variant{}", definitions.len());
                let reference = json!({ "$ref": format!("#/$defs/{name}") });
                definitions.insert(name, schema);
                choices.push(reference.clone());
                marked.push(json!({
                    "type": "object",
                    "properties": { VARIANT: { "const": i }, VALUE: reference },
                    "required": [VARIANT, VALUE],
                    "additionalProperties": false,
                }));
            }
            choices.extend(marked);
            json!({ "anyOf": choices })
        }
    }
}
