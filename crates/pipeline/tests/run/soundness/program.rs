//! Draws sources by type. All are well typed; nothing here checks or runs them.

use type_schema::{CType, is_subtype};

/// The types that programs are made of. There is an input `i0` and a module `Mk0(x)` for each.
pub const UNIVERSE: [&str; 20] = [
    "Int",
    "Float",
    "String",
    "Bool",
    "List<Int>",
    "List<String>",
    "List<Float>",
    "Option<Int>",
    "Option<String>",
    "Int | String",
    "{a: Int, b: String}",
    "{a: Int, c: Option<Float>}",
    "{r: Float} | {w: Int, h: Int} | {w: String, h: Int}",
    "List<{a: Int, b: String}>",
    "List<Int | String>",
    "Option<{a: Int, b: String}>",
    "Any",
    "Bytes",
    "Map<String, Int>",
    "Option<Int | String>",
];

/// A source, well typed.
pub struct Drawn {
    pub source: String,
}

/// A source of about `size` operations.
pub fn draw(seed: u64, size: usize) -> Drawn {
    let types: Vec<CType> = UNIVERSE.iter().map(|text| CType::parse(text).unwrap()).collect();
    let mut scope: Vec<(String, CType)> =
        types.iter().enumerate().map(|(i, ctype)| (format!("i{i}"), ctype.clone())).collect();
    let mut artist = Artist { state: seed | 1, fuel: 0, names: 0, types };
    let mut source = String::new();
    for (name, ctype) in &scope {
        source += &format!("in {name}: {ctype}\n");
    }
    let bindings = 1 + artist.below(4);
    for b in 0..bindings {
        artist.fuel = (size / bindings).max(1) as i64;
        let i = artist.below(artist.types.len());
        let ctype = artist.types[i].clone();
        let name = format!("b{b}");
        if artist.below(6) == 0 {
            let value = artist.expr(&ctype, &scope);
            source += &format!("{name} = Mk{i}({value}) with on_error: wrap\n");
            let error = "{category: String, code: String, message: String, retryable: Bool}";
            let wrapped = CType::parse(&format!("{{ok: {ctype}}} | {{error: {error}}}")).unwrap();
            scope.push((name, wrapped));
        } else {
            let value = artist.exact(&ctype, &scope);
            source += &format!("{name} = {value}\n");
            scope.push((name, ctype));
        }
    }
    for b in 0..bindings {
        source += &format!("out b{b}\n");
    }
    Drawn { source }
}

type Scope = [(String, CType)];

struct Artist {
    state: u64,
    fuel: i64,
    names: usize,
    types: Vec<CType>,
}

impl Artist {
    fn below(&mut self, n: usize) -> usize {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn index(&self, ctype: &CType) -> Option<usize> {
        self.types.iter().position(|known| known == ctype)
    }

    /// An expression whose inferred type is `ctype` itself, where nothing around it says so.
    fn exact(&mut self, ctype: &CType, scope: &Scope) -> String {
        match ctype {
            CType::Int | CType::Float | CType::String | CType::Bool => self.expr(ctype, scope),
            _ if self.below(2) == 0 => self.variable(ctype, scope),
            _ => match self.index(ctype) {
                Some(i) => format!("Mk{i}({})", self.expr(ctype, scope)),
                None => self.variable(ctype, scope),
            },
        }
    }

    /// A variable of exactly that type, or a call that gives it where all are narrowed.
    fn variable(&mut self, ctype: &CType, scope: &Scope) -> String {
        let fitting: Vec<&str> =
            scope.iter().filter(|(_, known)| known == ctype).map(|(name, _)| name.as_str()).collect();
        if fitting.is_empty() {
            return match self.index(ctype) {
                Some(i) => format!("Mk{i}({})", self.leaf(ctype, scope)),
                None => self.leaf(ctype, scope),
            };
        }
        fitting[self.below(fitting.len())].to_owned()
    }

    /// An expression that fits `ctype`, where that is expected.
    fn expr(&mut self, ctype: &CType, scope: &Scope) -> String {
        self.fuel -= 1;
        if self.fuel <= 0 {
            return self.leaf(ctype, scope);
        }
        match self.below(12) {
            0 => self.leaf(ctype, scope),
            1 => {
                let condition = self.expr(&CType::Bool, scope);
                let (then, otherwise) = (self.exact(ctype, scope), self.exact(ctype, scope));
                format!("(if ({condition}) {then} else {otherwise})")
            }
            2 => {
                let (first, second) = (self.expr(&CType::Bool, scope), self.expr(&CType::Bool, scope));
                let (a, b, c) = (self.exact(ctype, scope), self.exact(ctype, scope), self.exact(ctype, scope));
                format!("(branch {{ {first} -> {a}, {second} -> {b}, otherwise -> {c} }})")
            }
            3 => self.matched(ctype, scope),
            4 => self.coalesced(ctype, scope),
            5 | 6 => self.call(ctype, scope),
            _ => self.operation(ctype, scope),
        }
    }

    fn call(&mut self, ctype: &CType, scope: &Scope) -> String {
        let Some(i) = self.index(ctype) else { return self.leaf(ctype, scope) };
        let argument = self.expr(ctype, scope);
        match self.below(5) {
            0 => format!("(Mk{i}({argument}) with fallback: {})", self.expr(ctype, scope)),
            1 if !matches!(ctype, CType::Union(_) | CType::Any) => {
                format!("(gen.Mk{i}(x: {argument}) with on_error: skip, retry: 1)")
            }
            2 if *ctype == CType::String => {
                let number = self.expr(&CType::Int, scope);
                let union = CType::union([CType::Int, CType::String]);
                match self.below(3) {
                    0 => format!("Mix({number})"),
                    1 => format!("Mix({number}, {argument})"),
                    _ => format!("Mix({number}, c: {})", self.expr(&union, scope)),
                }
            }
            _ => format!("Mk{i}({argument})"),
        }
    }

    /// A match over a union, an option or an Any, whose arms use what they narrow.
    fn matched(&mut self, ctype: &CType, scope: &Scope) -> String {
        let subjects: Vec<(String, CType)> =
            scope.iter().filter(|(_, known)| matches!(known, CType::Union(_) | CType::Any)).cloned().collect();
        if subjects.is_empty() {
            return self.leaf(ctype, scope);
        }
        let (name, of) = subjects[self.below(subjects.len())].clone();
        // In an arm the subject is narrower.
        let others: Vec<_> = scope.iter().filter(|(known, _)| *known != name).cloned().collect();
        let within = |narrowed: CType| {
            let mut inner = others.clone();
            inner.push((name.clone(), narrowed));
            inner
        };
        let mut arms = Vec::new();
        match &of {
            CType::Union(variants) => {
                let last = variants.len() - 1;
                for (v, variant) in variants.iter().enumerate() {
                    let rest = v == last && self.below(2) == 0;
                    match variant {
                        _ if rest => arms.push(format!("_ -> {}", self.exact(ctype, &others))),
                        CType::Record(record) if v == 0 || record.fields.len() == 1 => {
                            let mut inner = others.clone();
                            let fields: Vec<_> = record.fields.iter().map(|field| field.name.clone()).collect();
                            inner.retain(|(known, _)| !fields.contains(known));
                            inner.extend(record.fields.iter().map(|field| (field.name.clone(), field.ctype.clone())));
                            arms.push(format!("{{{}}} -> {}", fields.join(", "), self.exact(ctype, &inner)));
                        }
                        variant => {
                            let inner = within(variant.clone());
                            arms.push(format!("is {variant} -> {}", self.exact(ctype, &inner)));
                        }
                    }
                }
            }
            _ => {
                for kind in [CType::Int, CType::list(CType::String), CType::record([("a", CType::Int)])] {
                    let inner = within(kind.clone());
                    arms.push(format!("is {kind} -> {}", self.exact(ctype, &inner)));
                }
                arms.push(format!("_ -> {}", self.exact(ctype, scope)));
            }
        }
        format!("(match {name} {{ {} }})", arms.join(", "))
    }

    /// `option ?? value`, as far as there is such an option.
    fn coalesced(&mut self, ctype: &CType, scope: &Scope) -> String {
        if ctype.is_option() {
            // What only fits an Option, a Float say, cannot stand on the left.
            if self.index(ctype).is_none() && !scope.iter().any(|(_, known)| known == ctype) {
                return self.leaf(ctype, scope);
            }
            let (left, right) = (self.exact(ctype, scope), self.exact(ctype, scope));
            return format!("({left} ?? {right})");
        }
        let left = match self.index(&CType::option(ctype.clone())) {
            Some(_) => self.exact(&CType::option(ctype.clone()), scope),
            None => format!("({} when {})", self.exact(ctype, scope), self.expr(&CType::Bool, scope)),
        };
        if matches!(ctype, CType::Any) {
            self.leaf(ctype, scope)
        } else {
            format!("({left} ?? {})", self.exact(ctype, scope))
        }
    }

    fn operation(&mut self, ctype: &CType, scope: &Scope) -> String {
        let (int, text, bool) = (CType::Int, CType::String, CType::Bool);
        match ctype {
            CType::Int => match self.below(9) {
                0 => format!("list-length({})", self.some_list(scope).0),
                1 => format!("list-sum({})", self.exact(&CType::list(CType::Int), scope)),
                2 => format!("string-length({})", self.expr(&text, scope)),
                3 => format!("round({})", self.expr(&CType::Float, scope)),
                4 => self.fold(ctype, scope),
                5 => format!("{}.a", self.variable(&record_ab(), scope)),
                6 => format!("abs({})", self.expr(&int, scope)),
                7 => format!("list-first({})", self.exact(&CType::list(CType::Int), scope)),
                _ => self.arithmetic(&int, scope),
            },
            CType::Float => match self.below(4) {
                0 => format!("to-float({})", self.expr(&int, scope)),
                1 => format!("min({}, {})", self.expr(ctype, scope), self.expr(ctype, scope)),
                2 => self.fold(ctype, scope),
                _ => self.arithmetic(ctype, scope),
            },
            CType::String => match self.below(7) {
                0 => format!("concat({}, {})", self.expr(&text, scope), self.expr(&text, scope)),
                1 => format!("\"<${{{}}}|${{{}}}>\"", self.expr(&int, scope), self.expr(&text, scope)),
                2 => format!("to-string({})", self.expr(&CType::Float, scope)),
                3 => format!("join({}, {})", self.exact(&CType::list(CType::String), scope), self.expr(&text, scope)),
                4 => format!("trim({})", self.expr(&text, scope)),
                5 => format!("{}.b", self.variable(&record_ab(), scope)),
                _ => self.fold(ctype, scope),
            },
            CType::Bool => match self.below(7) {
                0 => format!("({} < {})", self.expr(&int, scope), self.expr(&int, scope)),
                1 => format!("({} == {})", self.expr(&text, scope), self.expr(&text, scope)),
                2 => format!("({} and {})", self.expr(&bool, scope), self.expr(&bool, scope)),
                3 => format!("(not {})", self.expr(&bool, scope)),
                4 => format!("contains({}, {})", self.expr(&text, scope), self.expr(&text, scope)),
                n => {
                    let (list, item) = self.some_list(scope);
                    let (name, body) = self.lambda(&item, &bool, scope);
                    format!("{}({list}, ({name}) => {body})", if n == 5 { "any" } else { "all" })
                }
            },
            CType::List(item) => match self.below(7) {
                0 => {
                    let (list, from) = self.some_list(scope);
                    let (name, body) = self.lambda(&from, item, scope);
                    format!("map({list}, ({name}) => {body})")
                }
                1 => {
                    let list = self.exact(ctype, scope);
                    let (name, body) = self.lambda(item, &bool, scope);
                    format!("filter({list}, ({name}: {item}) => {body})")
                }
                2 => {
                    let list = self.exact(ctype, scope);
                    let by = [CType::Int, CType::Float, CType::String][self.below(3)].clone();
                    let (name, body) = self.lambda(item, &by, scope);
                    format!("sort-by({list}, ({name}) => {body})")
                }
                3 => format!("list-concat({}, {})", self.exact(ctype, scope), self.exact(ctype, scope)),
                4 => format!("list-reverse({})", self.exact(ctype, scope)),
                5 if **item == CType::String => format!("split({}, \",\")", self.expr(&text, scope)),
                _ => {
                    let items: Vec<_> = (0..1 + self.below(3)).map(|_| self.expr(item, scope)).collect();
                    format!("[{}]", items.join(", "))
                }
            },
            CType::Option(some) => format!("({} when {})", self.exact(some, scope), self.expr(&bool, scope)),
            CType::Record(record) => match self.below(3) {
                0 => {
                    let fields: Vec<String> = record.fields.iter().map(|field| field.name.clone()).collect();
                    let merged = format!("({} + {{zz: {}}})", self.exact(ctype, scope), self.expr(&int, scope));
                    format!("({merged})[{}]", fields.join(", "))
                }
                1 => format!("({} + {{a: {}}})", self.exact(ctype, scope), self.expr(&int, scope)),
                _ => {
                    let field = |this: &mut Self, field: &type_schema::Field| {
                        format!("{}: {}", field.name, this.expr(&field.ctype, scope))
                    };
                    let fields: Vec<_> = record.fields.iter().map(|f| field(self, f)).collect();
                    format!("{{{}}}", fields.join(", "))
                }
            },
            CType::Union(variants) => {
                let variant = &variants[self.below(variants.len())];
                self.expr(variant, scope)
            }
            CType::Any => {
                let i = self.below(self.types.len());
                let other = self.types[i].clone();
                self.exact(&other, scope)
            }
            CType::Bytes | CType::Map(..) => self.leaf(ctype, scope),
        }
    }

    fn arithmetic(&mut self, ctype: &CType, scope: &Scope) -> String {
        let op = ["+", "-", "*", "/"][self.below(4)];
        format!("({} {op} {})", self.expr(ctype, scope), self.expr(ctype, scope))
    }

    fn fold(&mut self, ctype: &CType, scope: &Scope) -> String {
        let (list, item) = self.some_list(scope);
        let (so_far, name) = (self.name(), self.name());
        // Over Floats an Int literal is a Float to start from.
        let start = match item {
            CType::Float => self.variable(ctype, scope),
            _ => self.expr(ctype, scope),
        };
        let mut inner = scope.to_vec();
        inner.push((so_far.clone(), ctype.clone()));
        inner.push((name.clone(), item));
        format!("fold({list}, {start}, ({so_far}, {name}) => {})", self.expr(ctype, &inner))
    }

    /// A list and the type of its items.
    fn some_list(&mut self, scope: &Scope) -> (String, CType) {
        let items: Vec<CType> = self
            .types
            .iter()
            .filter_map(|ctype| match ctype {
                CType::List(item) => Some((**item).clone()),
                _ => None,
            })
            .collect();
        let item = items[self.below(items.len())].clone();
        (self.exact(&CType::list(item.clone()), scope), item)
    }

    /// The parameter and the body of a lambda.
    fn lambda(&mut self, from: &CType, to: &CType, scope: &Scope) -> (String, String) {
        let name = self.name();
        let mut inner = scope.to_vec();
        inner.push((name.clone(), from.clone()));
        let body = self.expr(to, &inner);
        (name, body)
    }

    fn leaf(&mut self, ctype: &CType, scope: &Scope) -> String {
        if self.below(2) == 0 {
            let fitting: Vec<&str> = scope
                .iter()
                .filter(|(_, known)| is_subtype(known, ctype).is_ok())
                .map(|(name, _)| name.as_str())
                .collect();
            if !fitting.is_empty() {
                return fitting[self.below(fitting.len())].to_owned();
            }
        }
        match ctype {
            CType::Int => ["0", "1", "7", "(-3)", "9223372036854775807"][self.below(5)].to_owned(),
            CType::Float => ["0.0", "1.5", "(-2.25)"][self.below(3)].to_owned(),
            CType::String => ["\"\"", "\"a,b\"", "\"é😀\"", "\"7\""][self.below(4)].to_owned(),
            CType::Bool => ["true", "false"][self.below(2)].to_owned(),
            CType::Option(some) => self.leaf(some, scope),
            CType::Union(variants) => {
                let variant = &variants[self.below(variants.len())];
                self.leaf(variant, scope)
            }
            CType::Record(record) => {
                let fields: Vec<_> = record
                    .fields
                    .iter()
                    .map(|field| format!("{}: {}", field.name, self.leaf(&field.ctype, scope)))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            CType::List(item) => format!("[{}]", self.leaf(item, scope)),
            CType::Any => "1".to_owned(),
            CType::Bytes | CType::Map(..) => self.variable(ctype, scope),
        }
    }
}

fn record_ab() -> CType {
    CType::record([("a", CType::Int), ("b", CType::String)])
}
