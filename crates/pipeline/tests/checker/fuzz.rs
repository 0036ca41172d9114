//! Any tree is checked without a panic, well typed or not.

use std::time::Duration;

use pipeline::ast::{
    Arg, BinaryOp, Call, CallOption, Decl, Expr, ExprKind, File, Name, OptionValue, Pattern, PatternKind, QName,
    StrPart, Type, TypeKind,
};
use pipeline::{Span, check};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::catalog;

const NAMES: &[&str] = &["a", "b", "c", "x", "id", "radius", "ok", "error", "text"];
const TYPES: &[&str] = &["String", "Int", "Float", "Bool", "Bytes", "Any", "List", "Map", "Option", "A", "B", "Nope"];
const FUNCTIONS: &[&str] = &[
    "Uppercase",
    "text.Replace",
    "WordCount",
    "ml.Embed",
    "Embed",
    "data.Scale",
    "Echo",
    "Maybe",
    "Now",
    "Find",
    "Price",
    "Shape",
    "Lookup",
    "Load",
    "Save",
    "Ticks",
    "Nope",
    "nope.Nope",
    "add",
    "max",
    "abs",
    "round",
    "concat",
    "join",
    "list-length",
    "list-first",
    "list-sum",
    "list-concat",
    "list-contains",
    "list-reverse",
    "eq-int",
    "gt",
    "to-string",
    "to-int",
    "log",
    "identity",
    "filter",
    "map",
    "all",
    "sort-by",
    "fold",
    "m.Embed",
];
const OPTIONS: &[&str] = &[
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
    "nope",
];
const WORDS: &[&str] = &["exponential", "skip", "log", "wrap", "high", "a", "x"];

fn name() -> impl Strategy<Value = Name> {
    (select(NAMES), 0..200_u32).prop_map(|(text, at)| Name { text: text.to_owned(), span: Span::new(at, at + 1) })
}

fn ty() -> BoxedStrategy<Type> {
    let span = Span::new(1, 2);
    let leaf = prop_oneof![
        8 => select(TYPES).prop_map(move |text| TypeKind::Named { name: Name { text: text.to_owned(), span }, args: Vec::new() }),
        1 => Just(TypeKind::Error),
    ];
    let leaf = leaf.prop_map(move |kind| Type { kind, span });
    leaf.prop_recursive(4, 16, 3, move |inner| {
        let kind = prop_oneof![
            (select(TYPES), vec(inner.clone(), 1..3))
                .prop_map(move |(text, args)| TypeKind::Named { name: Name { text: text.to_owned(), span }, args }),
            vec((name(), inner.clone()), 0..3).prop_map(TypeKind::Record),
            vec(inner.clone(), 1..3).prop_map(TypeKind::Merge),
            vec(inner, 1..4).prop_map(TypeKind::Union),
        ];
        kind.prop_map(move |kind| Type { kind, span })
    })
    .boxed()
}

fn expr() -> BoxedStrategy<Expr> {
    let leaf = prop_oneof![
        4 => select(NAMES).prop_map(|name| ExprKind::Var(name.to_owned())),
        2 => any::<i64>().prop_map(ExprKind::Int),
        1 => any::<f64>().prop_map(ExprKind::Float),
        1 => any::<bool>().prop_map(ExprKind::Bool),
        1 => Just(ExprKind::Str(vec![StrPart::Text("x".into())])),
        1 => Just(ExprKind::List(Vec::new())),
        1 => Just(ExprKind::Error),
    ];
    let leaf = (leaf, 0..100_u32).prop_map(|(kind, at)| Expr { kind, span: Span::new(at, at + 3) });
    leaf.prop_recursive(5, 40, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let lambda = (vec((name(), option::of(ty())), 0..3), boxed.clone()).prop_map(|(params, body)| ExprKind::Lambda { params, body });
        let lambda = (lambda, 0..100_u32).prop_map(|(kind, at)| Expr { kind, span: Span::new(at, at + 4) });
        let arg = prop_oneof![3 => inner.clone(), 2 => lambda];
        let kind = prop_oneof![
            1 => vec(prop_oneof![Just(StrPart::Text("t".into())), inner.clone().prop_map(StrPart::Expr)], 0..3).prop_map(ExprKind::Str),
            1 => vec(inner.clone(), 0..4).prop_map(ExprKind::List),
            1 => vec((name(), inner.clone()), 0..4).prop_map(ExprKind::Record),
            4 => call(arg.boxed(), inner.clone()),
            1 => (boxed.clone(), name()).prop_map(|(value, field)| ExprKind::Field { value, field }),
            1 => (boxed.clone(), vec(name(), 0..3)).prop_map(|(value, fields)| ExprKind::Project { value, fields }),
            1 => boxed.clone().prop_map(ExprKind::Not),
            1 => boxed.clone().prop_map(ExprKind::Negate),
            2 => (binary(), boxed.clone(), boxed.clone())
                .prop_map(|(op, left, right)| ExprKind::Binary { op, op_span: Span::new(1, 2), left, right }),
            1 => (boxed.clone(), boxed.clone()).prop_map(|(value, condition)| ExprKind::When { value, condition }),
            1 => (boxed.clone(), boxed.clone(), boxed.clone())
                .prop_map(|(condition, then, otherwise)| ExprKind::If { condition, then, otherwise }),
            1 => (vec((inner.clone(), inner.clone()), 0..3), boxed.clone())
                .prop_map(|(cases, otherwise)| ExprKind::Branch { cases, otherwise }),
            2 => (boxed, vec((pattern(), inner), 0..4)).prop_map(|(subject, arms)| ExprKind::Match { subject, arms }),
        ];
        (kind, 0..100_u32).prop_map(|(kind, at)| Expr { kind, span: Span::new(at, at + 7) })
    })
    .boxed()
}

fn binary() -> impl Strategy<Value = BinaryOp> {
    select(
        &[
            BinaryOp::Add,
            BinaryOp::Subtract,
            BinaryOp::Divide,
            BinaryOp::Equal,
            BinaryOp::Less,
            BinaryOp::And,
            BinaryOp::Coalesce,
        ][..],
    )
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let kind = prop_oneof![
        vec(name(), 0..3).prop_map(PatternKind::Record),
        ty().prop_map(PatternKind::Is),
        Just(PatternKind::Rest),
        Just(PatternKind::Error),
    ];
    kind.prop_map(|kind| Pattern { kind, span: Span::new(3, 5) })
}

fn call(arg: BoxedStrategy<Expr>, value: BoxedStrategy<Expr>) -> impl Strategy<Value = ExprKind> {
    let span = Span::new(2, 4);
    let arg = (option::weighted(0.2, name()), arg).prop_map(|(name, value)| Arg { name, value });
    let word = select(WORDS).prop_map(move |word| OptionValue::Word(Name { text: word.to_owned(), span }));
    let value = prop_oneof![
        1 => (0..3_u64).prop_map(move |ms| OptionValue::Duration(Duration::from_millis(ms), span)),
        1 => (0..3_u64).prop_map(move |count| OptionValue::Rate { count, per: Duration::from_secs(count), span }),
        2 => word,
        3 => value.prop_map(OptionValue::Expr),
    ];
    let option = (select(OPTIONS), option::of(value)).prop_map(move |(name, value)| CallOption {
        name: Name { text: name.to_owned(), span },
        value,
        span,
    });
    (select(FUNCTIONS), vec(arg, 0..4), vec(option, 0..3)).prop_map(move |(function, args, options)| {
        let parts = function.split('.').map(|part| Name { text: part.to_owned(), span }).collect();
        ExprKind::Call(Call { function: QName { parts }, args, options })
    })
}

fn decl() -> impl Strategy<Value = Decl> {
    let declared = select(&["A", "B"][..]).prop_map(|text| Name { text: text.to_owned(), span: Span::new(5, 6) });
    let namespace = select(&["text", "ml", "nope", "stdlib"][..])
        .prop_map(|text| QName { parts: vec![Name { text: text.to_owned(), span: Span::new(5, 6) }] });
    let alias = select(&["m", "n"][..]).prop_map(|text| Name { text: text.to_owned(), span: Span::new(7, 8) });
    prop_oneof![
        2 => (declared, ty()).prop_map(|(name, ty)| Decl::Type { name, ty }),
        2 => (vec(expr(), 0..2), name(), ty()).prop_map(|(examples, name, ty)| Decl::In { examples, name, ty }),
        1 => (namespace, option::of(alias)).prop_map(|(namespace, alias)| Decl::Use { namespace, alias }),
        5 => (name(), expr()).prop_map(|(name, value)| Decl::Bind { name, value }),
        2 => name().prop_map(|name| Decl::Out { name }),
    ]
}

/// Whether a part of the tree did not parse, which the parser tells and not the check.
fn value_is_broken(file: &File) -> bool {
    format!("{file:?}").contains("kind: Error")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_checked_and_a_plan_comes_exactly_without_errors(decls in vec(decl(), 0..12)) {
        let file = File { decls, description: String::new() };
        let checked = check(&file, &catalog());
        let has_error = checked.diagnostics.iter().any(|said| said.severity() == pipeline::Severity::Error);
        prop_assert!(!(has_error && checked.plan.is_some()));
        let again = check(&file, &catalog());
        prop_assert_eq!(checked, again);
    }

    /// One expression at a time, with what it needs well typed, so that many of them check.
    #[test]
    fn any_expression_over_good_inputs_is_checked(value in expr()) {
        let ty = |text: &str| Type { kind: TypeKind::Named { name: Name { text: text.into(), span: Span::new(1, 2) }, args: Vec::new() }, span: Span::new(1, 2) };
        let name = |text: &str| Name { text: text.into(), span: Span::new(3, 4) };
        let list = Type { kind: TypeKind::Named { name: name("List"), args: vec![ty("Int")] }, span: Span::new(1, 2) };
        let union = Type { kind: TypeKind::Union(vec![ty("Int"), ty("String")]), span: Span::new(1, 2) };
        let record = Type { kind: TypeKind::Record(vec![(name("id"), ty("Int")), (name("ok"), ty("String"))]), span: Span::new(1, 2) };
        let input = |text: &str, ty: Type| Decl::In { examples: Vec::new(), name: name(text), ty };
        let decls = vec![
            input("a", ty("Int")), input("b", ty("String")), input("c", list), input("x", union), input("id", record), input("ok", ty("Bool")),
            input("radius", ty("Float")), input("error", ty("Any")), input("text", ty("String")),
            Decl::Bind { name: name("out"), value }, Decl::Out { name: name("out") },
        ];
        let file = File { decls, description: String::new() };
        let checked = check(&file, &catalog());
        let broken = value_is_broken(&file);
        let has_error = checked.diagnostics.iter().any(|said| said.severity() == pipeline::Severity::Error);
        prop_assert_eq!(checked.plan.is_none(), has_error || broken);
    }
}
