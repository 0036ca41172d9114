//! Properties of drawn types and values.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

#[path = "support/loose.rs"]
mod loose;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use type_schema::{
    CType, CValue, Code, Effect, Layout, Schema, Signature, Transcoder, compatibility, decode, encode, from_json,
    is_subtype, parse_json,
    strategy::{ctype, supertype, typed_value, value},
    to_json,
};

use crate::loose::Loose;

fn schema(ctype: &CType) -> Schema {
    Schema::new(ctype.clone()).unwrap()
}

fn constructors(ctype: &CType, count: &mut impl FnMut(&'static str)) {
    count(match ctype {
        CType::String => "String",
        CType::Int => "Int",
        CType::Float => "Float",
        CType::Bool => "Bool",
        CType::Bytes => "Bytes",
        CType::Any => "Any",
        CType::List(_) => "List",
        CType::Map(..) => "Map",
        CType::Record(_) => "Record",
        CType::Union(_) => "Union",
        CType::Option(_) => "Option",
    });
    match ctype {
        CType::List(part) | CType::Map(_, part) | CType::Option(part) => constructors(part, count),
        CType::Record(record) => record.fields.iter().for_each(|field| constructors(&field.ctype, count)),
        CType::Union(variants) => variants.iter().for_each(|variant| constructors(variant, count)),
        _ => {}
    }
}

#[test]
fn no_constructor_is_rare() {
    let mut counts = std::collections::BTreeMap::new();
    let mut at_root = std::collections::BTreeMap::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..1100 {
        let drawn = ctype().new_tree(&mut runner).unwrap().current();
        let mut root = true;
        constructors(&drawn, &mut |name| {
            *counts.entry(name).or_insert(0) += 1;
            *at_root.entry(name).or_insert(0) += usize::from(std::mem::take(&mut root));
        });
    }
    assert_eq!(counts.len(), 11, "{counts:?}");
    assert!(counts.values().all(|&count| count >= 100), "{counts:?}");
    assert!(at_root.values().all(|&count| count >= 40), "{at_root:?}");
}

proptest! {
    #![proptest_config(Config { cases: 400, ..Config::default() })]

    #[test]
    fn a_type_reads_back_from_its_text(ctype in ctype()) {
        prop_assert_eq!(CType::parse(&ctype.to_string()), Ok(ctype));
    }

    #[test]
    fn a_value_survives_its_bytes((ctype, value) in typed_value()) {
        let bytes = encode(&value, &ctype).unwrap();
        prop_assert_eq!(decode(&bytes, &ctype), Ok(value));
        prop_assert_eq!(schema(&ctype).validate(&bytes), Ok(Layout::Canonical));
    }

    #[test]
    fn two_encoders_write_the_same_bytes((ctype, value) in typed_value()) {
        let mut other = Loose { rng: None, out: Vec::new() };
        other.value(&ctype, &value);
        prop_assert_eq!(encode(&value, &ctype), Ok(other.out));
    }

    #[test]
    fn a_value_survives_its_json((ctype, value) in typed_value()) {
        let json = to_json(&value, &ctype);
        prop_assert_eq!(from_json(&json, &ctype), Ok(value.clone()), "{}", json);
        prop_assert_eq!(parse_json(&json.to_string(), &ctype), Ok(value), "{}", json);
    }

    #[test]
    fn every_legal_encoding_means_the_same((ctype, value) in typed_value(), mut rng in any::<u64>().prop_perturb(|_, rng| rng)) {
        let canonical = encode(&value, &ctype).unwrap();
        let mut other = Loose { rng: Some(&mut rng), out: Vec::new() };
        other.value(&ctype, &value);
        let other = other.out;
        let schema = schema(&ctype);
        let layout = if other == canonical { Layout::Canonical } else { Layout::Equivalent };
        prop_assert_eq!(schema.validate(&other), Ok(layout), "{:02x?}", other);
        prop_assert_eq!(decode(&other, &ctype), Ok(value), "{:02x?}", other);
        let made = schema.canonicalize(&other).unwrap();
        prop_assert_eq!(&*made, &canonical[..], "{:02x?}", other);
        prop_assert_eq!(matches!(made, std::borrow::Cow::Borrowed(_)), layout == Layout::Canonical);
    }

    #[test]
    fn damaged_bytes_are_judged_alike_by_all_readers(
        (ctype, value) in typed_value(),
        mut rng in any::<u64>().prop_perturb(|_, rng| rng),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 0..4),
    ) {
        let mut loose = Loose { rng: Some(&mut rng), out: Vec::new() };
        loose.value(&ctype, &value);
        let mut bytes = loose.out;
        for (at, byte, how) in damages {
            let at = at.index(bytes.len() + 1);
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        let schema = schema(&ctype);
        let decoded = decode(&bytes, &ctype);
        prop_assert_eq!(schema.validate(&bytes).err(), decoded.as_ref().err().cloned(), "{:02x?}", bytes);
        prop_assert_eq!(schema.canonicalize(&bytes).err(), decoded.as_ref().err().cloned());
        // A union takes everything, in another layout: the way of the transcoder.
        let to = Schema::new(CType::union([CType::record([("x", CType::Int)]), CType::Any])).unwrap();
        let transcoder = Transcoder::new(&schema, &to).unwrap();
        prop_assert_eq!(transcoder.transcode(&bytes).err(), decoded.as_ref().err().cloned());
        if let Ok(value) = decoded {
            let canonical = encode(&value, &ctype).unwrap();
            prop_assert_eq!(&*schema.canonicalize(&bytes).unwrap(), &canonical[..]);
        }
    }

    #[test]
    fn subtyping_is_reflexive(ctype in ctype()) {
        prop_assert_eq!(is_subtype(&ctype, &ctype), Ok(()));
        prop_assert!(Transcoder::new(&schema(&ctype), &schema(&ctype)).unwrap().keeps_layout());
    }

    #[test]
    fn a_value_of_a_subtype_becomes_one_of_the_supertype((sub, sup, value) in ctype().prop_flat_map(|sub| {
        let (sup, value) = (supertype(&sub), value(&sub));
        (Just(sub), sup, value)
    })) {
        prop_assume!(is_subtype(&sub, &sup).is_ok());
        let (from, to) = (schema(&sub), schema(&sup));
        let transcoder = Transcoder::new(&from, &to).unwrap();
        let bytes = encode(&value, &sub).unwrap();
        let moved = transcoder.transcode(&bytes).unwrap();
        prop_assert_eq!(to.validate(&moved), Ok(Layout::Canonical), "{:02x?} to {:02x?}", bytes, moved);
        let borrowed = matches!(moved, std::borrow::Cow::Borrowed(_));
        prop_assert_eq!(borrowed, transcoder.keeps_layout());
        prop_assert!(!borrowed || *moved == bytes[..]);
    }

    #[test]
    fn steps_up_compose((sub, mid, sup, value) in ctype().prop_flat_map(|sub| {
        let (mid, value) = (supertype(&sub), value(&sub));
        (Just(sub), mid, value)
    }).prop_flat_map(|(sub, mid, value)| {
        let sup = supertype(&mid);
        (Just(sub), Just(mid), sup, Just(value))
    })) {
        prop_assume!(is_subtype(&sub, &mid).is_ok() && is_subtype(&mid, &sup).is_ok());
        let first = Transcoder::new(&schema(&sub), &schema(&mid)).unwrap();
        let second = Transcoder::new(&schema(&mid), &schema(&sup)).unwrap();
        let bytes = encode(&value, &sub).unwrap();
        let moved = first.transcode(&bytes).unwrap();
        let moved = second.transcode(&moved).unwrap();
        prop_assert_eq!(schema(&sup).validate(&moved), Ok(Layout::Canonical));
    }

    #[test]
    fn a_replacement_breaks_exactly_when_subtyping_says_so(
        (old, new) in ctype().prop_flat_map(|a| { let b = supertype(&a); (Just(a), b) }),
        (output_old, output_new) in ctype().prop_flat_map(|a| { let b = supertype(&a); (Just(a), b) }),
        swap_input in any::<bool>(), swap_output in any::<bool>(), same_output in any::<bool>(),
    ) {
        let (input_old, input_new) = if swap_input { (new, old) } else { (old, new) };
        let (output_old, output_new) = if swap_output { (output_new, output_old) } else { (output_old, output_new) };
        let output_new = if same_output { output_old.clone() } else { output_new };
        let old = Signature { input: input_old, output: output_old };
        let new = Signature { input: input_new, output: output_new };
        let found = compatibility(&old, &new);
        let fits = is_subtype(&old.input, &new.input).is_ok() && is_subtype(&new.output, &old.output).is_ok();
        prop_assert_eq!(!found.is_breaking(), fits, "{:#?}", found);
        prop_assert_eq!(found.changes.is_empty(), old == new);
        if found.changes.iter().all(|change| change.effect == Effect::None) {
            prop_assert!(Transcoder::new(&schema(&old.input), &schema(&new.input)).unwrap().keeps_layout());
            prop_assert!(Transcoder::new(&schema(&new.output), &schema(&old.output)).unwrap().keeps_layout());
        }
    }

    #[test]
    fn hostile_text_ends_in_a_code(text in "[ A-Za-z<>{}(),:|]{0,40}", bytes in any::<Vec<u8>>(), ctype in ctype()) {
        if let Ok(parsed) = CType::parse(&text) {
            prop_assert_eq!(CType::parse(&parsed.to_string()), Ok(parsed));
        }
        if let Err(error) = parse_json(&text, &ctype) {
            prop_assert!(Code::ALL.contains(&error.code));
        }
        prop_assert_eq!(schema(&ctype).validate(&bytes).err(), decode(&bytes, &ctype).err());
    }
}

/// Types that meet in many ways. Names of options differ from those of other fields: see the exception below.
fn universe() -> Vec<CType> {
    let texts = [
        "Int",
        "String",
        "Float",
        "Any",
        "Option<Int>",
        "Option<Any>",
        "Option<String>",
        "List<Int>",
        "List<Option<Int>>",
        "List<Any>",
        "Int | String",
        "String | Int",
        "Int | String | Float",
        "Option<Int> | String",
        "Option<Int | String>",
        "Option<Int | String> | Float",
        "Any | Int",
        "List<Int> | Int",
        "List<Int | String>",
        "Map<String, Int>",
        "Map<Int, Int>",
        "Map<String, Any>",
        "Map<String, Int | String>",
        "{}",
        "{a: Int}",
        "{a: Any}",
        "{a: Int | String}",
        "{a: Int, b: Int}",
        "{b: Int}",
        "{a: Int, x: Option<Int>}",
        "{x: Option<Int>}",
        "{z: Option<Any>}",
        "{x: Option<Int>, y: Option<String>}",
        "{a: Int} | {b: Int}",
        "{a: Int} | Int",
        "Option<{a: Int}>",
        "List<{a: Int}>",
        "List<{a: Int, b: Int}>",
        "{} | Int",
        "{r: {a: Int, b: Int}}",
        "{r: {a: Int}}",
        "{r: {a: Int} | Int}",
        "{r: {}}",
    ];
    texts.into_iter().map(|text| CType::parse(text).unwrap()).collect()
}

#[test]
fn subtyping_is_transitive() {
    let universe = universe();
    let below = |a: &CType, b: &CType| is_subtype(a, b).is_ok();
    let mut chains = 0;
    for a in &universe {
        for b in universe.iter().filter(|b| below(a, b)) {
            for c in universe.iter().filter(|c| below(b, c)) {
                assert!(below(a, c), "{a} <: {b} <: {c}");
                chains += usize::from(a != b && b != c);
            }
        }
    }
    assert!(chains > 200, "only {chains} chains");
}

#[test]
fn drawn_chains_are_transitive() {
    let mut runner = TestRunner::deterministic();
    let mut chains = 0;
    for _ in 0..1000 {
        let mut draw = |from: BoxedStrategy<CType>| from.new_tree(&mut runner).unwrap().current();
        let sub = draw(ctype());
        let mid = draw(supertype(&sub));
        let sup = draw(supertype(&mid));
        if sub == mid || mid == sup || is_subtype(&sub, &mid).is_err() || is_subtype(&mid, &sup).is_err() {
            continue;
        }
        chains += 1;
        assert_eq!(is_subtype(&sub, &sup), Ok(()), "{sub} <: {mid} <: {sup}");
    }
    assert!(chains > 300, "only {chains} chains");
}

#[test]
fn a_forgotten_field_does_not_come_back_as_another_option() {
    let [sub, mid, sup] =
        ["{a: Int, b: Int}", "{a: Int}", "{a: Int, b: Option<String>}"].map(|text| CType::parse(text).unwrap());
    assert_eq!(is_subtype(&sub, &mid), Ok(()));
    assert_eq!(is_subtype(&mid, &sup), Ok(()));
    assert_eq!(is_subtype(&sub, &sup).unwrap_err().to_string(), "`.b`: expected String, found Int");

    let [sub, mid, sup] = [sub, mid, sup].map(|ctype| Schema::new(ctype).unwrap());
    let bytes = sub.encode(&CValue::record([("a", CValue::Int(1)), ("b", CValue::Int(2))])).unwrap();
    let forgotten = Transcoder::new(&sub, &mid).unwrap().transcode(&bytes).unwrap().into_owned();
    let moved = Transcoder::new(&mid, &sup).unwrap().transcode(&forgotten).unwrap().into_owned();
    assert_eq!(sup.decode(&moved), Ok(CValue::record([("a", CValue::Int(1))])));
}
