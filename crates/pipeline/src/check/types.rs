//! The types of a source, each once: cheap to copy, compare and look up. Reports nothing.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use type_schema::{CType, MAX_TYPE_DEPTH, MAX_TYPE_NODES, Record, is_subtype};

use crate::plan::{Builder, TypeId};

/// Most nodes of all types of a source together. Types have no references, so that a source of n bytes could ask for n² of them.
const MAX_NODES: usize = 2_000_000;
/// Longest text of a type in a message, in characters.
const SHOWN: usize = 120;

/// A type of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ty(u32);

impl Ty {
    /// The type of what has an error, which was told. Fits everywhere, and everything fits it.
    pub(super) const UNKNOWN: Ty = Ty(0);
    pub(super) const STRING: Ty = Ty(1);
    pub(super) const INT: Ty = Ty(2);
    pub(super) const FLOAT: Ty = Ty(3);
    pub(super) const BOOL: Ty = Ty(4);
    pub(super) const BYTES: Ty = Ty(5);
    pub(super) const ANY: Ty = Ty(6);

    pub(super) fn is_unknown(self) -> bool {
        self == Ty::UNKNOWN
    }
}

/// Why a type cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooLarge {
    Depth,
    Size,
    Together,
}

impl TooLarge {
    pub(super) fn text(self) -> String {
        match self {
            TooLarge::Depth => format!("a type nests at most {MAX_TYPE_DEPTH} levels"),
            TooLarge::Size => format!("a type has at most {MAX_TYPE_NODES} parts"),
            TooLarge::Together => format!("the types of a pipeline have at most {MAX_NODES} parts together"),
        }
    }
}

/// The fields of a record, in declared order.
pub(super) type Fields = Rc<[(Rc<str>, Ty)]>;

/// What a type is made of.
#[derive(Debug, Clone)]
enum Parts {
    Option(Ty),
    List(Ty),
    Record(Fields),
    Union(Rc<[Ty]>),
    Other,
}

/// Every type that came up.
#[derive(Debug)]
pub(super) struct Types {
    entries: Vec<Entry>,
    ids: HashMap<Arc<CType>, Ty>,
    fits: HashMap<(Ty, Ty), bool>,
    nodes: usize,
}

#[derive(Debug)]
struct Entry {
    ctype: Arc<CType>,
    plan: Option<TypeId>,
    parts: Option<Parts>,
    /// The List and the Option of it.
    list: Option<Ty>,
    option: Option<Ty>,
    size: Size,
    /// The name that a declaration of the source gives it.
    name: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy)]
struct Size {
    nodes: usize,
    depth: usize,
}

impl Types {
    pub(super) fn new() -> Self {
        let mut types = Self { entries: Vec::new(), ids: HashMap::new(), fits: HashMap::new(), nodes: 0 };
        let leaf = Size { nodes: 1, depth: 0 };
        types.entries.push(Entry {
            ctype: Arc::new(CType::Any),
            plan: None,
            parts: None,
            list: None,
            option: None,
            size: leaf,
            name: None,
        });
        for scalar in [CType::String, CType::Int, CType::Float, CType::Bool, CType::Bytes, CType::Any] {
            types.add(scalar, leaf);
        }
        types
    }

    /// The type itself; `Any` for the unknown one.
    pub(super) fn get(&self, ty: Ty) -> &Arc<CType> {
        &self.entries[ty.0 as usize].ctype
    }

    /// The id of a type that keeps the rules of `CType::check`.
    pub(super) fn intern(&mut self, ctype: &CType) -> Result<Ty, TooLarge> {
        match self.ids.get(ctype) {
            Some(&ty) => Ok(ty),
            None => {
                let size = measure(ctype);
                self.admit(size)?;
                Ok(self.add(ctype.clone(), size))
            }
        }
    }

    /// A part of a type that is here already, which can therefore not be too large.
    pub(super) fn part(&mut self, ctype: &CType) -> Ty {
        match self.ids.get(ctype) {
            Some(&ty) => ty,
            None => self.add(ctype.clone(), measure(ctype)),
        }
    }

    pub(super) fn list(&mut self, item: Ty) -> Result<Ty, TooLarge> {
        if let Some(list) = self.entries[item.0 as usize].list {
            return Ok(list);
        }
        let list = self.wrapped(item, CType::list)?;
        self.entries[item.0 as usize].list = Some(list);
        Ok(list)
    }

    /// `Option<T>`, or the type itself where it is one.
    pub(super) fn option(&mut self, inner: Ty) -> Result<Ty, TooLarge> {
        if self.get(inner).is_option() {
            return Ok(inner);
        }
        if let Some(option) = self.entries[inner.0 as usize].option {
            return Ok(option);
        }
        let option = self.wrapped(inner, CType::option)?;
        self.entries[inner.0 as usize].option = Some(option);
        Ok(option)
    }

    pub(super) fn map(&mut self, key: type_schema::KeyType, value: Ty) -> Result<Ty, TooLarge> {
        self.wrapped(value, |value| CType::map(key, value))
    }

    fn wrapped(&mut self, inner: Ty, wrap: impl FnOnce(CType) -> CType) -> Result<Ty, TooLarge> {
        if inner.is_unknown() {
            return Ok(inner);
        }
        let Size { nodes, depth } = self.size(inner);
        self.admit(Size { nodes: nodes + 1, depth: depth + 1 })?;
        let ctype = wrap(CType::clone(self.get(inner)));
        self.intern(&ctype)
    }

    /// A record of these fields; unknown where one of them is.
    pub(super) fn record(&mut self, fields: &[(&str, Ty)]) -> Result<Ty, TooLarge> {
        if fields.iter().any(|(_, ty)| ty.is_unknown()) {
            return Ok(Ty::UNKNOWN);
        }
        self.admit(self.around(fields.iter().map(|(_, ty)| *ty)))?;
        let ctype = CType::record(fields.iter().map(|(name, ty)| (*name, CType::clone(self.get(*ty)))));
        self.intern(&ctype)
    }

    /// A union of these and, where they are unions, of their variants, each once; the only one where there is one.
    pub(super) fn union(&mut self, parts: &[Ty]) -> Result<Ty, TooLarge> {
        if parts.iter().any(|ty| ty.is_unknown()) {
            return Ok(Ty::UNKNOWN);
        }
        let mut variants: Vec<Ty> = Vec::new();
        for &part in parts {
            for &variant in &*self.variants(part) {
                if !variants.contains(&variant) {
                    variants.push(variant);
                }
            }
        }
        if let [only] = variants[..] {
            return Ok(only);
        }
        self.admit(self.around(variants.iter().copied()))?;
        let ctype = CType::union(variants.iter().map(|ty| CType::clone(self.get(*ty))));
        self.intern(&ctype)
    }

    /// The variants of a union; of any other type itself alone.
    pub(super) fn variants(&mut self, ty: Ty) -> Rc<[Ty]> {
        match self.parts(ty) {
            Parts::Union(variants) => variants,
            _ => Rc::new([ty]),
        }
    }

    /// The inside of an Option.
    pub(super) fn inside(&mut self, ty: Ty) -> Option<Ty> {
        match self.parts(ty) {
            Parts::Option(inside) => Some(inside),
            _ => None,
        }
    }

    /// The items of a List.
    pub(super) fn item(&mut self, ty: Ty) -> Option<Ty> {
        match self.parts(ty) {
            Parts::List(item) => Some(item),
            _ => None,
        }
    }

    /// The fields of a record.
    pub(super) fn fields(&mut self, ty: Ty) -> Option<Fields> {
        match self.parts(ty) {
            Parts::Record(fields) => Some(fields),
            _ => None,
        }
    }

    /// One field of a record. Linear in its fields.
    pub(super) fn field(&mut self, ty: Ty, name: &str) -> Option<Ty> {
        let fields = self.fields(ty)?;
        fields.iter().find(|(known, _)| **known == *name).map(|(_, ty)| *ty)
    }

    /// What a type is made of, looked up once.
    fn parts(&mut self, ty: Ty) -> Parts {
        if let Some(parts) = &self.entries[ty.0 as usize].parts {
            return parts.clone();
        }
        let ctype = Arc::clone(self.get(ty));
        let parts = match &*ctype {
            CType::Option(inside) => Parts::Option(self.part(inside)),
            CType::List(item) => Parts::List(self.part(item)),
            CType::Union(variants) => Parts::Union(variants.iter().map(|variant| self.part(variant)).collect()),
            CType::Record(Record { fields }) => Parts::Record(
                fields.iter().map(|field| (field.name.as_str().into(), self.part(&field.ctype))).collect(),
            ),
            _ => Parts::Other,
        };
        self.entries[ty.0 as usize].parts = Some(parts.clone());
        parts
    }

    /// Whether a value of `sub` may stand where `sup` is wanted.
    pub(super) fn fits(&mut self, sub: Ty, sup: Ty) -> bool {
        if sub == sup || sub.is_unknown() || sup.is_unknown() || sup == Ty::ANY {
            return true;
        }
        if let Some(&known) = self.fits.get(&(sub, sup)) {
            return known;
        }
        let fits = is_subtype(self.get(sub), self.get(sup)).is_ok();
        self.fits.insert((sub, sup), fits);
        fits
    }

    /// The type of either of two values: the wider of them, the Option of what they are where one is an Option, else their union.
    pub(super) fn join(&mut self, a: Ty, b: Ty) -> Result<Ty, TooLarge> {
        if a.is_unknown() || b.is_unknown() {
            return Ok(Ty::UNKNOWN);
        }
        if self.fits(b, a) {
            return Ok(a);
        }
        if self.fits(a, b) {
            return Ok(b);
        }
        let (inside_a, inside_b) = (self.inside(a), self.inside(b));
        if inside_a.is_some() || inside_b.is_some() {
            let inside = self.join(inside_a.unwrap_or(a), inside_b.unwrap_or(b))?;
            return self.option(inside);
        }
        let mut joined = a;
        for &variant in &*self.variants(b) {
            if !self.fits(variant, joined) {
                joined = self.union(&[joined, variant])?;
            }
        }
        Ok(joined)
    }

    /// The type of any of several values: each of them fits it. Unknown of none.
    pub(super) fn join_all(&mut self, all: &[Ty]) -> Result<Ty, TooLarge> {
        let mut distinct: Vec<Ty> = Vec::new();
        let mut joined = Ty::UNKNOWN;
        for &ty in all {
            if ty.is_unknown() {
                return Ok(ty);
            }
            if distinct.contains(&ty) {
                continue;
            }
            let wider = if distinct.is_empty() { ty } else { self.join(joined, ty)? };
            // A field that one type forgets may come back in a wider one as another, which the first does not fit then.
            joined = if distinct.iter().all(|ty| self.fits(*ty, wider)) { wider } else { self.union(&[joined, ty])? };
            distinct.push(ty);
        }
        Ok(joined)
    }

    /// Whether so many types came up that no further large one is made.
    pub(super) fn are_too_many(&self) -> bool {
        self.nodes + MAX_TYPE_NODES > MAX_NODES
    }

    /// The type in the plan.
    pub(super) fn plan(&mut self, ty: Ty, builder: &mut Builder) -> TypeId {
        let entry = &mut self.entries[ty.0 as usize];
        *entry.plan.get_or_insert_with(|| builder.ty(&entry.ctype))
    }

    /// Says what the source calls a type. The first name stays.
    pub(super) fn name(&mut self, ty: Ty, name: &str) {
        // A scalar is better known by its own.
        if ty.0 > Ty::ANY.0 {
            self.entries[ty.0 as usize].name.get_or_insert_with(|| name.into());
        }
    }

    /// The name that the source declares for a type, else its text, shortened where it is long.
    pub(super) fn show(&self, ty: Ty) -> String {
        let entry = &self.entries[ty.0 as usize];
        if let Some(name) = &entry.name {
            return name.to_string();
        }
        self.text(ty)
    }

    /// The text of a type, shortened where it is long.
    pub(super) fn text(&self, ty: Ty) -> String {
        let text = self.get(ty).to_string();
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    fn size(&self, ty: Ty) -> Size {
        self.entries[ty.0 as usize].size
    }

    fn around(&self, parts: impl Iterator<Item = Ty>) -> Size {
        parts.map(|ty| self.size(ty)).fold(Size { nodes: 1, depth: 0 }, |all, part| Size {
            nodes: all.nodes + part.nodes,
            depth: all.depth.max(part.depth + 1),
        })
    }

    fn admit(&self, size: Size) -> Result<(), TooLarge> {
        if size.depth > MAX_TYPE_DEPTH {
            Err(TooLarge::Depth)
        } else if size.nodes > MAX_TYPE_NODES {
            Err(TooLarge::Size)
        } else if self.nodes + size.nodes > MAX_NODES {
            Err(TooLarge::Together)
        } else {
            Ok(())
        }
    }

    fn add(&mut self, ctype: CType, size: Size) -> Ty {
        let ty = Ty(u32::try_from(self.entries.len()).expect("types have at most two million parts together"));
        let ctype = Arc::new(ctype);
        self.nodes += size.nodes;
        self.ids.insert(Arc::clone(&ctype), ty);
        self.entries.push(Entry { ctype, plan: None, parts: None, list: None, option: None, size, name: None });
        ty
    }
}

/// As `CType::check` counts.
fn measure(ctype: &CType) -> Size {
    let inside = |inner: &CType, own: usize| {
        let inner = measure(inner);
        Size { nodes: inner.nodes + own, depth: inner.depth + 1 }
    };
    let around = |parts: &mut dyn Iterator<Item = &CType>| {
        parts.map(measure).fold(Size { nodes: 1, depth: 0 }, |all, part| Size {
            nodes: all.nodes + part.nodes,
            depth: all.depth.max(part.depth + 1),
        })
    };
    match ctype {
        CType::String | CType::Int | CType::Float | CType::Bool | CType::Bytes | CType::Any => {
            Size { nodes: 1, depth: 0 }
        }
        CType::List(inner) | CType::Option(inner) => inside(inner, 1),
        CType::Map(_, inner) => inside(inner, 2),
        CType::Record(record) => around(&mut record.fields.iter().map(|field| &field.ctype)),
        CType::Union(variants) => around(&mut variants.iter()),
    }
}
