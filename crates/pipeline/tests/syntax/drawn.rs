//! Draws files, and texts that are nearly files.

use std::time::Duration;

use pipeline::Span;
use pipeline::ast::{
    Arg, BinaryOp, Call, CallOption, Decl, Expr, ExprKind, File, Name, OptionValue, Pattern, PatternKind, QName,
    StrPart, Type, TypeKind,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const RESERVED: [&str; 19] = [
    "type",
    "in",
    "out",
    "if",
    "else",
    "true",
    "false",
    "use",
    "as",
    "and",
    "or",
    "not",
    "when",
    "branch",
    "otherwise",
    "with",
    "lazy",
    "match",
    "is",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z_][a-z0-9_-]{0,5}",
        // Those that could be taken for options, and the pattern of all.
        1 => prop::sample::select(vec!["retry", "cache", "timeout", "fallback", "_", "limit"]).prop_map(str::to_owned),
    ]
    .prop_filter("reserved", |word| !RESERVED.contains(&word.as_str()))
}

fn name() -> impl Strategy<Value = Name> {
    word().prop_map(|text| Name { text, span: Span::default() })
}

fn qname() -> impl Strategy<Value = QName> {
    vec(name(), 1..4).prop_map(|parts| QName { parts })
}

fn at<K>(kind: K, make: impl Fn(K, Span) -> Expr) -> Expr {
    make(kind, Span::default())
}

fn expr_of(kind: ExprKind) -> Expr {
    at(kind, |kind, span| Expr { kind, span })
}

fn type_of(kind: TypeKind) -> Type {
    Type { kind, span: Span::default() }
}

fn ty() -> impl Strategy<Value = Type> {
    let leaf = name().prop_map(|name| type_of(TypeKind::Named { name, args: Vec::new() })).boxed();
    leaf.prop_recursive(3, 12, 3, |inner| {
        let primary = prop_oneof![
            name().prop_map(|name| type_of(TypeKind::Named { name, args: Vec::new() })),
            (name(), vec(inner.clone(), 1..3)).prop_map(|(name, args)| type_of(TypeKind::Named { name, args })),
            vec((name(), inner), 0..4).prop_map(|fields| type_of(TypeKind::Record(fields))),
        ]
        .boxed();
        let merge = vec(primary.clone(), 2..4).prop_map(|parts| type_of(TypeKind::Merge(parts))).boxed();
        let variant = prop_oneof![3 => primary.clone(), 1 => merge.clone()];
        prop_oneof![
            4 => primary,
            1 => merge,
            1 => vec(variant, 2..4).prop_map(|variants| type_of(TypeKind::Union(variants))),
        ]
    })
}

fn literal() -> impl Strategy<Value = ExprKind> {
    prop_oneof![
        word().prop_map(ExprKind::Var),
        prop_oneof![any::<i64>(), -3i64..3, Just(i64::MIN)].prop_map(ExprKind::Int),
        prop_oneof![any::<f64>(), -2.0..2.0, Just(-0.0)]
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(ExprKind::Float),
        any::<bool>().prop_map(ExprKind::Bool),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{1,6}", "[a${}\"\\\\\n\t\r#\u{e9}\u{1d11e}]{1,6}"]
}

fn string(expr: BoxedStrategy<Expr>) -> impl Strategy<Value = ExprKind> {
    // Text and expressions in turn, as they are read.
    let parts = vec((option::of(text()), option::of(expr)), 0..3);
    parts.prop_map(|pairs| {
        let mut parts: Vec<StrPart> = Vec::new();
        for (text, expr) in pairs {
            match (text, parts.last_mut()) {
                (Some(text), Some(StrPart::Text(last))) => last.push_str(&text),
                (Some(text), _) => parts.push(StrPart::Text(text)),
                (None, _) => {}
            }
            parts.extend(expr.map(StrPart::Expr));
        }
        if parts.is_empty() {
            parts.push(StrPart::Text(String::new()));
        }
        ExprKind::Str(parts)
    })
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0u64..5000).prop_map(Duration::from_millis),
        prop::sample::select(vec![1u64, 60, 3600, 86_400])
            .prop_flat_map(|unit| (0u64..100).prop_map(move |n| n * unit))
            .prop_map(Duration::from_secs),
    ]
}

fn call_option(expr: BoxedStrategy<Expr>) -> impl Strategy<Value = CallOption> {
    let value = prop_oneof![
        duration().prop_map(|value| OptionValue::Duration(value, Span::default())),
        (any::<u64>(), duration()).prop_map(|(count, per)| OptionValue::Rate { count, per, span: Span::default() }),
        name().prop_map(OptionValue::Word),
        expr.prop_map(OptionValue::Expr),
    ];
    let named = (name(), value).prop_map(|(name, value)| (name, Some(value)));
    let lazy = option::of(any::<bool>()).prop_map(|value| {
        let name = Name { text: "lazy".to_owned(), span: Span::default() };
        (name, value.map(|value| OptionValue::Expr(expr_of(ExprKind::Bool(value)))))
    });
    prop_oneof![4 => named, 1 => lazy].prop_map(|(name, value)| CallOption { name, value, span: Span::default() })
}

fn call(expr: BoxedStrategy<Expr>) -> impl Strategy<Value = ExprKind> {
    let positional = vec(expr.clone(), 0..3);
    let named = vec((name(), expr.clone()), 0..3);
    (qname(), positional, named, vec(call_option(expr), 0..4)).prop_map(|(function, positional, named, options)| {
        let positional = positional.into_iter().map(|value| Arg { name: None, value });
        let named = named.into_iter().map(|(name, value)| Arg { name: Some(name), value });
        ExprKind::Call(Call { function, args: positional.chain(named).collect(), options })
    })
}

fn pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        vec(name(), 1..3).prop_map(PatternKind::Record),
        ty().prop_map(PatternKind::Is),
        Just(PatternKind::Rest),
    ]
    .prop_map(|kind| Pattern { kind, span: Span::default() })
}

fn operator() -> impl Strategy<Value = BinaryOp> {
    use BinaryOp::*;
    prop::sample::select(vec![
        Add,
        Subtract,
        Multiply,
        Divide,
        Equal,
        NotEqual,
        Less,
        LessEqual,
        Greater,
        GreaterEqual,
        And,
        Or,
        Coalesce,
    ])
}

pub(crate) fn expr() -> BoxedStrategy<Expr> {
    let leaf = literal().prop_map(expr_of).boxed();
    leaf.prop_recursive(5, 24, 3, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            literal(),
            string(inner.clone().boxed()),
            vec(inner.clone(), 0..4).prop_map(ExprKind::List),
            vec((name(), inner.clone()), 0..4).prop_map(ExprKind::Record),
            call(inner.clone().boxed()),
            (vec((name(), option::of(ty())), 0..3), boxed())
                .prop_map(|(params, body)| ExprKind::Lambda { params, body }),
            (boxed(), name()).prop_map(|(value, field)| ExprKind::Field { value, field }),
            (boxed(), vec(name(), 1..3)).prop_map(|(value, fields)| ExprKind::Project { value, fields }),
            boxed().prop_map(ExprKind::Not),
            boxed().prop_map(ExprKind::Negate),
            (operator(), boxed(), boxed()).prop_map(|(op, left, right)| ExprKind::Binary {
                op,
                op_span: Span::default(),
                left,
                right
            }),
            (boxed(), boxed()).prop_map(|(value, condition)| ExprKind::When { value, condition }),
            (boxed(), boxed(), boxed()).prop_map(|(condition, then, otherwise)| ExprKind::If {
                condition,
                then,
                otherwise
            }),
            (vec((inner.clone(), inner.clone()), 0..3), boxed())
                .prop_map(|(cases, otherwise)| ExprKind::Branch { cases, otherwise }),
            (boxed(), vec((pattern(), inner.clone()), 1..3))
                .prop_map(|(subject, arms)| ExprKind::Match { subject, arms }),
        ]
        .prop_map(expr_of)
    })
    .boxed()
}

fn decl() -> impl Strategy<Value = Decl> {
    prop_oneof![
        1 => (name(), ty()).prop_map(|(name, ty)| Decl::Type { name, ty }),
        1 => (vec(expr(), 0..3), name(), ty()).prop_map(|(examples, name, ty)| Decl::In { examples, name, ty }),
        1 => name().prop_map(|name| Decl::Out { name }),
        1 => (qname(), option::of(name())).prop_map(|(namespace, alias)| Decl::Use { namespace, alias }),
        4 => (name(), expr()).prop_map(|(name, value)| Decl::Bind { name, value }),
    ]
}

/// Files as they are read: nothing in them is an error, texts of a string do not stand next to each other.
pub(crate) fn file() -> impl Strategy<Value = File> {
    let line = prop_oneof![Just(String::new()), "[a-z]( ?[a-z#]){0,8}"];
    let description = option::of((vec(line, 0..2), "[a-z]{1,8}")).prop_map(|lines| match lines {
        Some((mut lines, last)) => {
            lines.push(last);
            lines.join("\n")
        }
        None => String::new(),
    });
    // A comment without a declaration behind it describes the file too.
    (description, vec(decl(), 0..6)).prop_map(|(description, decls)| File { decls, description })
}

/// Tokens in any order, with blanks, line feeds, comments or nothing between them.
pub(crate) fn soup() -> impl Strategy<Value = String> {
    let tokens = vec![
        "a",
        "b",
        "F",
        "x-",
        "_",
        "type",
        "in",
        "out",
        "use",
        "as",
        "if",
        "else",
        "true",
        "and",
        "or",
        "not",
        "when",
        "branch",
        "otherwise",
        "with",
        "lazy",
        "match",
        "is",
        "retry",
        "window",
        "fallback",
        "throttle",
        "1",
        "2.5",
        "5s",
        "1x",
        "99999999999999999999",
        "\"",
        "\"t\"",
        "\"${",
        "${",
        "$",
        "\\",
        "\\n",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        ".",
        "@",
        "@example",
        "@source",
        "=",
        "=>",
        "->",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "|",
        "??",
        "?",
        ";",
        "'",
        "\u{e9}",
        "\u{1d11e}",
        "\u{feff}",
        "\0",
        "\r",
    ];
    let between = prop::sample::select(vec!["", " ", "\n", "\t", "\r\n", "# c\n", " # \u{e9}"]);
    let parts = vec((prop::sample::select(tokens), between), 0..60);
    parts.prop_map(|parts| parts.into_iter().map(|(token, between)| format!("{token}{between}")).collect())
}
