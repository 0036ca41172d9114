//! What changes when a module is replaced, and which callers that breaks. Compares types alone; whether a breaking
//! replacement is allowed is for the registry to say.

use std::{collections::HashMap, fmt};

use crate::{
    ctype::{CType, Record, at},
    path,
    plan::{self, Plan},
    signature::Signature,
    subtype::shorten,
};

/// The differences between two signatures. Not breaking exactly when the old input is a subtype of the new and the new
/// output a subtype of the old.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compatibility {
    /// Every difference, input first, in the order of the new type.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which type it is in.
    pub side: Side,
    /// The path to it, empty for the root.
    pub path: String,
    /// What it is.
    pub what: What,
    /// What it means for those who were built against the old signature.
    pub effect: Effect,
}

/// The type of a signature that a change is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// It may only widen.
    Input,
    /// It may only narrow.
    Output,
}

/// What a change does to callers that know the old signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing, not even to the bytes.
    None,
    /// Values still fit, but their bytes must be transcoded: a position or the way a value is written differs.
    Transcoded,
    /// Values that were legal no longer are.
    Breaking,
}

/// A difference. Long types are shortened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A field of this type is new.
    FieldAdded(String),
    /// A field of this type is gone.
    FieldRemoved(String),
    /// The same fields in another order, which shows in the fingerprint alone.
    FieldsReordered,
    /// A variant of this type is new.
    VariantAdded(String),
    /// A variant of this type is gone.
    VariantRemoved(String),
    /// A variant of this type stands at another position.
    VariantMoved {
        /// The type of the variant.
        variant: String,
        /// Its position before.
        from: usize,
        /// Its position now.
        to: usize,
    },
    /// Another type.
    Changed {
        /// The old type.
        from: String,
        /// The new type.
        to: String,
    },
}

impl Compatibility {
    /// Whether any change breaks those who know the old signature.
    pub fn is_breaking(&self) -> bool {
        self.changes.iter().any(|change| change.effect == Effect::Breaking)
    }

    /// The changes that break.
    pub fn breaking(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.effect == Effect::Breaking)
    }
}

/// Everything that `new` changes against `old`.
pub fn compatibility(old: &Signature, new: &Signature) -> Compatibility {
    let mut changes = Vec::new();
    for (side, old, new) in [(Side::Input, &old.input, &new.input), (Side::Output, &old.output, &new.output)] {
        Diff { side, changes: &mut changes }.compare(String::new(), old, new);
    }
    Compatibility { changes }
}

struct Diff<'a> {
    side: Side,
    changes: &'a mut Vec<Change>,
}

impl Diff<'_> {
    fn push(&mut self, path: String, what: What, effect: Effect) {
        self.changes.push(Change { side: self.side, path, what, effect });
    }

    /// The types in the direction of the values: old callers send to the new input, the new output flows to old callers.
    fn flow<'t>(&self, old: &'t CType, new: &'t CType) -> (&'t CType, &'t CType) {
        match self.side {
            Side::Input => (old, new),
            Side::Output => (new, old),
        }
    }

    fn compare(&mut self, path: String, old: &CType, new: &CType) {
        self.compare_part(path, old, new, |ctype| ctype.clone());
    }

    /// `embed` gives the part the surroundings that matter to its bytes.
    fn compare_part(&mut self, path: String, old: &CType, new: &CType, embed: impl Fn(&CType) -> CType) {
        match (old, new) {
            _ if old == new => {}
            (CType::List(old), CType::List(new)) => self.compare(path + "[]", old, new),
            (CType::Option(old), CType::Option(new)) => self.compare(path + "?", old, new),
            (CType::Map(old_key, old), CType::Map(new_key, new)) if old_key == new_key => {
                self.compare(path + "{}", old, new)
            }
            (CType::Record(old), CType::Record(new)) => self.records(path, old, new),
            (CType::Union(old_variants), CType::Union(new_variants)) => {
                self.unions(path, (old, old_variants), (new, new_variants));
            }
            _ => {
                let (from, to) = self.flow(old, new);
                let effect = match plan::between(&embed(from), &embed(to)) {
                    None => Effect::Breaking,
                    Some(plan) if plan.keeps_layout() => Effect::None,
                    Some(_) => Effect::Transcoded,
                };
                self.push(path, What::Changed { from: shorten(old), to: shorten(new) }, effect);
            }
        }
    }

    fn records(&mut self, path: String, old: &Record, new: &Record) {
        let by_name = |record: &Record| -> HashMap<String, CType> {
            record.fields.iter().map(|field| (field.name.clone(), field.ctype.clone())).collect()
        };
        let (old_types, new_types) = (by_name(old), by_name(new));
        let at_field = |name: &str| format!("{path}{}", path::field(name));
        for field in &new.fields {
            match old_types.get(&field.name) {
                Some(old) => {
                    // In a record a nil is None where the field is an option, and is left out.
                    self.compare_part(at_field(&field.name), old, &field.ctype, |ctype| {
                        CType::record([(field.name.as_str(), ctype.clone())])
                    });
                }
                None => {
                    let breaks = self.side == Side::Input && !field.ctype.is_option();
                    let effect = if breaks { Effect::Breaking } else { self.dropped(Side::Output) };
                    self.push(at_field(&field.name), What::FieldAdded(shorten(&field.ctype)), effect);
                }
            }
        }
        for field in old.fields.iter().filter(|field| !new_types.contains_key(&field.name)) {
            let breaks = self.side == Side::Output && !field.ctype.is_option();
            let effect = if breaks { Effect::Breaking } else { self.dropped(Side::Input) };
            self.push(at_field(&field.name), What::FieldRemoved(shorten(&field.ctype)), effect);
        }
        let order = |record: &Record, others: &HashMap<String, CType>| -> Vec<String> {
            record.fields.iter().map(|field| field.name.clone()).filter(|name| others.contains_key(name)).collect()
        };
        if order(old, &new_types) != order(new, &old_types) {
            self.push(path, What::FieldsReordered, Effect::None);
        }
    }

    /// The effect of a field that one end alone knows: on the side where values still carry it, it is dropped on the way.
    fn dropped(&self, carried_on: Side) -> Effect {
        if self.side == carried_on { Effect::Transcoded } else { Effect::None }
    }

    fn unions(&mut self, path: String, old: (&CType, &[CType]), new: (&CType, &[CType])) {
        let positions = |variants: &[CType]| -> HashMap<CType, usize> {
            variants.iter().enumerate().map(|(i, variant)| (variant.clone(), i)).collect()
        };
        let (old_positions, new_positions) = (positions(old.1), positions(new.1));
        for (to, variant) in new.1.iter().enumerate() {
            let at_variant = || format!("{path}{}", path::variant(to));
            match old_positions.get(variant) {
                Some(&from) if from == to => {}
                Some(&from) => {
                    let what = What::VariantMoved { variant: shorten(variant), from, to };
                    self.push(at_variant(), what, Effect::Transcoded);
                }
                None => {
                    let effect = match self.side {
                        Side::Input => Effect::None,
                        Side::Output => variant_effect(to, variant, old.0),
                    };
                    self.push(at_variant(), What::VariantAdded(shorten(variant)), effect);
                }
            }
        }
        for (from, variant) in old.1.iter().enumerate().filter(|(_, variant)| !new_positions.contains_key(variant)) {
            let effect = match self.side {
                Side::Output => Effect::None,
                Side::Input => variant_effect(from, variant, new.0),
            };
            self.push(format!("{path}{}", path::variant(from)), What::VariantRemoved(shorten(variant)), effect);
        }
    }
}

/// What happens to a variant at position `i` that flows into a union without an equal one.
fn variant_effect(i: usize, variant: &CType, union: &CType) -> Effect {
    match plan::between(variant, union) {
        None => Effect::Breaking,
        Some(Plan::Wrap(to, plan)) if to == i && plan.keeps_layout() => Effect::None,
        Some(_) => Effect::Transcoded,
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{} ({})", self.side, at(&self.path), self.what, self.effect)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Input => "input",
            Side::Output => "output",
        })
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Effect::None => "compatible",
            Effect::Transcoded => "compatible, transcoded",
            Effect::Breaking => "breaking",
        })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::FieldAdded(ctype) => write!(f, "field of type {ctype} added"),
            What::FieldRemoved(ctype) => write!(f, "field of type {ctype} removed"),
            What::FieldsReordered => f.write_str("fields reordered"),
            What::VariantAdded(ctype) => write!(f, "variant {ctype} added"),
            What::VariantRemoved(ctype) => write!(f, "variant {ctype} removed"),
            What::VariantMoved { variant, from, to } => {
                write!(f, "variant {variant} moved from position {from} to {to}")
            }
            What::Changed { from, to } => write!(f, "changed from {from} to {to}"),
        }
    }
}
