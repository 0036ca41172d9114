//! JSON that is read has bytes, and comes back as JSON that reads as the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use type_schema::{from_json, json_to_msgpack, msgpack_to_json, parse_json, to_json};

fuzz_target!(|input: &[u8]| {
    let Some((schema, text)) = modrack_fuzz::choose(input) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(value) = parse_json(text, schema.ctype()) else { return };
    let json = to_json(&value, schema.ctype());
    assert_eq!(from_json(&json, schema.ctype()).as_ref(), Ok(&value));
    match json_to_msgpack(text, schema) {
        Ok(bytes) => {
            assert_eq!(schema.decode(&bytes).as_ref(), Ok(&value));
            assert_eq!(msgpack_to_json(&bytes, schema), Ok(json));
        }
        Err(error) => panic!("a value that was read has no bytes: {error}"),
    }
});
