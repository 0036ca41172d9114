//! From a syntax tree to a plan: names, types, and the operations that they mean. Reads no text and runs nothing.
//!
//! All faults are found in one go. What has a fault has the unknown type, which fits everywhere, so that one fault is told
//! once. From the first fault on no more nodes are built, since there will be no plan.

mod arguments;
mod call;
mod choose;
mod collect;
mod declare;
mod example;
mod expr;
mod finish;
mod literal;
mod matching;
mod modules;
mod nearest;
mod needs;
mod operate;
mod options;
mod order;
mod record;
mod report;
mod scope;
mod std_call;
mod types;

use std::collections::HashMap;
use std::rc::Rc;

use crate::ast;
use crate::catalog::Catalog;
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::facts::{Fact, Facts};
use crate::parser::MAX_DIAGNOSTICS;
use crate::plan::{Builder, NodeId, Op, Plan};

use self::declare::TypeDeclaration;
use self::modules::{Callee, Target, Uses};
use self::scope::{Global, Local};
use self::types::{Ty, Types};

/// Expressions and types inside each other. The parser allows fewer; a tree that was made otherwise must not end the process.
const MAX_NESTING: u32 = 160;

/// What a check came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The plan; `None` where there are errors.
    pub plan: Option<Plan>,
    /// Errors and warnings, in the order of their places; at most 100.
    pub diagnostics: Vec<Diagnostic>,
    /// What is known of the places, with errors too.
    pub facts: Facts,
}

/// Checks a source that was parsed. A part that did not parse is taken to have been told.
#[must_use]
pub fn check(file: &ast::File, catalog: &Catalog) -> Checked {
    let mut checker = Checker::new(catalog);
    checker.file(file);
    checker.finish(file)
}

/// Parses and checks a source.
#[must_use]
pub fn compile(source: &str, catalog: &Catalog) -> Checked {
    with_parsed(&crate::parse(source), catalog)
}

/// Checks what was parsed, and tells the faults of both in the order of their places.
pub(crate) fn with_parsed(parsed: &crate::Parsed, catalog: &Catalog) -> Checked {
    let mut checked = check(&parsed.file, catalog);
    // The parser tells all that is no pipeline.
    checked.diagnostics.retain(|diagnostic| diagnostic.code != Code::ParseError);
    if parsed.diagnostics.iter().any(|diagnostic| diagnostic.severity() == Severity::Error) {
        checked.plan = None;
    }
    checked.diagnostics.extend(parsed.diagnostics.iter().cloned());
    checked.diagnostics.sort_by_key(|diagnostic| (diagnostic.span, diagnostic.code));
    checked.diagnostics.truncate(MAX_DIAGNOSTICS);
    checked
}

/// An expression that was checked.
#[derive(Debug, Clone, Copy)]
struct Value {
    ty: Ty,
    /// Of no meaning once there was an error.
    node: NodeId,
}

impl Value {
    const UNKNOWN: Value = Value { ty: Ty::UNKNOWN, node: NO_NODE };
}

const NO_NODE: NodeId = NodeId(u32::MAX);

struct Checker<'a> {
    catalog: &'a Catalog,
    types: Types,
    builder: Builder,
    /// Whether there was an error.
    failed: bool,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Diagnostic>,
    facts: Vec<Fact>,
    uses: Uses<'a>,
    type_declarations: Vec<TypeDeclaration<'a>>,
    type_names: HashMap<&'a str, usize>,
    globals: Vec<Global<'a>>,
    global_names: HashMap<&'a str, usize>,
    /// Parameters, fields of patterns and narrowed variables, innermost last.
    locals: Vec<Local<'a>>,
    /// For each open lambda the least `concurrency` of the calls in it.
    lambdas: Vec<Option<u32>>,
    /// Modules that were called before.
    callees: HashMap<&'a str, Rc<Callee>>,
    /// What names of functions mean, as far as they came up.
    functions: HashMap<String, Target<'a>>,
    nesting: u32,
}

impl<'a> Checker<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            types: Types::new(),
            builder: Builder::new(),
            failed: false,
            errors: 0,
            warnings: 0,
            diagnostics: Vec::new(),
            facts: Vec::new(),
            uses: Uses::default(),
            type_declarations: Vec::new(),
            type_names: HashMap::new(),
            globals: Vec::new(),
            global_names: HashMap::new(),
            locals: Vec::new(),
            lambdas: Vec::new(),
            callees: HashMap::new(),
            functions: HashMap::new(),
            nesting: 0,
        }
    }

    fn file(&mut self, file: &'a ast::File) {
        self.collect(file);
        self.declare_types();
        self.declare_inputs(file);
        self.bind(file);
    }

    /// A node of the innermost open body.
    fn emit(&mut self, op: Op, ty: Ty, span: Span) -> Value {
        if self.failed || ty.is_unknown() {
            return Value { ty, node: NO_NODE };
        }
        let plan_type = self.types.plan(ty, &mut self.builder);
        Value { ty, node: self.builder.node(op, plan_type, span) }
    }

    /// The same value in another type that it fits.
    fn widen(&mut self, value: Value, ty: Ty, span: Span) -> Value {
        if value.ty == ty || value.ty.is_unknown() || ty.is_unknown() {
            return Value { ty, node: value.node };
        }
        self.emit(Op::Coerce(value.node), ty, span)
    }

    /// Does not go deeper than a stack allows.
    fn nested<T>(&mut self, span: Span, inside: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.nesting == MAX_NESTING {
            self.error(Diagnostic::new(Code::ParseError, span, "nested too deeply"));
            return None;
        }
        self.nesting += 1;
        let result = inside(self);
        self.nesting -= 1;
        Some(result)
    }
}
