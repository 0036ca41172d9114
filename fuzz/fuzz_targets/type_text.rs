//! Any text is a type that reads back from its print, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use type_schema::{CType, Schema, is_subtype, json_schema};

fuzz_target!(|text: &str| {
    let Ok(ctype) = CType::parse(text) else { return };
    assert_eq!(CType::parse(&ctype.to_string()).as_ref(), Ok(&ctype));
    assert_eq!(is_subtype(&ctype, &ctype), Ok(()));
    assert!(json_schema(&ctype).is_object());
    Schema::new(ctype).expect("a parsed type keeps the rules");
});
