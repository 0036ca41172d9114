//! Other bytes for a value: legal forms that no encoder writes, and broken ones. Judges none of them.

use type_schema::{CType, CValue, Key, Record};

use crate::chance::Chance;
use crate::draw;

/// Legal bytes of the value: wide heads and ints, float32, ints for floats, any order, nil for None, undeclared fields.
pub(crate) fn legal(chance: &mut Chance, ctype: &CType, value: &CValue) -> Vec<u8> {
    let mut forms = Forms { chance, out: Vec::new() };
    forms.value(ctype, value);
    forms.out
}

struct Forms<'c> {
    chance: &'c mut Chance,
    out: Vec<u8>,
}

/// Largest length, marker, bytes of the length; no bytes where the marker holds the length.
type Head = (usize, u8, usize);

impl Forms<'_> {
    fn head(&mut self, forms: &[Head], length: usize) {
        let fitting = forms.iter().filter(|form| length <= form.0).collect::<Vec<_>>();
        let (_, marker, width) = **self.chance.pick(&fitting);
        if width == 0 {
            self.out.push(marker | length as u8);
        } else {
            self.out.push(marker);
            self.out.extend_from_slice(&(length as u64).to_be_bytes()[8 - width..]);
        }
    }

    fn str(&mut self, text: &str) {
        self.head(&[(31, 0xa0, 0), (0xff, 0xd9, 1), (0xffff, 0xda, 2), (usize::MAX, 0xdb, 4)], text.len());
        self.out.extend_from_slice(text.as_bytes());
    }

    fn array(&mut self, length: usize) {
        self.head(&[(15, 0x90, 0), (0xffff, 0xdc, 2), (usize::MAX, 0xdd, 4)], length);
    }

    fn map(&mut self, length: usize) {
        self.head(&[(15, 0x80, 0), (0xffff, 0xde, 2), (usize::MAX, 0xdf, 4)], length);
    }

    fn int(&mut self, v: i64) {
        let bytes = v.to_be_bytes();
        let mut forms: Vec<(Option<u8>, usize)> = Vec::new();
        if (-32..128).contains(&v) {
            forms.push((None, 1));
        }
        for (i, width) in [1_usize, 2, 4, 8].into_iter().enumerate() {
            let spare = 64 - 8 * width as u32;
            if v >= 0 && v.leading_zeros() >= spare {
                forms.push((Some(0xcc + i as u8), width));
            }
            if (v << spare) >> spare == v {
                forms.push((Some(0xd0 + i as u8), width));
            }
        }
        let (marker, width) = *self.chance.pick(&forms);
        self.out.extend(marker);
        self.out.extend_from_slice(&bytes[8 - width..]);
    }

    /// An int only where Float is declared: in an Any it would be another value.
    fn float(&mut self, v: f64, declared: bool) {
        let single = v as f32;
        let negative_zero = v == 0.0 && v.is_sign_negative();
        match self.chance.below(4) {
            1 if f64::from(single).to_bits() == v.to_bits() || v.is_nan() => {
                self.out.push(0xca);
                self.out.extend_from_slice(&single.to_be_bytes());
            }
            2 if declared && v.fract() == 0.0 && v.abs() <= 9_223_372_036_854_774_784.0 && !negative_zero => {
                self.int(v as i64);
            }
            3 if v.is_nan() => self.wide(0xfff8_dead_beef_0001),
            _ => self.wide(v.to_bits()),
        }
    }

    fn wide(&mut self, bits: u64) {
        self.out.push(0xcb);
        self.out.extend_from_slice(&bits.to_be_bytes());
    }

    fn key(&mut self, key: &Key) {
        match key {
            Key::String(v) => self.str(v),
            Key::Int(v) => self.int(*v),
            Key::Bool(v) => self.out.push(0xc2 + u8::from(*v)),
        }
    }

    fn value(&mut self, ctype: &CType, value: &CValue) {
        match (ctype, value) {
            (_, CValue::String(v)) => self.str(v),
            (_, CValue::Int(v)) => self.int(*v),
            (_, CValue::Float(v)) => self.float(*v, *ctype == CType::Float),
            (_, CValue::Bool(v)) => self.out.push(0xc2 + u8::from(*v)),
            (_, CValue::Bytes(v)) => {
                self.head(&[(0xff, 0xc4, 1), (0xffff, 0xc5, 2), (usize::MAX, 0xc6, 4)], v.len());
                self.out.extend_from_slice(v);
            }
            (CType::Option(some), CValue::Option(Some(v))) => self.value(some, v),
            (_, CValue::Option(_)) => self.out.push(0xc0),
            (_, CValue::List(items)) => {
                let item = if let CType::List(item) = ctype { item } else { &CType::Any };
                self.array(items.len());
                items.iter().for_each(|v| self.value(item, v));
            }
            (_, CValue::Map(entries)) => {
                let of = if let CType::Map(_, of) = ctype { of } else { &CType::Any };
                let mut entries: Vec<_> = entries.iter().collect();
                self.chance.shuffle(&mut entries);
                self.map(entries.len());
                for (key, v) in entries {
                    self.key(key);
                    self.value(of, v);
                }
            }
            (CType::Record(record), CValue::Record(_)) => self.record(record, value),
            (CType::Union(variants), CValue::Variant(i, v)) => {
                self.array(2);
                self.int(*i as i64);
                self.value(&variants[*i], v);
            }
            (ctype, value) => unreachable!("{value:?} was drawn as {ctype}"),
        }
    }

    fn record(&mut self, record: &Record, value: &CValue) {
        let mut fields: Vec<(&str, &CType, CValue)> = Vec::new();
        for field in &record.fields {
            match value.field(&field.name) {
                Some(found) => fields.push((&field.name, &field.ctype, found.clone())),
                None if self.chance.once_in(3) => fields.push((&field.name, &field.ctype, CValue::NONE)),
                None => {}
            }
        }
        if self.chance.once_in(4) {
            for name in ["undeclared", "not an identifier", "", "prototype", "$variant"] {
                if self.chance.once_in(3) {
                    fields.push((name, &CType::Any, draw::any(self.chance)));
                }
            }
        }
        self.chance.shuffle(&mut fields);
        self.map(fields.len());
        for (name, ctype, v) in fields {
            self.str(name);
            self.value(ctype, &v);
        }
    }
}

/// Bytes that begin something, or mean nothing at all.
const MARKERS: [u8; 28] = [
    0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcc, 0xcf, 0xd0, 0xd3, 0xd4, 0xd8, 0xd9, 0xdb, 0xdc,
    0xdd, 0xde, 0xdf, 0x80, 0x90, 0xa0, 0xff, 0x00, 0x7f,
];

/// Runs of bytes that break rules: lengths beyond the end, ints beyond i64, surrogates, forms that are too long.
const RUNS: [&[u8]; 9] = [
    &[0xdd, 0xff, 0xff, 0xff, 0xff],
    &[0xdf, 0xff, 0xff, 0xff, 0xff],
    &[0xdb, 0xff, 0xff, 0xff, 0xff],
    &[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xd3, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xa3, 0xed, 0xa0, 0x80],
    &[0xa2, 0xc0, 0x80],
    &[0xa4, 0xf4, 0x90, 0x80, 0x80],
    &[0xd4, 0x01, 0x00],
];

/// The bytes with one to three faults, which may cancel out.
pub(crate) fn broken(chance: &mut Chance, bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..1 + chance.below(3) {
        let at = chance.below(out.len() + 1);
        let end = (at + 1 + chance.below(8)).min(out.len());
        match chance.below(9) {
            0 if at < out.len() => out[at] ^= 1 << chance.below(8),
            1 if at < out.len() => out[at] = *chance.pick(&MARKERS),
            2 if at < out.len() => out[at] = chance.next() as u8,
            3 => out.truncate(at),
            4 => drop(out.drain(at..end)),
            5 => out.insert(at, *chance.pick(&MARKERS)),
            6 => {
                let run = out[at..end].to_vec();
                out.splice(at..at, run);
            }
            7 => {
                let run = *chance.pick(&RUNS);
                out.splice(at..end, run.iter().copied());
            }
            _ if at < out.len() => out[at] = out[at].wrapping_add(1),
            _ => out.push(*chance.pick(&MARKERS)),
        }
    }
    if chance.once_in(60) {
        // Around the greatest depth.
        let depth = 126 + chance.below(5);
        out = [vec![0x91; depth], vec![0xc0]].concat();
    }
    out
}

/// The text of a type with one or two faults, which may cancel out.
pub(crate) fn broken_type(chance: &mut Chance, text: &str) -> String {
    const PARTS: [&str; 22] = [
        "|",
        "<",
        ">",
        "{",
        "}",
        "(",
        ")",
        ",",
        ":",
        " ",
        "?",
        "Option<",
        "Optional<",
        "List<",
        "Map<Int, ",
        "Boolean",
        "a",
        "\u{a0}",
        "\n",
        "é",
        "-",
        "0",
    ];
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..1 + chance.below(2) {
        let at = chance.below(characters.len() + 1);
        match chance.below(3) {
            0 if at < characters.len() => drop(characters.remove(at)),
            1 if at + 1 < characters.len() => characters.swap(at, at + 1),
            _ => drop(characters.splice(at..at, chance.pick(&PARTS).chars())),
        }
    }
    characters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_forms_hold_the_same_value() {
        for group in 0..2000 {
            let mut chance = Chance::of_group(2, group);
            let ctype = draw::ctype(&mut chance);
            let value = draw::value(&mut chance, &ctype);
            let bytes = legal(&mut chance, &ctype, &value);
            assert_eq!(type_schema::decode(&bytes, &ctype), Ok(value), "{ctype}");
        }
    }
}
