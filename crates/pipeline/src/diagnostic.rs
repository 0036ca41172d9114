//! What is said about a source: codes, places, texts, and how these are shown. Finds no fault itself.

mod json;
mod lines;
mod render;

use std::fmt;

pub use self::{json::json, lines::LineIndex, render::render};

/// A range of bytes of a source, `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// `start..end`.
    #[must_use]
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The least range that holds both.
    #[must_use]
    pub fn to(self, other: Span) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// As a range of indices.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The pipeline cannot run.
    Error,
    /// The pipeline runs.
    Warning,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $title:literal;)*) => {
        /// The stable code of a diagnostic. Each has a page in `docs/errors`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $variant),* }

        impl Code {
            /// All of them, in ascending order of their names.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The code as people see it, e.g. `E002`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name),* }
            }

            /// What the code is about, e.g. `undefined module`.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title),* }
            }
        }
    };
}

codes! {
    /// A name that no declaration binds.
    UndefinedVariable = "E001", "undefined variable";
    /// A function that no module has.
    UndefinedModule = "E002", "undefined module";
    /// A type name that is not declared.
    UndefinedType = "E003", "undefined type";
    /// A namespace in `use` or in a qualified name that no module has.
    UndefinedNamespace = "E004", "undefined namespace";
    /// A name that several modules of one level have.
    AmbiguousName = "E005", "ambiguous name";
    /// A projection of what has no such fields.
    BadProjection = "E006", "bad projection";
    /// A field that the value does not have.
    BadField = "E007", "bad field";
    /// A value of another type than the place wants.
    TypeMismatch = "E010", "type mismatch";
    /// An operand that the operator does not take.
    BadOperand = "E011", "bad operand";
    /// A merge of what cannot be merged.
    BadMerge = "E012", "bad merge";
    /// A comparison of two values that have no common order or type.
    NotComparable = "E013", "not comparable";
    /// Arithmetic on what is not two numbers of one type.
    BadArithmetic = "E014", "bad arithmetic";
    /// An option with a value that it does not take.
    BadOptionValue = "E016", "bad option value";
    /// A fallback of another type than the call.
    FallbackType = "E017", "fallback type";
    /// A match that leaves a case out.
    MatchNotExhaustive = "E018", "match not exhaustive";
    /// Too few or too many arguments, or an unknown or repeated name.
    BadArgument = "E019", "bad argument";
    /// The text is no pipeline.
    ParseError = "E020", "parse error";
    /// A token that cannot stand here.
    UnexpectedToken = "E021", "unexpected token";
    /// A name that is declared twice.
    DuplicateName = "E030", "duplicate name";
    /// Declarations that need themselves.
    Cycle = "E031", "cycle";
    /// A construct of streaming pipelines.
    Streaming = "E040", "streaming construct";
    /// A binding that nothing needs.
    UnusedBinding = "W001", "unused binding";
    /// An option that changes nothing here.
    OptionWithoutEffect = "W002", "option without effect";
    /// An arm of a match for which the arms before leave nothing.
    UnreachableArm = "W003", "unreachable arm";
}

impl Code {
    /// Whether the pipeline cannot run.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Code::UnusedBinding | Code::OptionWithoutEffect | Code::UnreachableArm => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing said about a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// One line: what is wrong. Lower case, no final dot, literals in backticks.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What is at that place, beside the caret; may be empty.
    pub label: String,
    /// Other places that explain it, each with its text.
    pub related: Vec<(Span, String)>,
    /// What to do, a line each; for names the nearest candidates.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic without label, related places or help.
    #[must_use]
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span, label: String::new(), related: Vec::new(), help: Vec::new() }
    }

    /// Says what is at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    /// Adds a line of advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}
