//! The functions of the standard library, one line each. The page is docs/pipelines.md, section 4.

use crate::plan::{Arithmetic, EachKind, Order, StdFn};

use super::{Function, Kind, Plain};

use Plain::{Bool, Float, Int, String, Strings};

/// What is the same for a whole namespace.
struct In(&'static str);

impl In {
    const fn function(
        &self,
        name: &'static str,
        parameters: &'static [&'static str],
        signature: &'static str,
        kind: Kind,
        fails: bool,
        description: &'static str,
    ) -> Function {
        Function { namespace: self.0, name, parameters, signature, description, fails, kind }
    }
}

const fn plain(function: StdFn, takes: &'static [Plain], gives: Plain) -> Kind {
    Kind::Plain { function, takes, gives }
}

const MATH: In = In("stdlib.math");
const STRING: In = In("stdlib.string");
const LIST: In = In("stdlib.list");
const COMPARE: In = In("stdlib.compare");
const CONVERT: In = In("stdlib.convert");
const DEBUG: In = In("stdlib.debug");
const PLAIN: In = In("stdlib");
const COLLECTION: In = In("stdlib.collection");

const AB: &[&str] = &["a", "b"];
const NUMBERS: &str = "(a: N, b: N) -> N, where N is Int or Float";
const NUMBER: &str = "(a: N) -> N, where N is Int or Float";
const ORDERED: &str = "(a: T, b: T) -> Bool, where T is Int, Float or String";

/// Every function, by namespace and name.
#[rustfmt::skip]
pub const FUNCTIONS: &[Function] = &[
    PLAIN.function("identity", &["value"], "(value: T) -> T", Kind::Identity, false,
        "The value itself."),
    COLLECTION.function("all", &["list", "function"], "(list: List<T>, function: (T) => Bool) -> Bool", Kind::Each(EachKind::All), true,
        "Whether the function is true of all items; true of an empty list."),
    COLLECTION.function("any", &["list", "function"], "(list: List<T>, function: (T) => Bool) -> Bool", Kind::Each(EachKind::Any), true,
        "Whether the function is true of some item; false of an empty list."),
    COLLECTION.function("filter", &["list", "function"], "(list: List<T>, function: (T) => Bool) -> List<T>", Kind::Each(EachKind::Filter), true,
        "The items of which the function is true, in their order."),
    COLLECTION.function("fold", &["list", "initial", "function"], "(list: List<T>, initial: A, function: (A, T) => A) -> A", Kind::Each(EachKind::Fold), true,
        "What the function makes of the initial value and the first item, then of that and the second, and so on."),
    COLLECTION.function("map", &["list", "function"], "(list: List<T>, function: (T) => U) -> List<U>", Kind::Each(EachKind::Map), true,
        "What the function makes of each item, in their order. Module calls in it run in parallel."),
    COLLECTION.function("sort-by", &["list", "function"], "(list: List<T>, function: (T) => K) -> List<T>, where K is Int, Float or String", Kind::Each(EachKind::SortBy), true,
        "The items in ascending order of what the function gives for each; equal ones keep their order."),
    COMPARE.function("eq-int", AB, "(a: Int, b: Int) -> Bool", Kind::Equal(Int), false,
        "Whether two Ints are equal, as `a == b`."),
    COMPARE.function("eq-string", AB, "(a: String, b: String) -> Bool", Kind::Equal(String), false,
        "Whether two Strings are equal, as `a == b`."),
    COMPARE.function("gt", AB, ORDERED, Kind::Order(Order::Greater), false,
        "Whether a is greater, as `a > b`."),
    COMPARE.function("gte", AB, ORDERED, Kind::Order(Order::GreaterEqual), false,
        "Whether a is greater or equal, as `a >= b`."),
    COMPARE.function("lt", AB, ORDERED, Kind::Order(Order::Less), false,
        "Whether a is less, as `a < b`."),
    COMPARE.function("lte", AB, ORDERED, Kind::Order(Order::LessEqual), false,
        "Whether a is less or equal, as `a <= b`."),
    CONVERT.function("to-float", &["value"], "(value: Int) -> Float", plain(StdFn::ToFloat, &[Int], Float), false,
        "The nearest Float."),
    CONVERT.function("to-int", &["value"], "(value: Float) -> Int", plain(StdFn::ToInt, &[Float], Int), true,
        "The Int towards zero; fails where there is none."),
    CONVERT.function("to-string", &["value"], "(value: S) -> String, where S is String, Int, Float or Bool", Kind::ToString, false,
        "The value as text, as `\"${value}\"`."),
    DEBUG.function("log", &["value"], "(value: String) -> String", plain(StdFn::Log, &[String], String), false,
        "The String itself, which also goes to the log of the run."),
    LIST.function("list-concat", AB, "(a: List<T>, b: List<T>) -> List<T>", Kind::ListConcat, false,
        "The items of both lists."),
    LIST.function("list-contains", &["list", "value"], "(list: List<T>, value: T) -> Bool", Kind::ListContains, false,
        "Whether an item equals the value."),
    LIST.function("list-first", &["list"], "(list: List<T>) -> T", Kind::ItemOf(StdFn::ListFirst), true,
        "The first item; fails on an empty list."),
    LIST.function("list-is-empty", &["list"], "(list: List<T>) -> Bool", Kind::OfList(StdFn::ListIsEmpty, Bool), false,
        "Whether there is no item."),
    LIST.function("list-last", &["list"], "(list: List<T>) -> T", Kind::ItemOf(StdFn::ListLast), true,
        "The last item; fails on an empty list."),
    LIST.function("list-length", &["list"], "(list: List<T>) -> Int", Kind::OfList(StdFn::ListLength, Int), false,
        "How many items there are."),
    LIST.function("list-reverse", &["list"], "(list: List<T>) -> List<T>", Kind::Reverse, false,
        "The items from last to first."),
    LIST.function("list-sum", &["list"], "(list: List<N>) -> N, where N is Int or Float", Kind::Sum, true,
        "The sum of the items, 0 of none; fails outside Int."),
    MATH.function("abs", &["a"], NUMBER, Kind::Numbers(StdFn::Abs), true,
        "The number without its sign; fails outside Int."),
    MATH.function("add", AB, NUMBERS, Kind::Arithmetic(Arithmetic::Add), true,
        "The sum, as `a + b`; fails outside Int."),
    MATH.function("divide", AB, NUMBERS, Kind::Arithmetic(Arithmetic::Divide), true,
        "The quotient, as `a / b`: of Ints truncated; division by the Int zero fails."),
    MATH.function("max", AB, NUMBERS, Kind::Numbers(StdFn::Max), false,
        "The greater of two numbers."),
    MATH.function("min", AB, NUMBERS, Kind::Numbers(StdFn::Min), false,
        "The lesser of two numbers."),
    MATH.function("modulo", AB, NUMBERS, Kind::Arithmetic(Arithmetic::Modulo), true,
        "The remainder, with the sign of a; division by the Int zero fails."),
    MATH.function("multiply", AB, NUMBERS, Kind::Arithmetic(Arithmetic::Multiply), true,
        "The product, as `a * b`; fails outside Int."),
    MATH.function("negate", &["a"], NUMBER, Kind::Numbers(StdFn::Negate), true,
        "The number with the other sign, as `-a`; fails outside Int."),
    MATH.function("round", &["a"], "(a: Float) -> Int", plain(StdFn::Round, &[Float], Int), true,
        "The nearest Int, halves away from zero; fails where there is none."),
    MATH.function("subtract", AB, NUMBERS, Kind::Arithmetic(Arithmetic::Subtract), true,
        "The difference, as `a - b`; fails outside Int."),
    STRING.function("concat", AB, "(a: String, b: String) -> String", Kind::Concat, false,
        "One String after the other, as `\"${a}${b}\"`."),
    STRING.function("contains", &["value", "substring"], "(value: String, substring: String) -> Bool", plain(StdFn::Contains, &[String, String], Bool), false,
        "Whether the value has the substring."),
    STRING.function("join", &["list", "separator"], "(list: List<String>, separator: String) -> String", plain(StdFn::Join, &[Strings, String], String), false,
        "The Strings with the separator between them."),
    STRING.function("replace", &["value", "target", "replacement"], "(value: String, target: String, replacement: String) -> String", plain(StdFn::Replace, &[String, String, String], String), false,
        "The value with each occurrence of the target replaced."),
    STRING.function("split", &["value", "substring"], "(value: String, substring: String) -> List<String>", plain(StdFn::Split, &[String, String], Strings), false,
        "The parts between the occurrences of the substring, which is no pattern. Trailing empty parts are kept."),
    STRING.function("string-length", &["value"], "(value: String) -> Int", plain(StdFn::StringLength, &[String], Int), false,
        "How many characters (Unicode scalar values) the value has."),
    STRING.function("trim", &["value"], "(value: String) -> String", plain(StdFn::Trim, &[String], String), false,
        "The value without white space at its ends."),
];
