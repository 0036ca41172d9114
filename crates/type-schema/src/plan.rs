//! Types compiled for the bytes: what to read for a source type, and what to write for a target type that it is a subtype
//! of. A plan from a type to itself is what validation and canonical form need. Touches no bytes but those of constants.

use crate::{
    ctype::{CType, KeyType, Record},
    writer::Writer,
};

/// How to read one type and write another. The shape is that of the source; only [`Plan::Wrap`] adds to it.
#[derive(Debug)]
pub(crate) enum Plan {
    String,
    Int,
    Float,
    Bool,
    Bytes,
    Any,
    List(Box<Plan>),
    Map(KeyType, Box<Plan>),
    Record(RecordPlan),
    /// Reads `[i, value]` and writes what the plan of variant `i` writes.
    Union(Box<[Plan]>),
    Option(Box<Plan>),
    /// Reads what the inner plan reads and writes it as the variant at this position.
    Wrap(usize, Box<Plan>),
}

#[derive(Debug)]
pub(crate) struct RecordPlan {
    /// The fields of the source, in byte order of their names.
    pub(crate) fields: Box<[FieldPlan]>,
    /// For each position, the first field at or after it that the source requires; one entry more than fields.
    pub(crate) next_required: Box<[usize]>,
    /// How many fields the source requires.
    pub(crate) required: usize,
    /// Most fields that are ever written.
    pub(crate) kept: usize,
    /// The order of the target.
    pub(crate) order: KeyOrder,
}

#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub(crate) name: Box<str>,
    /// The name as canonical bytes.
    pub(crate) key: Box<[u8]>,
    /// The same for comparison: most keys are found by one word.
    pub(crate) head: Head,
    pub(crate) optional: bool,
    pub(crate) fate: Fate,
    pub(crate) plan: Plan,
}

/// The first eight bytes of a key, fewer where it is shorter.
#[derive(Debug)]
pub(crate) struct Head {
    bits: u64,
    mask: u64,
}

impl Head {
    fn of(key: &[u8]) -> Head {
        let mut bytes = [0; 8];
        let len = key.len().min(8);
        bytes[..len].copy_from_slice(&key[..len]);
        let mask = if len == 8 { u64::MAX } else { (1 << (8 * len)) - 1 };
        Head { bits: u64::from_le_bytes(bytes), mask }
    }

    /// Whether `input`, the next eight bytes, begins like the key.
    pub(crate) fn begins(&self, input: [u8; 8]) -> bool {
        u64::from_le_bytes(input) & self.mask == self.bits
    }
}

/// What becomes of a field.
#[derive(Debug)]
pub(crate) enum Fate {
    /// The target does not declare it.
    Drop,
    /// It is written, but for a nil where that is None in the target.
    Keep { omit_nil: bool },
}

/// The order of the keys of a map or the names of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyOrder {
    /// Byte order of the names.
    Name,
    /// Byte order of the encoded keys.
    Encoded,
}

/// The plan from a type to itself.
pub(crate) fn identity(ctype: &CType) -> Plan {
    between(ctype, ctype).expect("a type is a subtype of itself")
}

/// The plan from `from` to `to`, none where `from` is no subtype of `to`.
/// Where several variants of a union would take a value, an equal one does, else the first.
pub(crate) fn between(from: &CType, to: &CType) -> Option<Plan> {
    Some(match (from, to) {
        (CType::Union(variants), _) => {
            Plan::Union(variants.iter().map(|variant| between(variant, to)).collect::<Option<_>>()?)
        }
        (CType::Any, CType::Any) => Plan::Any,
        (_, CType::Union(variants)) => {
            let equal = variants.iter().position(|variant| variant == from);
            let (i, plan) = match equal {
                Some(i) => (i, between(from, &variants[i])?),
                None => variants.iter().enumerate().find_map(|(i, variant)| Some((i, between(from, variant)?)))?,
            };
            Plan::Wrap(i, Box::new(plan))
        }
        (CType::Option(from), CType::Option(to)) => Plan::Option(Box::new(between(from, to)?)),
        (_, CType::Option(to)) => between(from, to)?,
        (CType::Option(from), CType::Any) => Plan::Option(Box::new(between(from, to)?)),
        (CType::String, CType::String | CType::Any) => Plan::String,
        (CType::Int, CType::Int | CType::Any) => Plan::Int,
        (CType::Float, CType::Float | CType::Any) => Plan::Float,
        (CType::Bool, CType::Bool | CType::Any) => Plan::Bool,
        (CType::Bytes, CType::Bytes | CType::Any) => Plan::Bytes,
        (CType::List(from), CType::List(to)) => Plan::List(Box::new(between(from, to)?)),
        (CType::List(from), CType::Any) => Plan::List(Box::new(between(from, to)?)),
        (CType::Map(key, from), CType::Map(to_key, to)) if key == to_key => {
            Plan::Map(*key, Box::new(between(from, to)?))
        }
        (CType::Map(key, from), CType::Any) => Plan::Map(*key, Box::new(between(from, to)?)),
        (CType::Record(from), CType::Record(to)) => {
            let mut fields = to.fields.iter().enumerate();
            if fields.any(|(i, field)| !field.ctype.is_option() && from.get_near(&field.name, i).is_none()) {
                return None;
            }
            Plan::Record(record(from, KeyOrder::Name, |name, i| to.get_near(name, i))?)
        }
        (CType::Record(from), CType::Any) => Plan::Record(record(from, KeyOrder::Encoded, |_, _| Some(&CType::Any))?),
        _ => return None,
    })
}

fn record<'t>(from: &Record, order: KeyOrder, target: impl Fn(&str, usize) -> Option<&'t CType>) -> Option<RecordPlan> {
    let mut fields = Vec::new();
    for (i, field) in from.sorted().into_iter().enumerate() {
        let optional = field.ctype.is_option();
        let (fate, plan) = match target(&field.name, i) {
            None => (Fate::Drop, identity(&field.ctype)),
            Some(to) => {
                let plan = between(&field.ctype, to)?;
                // What may be absent stays so: the fields of an Any may, those of another record only as options.
                if optional && !to.is_option() && order == KeyOrder::Name {
                    return None;
                }
                (Fate::Keep { omit_nil: optional || to.is_option() }, plan)
            }
        };
        let mut key = Writer::default();
        key.str(&field.name);
        let head = Head::of(&key.out);
        fields.push(FieldPlan { name: field.name.as_str().into(), key: key.out.into(), head, optional, fate, plan });
    }
    let mut next_required = vec![fields.len(); fields.len() + 1];
    for i in (0..fields.len()).rev() {
        next_required[i] = if fields[i].optional { next_required[i + 1] } else { i };
    }
    let count = |wanted: fn(&FieldPlan) -> bool| fields.iter().filter(|field| wanted(field)).count();
    Some(RecordPlan {
        next_required: next_required.into(),
        required: count(|field| !field.optional),
        kept: count(|field| matches!(field.fate, Fate::Keep { .. })),
        order,
        fields: fields.into(),
    })
}

impl Plan {
    /// Whether canonical bytes of the source are canonical bytes of the target.
    pub(crate) fn keeps_layout(&self) -> bool {
        match self {
            Plan::String | Plan::Int | Plan::Float | Plan::Bool | Plan::Bytes | Plan::Any => true,
            Plan::List(plan) | Plan::Map(_, plan) | Plan::Option(plan) => plan.keeps_layout(),
            Plan::Wrap(..) => false,
            Plan::Union(variants) => variants.iter().enumerate().all(|(i, variant)| match variant {
                Plan::Wrap(to, plan) => i == *to && plan.keeps_layout(),
                _ => false,
            }),
            Plan::Record(record) => {
                let in_order = match record.order {
                    KeyOrder::Name => true,
                    KeyOrder::Encoded => record.fields.is_sorted_by_key(|field| &field.key),
                };
                in_order && record.fields.iter().all(FieldPlan::keeps_layout)
            }
        }
    }
}

impl FieldPlan {
    fn keeps_layout(&self) -> bool {
        match &self.fate {
            Fate::Drop => false,
            Fate::Keep { omit_nil } => {
                // What is no option can still be nil if it is an Any.
                let drops_nil = *omit_nil && !self.optional && matches!(self.plan, Plan::Any);
                !drops_nil && self.plan.keeps_layout()
            }
        }
    }
}

impl RecordPlan {
    /// The position of the field of that name; looks at `guess` first.
    pub(crate) fn find(&self, name: &str, guess: usize) -> Option<usize> {
        match self.fields.get(guess) {
            Some(field) if *field.name == *name => Some(guess),
            _ => self.fields.binary_search_by(|field| (*field.name).cmp(name)).ok(),
        }
    }
}
