//! Values by a type that is known only at run time. Knows no JSON: that is in `json`.

use std::collections::HashSet;

use crate::codec::decoder::{Token, duplicate_key, int_as_float};
use crate::codec::{CodecError, Decoder, Encoder};
use crate::types::{CType, Field};
use crate::value::Value;

/// Writes a value as the type.
pub(crate) fn encode(ty: &CType, value: &Value, encoder: &mut Encoder) -> Result<(), CodecError> {
    write(ty, value, encoder, IntFitsFloat::Yes)
}

/// Whether an Int stands for the Float of the same value. Where a union has an Int and a Float, the Int comes first.
#[derive(Clone, Copy, PartialEq)]
enum IntFitsFloat {
    Yes,
    No,
}

fn write(ty: &CType, value: &Value, encoder: &mut Encoder, ints: IntFitsFloat) -> Result<(), CodecError> {
    // A value that came from a union elsewhere and goes to where the type is no union.
    let value = match (ty, value) {
        (CType::Union(_) | CType::Option(_), _) => value,
        (_, Value::Variant(_, inner)) => return write(ty, inner, encoder, ints),
        _ => value,
    };
    match (ty, value) {
        (CType::String, Value::String(s)) => encoder.str(s),
        (CType::Int, Value::Int(i)) => {
            encoder.int(*i);
            Ok(())
        }
        (CType::Float, Value::Float(f)) => {
            encoder.float(*f);
            Ok(())
        }
        (CType::Float, Value::Int(i)) if ints == IntFitsFloat::Yes => {
            encoder.float(int_as_float(*i).ok_or_else(super::decoder::inexact)?);
            Ok(())
        }
        (CType::Bool, Value::Bool(b)) => {
            encoder.bool(*b);
            Ok(())
        }
        (CType::Bytes, Value::Bytes(b)) => encoder.bin(b),
        (CType::Any, value) => write_any(value, encoder),
        (CType::List(item), Value::List(items)) => encoder.array(items.len(), |encoder| {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(i, value)| write(item, value, encoder, ints).map_err(|e| e.in_item(i)))
        }),
        (CType::Map(key, item), Value::Map(entries)) => {
            let entries = entries.iter().map(|(k, v)| (k, v));
            write_map(entries, encoder, |k, e| write(key, k, e, ints), |v, e| write(item, v, e, ints))
        }
        (CType::Map(key, item), Value::Record(fields)) if **key == CType::String => {
            write_named(fields, encoder, |v, e| write(item, v, e, ints))
        }
        (CType::Record(declared), Value::Record(fields)) => {
            let given = fields.iter().map(|(name, value)| (name.as_str(), value)).collect();
            write_record(declared, given, encoder, ints)
        }
        (CType::Record(declared), Value::Map(entries)) => {
            let mut given = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                match key {
                    Value::String(name) => given.push((name.as_str(), value)),
                    _ => return Err(CodecError::mismatch("the key of a field is a String")),
                }
            }
            write_record(declared, given, encoder, ints)
        }
        (CType::Union(variants), value) => write_union(variants, value, encoder, ints),
        (CType::Option(_), Value::Null) => {
            encoder.nil();
            Ok(())
        }
        (CType::Option(inner), value) => write(inner, value, encoder, ints),
        _ => Err(CodecError::mismatch(expected(ty))),
    }
}

fn write_record(
    declared: &[Field],
    given: Vec<(&str, &Value)>,
    encoder: &mut Encoder,
    ints: IntFitsFloat,
) -> Result<(), CodecError> {
    let mut names = HashSet::with_capacity(given.len());
    if let Some((name, _)) = given.iter().find(|(name, _)| !names.insert(*name)) {
        return Err(CodecError::new("codec.duplicate_key", "a field occurs twice").in_field(name));
    }
    let mut present = Vec::with_capacity(declared.len());
    for field in declared {
        match given.iter().find(|(name, _)| *name == field.name) {
            Some((_, Value::Null)) if field.ty.is_option() => {}
            Some((_, value)) => present.push((field, *value)),
            None if field.ty.is_option() => {}
            None => {
                return Err(CodecError::new("codec.missing_field", "a field is missing").in_field(&field.name));
            }
        }
    }
    present.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    encoder.record(present.len(), |encoder| {
        present.iter().try_for_each(|(field, value)| encoder.field(&field.name, |e| write(&field.ty, value, e, ints)))
    })
}

fn write_union(variants: &[CType], value: &Value, encoder: &mut Encoder, ints: IntFitsFloat) -> Result<(), CodecError> {
    if let Value::Variant(position, inner) = value {
        let index = usize::try_from(*position).unwrap_or(usize::MAX);
        let Some(variant) = variants.get(index) else {
            return Err(CodecError::new("codec.union_variant", "a position that is no variant"));
        };
        return encoder.variant(*position, |e| write(variant, inner, e, ints));
    }
    let mut fit = attempt(variants, value, encoder, IntFitsFloat::No)?;
    if fit.is_none() && ints == IntFitsFloat::Yes {
        fit = attempt(variants, value, encoder, IntFitsFloat::Yes)?;
    }
    let (position, written) = fit.ok_or_else(|| CodecError::new("codec.no_variant", "no variant of the union fits"))?;
    encoder.variant(position, |e| {
        e.append(&written);
        Ok(())
    })
}

/// The one variant that fits, written; `None` where none does.
fn attempt(
    variants: &[CType],
    value: &Value,
    encoder: &Encoder,
    ints: IntFitsFloat,
) -> Result<Option<(u32, Encoder)>, CodecError> {
    let mut fit = None;
    for (position, variant) in (0..).zip(variants) {
        let mut scratch = encoder.scratch();
        // The array of the union itself is around the variant.
        let written = scratch.enter().and_then(|()| write(variant, value, &mut scratch, ints));
        match (written, &fit) {
            (Ok(()), None) => fit = Some((position, scratch)),
            (Ok(()), Some(_)) => {
                return Err(CodecError::new("codec.ambiguous_union", "more than one variant of the union fits"));
            }
            (Err(_), _) => {}
        }
    }
    Ok(fit)
}

fn write_any(value: &Value, encoder: &mut Encoder) -> Result<(), CodecError> {
    match value {
        Value::Null => {
            encoder.nil();
            Ok(())
        }
        Value::Bool(b) => {
            encoder.bool(*b);
            Ok(())
        }
        Value::Int(i) => {
            encoder.int(*i);
            Ok(())
        }
        Value::Float(f) => {
            encoder.float(*f);
            Ok(())
        }
        Value::String(s) => encoder.str(s),
        Value::Bytes(b) => encoder.bin(b),
        Value::Variant(_, inner) => write_any(inner, encoder),
        Value::List(items) => encoder.array(items.len(), |encoder| {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(i, item)| write_any(item, encoder).map_err(|e| e.in_item(i)))
        }),
        Value::Record(fields) => write_named(fields, encoder, write_any),
        Value::Map(entries) => {
            if let Some((first, _)) = entries.first() {
                let kind = std::mem::discriminant(first);
                if entries.iter().any(|(key, _)| std::mem::discriminant(key) != kind) {
                    return Err(CodecError::mismatch("the keys of a map are of one kind"));
                }
            }
            let key = |key: &Value, encoder: &mut Encoder| match key {
                Value::String(_) | Value::Int(_) | Value::Bool(_) => write_any(key, encoder),
                _ => Err(CodecError::mismatch("a map key is a str, an int or a bool")),
            };
            write_map(entries.iter().map(|(k, v)| (k, v)), encoder, key, write_any)
        }
    }
}

fn write_map<'v>(
    entries: impl ExactSizeIterator<Item = (&'v Value, &'v Value)>,
    encoder: &mut Encoder,
    write_key: impl Fn(&Value, &mut Encoder) -> Result<(), CodecError>,
    write_value: impl Fn(&Value, &mut Encoder) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    encoder.map(
        entries,
        |(key, _), e| write_key(key, e),
        |(key, value), e| write_value(value, e).map_err(|fault| fault.in_key(key)),
        |(key, _), fault| fault.in_key(key),
    )
}

fn write_named(
    fields: &[(String, Value)],
    encoder: &mut Encoder,
    write_value: impl Fn(&Value, &mut Encoder) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let at = |name: &str, fault: CodecError| fault.in_key(&Value::String(name.to_owned()));
    encoder.map(
        fields.iter(),
        |(name, _), e| e.str(name),
        |(name, value), e| write_value(value, e).map_err(|fault| at(name, fault)),
        |(name, _), fault| at(name, fault),
    )
}

fn expected(ty: &CType) -> &'static str {
    match ty {
        CType::String => "expected a String",
        CType::Int => "expected an Int",
        CType::Float => "expected a Float",
        CType::Bool => "expected a Bool",
        CType::Bytes => "expected Bytes",
        CType::List(_) => "expected a List",
        CType::Map(..) => "expected a Map",
        CType::Record(_) => "expected a record",
        CType::Any | CType::Union(_) | CType::Option(_) => "expected another kind of value",
    }
}

/// Reads a value of the type.
pub(crate) fn decode(ty: &CType, decoder: &mut Decoder<'_>) -> Result<Value, CodecError> {
    match ty {
        CType::String => decoder.str().map(Value::from),
        CType::Int => decoder.int().map(Value::Int),
        CType::Float => decoder.float().map(Value::Float),
        CType::Bool => decoder.bool().map(Value::Bool),
        CType::Bytes => decoder.bin().map(|b| Value::Bytes(bytes::Bytes::copy_from_slice(b))),
        CType::Any => decode_any(decoder),
        CType::List(item) => {
            let mut items = Vec::new();
            for index in 0..decoder.enter_list()? {
                items.push(decode(item, decoder).map_err(|e| e.in_item(index))?);
            }
            decoder.leave();
            Ok(Value::List(items))
        }
        CType::Map(key, item) => {
            let mut entries = Entries::default();
            decoder.map(|decoder| {
                let key = decode(key, decoder)?;
                entries.check(&key)?;
                let value = decode(item, decoder).map_err(|e| e.in_key(&key))?;
                entries.push(key, value)
            })?;
            Ok(entries.into_value())
        }
        CType::Record(declared) => decode_record(declared, decoder),
        CType::Union(variants) => {
            let count = u32::try_from(variants.len()).unwrap_or(u32::MAX);
            decoder.variant(count, |position, decoder| {
                // The decoder gives positions below the count only.
                let variant = &variants[position as usize];
                Ok(Value::Variant(position, Box::new(decode(variant, decoder)?)))
            })
        }
        CType::Option(inner) => {
            if decoder.take_nil() {
                Ok(Value::Null)
            } else {
                decode(inner, decoder)
            }
        }
    }
}

fn decode_record(declared: &[Field], decoder: &mut Decoder<'_>) -> Result<Value, CodecError> {
    let mut slots: Vec<Option<Value>> = vec![None; declared.len()];
    let mut fields = decoder.record()?;
    while let Some(name) = decoder.next_field(&mut fields)? {
        let Some(index) = declared.iter().position(|field| field.name == name) else {
            decoder.skip_field(&mut fields, name)?;
            continue;
        };
        if slots[index].is_some() {
            return Err(CodecError::new("codec.duplicate_key", "a field occurs twice").in_field(name));
        }
        slots[index] = Some(decode(&declared[index].ty, decoder).map_err(|e| e.in_field(name))?);
    }
    // Of several missing fields, the first in byte order of the names is the one reported.
    let missing = declared.iter().zip(&slots).filter(|(field, slot)| slot.is_none() && !field.ty.is_option());
    if let Some((field, _)) = missing.min_by(|(a, _), (b, _)| a.name.cmp(&b.name)) {
        return Err(CodecError::new("codec.missing_field", "a field is missing").in_field(&field.name));
    }
    let present = declared.iter().zip(slots).filter_map(|(field, slot)| Some((field, slot?)));
    let present = present.filter(|(field, value)| *value != Value::Null || !field.ty.is_option());
    Ok(Value::Record(present.map(|(field, value)| (field.name.clone(), value)).collect()))
}

fn decode_any(decoder: &mut Decoder<'_>) -> Result<Value, CodecError> {
    Ok(match decoder.token()? {
        Token::Nil => Value::Null,
        Token::Bool(b) => Value::Bool(b),
        Token::Int(i) => Value::Int(i),
        Token::Float(f) => Value::Float(f),
        Token::Str(s) => Value::from(s),
        Token::Bin(b) => Value::Bytes(bytes::Bytes::copy_from_slice(b)),
        Token::Array(len) => {
            decoder.enter()?;
            let mut items = Vec::new();
            for index in 0..len {
                items.push(decode_any(decoder).map_err(|e| e.in_item(index))?);
            }
            decoder.leave();
            Value::List(items)
        }
        Token::Map(len) => {
            decoder.enter()?;
            let mut entries = Entries::default();
            let mut kind = None;
            for _ in 0..len {
                let key = decoder.any_key(&mut kind)?.to_value();
                entries.check(&key)?;
                let value = decode_any(decoder).map_err(|e| e.in_key(&key))?;
                entries.push(key, value)?;
            }
            decoder.leave();
            entries.into_value()
        }
    })
}

/// The entries of a map: each key once, in the canonical order of their bytes.
#[derive(Default)]
pub(crate) struct Entries(std::collections::BTreeMap<Vec<u8>, (Value, Value)>);

impl Entries {
    pub(crate) fn check(&self, key: &Value) -> Result<(), CodecError> {
        if self.0.contains_key(&key_bytes(key)?) { Err(duplicate_key(key)) } else { Ok(()) }
    }

    pub(crate) fn push(&mut self, key: Value, value: Value) -> Result<(), CodecError> {
        self.0.insert(key_bytes(&key)?, (key, value));
        Ok(())
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Map(self.0.into_values().collect())
    }
}

fn key_bytes(key: &Value) -> Result<Vec<u8>, CodecError> {
    let mut encoder = Encoder::new();
    write_any(key, &mut encoder)?;
    Ok(encoder.into_bytes())
}
