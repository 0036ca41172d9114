//! The names of operations, as the source and listings have them. Nothing else about them.

use super::{Arithmetic, EachKind, Order, StdFn};

impl StdFn {
    /// The name behind its namespace, e.g. `list-length`. Stands in the hash of plans, so it never changes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
            Self::Abs => "abs",
            Self::Negate => "negate",
            Self::Round => "round",
            Self::StringLength => "string-length",
            Self::Join => "join",
            Self::Split => "split",
            Self::Contains => "contains",
            Self::Trim => "trim",
            Self::Replace => "replace",
            Self::ListLength => "list-length",
            Self::ListFirst => "list-first",
            Self::ListLast => "list-last",
            Self::ListIsEmpty => "list-is-empty",
            Self::ListSum => "list-sum",
            Self::ListConcat => "list-concat",
            Self::ListContains => "list-contains",
            Self::ListReverse => "list-reverse",
            Self::ToString => "to-string",
            Self::ToInt => "to-int",
            Self::ToFloat => "to-float",
            Self::Log => "log",
        }
    }
}

impl EachKind {
    /// The name behind its namespace, e.g. `sort-by`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Map => "map",
            Self::All => "all",
            Self::Any => "any",
            Self::SortBy => "sort-by",
            Self::Fold => "fold",
        }
    }
}

impl Arithmetic {
    /// The operator, or `modulo`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "modulo",
        }
    }
}

impl Order {
    /// The operator.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }
}
