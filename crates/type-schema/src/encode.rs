//! A value tree to canonical bytes. Not the hot path, which never has a tree.

use crate::{
    code::Code,
    ctype::{CType, KeyType, Record},
    error::{EncodeError, Refusal},
    path,
    reader::MAX_VALUE_DEPTH,
    value::{CValue, Key},
    writer::Writer,
};

/// The canonical bytes of `value` as a value of `ctype`.
///
/// Fields that a record does not declare are left out. Where an Option is declared, a bare value stands for itself.
///
/// # Errors
/// `codec.type_mismatch`, `codec.missing_field`, `codec.union_variant` (a position that is no variant), `codec.depth`.
pub fn encode(value: &CValue, ctype: &CType) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = Encoder { writer: Writer::default(), depth: 0 };
    encoder.value(value, ctype)?;
    Ok(encoder.writer.out)
}

struct Encoder {
    writer: Writer,
    depth: usize,
}

type Done = Result<(), Box<Refusal>>;

impl Encoder {
    fn value(&mut self, value: &CValue, ctype: &CType) -> Done {
        match (ctype, value) {
            (CType::Any, _) => return self.any(value),
            (CType::String, CValue::String(v)) => self.writer.str(v),
            (CType::Int, CValue::Int(v)) => self.writer.int(*v),
            (CType::Float, CValue::Float(v)) => self.writer.float(*v),
            (CType::Bool, CValue::Bool(v)) => self.writer.bool(*v),
            (CType::Bytes, CValue::Bytes(v)) => self.writer.bin(v),
            (CType::List(item), CValue::List(items)) => {
                return self.nested(|this| {
                    this.writer.array(items.len());
                    for (i, v) in items.iter().enumerate() {
                        this.value(v, item).map_err(|r| r.inside(path::index(i)))?;
                    }
                    Ok(())
                });
            }
            (CType::Map(kind, of), CValue::Map(entries)) => {
                return self.nested(|this| {
                    this.writer.map(entries.len());
                    for (key, v) in entries {
                        this.key(key, *kind)?;
                        this.value(v, of).map_err(|r| r.inside(key.step()))?;
                    }
                    Ok(())
                });
            }
            (CType::Record(record), CValue::Record(_)) => return self.nested(|this| this.record(value, record)),
            (CType::Union(variants), CValue::Variant(i, v)) => {
                let variant = variants.get(*i).ok_or_else(|| Refusal::new(Code::UnionVariant))?;
                return self.nested(|this| {
                    this.writer.array(2);
                    this.writer.int(*i as i64);
                    this.value(v, variant).map_err(|r| r.inside(path::variant(*i)))
                });
            }
            (CType::Option(_), CValue::Option(None)) => self.writer.nil(),
            (CType::Option(some), CValue::Option(Some(v))) => return self.value(v, some),
            (CType::Option(some), v) => return self.value(v, some),
            _ => return Err(Refusal::new(Code::TypeMismatch)),
        }
        Ok(())
    }

    fn nested(&mut self, write: impl FnOnce(&mut Self) -> Done) -> Done {
        if self.depth == MAX_VALUE_DEPTH {
            return Err(Refusal::new(Code::Depth));
        }
        self.depth += 1;
        write(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn record(&mut self, value: &CValue, record: &Record) -> Done {
        let outer = std::mem::take(&mut self.writer.out);
        let mut count = 0;
        for field in record.sorted() {
            let Some(v) = value.field(&field.name) else {
                if field.ctype.is_option() {
                    continue;
                }
                return Err(Refusal::new(Code::MissingField).inside(path::field(&field.name)));
            };
            let start = self.writer.out.len();
            self.writer.str(&field.name);
            let value_start = self.writer.out.len();
            self.value(v, &field.ctype).map_err(|r| r.inside(path::field(&field.name)))?;
            if field.ctype.is_option() && self.writer.out[value_start..] == [rmp::Marker::Null.to_u8()] {
                self.writer.out.truncate(start);
            } else {
                count += 1;
            }
        }
        let body = std::mem::replace(&mut self.writer.out, outer);
        self.writer.map(count);
        self.writer.out.extend_from_slice(&body);
        Ok(())
    }

    fn key(&mut self, key: &Key, kind: KeyType) -> Done {
        match (kind, key) {
            (KeyType::String, Key::String(key)) => self.writer.str(key),
            (KeyType::Int, Key::Int(key)) => self.writer.int(*key),
            (KeyType::Bool, Key::Bool(key)) => self.writer.bool(*key),
            _ => return Err(Refusal::new(Code::TypeMismatch)),
        }
        Ok(())
    }

    /// A value that describes itself. Records become maps; unions and options leave no mark.
    fn any(&mut self, value: &CValue) -> Done {
        match value {
            CValue::String(v) => self.writer.str(v),
            CValue::Int(v) => self.writer.int(*v),
            CValue::Float(v) => self.writer.float(*v),
            CValue::Bool(v) => self.writer.bool(*v),
            CValue::Bytes(v) => self.writer.bin(v),
            CValue::Option(None) => self.writer.nil(),
            CValue::Option(Some(v)) => return self.any(v),
            CValue::Variant(i, v) => return self.any(v).map_err(|r| r.inside(path::variant(*i))),
            CValue::List(items) => {
                return self.nested(|this| {
                    this.writer.array(items.len());
                    for (i, v) in items.iter().enumerate() {
                        this.any(v).map_err(|r| r.inside(path::index(i)))?;
                    }
                    Ok(())
                });
            }
            CValue::Map(entries) => {
                let kind = entries.keys().next().map_or(KeyType::String, Key::kind);
                return self.nested(|this| {
                    this.writer.map(entries.len());
                    for (key, v) in entries {
                        this.key(key, kind)?;
                        this.any(v).map_err(|r| r.inside(key.step()))?;
                    }
                    Ok(())
                });
            }
            CValue::Record(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(name, _)| (name.len(), *name));
                return self.nested(|this| {
                    this.writer.map(fields.len());
                    for (name, v) in fields {
                        this.writer.str(name);
                        this.any(v).map_err(|r| r.inside(path::found_field(name)))?;
                    }
                    Ok(())
                });
            }
        }
        Ok(())
    }
}
