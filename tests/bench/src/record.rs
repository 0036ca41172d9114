//! The record that is sent and comes back: some fields of each scalar type, filled up with text to an exact size.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::json;
use type_schema::{CType, Schema};

/// The type of the record in the language of types; the providers declare the same.
pub(crate) const TYPE: &str = "{id: Int, name: String, score: Float, ok: Bool, tags: List<String>, text: String}";

/// A record whose canonical MessagePack has exactly so many bytes.
///
/// # Errors
/// When the size is below what the fields take.
pub(crate) fn of_size(bytes: usize) -> Result<Bytes> {
    let schema = Schema::new(TYPE.parse::<CType>()?)?;
    let encode = |text: usize| -> Result<Vec<u8>> {
        let record = json!({
            "id": 42, "name": "Ada Lovelace", "score": 0.75, "ok": true, "tags": ["a", "b"], "text": "x".repeat(text),
        });
        Ok(type_schema::json_to_msgpack(&record.to_string(), &schema)?)
    };
    let mut text = bytes.checked_sub(encode(0)?.len()).context("the fields alone are larger")?;
    // The length of the text takes more bytes as it grows.
    while encode(text)?.len() > bytes {
        text -= 1;
    }
    let record = encode(text)?;
    ensure!(record.len() == bytes, "no text makes a record of {bytes} bytes");
    Ok(record.into())
}
