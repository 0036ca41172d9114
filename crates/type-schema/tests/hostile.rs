//! Input that is made to hurt ends in a coded error, soon. No test measures time: one that were quadratic or exponential would not end.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use type_schema::{CType, Code, Layout, Schema, Signature, Transcoder, compatibility, is_subtype, json_schema};

const MEGABYTE: usize = 1 << 20;

/// What all readers say of the bytes, which must be one and the same.
#[track_caller]
fn judge(of: &str, bytes: &[u8]) -> Result<Layout, Code> {
    let schema = Schema::new(CType::parse(of).unwrap()).unwrap();
    let validated = schema.validate(bytes);
    assert_eq!(schema.decode(bytes).err(), validated.as_ref().err().cloned());
    assert_eq!(schema.canonicalize(bytes).err(), validated.as_ref().err().cloned());
    validated.map_err(|error| {
        assert!(error.path.len() < 64 * 1024 && error.offset <= bytes.len(), "{error:?}");
        error.code
    })
}

fn head(marker: u8, len: usize) -> Vec<u8> {
    [&[marker][..], &(len as u32).to_be_bytes()].concat()
}

#[test]
fn deep_nesting() {
    for unit in [&b"\x91"[..], b"\x81\xa1a", b"\x81\x01", b"\x92\x00"] {
        assert_eq!(judge("Any", &unit.repeat(MEGABYTE / unit.len())), Err(Code::Depth), "{unit:02x?}");
        assert_eq!(judge("List<Any>", &[b"\x91", &*unit.repeat(200)].concat()), Err(Code::Depth));
    }
}

#[test]
fn many_keys_in_reverse_order() {
    let n = MEGABYTE / 8;
    let mut bytes = head(0xdf, n);
    for i in (0..n as u32).rev() {
        bytes.push(0xce);
        bytes.extend_from_slice(&(i + 0x10000).to_be_bytes());
        bytes.push(0xc0);
    }
    assert_eq!(judge("Map<Int, Any>", &bytes), Ok(Layout::Equivalent));
    assert_eq!(judge("Any", &bytes), Ok(Layout::Equivalent));
}

#[test]
fn long_keys_that_differ_at_the_end() {
    let n = 1000;
    let mut bytes = head(0xdf, n + 1);
    for i in (0..n).rev().chain([n - 1]) {
        bytes.extend_from_slice(&[0xda, 0x04, 0x00]);
        bytes.extend_from_slice(&[b'x'; 1020]);
        bytes.extend_from_slice(format!("{i:04}").as_bytes());
        bytes.push(0xc0);
    }
    assert_eq!(judge("Map<String, Any>", &bytes), Err(Code::DuplicateKey));
    assert_eq!(judge("Any", &bytes), Err(Code::DuplicateKey));
    assert_eq!(judge("{}", &bytes), Err(Code::DuplicateKey));
}

#[test]
fn keys_out_of_order_on_every_level() {
    // {b: {b: … [nil, …], a: nil}, a: nil}: each level is put in order.
    let mut bytes = b"\x82\xa1b".repeat(127);
    let filler = MEGABYTE / 2;
    bytes.extend(head(0xdd, filler));
    bytes.extend(std::iter::repeat_n(0xc0, filler));
    bytes.extend(b"\xa1a\xc0".repeat(127));
    assert_eq!(judge("Any", &bytes), Ok(Layout::Equivalent));
}

#[test]
fn a_type_of_many_optional_fields_and_many_empty_records() {
    let fields: Vec<String> = (0..4000).map(|i| format!("f{i}: Option<Int>")).collect();
    let n = MEGABYTE / 2;
    let bytes = [head(0xdd, n), vec![0x80; n]].concat();
    assert_eq!(judge(&format!("List<{{{}}}>", fields.join(", ")), &bytes), Ok(Layout::Canonical));
}

#[test]
fn a_record_with_thousands_of_undeclared_fields() {
    let n = 50_000;
    let mut bytes = head(0xdf, n);
    for i in (0..n).rev() {
        bytes.push(0xa6);
        bytes.extend_from_slice(format!("{i:06}").as_bytes());
        bytes.push(0xc0);
    }
    assert_eq!(judge("{a: Int}", &bytes), Err(Code::MissingField));
    assert_eq!(judge("{a: Option<Int>}", &bytes), Ok(Layout::Equivalent));
}

/// `List<List<… | Int> | Int>`: a choice on every level, and a difference only at the bottom.
fn choices(levels: usize, bottom: CType) -> CType {
    (0..levels)
        .fold(bottom, |inner, i| CType::union([CType::list(inner.clone()), CType::record([(format!("f{i}"), inner)])]))
}

#[test]
fn types_with_a_choice_on_every_level() {
    let [low, high] = [CType::Int, CType::Bool].map(|bottom| choices(11, bottom));
    assert!(is_subtype(&low, &high).is_err());
    assert_eq!(is_subtype(&low, &low), Ok(()));
    let signature = |ctype: &CType| Signature { input: ctype.clone(), output: ctype.clone() };
    assert!(compatibility(&signature(&low), &signature(&high)).is_breaking());
    assert!(json_schema(&low).is_object());
    let schema = Schema::new(low).unwrap();
    assert!(Transcoder::new(&schema, &schema).unwrap().keeps_layout());
}

#[test]
fn a_chain_of_unions_that_fails_at_the_bottom() {
    let chain = |bottom: CType| {
        (0..31)
            .fold(bottom, |inner, i| CType::union([CType::list(inner), CType::record([(format!("f{i}"), CType::Int)])]))
    };
    let reason = is_subtype(&chain(CType::Int), &chain(CType::Bool)).unwrap_err();
    assert_eq!(reason.path, "|0[]".repeat(31));
    assert_eq!(reason.reason.to_string(), "expected Bool, found Int");
}

#[test]
fn unions_of_thousands_of_variants() {
    let wide = |from: usize| CType::union((from..from + 3000).map(|i| CType::record([(format!("f{i}"), CType::Int)])));
    assert_eq!(is_subtype(&wide(0), &wide(0)), Ok(()));
    assert!(is_subtype(&wide(0), &wide(1)).is_err());
    assert_eq!(wide(0).check(), Ok(()));
}
