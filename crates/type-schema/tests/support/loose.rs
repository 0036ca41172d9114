//! A second encoder, by hand and without `rmp`: canonical when asked, else any legal encoding that chance picks.

use proptest::{prelude::Rng, test_runner::TestRng};
use type_schema::{CType, CValue, Key, Record};

/// Chance decides every form where there is a `rng`; without one the canonical form is written.
pub(crate) struct Loose<'r> {
    pub(crate) rng: Option<&'r mut TestRng>,
    pub(crate) out: Vec<u8>,
}

impl Loose<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        self.rng.as_mut().map_or(0, |rng| rng.next_u32() as usize % sides)
    }

    fn head(&mut self, forms: &[(u64, u8, usize)], len: usize) {
        // (largest length, marker, bytes of the length); zero bytes mean that the marker holds the length.
        let fitting: Vec<_> = forms.iter().filter(|form| len as u64 <= form.0).collect();
        let (_, marker, width) = *fitting[self.roll(fitting.len())];
        if width == 0 {
            self.out.push(marker | len as u8);
        } else {
            self.out.push(marker);
            self.out.extend_from_slice(&(len as u64).to_be_bytes()[8 - width..]);
        }
    }

    fn str(&mut self, v: &str) {
        self.head(&[(31, 0xa0, 0), (0xff, 0xd9, 1), (0xffff, 0xda, 2), (u64::MAX, 0xdb, 4)], v.len());
        self.out.extend_from_slice(v.as_bytes());
    }

    fn array(&mut self, len: usize) {
        self.head(&[(15, 0x90, 0), (0xffff, 0xdc, 2), (u64::MAX, 0xdd, 4)], len);
    }

    fn map(&mut self, len: usize) {
        self.head(&[(15, 0x80, 0), (0xffff, 0xde, 2), (u64::MAX, 0xdf, 4)], len);
    }

    fn int(&mut self, v: i64) {
        let signed = v.to_be_bytes();
        let mut forms: Vec<Vec<u8>> = Vec::new();
        let mut form = |marker: u8, width: usize| forms.push([&[marker], &signed[8 - width..]].concat());
        if (-32..128).contains(&v) {
            form(v as u8, 0);
        }
        for (i, width) in [1, 2, 4, 8].into_iter().enumerate() {
            let bits = 8 * width as u32;
            if v >= 0 && (width == 8 || v < 1 << bits) {
                form(0xcc + i as u8, width);
            }
        }
        for (i, width) in [1, 2, 4, 8].into_iter().enumerate() {
            let bits = 8 * width as u32 - 1;
            if width == 8 || (-(1 << bits)..1 << bits).contains(&v) {
                form(0xd0 + i as u8, width);
            }
        }
        let i = self.roll(forms.len());
        self.out.extend_from_slice(&forms[i]);
    }

    fn float(&mut self, v: f64, int_too: bool) {
        let single = v as f32;
        let choice = self.roll(4);
        if choice == 1 && (f64::from(single).to_bits() == v.to_bits() || v.is_nan()) {
            self.out.push(0xca);
            self.out.extend_from_slice(&single.to_be_bytes());
        } else if choice == 2 && int_too && v.fract() == 0.0 && v.abs() < 9e15 && v.to_bits() != (-0.0_f64).to_bits() {
            self.int(v as i64);
        } else {
            let bits = match (v.is_nan(), choice) {
                (true, 3) => 0xfff8_dead_beef_0001,
                (true, _) => 0x7ff8_0000_0000_0000,
                (false, _) => v.to_bits(),
            };
            self.out.push(0xcb);
            self.out.extend_from_slice(&bits.to_be_bytes());
        }
    }

    fn bin(&mut self, v: &[u8]) {
        self.head(&[(0xff, 0xc4, 1), (0xffff, 0xc5, 2), (u64::MAX, 0xc6, 4)], v.len());
        self.out.extend_from_slice(v);
    }

    fn key(&mut self, key: &Key) {
        match key {
            Key::String(v) => self.str(v),
            Key::Int(v) => self.int(*v),
            Key::Bool(v) => self.out.push(0xc2 + u8::from(*v)),
        }
    }

    /// Sorts by canonical bytes, found by encoding and not by `Ord`, or shuffles.
    fn arrange<T>(&mut self, entries: &mut [T], by: impl Fn(&T) -> Vec<u8>) {
        entries.sort_by_cached_key(&by);
        for i in (1..entries.len()).rev() {
            let j = if self.rng.is_some() { self.roll(i + 1) } else { i };
            entries.swap(i, j);
        }
    }

    pub(crate) fn value(&mut self, ctype: &CType, value: &CValue) {
        match (ctype, value) {
            (CType::Float, CValue::Float(v)) => self.float(*v, true),
            (_, CValue::String(v)) => self.str(v),
            (_, CValue::Int(v)) => self.int(*v),
            (_, CValue::Float(v)) => self.float(*v, false),
            (_, CValue::Bool(v)) => self.out.push(0xc2 + u8::from(*v)),
            (_, CValue::Bytes(v)) => self.bin(v),
            (_, CValue::Option(None)) => self.out.push(0xc0),
            (CType::Option(some), CValue::Option(Some(v))) => self.value(some, v),
            (_, CValue::List(items)) => {
                let item = if let CType::List(item) = ctype { item } else { &CType::Any };
                self.array(items.len());
                items.iter().for_each(|v| self.value(item, v));
            }
            (_, CValue::Map(entries)) => {
                let of = if let CType::Map(_, of) = ctype { of } else { &CType::Any };
                let mut entries: Vec<_> = entries.iter().collect();
                self.arrange(&mut entries, |(key, _)| {
                    let mut canonical = Loose { rng: None, out: Vec::new() };
                    canonical.key(key);
                    canonical.out
                });
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
            other => panic!("no value of its type: {other:?}"),
        }
    }

    fn record(&mut self, record: &Record, value: &CValue) {
        let mut fields: Vec<(&str, &CType, Option<&CValue>)> = Vec::new();
        for field in &record.fields {
            let found = value.field(&field.name);
            if found.is_some() || (field.ctype.is_option() && self.roll(3) == 1) {
                fields.push((&field.name, &field.ctype, found));
            }
        }
        let extra = CValue::List(vec![CValue::Int(300), CValue::NONE]);
        if self.roll(4) == 1 {
            fields.push(("undeclared", &CType::Any, Some(&extra)));
        }
        self.arrange(&mut fields, |field| field.0.as_bytes().to_vec());
        self.map(fields.len());
        for (name, ctype, v) in fields {
            self.str(name);
            match v {
                Some(v) => self.value(ctype, v),
                None => self.out.push(0xc0),
            }
        }
    }
}
