//! All readers of bytes agree; canonical form is a fixed point; a transcoder refuses what its source refuses.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use type_schema::{CType, Layout, Schema, Transcoder};

static WIDE: LazyLock<Schema> =
    LazyLock::new(|| Schema::new(CType::parse("{never: Int} | Any").expect("a type")).expect("a legal type"));

fuzz_target!(|input: &[u8]| {
    let Some((schema, bytes)) = modrack_fuzz::choose(input) else { return };
    let decoded = schema.decode(bytes);
    let refusal = decoded.as_ref().err();
    let layout = schema.validate(bytes);
    assert_eq!(layout.as_ref().err(), refusal);
    let canonical = schema.canonicalize(bytes);
    assert_eq!(canonical.as_ref().err(), refusal);
    let moved =
        Transcoder::new(schema, &WIDE).expect("everything is an Any").transcode(bytes).map(|moved| moved.into_owned());
    assert_eq!(moved.as_ref().err(), refusal);
    let (Ok(value), Ok(canonical), Ok(moved)) = (decoded, canonical, moved) else { return };
    assert_eq!(schema.encode(&value).as_deref(), Ok(&*canonical));
    assert_eq!(layout == Ok(Layout::Canonical), *canonical == *bytes);
    assert_eq!(schema.validate(&canonical), Ok(Layout::Canonical));
    assert_eq!(schema.decode(&canonical), Ok(value));
    assert_eq!(WIDE.validate(&moved), Ok(Layout::Canonical));
});
