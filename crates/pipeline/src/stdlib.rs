//! The standard library as the checker and editors see it: names, parameters, signatures. Computes nothing: that is the run loop's.

mod table;

use crate::plan::{Arithmetic, EachKind, Order, StdFn};

pub use self::table::FUNCTIONS;

/// The namespace of the standard library.
pub const NAMESPACE: &str = "stdlib";

/// The namespaces, in ascending order. `stdlib.bool` holds `and`, `or` and `not`, which are operators.
pub const NAMESPACES: &[&str] = &[
    "stdlib",
    "stdlib.bool",
    "stdlib.collection",
    "stdlib.compare",
    "stdlib.convert",
    "stdlib.debug",
    "stdlib.list",
    "stdlib.math",
    "stdlib.string",
];

/// A function of the standard library.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Function {
    /// E.g. `stdlib.list`.
    pub namespace: &'static str,
    /// E.g. `list-length`.
    pub name: &'static str,
    /// Names of the parameters, in order; none may be left out.
    pub parameters: &'static [&'static str],
    /// As text, e.g. `(list: List<T>) -> Int`.
    pub signature: &'static str,
    /// What it does, in one or two sentences.
    pub description: &'static str,
    /// Whether it may fail at run time.
    pub fails: bool,
    pub(crate) kind: Kind,
}

impl Function {
    /// E.g. `stdlib.list.list-length`.
    #[must_use]
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }
}

/// The function of a qualified name.
#[must_use]
pub fn function(qualified: &str) -> Option<&'static Function> {
    let (namespace, name) = qualified.rsplit_once('.')?;
    with_local_name(name).filter(|function| function.namespace == namespace)
}

/// The function of that name in whatever namespace; names are unique in the library.
#[must_use]
pub fn with_local_name(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// How a function is typed, and what it becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Two numbers of one type give a third.
    Arithmetic(Arithmetic),
    /// One or two numbers of one type give another.
    Numbers(StdFn),
    /// Types that do not depend on the arguments.
    Plain { function: StdFn, takes: &'static [Plain], gives: Plain },
    /// Two Strings give one.
    Concat,
    /// A list gives an Int or a Bool.
    OfList(StdFn, Plain),
    /// A list gives an item.
    ItemOf(StdFn),
    /// A list of numbers gives a number.
    Sum,
    /// Two lists give one.
    ListConcat,
    /// A list and a value give a Bool.
    ListContains,
    /// A list gives another of its type.
    Reverse,
    /// Two values of a type give a Bool.
    Equal(Plain),
    /// Two values that have an order give a Bool.
    Order(Order),
    /// A scalar gives a String.
    ToString,
    /// What is given.
    Identity,
    /// A list and a lambda.
    Each(EachKind),
}

/// A type that a signature says outright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    String,
    Int,
    Float,
    Bool,
    Strings,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_belongs_to_one_function_and_a_namespace_is_listed() {
        let names: BTreeSet<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
        assert_eq!(names.len(), FUNCTIONS.len());
        assert!(FUNCTIONS.iter().all(|function| NAMESPACES.contains(&function.namespace)));
        assert!(NAMESPACES.is_sorted());
    }

    #[test]
    fn a_signature_names_the_parameters_in_their_order() {
        for function in FUNCTIONS {
            let inside = &function.signature[1..function.signature.find(") -> ").expect("a result")];
            let mut rest = inside;
            for parameter in function.parameters {
                let at =
                    rest.find(&format!("{parameter}: ")).unwrap_or_else(|| panic!("{}: {parameter}", function.name));
                rest = &rest[at + parameter.len()..];
            }
        }
    }

    #[test]
    fn a_function_is_found_by_its_qualified_name_alone() {
        assert_eq!(function("stdlib.list.list-length").map(|found| found.name), Some("list-length"));
        assert_eq!(function("stdlib.math.list-length"), None);
        assert_eq!(function("list-length"), None);
    }
}
