//! A pipeline as the checker reads it: plain data with places, without comments and blanks, which only the lossless tree keeps. A part
//! that did not parse is an [`ExprKind::Error`] or [`TypeKind::Error`], of which a diagnostic was given already.

use std::time::Duration;

use crate::diagnostic::Span;

/// A name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The identifier.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// Identifiers joined by dots, e.g. `text.Uppercase`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QName {
    /// The identifiers; at least one.
    pub parts: Vec<Name>,
}

impl QName {
    /// From the first to the last identifier.
    #[must_use]
    pub fn span(&self) -> Span {
        match (self.parts.first(), self.parts.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => Span::default(),
        }
    }

    /// The name with its dots.
    #[must_use]
    pub fn text(&self) -> String {
        let parts: Vec<&str> = self.parts.iter().map(|part| part.text.as_str()).collect();
        parts.join(".")
    }
}

/// A whole source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct File {
    /// In the order of the source.
    pub decls: Vec<Decl>,
    /// The comment lines before the first declaration, joined by line feeds, without `#`.
    pub description: String,
}

/// One declaration.
#[derive(Debug, Clone, PartialEq)]
pub enum Decl {
    /// `type Name = type`
    Type {
        /// What is declared.
        name: Name,
        /// Its meaning.
        ty: Type,
    },
    /// `@example(e) in name: type`
    In {
        /// The expressions of its examples.
        examples: Vec<Expr>,
        /// The input.
        name: Name,
        /// Its type.
        ty: Type,
    },
    /// `out name`
    Out {
        /// The binding or input that is put out.
        name: Name,
    },
    /// `use ns as alias`
    Use {
        /// The namespace.
        namespace: QName,
        /// Its short name.
        alias: Option<Name>,
    },
    /// `name = expr`
    Bind {
        /// What is bound.
        name: Name,
        /// Its value.
        value: Expr,
    },
}

/// A type as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// What it is.
    pub kind: TypeKind,
    /// Where.
    pub span: Span,
}

/// What a type is.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeKind {
    /// A name, with arguments in angle brackets: `String`, `List<Int>`, `Order`.
    Named {
        /// The name.
        name: Name,
        /// The arguments; empty without brackets.
        args: Vec<Type>,
    },
    /// `{ a: T, b: U }`
    Record(Vec<(Name, Type)>),
    /// `A + B`
    Merge(Vec<Type>),
    /// `A | B`
    Union(Vec<Type>),
    /// Did not parse.
    Error,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where, with its parentheses if it has some.
    pub span: Span,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A variable.
    Var(String),
    /// `"text ${expr}"`, its parts in order; one text without interpolation, escapes resolved.
    Str(Vec<StrPart>),
    /// An Int literal, in range of i64.
    Int(i64),
    /// A Float literal.
    Float(f64),
    /// `true`, `false`
    Bool(bool),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `{ a: x, b: y }`
    Record(Vec<(Name, Expr)>),
    /// `ns.Name(a, b, name: c) with option, …`
    Call(Call),
    /// `(a, b: T) => body`
    Lambda {
        /// The parameters with their types, where written.
        params: Vec<(Name, Option<Type>)>,
        /// The body.
        body: Box<Expr>,
    },
    /// `value.field`
    Field {
        /// Of what.
        value: Box<Expr>,
        /// Which.
        field: Name,
    },
    /// `value[f, g]` and `value{f, g}`
    Project {
        /// Of what.
        value: Box<Expr>,
        /// Which.
        fields: Vec<Name>,
    },
    /// `not value`
    Not(Box<Expr>),
    /// `-value`
    Negate(Box<Expr>),
    /// `left op right`
    Binary {
        /// Which.
        op: BinaryOp,
        /// Where it stands.
        op_span: Span,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `value when condition`
    When {
        /// The value.
        value: Box<Expr>,
        /// A Bool.
        condition: Box<Expr>,
    },
    /// `if (condition) then else otherwise`
    If {
        /// A Bool.
        condition: Box<Expr>,
        /// If true.
        then: Box<Expr>,
        /// If false.
        otherwise: Box<Expr>,
    },
    /// `branch { c -> a, otherwise -> b }`
    Branch {
        /// Conditions with their values, in order.
        cases: Vec<(Expr, Expr)>,
        /// If no condition is true.
        otherwise: Box<Expr>,
    },
    /// `match subject { pattern -> value, … }`
    Match {
        /// What is matched.
        subject: Box<Expr>,
        /// In order.
        arms: Vec<(Pattern, Expr)>,
    },
    /// Did not parse.
    Error,
}

/// A part of a string.
#[derive(Debug, Clone, PartialEq)]
pub enum StrPart {
    /// As it is.
    Text(String),
    /// `${expr}`
    Expr(Expr),
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`: sum, or merge of records.
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `and`
    And,
    /// `or`
    Or,
    /// `??`
    Coalesce,
}

/// What an arm of a match takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// What it is.
    pub kind: PatternKind,
    /// Where.
    pub span: Span,
}

/// What a pattern is.
#[derive(Debug, Clone, PartialEq)]
pub enum PatternKind {
    /// `{ a, b }`: records with these fields, which it binds.
    Record(Vec<Name>),
    /// `is T`
    Is(Type),
    /// `_`
    Rest,
    /// Did not parse.
    Error,
}

/// A call of a module, or of a function of the standard library.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub function: QName,
    /// Positional ones first.
    pub args: Vec<Arg>,
    /// In the order of the source; a repeated one is the checker's to refuse.
    pub options: Vec<CallOption>,
}

/// An argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// Set for `name: value`.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// The names of all options of calls, in the order of the page.
pub const OPTIONS: &[&str] = &[
    "retry",
    "timeout",
    "delay",
    "backoff",
    "fallback",
    "cache",
    "cache_backend",
    "throttle",
    "concurrency",
    "on_error",
    "lazy",
    "priority",
    "batch",
    "batch_timeout",
];

/// `name: value` behind `with`.
#[derive(Debug, Clone, PartialEq)]
pub struct CallOption {
    /// Any identifier: whether there is such an option is the checker's matter.
    pub name: Name,
    /// What it says; `None` for `lazy` alone.
    pub value: Option<OptionValue>,
    /// From its name to its value.
    pub span: Span,
}

/// The value of an option as written.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// `500ms`, `5min`
    Duration(Duration, Span),
    /// `10/1s`
    Rate {
        /// How many.
        count: u64,
        /// In which time.
        per: Duration,
        /// Where.
        span: Span,
    },
    /// An identifier such as `exponential`; for `fallback` a variable.
    Word(Name),
    /// Any other expression: Int, String, Bool, and whatever `fallback` has.
    Expr(Expr),
}
