//! proptest strategies that draw types, values of a type, and subtypes. For property tests only; no product code uses it.

use std::collections::BTreeMap;

use proptest::{collection, option, prelude::*, sample::select};

use crate::{
    ctype::{CType, KeyType, Record},
    value::{CValue, Key},
};

/// Names of fields: few, so that records meet, and with those that order tells apart.
const NAMES: [&str; 8] = ["a", "b", "aa", "B", "_", "a-1", "Int", "zz"];

/// A type that keeps the rules of registration, with every constructor and a few levels.
pub fn ctype() -> BoxedStrategy<CType> {
    typed(4)
}

fn scalar() -> impl Strategy<Value = CType> {
    select(vec![CType::String, CType::Int, CType::Float, CType::Bool, CType::Bytes, CType::Any])
}

/// Draws the constructor first and its parts after, so that no constructor is rare.
fn typed(levels: u32) -> BoxedStrategy<CType> {
    if levels == 0 {
        return scalar().boxed();
    }
    let part = move || typed(levels - 1);
    prop_oneof![
        6 => scalar(),
        1 => part().prop_map(CType::list),
        1 => (key_type(), part()).prop_map(|(key, value)| CType::map(key, value)),
        2 => collection::btree_map(select(&NAMES[..]), part(), 0..4)
            .prop_flat_map(|fields| Just(fields.into_iter().collect::<Vec<_>>()).prop_shuffle())
            .prop_map(CType::record),
        1 => part().prop_map(|value| if value.is_option() { value } else { CType::option(value) }),
        2 => collection::vec(part(), 2..4).prop_map(union_of),
    ]
    .boxed()
}

/// What keys a map may have.
pub fn key_type() -> impl Strategy<Value = KeyType> {
    select(vec![KeyType::String, KeyType::Int, KeyType::Bool])
}

/// A union of these, flat and without repetition; the one that is left where there is no second.
fn union_of(parts: Vec<CType>) -> CType {
    let mut variants: Vec<CType> = Vec::new();
    for part in parts {
        let flat = match part {
            CType::Union(variants) => variants,
            other => vec![other],
        };
        for variant in flat {
            if !variants.contains(&variant) {
                variants.push(variant);
            }
        }
    }
    match variants.len() {
        1 => variants.remove(0),
        _ => CType::Union(variants),
    }
}

/// A value of `ctype` in the form that decoders give: None fields absent, no nil inside the Some of an `Option<Any>`.
pub fn value(ctype: &CType) -> BoxedStrategy<CValue> {
    match ctype {
        CType::String => text().prop_map(CValue::String).boxed(),
        CType::Int => int().prop_map(CValue::Int).boxed(),
        CType::Float => float().prop_map(CValue::Float).boxed(),
        CType::Bool => any::<bool>().prop_map(CValue::Bool).boxed(),
        CType::Bytes => bytes().prop_map(CValue::Bytes).boxed(),
        CType::Any => any_value(),
        CType::List(item) => collection::vec(value(item), 0..4).prop_map(CValue::List).boxed(),
        CType::Map(kind, of) => collection::btree_map(key(*kind), value(of), 0..4).prop_map(CValue::Map).boxed(),
        CType::Record(record) => fields(record),
        CType::Union(variants) => {
            let of = |(i, variant): (usize, &CType)| value(variant).prop_map(move |v| CValue::variant(i, v)).boxed();
            proptest::strategy::Union::new(variants.iter().enumerate().map(of)).boxed()
        }
        CType::Option(some) => option::of(value(some))
            .prop_map(|v| match v {
                None | Some(CValue::Option(None)) => CValue::NONE,
                Some(v) => CValue::some(v),
            })
            .boxed(),
    }
}

fn fields(record: &Record) -> BoxedStrategy<CValue> {
    let mut drawn = Just(BTreeMap::new()).boxed();
    for field in &record.fields {
        let name = field.name.clone();
        let optional = field.ctype.is_option();
        drawn = (drawn, value(&field.ctype))
            .prop_map(move |(mut fields, v)| {
                if !optional || v != CValue::NONE {
                    fields.insert(name.clone(), v);
                }
                fields
            })
            .boxed();
    }
    drawn.prop_map(CValue::Record).boxed()
}

/// A type and a value of it.
pub fn typed_value() -> impl Strategy<Value = (CType, CValue)> {
    ctype().prop_flat_map(|ctype| {
        let value = value(&ctype);
        (Just(ctype), value)
    })
}

/// Text with what codecs get wrong: empty, long, beyond the BMP, controls, decimal numbers, marks.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{0,3}",
        2 => any::<String>(),
        1 => select(vec!["NaN", "Infinity", "9007199254740993", "-9223372036854775808", "3", "$int", "$variant", "AA==", "é", "e\u{301}", "😀"])
            .prop_map(str::to_owned),
        1 => (30_usize..34).prop_map(|n| "x".repeat(n)),
        1 => (254_usize..258).prop_map(|n| "y".repeat(n)),
    ]
}

/// Integers of every width, with both sides of each edge.
pub fn int() -> impl Strategy<Value = i64> {
    let edges = [0, 32, 1 << 7, 1 << 8, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 53, i64::MAX, i64::MIN];
    prop_oneof![
        3 => -3_i64..4,
        2 => any::<i64>(),
        3 => (select(edges.to_vec()), -1_i64..2, any::<bool>())
            .prop_map(|(edge, by, negative)| { let v = edge.wrapping_add(by); if negative { v.wrapping_neg() } else { v } }),
    ]
}

/// Floats of every class.
pub fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => any::<f64>(),
        2 => (-3_i32..4).prop_map(f64::from),
        2 => select(vec![0.0, -0.0, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324,
            9_007_199_254_740_991.0, 9_007_199_254_740_992.0, -9_007_199_254_740_992.0, 1e300]),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => collection::vec(any::<u8>(), 0..5), 1 => collection::vec(any::<u8>(), 254..258)]
}

fn key(kind: KeyType) -> BoxedStrategy<Key> {
    match kind {
        KeyType::String => text().prop_map(Key::String).boxed(),
        KeyType::Int => int().prop_map(Key::Int).boxed(),
        KeyType::Bool => any::<bool>().prop_map(Key::Bool).boxed(),
    }
}

fn any_value() -> BoxedStrategy<CValue> {
    let leaf = prop_oneof![
        Just(CValue::NONE),
        any::<bool>().prop_map(CValue::Bool),
        int().prop_map(CValue::Int),
        float().prop_map(CValue::Float),
        text().prop_map(CValue::String),
        bytes().prop_map(CValue::Bytes),
    ];
    leaf.prop_recursive(3, 12, 3, |part| {
        let map = (key_type(), part.clone())
            .prop_flat_map(move |(kind, v)| collection::btree_map(key(kind), Just(v), 0..3).prop_map(CValue::Map));
        prop_oneof![collection::vec(part, 0..3).prop_map(CValue::List), map]
    })
    .boxed()
}

/// A supertype of `ctype`, mostly another type.
pub fn supertype(ctype: &CType) -> BoxedStrategy<CType> {
    let here: BoxedStrategy<CType> = match ctype {
        CType::List(item) => supertype(item).prop_map(CType::list).boxed(),
        CType::Map(key, of) => {
            let key = *key;
            supertype(of).prop_map(move |of| CType::map(key, of)).boxed()
        }
        CType::Option(some) => {
            supertype(some).prop_map(|some| if some.is_option() { some } else { CType::option(some) }).boxed()
        }
        CType::Record(record) => wider(record),
        CType::Union(variants) => {
            variants.iter().map(supertype).collect::<Vec<_>>().prop_shuffle().prop_map(union_of).boxed()
        }
        scalar => Just(scalar.clone()).boxed(),
    };
    prop_oneof![
        6 => here.clone(),
        2 => (here.clone(), typed(1), any::<bool>()).prop_map(|(here, other, first)| {
            union_of(if first { vec![here, other] } else { vec![other, here] })
        }),
        1 => here.prop_map(|here| if here.is_option() { here } else { CType::option(here) }),
        1 => Just(CType::Any),
    ]
    .boxed()
}

/// Drops fields, widens others, and adds an option under a new name. A name that an earlier type had, with another type, would
/// make the exception to transitivity that `is_subtype` describes.
fn wider(record: &Record) -> BoxedStrategy<CType> {
    let kept = record.fields.iter().map(|field| {
        let name = field.name.clone();
        option::weighted(0.8, supertype(&field.ctype)).prop_map(move |ctype| Some((name.clone(), ctype?)))
    });
    let added = option::of((0..1_000_000).prop_map(|n| (format!("new{n}"), CType::option(CType::Int))));
    (kept.collect::<Vec<_>>(), added)
        .prop_map(|(mut fields, added)| {
            fields.push(added);
            fields.into_iter().flatten().collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_map(CType::record)
        .boxed()
}
