//! What the checker knows of the places of a source, for editors. No diagnostics: those are in [`crate::diagnostic`].

use std::sync::Arc;

use type_schema::CType;

use crate::catalog::ModuleSignature;
use crate::diagnostic::Span;

/// What is known of the places of a source, also of one with errors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// In ascending order of their starts; of two with one start the wider first.
    pub facts: Vec<Fact>,
}

/// What is known of one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: FactKind,
}

/// What a place is.
#[derive(Debug, Clone, PartialEq)]
pub enum FactKind {
    /// An expression of this type, e.g. a literal or an operation.
    Expr {
        /// Its type.
        ty: Arc<CType>,
    },
    /// A variable where it is used, or where it is declared (then `definition` is the place itself).
    Variable {
        /// Its name.
        name: String,
        /// Where it is declared: an input, a binding, a parameter, a field of a pattern.
        definition: Span,
        /// Its type here, narrowed where it is.
        ty: Arc<CType>,
    },
    /// The name of a module in a call.
    Module(Arc<ModuleSignature>),
    /// The name of a function of the standard library in a call.
    Function {
        /// Qualified, e.g. `stdlib.list.list-length`.
        name: String,
        /// As text, e.g. `(list: List<T>) -> Int`.
        signature: String,
        /// What it does.
        description: String,
    },
    /// The name of a field, where it is read, projected or given.
    Field {
        /// Its name.
        name: String,
        /// Its type.
        ty: Arc<CType>,
    },
    /// The name of an argument or the place of a positional one: the parameter that it is for.
    Parameter {
        /// Its name.
        name: String,
        /// Its type.
        ty: Arc<CType>,
    },
    /// The name of a type, where it is used or declared.
    Type {
        /// Its name.
        name: String,
        /// Where it is declared; `None` for those of the language.
        definition: Option<Span>,
        /// What it stands for.
        ty: Arc<CType>,
    },
    /// A namespace, or its alias, in `use` or in a qualified name.
    Namespace {
        /// The whole namespace.
        name: String,
    },
}
