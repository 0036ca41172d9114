//! Draws types that keep the rules, and values of them: every constructor, and what codecs get wrong. Knows no bytes.

use std::collections::BTreeMap;

use type_schema::{CType, CValue, Key, KeyType};

use crate::chance::Chance;

/// Names of fields: few, so that records meet; such that order tells apart; and such that mean something in a language.
const NAMES: [&str; 20] = [
    "a",
    "b",
    "aa",
    "B",
    "_",
    "a-1",
    "Int",
    "zz",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "length",
    "then",
    "class",
    "self",
    "None",
    "type",
    "items",
    "a_rather_long_name_of_a_field_that_needs_a_longer_head",
];

/// Texts: marks of the JSON mapping, numbers, names of objects, normal forms, what lies beyond the BMP, controls.
const TEXTS: [&str; 24] = [
    "NaN",
    "Infinity",
    "-Infinity",
    "9007199254740993",
    "-9223372036854775808",
    "9223372036854775808",
    "3",
    "-0",
    "$int",
    "$float",
    "$map",
    "$variant",
    "value",
    "__proto__",
    "constructor",
    "AA==",
    "é",
    "e\u{301}",
    "😀",
    "\u{feff}",
    "\0",
    "\u{2028}",
    "\u{ffff}\u{10ffff}",
    "\u{d7ff}\u{e000}",
];

const INTS: [i64; 12] = [0, 24, 32, 1 << 7, 1 << 8, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 53, i64::MAX, i64::MIN];

const FLOATS: [f64; 18] = [
    0.0,
    -0.0,
    0.1,
    -1.5,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    9_007_199_254_740_991.0,
    9_007_199_254_740_992.0,
    -9_007_199_254_740_992.0,
    9_223_372_036_854_775_807.0,
    1e300,
    1e21,
    1e-7,
    16_777_217.0,
];

/// A type that keeps the rules of registration; mostly of a few levels, now and then of many.
pub(crate) fn ctype(chance: &mut Chance) -> CType {
    if chance.once_in(200) {
        return deep(chance);
    }
    let levels = 1 + chance.below(4);
    typed(chance, levels)
}

fn typed(chance: &mut Chance, levels: usize) -> CType {
    let scalars = [CType::String, CType::Int, CType::Float, CType::Bool, CType::Bytes, CType::Any];
    if levels == 0 {
        return chance.pick(&scalars).clone();
    }
    match chance.below(12) {
        0 | 1 => CType::list(typed(chance, levels - 1)),
        2 | 3 => CType::map(key_type(chance), typed(chance, levels - 1)),
        4..7 => {
            let count = if chance.once_in(30) { 14 + chance.below(6) } else { chance.below(5) };
            let mut names = NAMES.to_vec();
            chance.shuffle(&mut names);
            CType::record(names[..count].iter().map(|name| (*name, typed(chance, levels - 1))).collect::<Vec<_>>())
        }
        7 => optional(typed(chance, levels - 1)),
        8..11 => {
            let count = 2 + chance.below(3);
            union_of((0..count).map(|_| typed(chance, levels - 1)).collect())
        }
        _ => chance.pick(&scalars).clone(),
    }
}

/// A type near the greatest depth.
fn deep(chance: &mut Chance) -> CType {
    let mut ctype = typed(chance, 1);
    for _ in 0..20 + chance.below(40) {
        ctype = match chance.below(4) {
            0 => CType::list(ctype),
            1 => CType::map(key_type(chance), ctype),
            2 => optional(ctype),
            _ => CType::record([(*chance.pick(&NAMES), ctype)]),
        };
    }
    ctype
}

fn optional(ctype: CType) -> CType {
    if ctype.is_option() { ctype } else { CType::option(ctype) }
}

fn key_type(chance: &mut Chance) -> KeyType {
    *chance.pick(&[KeyType::String, KeyType::String, KeyType::Int, KeyType::Bool])
}

/// A union of these, flat and without repetition; the one that is left where there is no second.
fn union_of(parts: Vec<CType>) -> CType {
    let mut variants: Vec<CType> = Vec::new();
    for part in parts {
        let flat = if let CType::Union(variants) = part { variants } else { vec![part] };
        for variant in flat {
            if !variants.contains(&variant) {
                variants.push(variant);
            }
        }
    }
    if variants.len() == 1 { variants.remove(0) } else { CType::Union(variants) }
}

/// A value of the type, in the form that decoders give.
pub(crate) fn value(chance: &mut Chance, ctype: &CType) -> CValue {
    value_of(chance, ctype, &mut 300)
}

/// `left` bounds the items and entries of all lists and maps together: lists of lists would grow without end.
fn value_of(chance: &mut Chance, ctype: &CType, left: &mut usize) -> CValue {
    match ctype {
        CType::String => CValue::String(text(chance)),
        CType::Int => CValue::Int(int(chance)),
        CType::Float => CValue::Float(float(chance)),
        CType::Bool => CValue::Bool(chance.once_in(2)),
        CType::Bytes => CValue::Bytes(octets(chance)),
        CType::Any => any(chance),
        CType::List(item) => {
            let count = length(chance, left);
            CValue::List((0..count).map(|_| value_of(chance, item, left)).collect())
        }
        CType::Map(kind, of) => {
            let count = length(chance, left);
            CValue::Map((0..count).map(|_| (key(chance, *kind), value_of(chance, of, left))).collect())
        }
        CType::Record(record) => {
            let mut fields = BTreeMap::new();
            for field in &record.fields {
                let drawn = value_of(chance, &field.ctype, left);
                if !field.ctype.is_option() || drawn != CValue::NONE {
                    fields.insert(field.name.clone(), drawn);
                }
            }
            CValue::Record(fields)
        }
        CType::Union(variants) => {
            let i = chance.below(variants.len());
            CValue::variant(i, value_of(chance, &variants[i], left))
        }
        CType::Option(_) if chance.once_in(3) => CValue::NONE,
        CType::Option(some) => match value_of(chance, some, left) {
            CValue::Option(None) => CValue::NONE,
            drawn => CValue::some(drawn),
        },
    }
}

/// Mostly few; now and then more than the short form of a head counts.
fn length(chance: &mut Chance, left: &mut usize) -> usize {
    let length = if chance.once_in(80) { 15 + chance.below(3) } else { chance.below(4) }.min(*left);
    *left -= length;
    length
}

fn text(chance: &mut Chance) -> String {
    match chance.below(8) {
        0..4 => (0..chance.below(4)).map(|_| *chance.pick(&['a', 'b', 'c', 'é'])).collect(),
        4 | 5 => (*chance.pick(&TEXTS)).to_owned(),
        6 => (0..chance.below(6)).map(|_| character(chance)).collect(),
        _ => "x".repeat(match chance.below(400) {
            0 => 65_534 + chance.below(4),
            1..20 => 254 + chance.below(4),
            _ => 22 + chance.below(14),
        }),
    }
}

fn character(chance: &mut Chance) -> char {
    let bits = 4 + chance.below(18);
    char::from_u32((chance.next() % (1 << bits)) as u32).unwrap_or('\u{fffd}')
}

fn int(chance: &mut Chance) -> i64 {
    match chance.below(4) {
        0 => chance.below(7) as i64 - 3,
        1 => (chance.next() as i64) >> chance.below(64),
        _ => {
            let near = chance.pick(&INTS).wrapping_add(chance.below(3) as i64 - 1);
            if chance.once_in(2) { near.wrapping_neg() } else { near }
        }
    }
}

fn float(chance: &mut Chance) -> f64 {
    match chance.below(4) {
        0 => f64::from_bits(chance.next()),
        1 => int(chance) as f64,
        2 => f64::from(f32::from_bits(chance.next() as u32)),
        _ => *chance.pick(&FLOATS),
    }
}

fn octets(chance: &mut Chance) -> Vec<u8> {
    let count = if chance.once_in(12) { 254 + chance.below(4) } else { chance.below(6) };
    (0..count).map(|_| chance.next() as u8).collect()
}

fn key(chance: &mut Chance, kind: KeyType) -> Key {
    match kind {
        KeyType::String => Key::String(text(chance)),
        KeyType::Int => Key::Int(int(chance)),
        KeyType::Bool => Key::Bool(chance.once_in(2)),
    }
}

/// A value of Any.
pub(crate) fn any(chance: &mut Chance) -> CValue {
    let mut drawn = any_of(chance, 3, &mut 40);
    if chance.once_in(100) {
        // Around the depth where the fast and the precise paths of a codec part.
        for _ in 0..30 + chance.below(40) {
            drawn = CValue::List(vec![drawn]);
        }
    }
    drawn
}

fn any_of(chance: &mut Chance, levels: usize, left: &mut usize) -> CValue {
    let kinds = if levels == 0 { 6 } else { 9 };
    match chance.below(kinds) {
        0 => CValue::NONE,
        1 => CValue::Bool(chance.once_in(2)),
        2 => CValue::Int(int(chance)),
        3 => CValue::Float(float(chance)),
        4 => CValue::String(text(chance)),
        5 => CValue::Bytes(octets(chance)),
        6 => {
            let count = length(chance, left);
            CValue::List((0..count).map(|_| any_of(chance, levels - 1, left)).collect())
        }
        _ => {
            let (kind, count) = (key_type(chance), length(chance, left));
            CValue::Map((0..count).map(|_| (key(chance, kind), any_of(chance, levels - 1, left))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drawn_type_keeps_the_rules_and_every_drawn_value_has_canonical_bytes() {
        for group in 0..2000 {
            let mut chance = Chance::of_group(1, group);
            let ctype = ctype(&mut chance);
            assert_eq!(ctype.check(), Ok(()), "{ctype}");
            let drawn = value(&mut chance, &ctype);
            let bytes = type_schema::encode(&drawn, &ctype).expect("a drawn value is of its type");
            assert_eq!(type_schema::decode(&bytes, &ctype).as_ref(), Ok(&drawn), "{ctype}");
        }
    }

    #[test]
    fn a_group_is_drawn_again_from_its_seed_alone() {
        let of = |group| {
            let mut chance = Chance::of_group(7, group);
            let ctype = ctype(&mut chance);
            let drawn = value(&mut chance, &ctype);
            (ctype, drawn)
        };
        assert_eq!(of(41), of(41));
        assert_ne!(of(41), of(42));
    }
}
