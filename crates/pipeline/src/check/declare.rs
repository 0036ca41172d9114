//! The types that a source writes: names, merges, and the rules of `CType::check`. Knows no values.

use std::collections::HashMap;
use std::sync::Arc;

use type_schema::KeyType;

use crate::ast::{Name, Type, TypeKind};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::facts::FactKind;

use super::Checker;
use super::order::order;
use super::types::{TooLarge, Ty};

/// A declared type.
#[derive(Debug, Clone, Copy)]
pub(super) struct TypeDeclaration<'a> {
    pub(super) name: &'a Name,
    pub(super) ty: &'a Type,
    /// Unknown until it is looked at.
    pub(super) meaning: Ty,
}

/// The types of the language, with how many arguments they take.
const OF_LANGUAGE: &[(&str, usize)] = &[
    ("String", 0),
    ("Int", 0),
    ("Float", 0),
    ("Bool", 0),
    ("Boolean", 0),
    ("Bytes", 0),
    ("Any", 0),
    ("List", 1),
    ("Seq", 1),
    ("Candidates", 1),
    ("Map", 2),
    ("Option", 1),
    ("Optional", 1),
];

/// Whether the language itself has a type of that name.
pub(super) fn is_of_language(name: &str) -> bool {
    OF_LANGUAGE.iter().any(|(known, _)| *known == name)
}

impl<'a> Checker<'a> {
    /// Gives every declared type its meaning, each behind those that it needs.
    pub(super) fn declare_types(&mut self) {
        let needs: Vec<Vec<usize>> = self
            .type_declarations
            .iter()
            .map(|declaration| {
                let mut needs = Vec::new();
                names_of(declaration.ty, &self.type_names, &mut needs, 0);
                needs
            })
            .collect();
        let ordered = order(&needs);
        for cycle in &ordered.cycles {
            let names: Vec<&'a Name> = cycle.iter().map(|&at| self.type_declarations[at].name).collect();
            self.cycle("the type", &names);
        }
        for at in ordered.order {
            let TypeDeclaration { name, ty, .. } = self.type_declarations[at];
            let meaning = self.resolve(ty);
            self.type_declarations[at].meaning = meaning;
            self.types.name(meaning, &name.text);
            let ctype = Arc::clone(self.types.get(meaning));
            self.fact(name.span, FactKind::Type { name: name.text.clone(), definition: Some(name.span), ty: ctype });
        }
    }

    /// The type that is written, unknown where it has a fault.
    pub(super) fn resolve(&mut self, ty: &'a Type) -> Ty {
        self.nested(ty.span, |this| this.resolve_kind(ty)).unwrap_or(Ty::UNKNOWN)
    }

    fn resolve_kind(&mut self, ty: &'a Type) -> Ty {
        match &ty.kind {
            TypeKind::Named { name, args } => self.resolve_named(name, args, ty.span),
            TypeKind::Record(fields) => self.resolve_record(fields, ty.span),
            TypeKind::Merge(parts) => self.resolve_merge(parts, ty.span),
            TypeKind::Union(parts) => self.resolve_union(parts, ty.span),
            TypeKind::Error => {
                self.failed = true;
                Ty::UNKNOWN
            }
        }
    }

    fn resolve_named(&mut self, name: &'a Name, args: &'a [Type], span: Span) -> Ty {
        let resolved: Vec<Ty> = args.iter().map(|arg| self.resolve(arg)).collect();
        let arity = OF_LANGUAGE.iter().find(|(known, _)| *known == name.text).map(|(_, arity)| *arity);
        let declared = self.type_names.get(name.text.as_str()).copied();
        let (meaning, definition) = match (arity, declared) {
            (Some(arity), _) => (self.resolve_own(name, args, &resolved, arity, span), None),
            (None, Some(at)) => {
                let TypeDeclaration { name: definition, meaning, .. } = self.type_declarations[at];
                let wrong = !args.is_empty() && !self.has_arity(name, args.len(), 0, span);
                (if wrong { Ty::UNKNOWN } else { meaning }, Some(definition.span))
            }
            (None, None) => {
                self.undefined_type(name);
                return Ty::UNKNOWN;
            }
        };
        // A cycle was told; what needs it is not known.
        self.failed |= meaning.is_unknown();
        let ctype = Arc::clone(self.types.get(meaning));
        self.fact(name.span, FactKind::Type { name: name.text.clone(), definition, ty: ctype });
        meaning
    }

    fn resolve_own(&mut self, name: &Name, args: &'a [Type], resolved: &[Ty], arity: usize, span: Span) -> Ty {
        if !self.has_arity(name, resolved.len(), arity, span) {
            return Ty::UNKNOWN;
        }
        let made = match (name.text.as_str(), resolved) {
            ("String", _) => Ok(Ty::STRING),
            ("Int", _) => Ok(Ty::INT),
            ("Float", _) => Ok(Ty::FLOAT),
            ("Bool" | "Boolean", _) => Ok(Ty::BOOL),
            ("Bytes", _) => Ok(Ty::BYTES),
            ("Any", _) => Ok(Ty::ANY),
            ("Map", &[key, value]) => {
                let Some(key) = self.key_type(key, args[0].span) else { return Ty::UNKNOWN };
                self.types.map(key, value)
            }
            ("Option" | "Optional", &[inner]) => {
                if self.types.inside(inner).is_some() {
                    let diagnostic = Diagnostic::new(Code::TypeMismatch, span, "an Option holds no Option")
                        .label(format!("the inside is {} already", self.types.show(inner)));
                    self.error(diagnostic);
                    return inner;
                }
                self.types.option(inner)
            }
            (_, &[item]) => self.types.list(item),
            _ => Ok(Ty::UNKNOWN),
        };
        self.sized(made, span)
    }

    fn has_arity(&mut self, name: &Name, found: usize, wanted: usize, span: Span) -> bool {
        if found == wanted {
            return true;
        }
        let takes = match wanted {
            0 => format!("`{}` takes no type in angle brackets", name.text),
            1 => format!("`{}` takes one type in angle brackets, e.g. `{}<String>`", name.text, name.text),
            _ => {
                format!("`{}` takes a key and a value in angle brackets, e.g. `{}<String, Int>`", name.text, name.text)
            }
        };
        self.error(Diagnostic::new(Code::BadArgument, span, takes).label(format!("this has {found}")));
        false
    }

    fn key_type(&mut self, key: Ty, span: Span) -> Option<KeyType> {
        let kind = KeyType::of(self.types.get(key));
        if kind.is_none() && !key.is_unknown() {
            let diagnostic = Diagnostic::new(Code::TypeMismatch, span, "the keys of a Map are String, Int or Bool")
                .label(format!("this is {}", self.types.show(key)));
            self.error(diagnostic);
        }
        kind
    }

    fn resolve_record(&mut self, fields: &'a [(Name, Type)], span: Span) -> Ty {
        let mut first: HashMap<&str, Span> = HashMap::new();
        let mut made: Vec<(&str, Ty)> = Vec::with_capacity(fields.len());
        for (name, ty) in fields {
            let resolved = self.resolve(ty);
            self.check_name(name, "a field");
            match first.get(name.text.as_str()) {
                Some(&first) => self.duplicate("field", name, first),
                None => {
                    first.insert(&name.text, name.span);
                    made.push((&name.text, resolved));
                    self.field_fact(name, resolved);
                }
            }
        }
        let made = self.types.record(&made);
        self.sized(made, span)
    }

    fn resolve_merge(&mut self, parts: &'a [Type], span: Span) -> Ty {
        let mut merged: Option<Ty> = None;
        for part in parts {
            let resolved = self.resolve(part);
            if resolved.is_unknown() {
                merged = Some(Ty::UNKNOWN);
                continue;
            }
            if self.types.fields(resolved).is_none() {
                let diagnostic = Diagnostic::new(Code::BadMerge, part.span, "`+` merges record types")
                    .label(format!("this is {}", self.types.show(resolved)));
                self.error(diagnostic);
                merged = Some(Ty::UNKNOWN);
                continue;
            }
            merged = Some(match merged {
                None => resolved,
                Some(left) => self.merged(left, resolved, span),
            });
        }
        merged.unwrap_or(Ty::UNKNOWN)
    }

    /// The record with the fields of both, of which the right ones win.
    pub(super) fn merged(&mut self, left: Ty, right: Ty, span: Span) -> Ty {
        let (Some(under), Some(over)) = (self.types.fields(left), self.types.fields(right)) else {
            return Ty::UNKNOWN;
        };
        if self.types.are_too_many() && under.len() + over.len() > 100 {
            return self.sized(Err(TooLarge::Together), span);
        }
        let mut fields: Vec<(&str, Ty)> = under.iter().map(|(name, ty)| (&**name, *ty)).collect();
        let places: HashMap<&str, usize> = fields.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
        for (name, ty) in &*over {
            match places.get(&**name) {
                Some(&at) => fields[at].1 = *ty,
                None => fields.push((name, *ty)),
            }
        }
        let merged = self.types.record(&fields);
        self.sized(merged, span)
    }

    fn resolve_union(&mut self, parts: &'a [Type], span: Span) -> Ty {
        let mut variants: Vec<(Ty, Span)> = Vec::with_capacity(parts.len());
        let mut first: HashMap<Ty, Span> = HashMap::new();
        for part in parts {
            let resolved = self.resolve(part);
            if let (false, Some(&first)) = (resolved.is_unknown(), first.get(&resolved)) {
                let diagnostic = Diagnostic::new(Code::DuplicateName, part.span, "the union has this variant twice")
                    .label(format!("this is {}", self.types.text(resolved)))
                    .related(first, "the same type stands here")
                    .help("remove one of them; cases that hold the same type need records that tell them apart");
                self.error(diagnostic);
                continue;
            }
            first.insert(resolved, part.span);
            variants.push((resolved, part.span));
        }
        let variants: Vec<Ty> = variants.into_iter().map(|(ty, _)| ty).collect();
        let made = self.types.union(&variants);
        self.sized(made, span)
    }

    fn undefined_type(&mut self, name: &Name) {
        let diagnostic = Diagnostic::new(Code::UndefinedType, name.span, format!("no type is called `{}`", name.text))
            .label("not found");
        let own = OF_LANGUAGE.iter().map(|(name, _)| *name);
        let declared = self.type_declarations.iter().map(|declaration| declaration.name.text.as_str());
        let (diagnostic, found) = self.offer(diagnostic, &name.text, declared.chain(own));
        let diagnostic = if found {
            diagnostic
        } else {
            diagnostic.help(format!("declare it: `type {} = {{ field: String }}`", name.text))
        };
        self.error(diagnostic);
    }
}

/// The declared types that a type names.
fn names_of(ty: &Type, names: &HashMap<&str, usize>, found: &mut Vec<usize>, nesting: u32) {
    if nesting > super::MAX_NESTING {
        return;
    }
    match &ty.kind {
        TypeKind::Named { name, args } => {
            if !is_of_language(&name.text) {
                found.extend(names.get(name.text.as_str()));
            }
            args.iter().for_each(|arg| names_of(arg, names, found, nesting + 1));
        }
        TypeKind::Record(fields) => fields.iter().for_each(|(_, ty)| names_of(ty, names, found, nesting + 1)),
        TypeKind::Merge(parts) | TypeKind::Union(parts) => {
            parts.iter().for_each(|part| names_of(part, names, found, nesting + 1));
        }
        TypeKind::Error => {}
    }
}
