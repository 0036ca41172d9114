//! What each construct says: sources beside the shape of what was read.

use pipeline::parse;
use pipeline::syntax::SyntaxKind;

use crate::shape::shape;

/// The value of a binding as it was read. The source has no fault.
fn check(value: &str, expect: &str) {
    let source = format!("x = {value}\nout x\n");
    let parsed = parse(&source);
    assert_eq!(parsed.diagnostics, [], "{source}");
    assert_eq!(shape(&parsed.file), format!("x = {expect}\nout x\n"), "{value}");
}

/// All declarations as they were read. The source has no fault but that it may lack an output.
fn check_file(source: &str, expect: &str) {
    let parsed = parse(source);
    let faults: Vec<_> =
        parsed.diagnostics.iter().filter(|fault| fault.message != "the pipeline has no output").collect();
    assert!(faults.is_empty(), "{source}: {faults:?}");
    assert_eq!(shape(&parsed.file), expect, "{source}");
}

#[test]
fn a_whole_pipeline_is_read() {
    let source = r#"
# Ranks orders.
# Slowly.

type Order = { id: Int, price: Float, note: Option<String>, }
type Ranked = Order + { rank: Float } | String

@example("shoes") @example("hats")
in query: String
in orders: List<Order>
use stdlib.math
use ml.sentiment as s

score = s.Score(query, limit: 5) with retry: 3, timeout: 500ms
ranked = orders + { rank: score }
out ranked
"#;
    insta::assert_snapshot!(shape(&parse(source).file), @r#"
    type Order = {id: Int, price: Float, note: Option<String>}
    type Ranked = ((Order + {rank: Float}) | String)
    @str("shoes") @str("hats") in query: String
    in orders: List<Order>
    use stdlib.math
    use ml.sentiment as s
    score = <s.Score(query, limit: 5) with retry: 3, timeout: 500ms>
    ranked = (orders + {rank: score})
    out ranked
    "#);
    assert_eq!(parse(source).file.description, "Ranks orders.\nSlowly.");
}

#[test]
fn the_description_is_what_is_said_before_the_first_declaration() {
    for (source, expect) in [
        ("#a\n#  b \n\n## c\nout x # d", "a\n b\nc"),
        ("# a\r\n# b\r\nout x", "a\nb"),
        ("out x # a\n# b", ""),
        ("# alone", "alone"),
        ("\u{feff}# a\nout x", "a"),
    ] {
        assert_eq!(parse(source).file.description, expect, "{source}");
    }
}

#[test]
fn operators_bind_as_the_grammar_says() {
    for (value, expect) in [
        ("1 + 2 * 3 - 4 / 5", "((1 + (2 * 3)) - (4 / 5))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("8 / 4 / 2", "((8 / 4) / 2)"),
        ("a ?? b ?? c", "(a ?? (b ?? c))"),
        ("a when b ?? c when d", "((a when b) ?? (c when d))"),
        ("a when b or c", "(a when (b or c))"),
        ("a or b and c or d", "((a or (b and c)) or d)"),
        ("a and not b and c", "((a and (not b)) and c)"),
        ("not a == b", "(not (a == b))"),
        ("not a and b", "((not a) and b)"),
        ("a + 1 <= b * 2", "((a + 1) <= (b * 2))"),
        ("(a + b) * c", "((a + b) * c)"),
        ("a == b and c != d", "((a == b) and (c != d))"),
        ("a > b or c >= d", "((a > b) or (c >= d))"),
    ] {
        check(value, expect);
    }
}

#[test]
fn a_minus_before_an_operand_negates_and_makes_one_literal_with_a_number() {
    for (value, expect) in [
        ("-5", "-5"),
        ("- 5", "-5"),
        ("-1.5", "-1.5"),
        ("-0.0", "-0.0"),
        ("-(5)", "(neg 5)"),
        ("--5", "(neg -5)"),
        ("-a.b", "(neg a.b)"),
        ("-a * -b", "((neg a) * (neg b))"),
        ("a - -1", "(a - -1)"),
        ("a -1", "(a - 1)"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("[1, -2]", "[1, -2]"),
    ] {
        check(value, expect);
    }
}

#[test]
fn a_hyphen_belongs_to_a_name_but_not_that_of_an_arrow() {
    for (value, expect) in [
        ("a-b", "a-b"),
        ("a - b", "(a - b)"),
        ("a -b", "(a - b)"),
        ("a- b", "?"),
        ("to-float(n)", "to-float(n)"),
        ("if-x", "if-x"),
        ("branch { a->1, b-c->2, otherwise->3 }", "(branch a -> 1, b-c -> 2, otherwise -> 3)"),
        ("match a { _->1 }", "(match a: _ -> 1)"),
    ] {
        // A name may end with a hyphen, so that a blank is missing in front of it.
        if expect == "?" {
            assert_eq!(shape(&parse(&format!("x = {value}")).file), "x = a-\n");
        } else {
            check(value, expect);
        }
    }
}

#[test]
fn names_with_dots_are_calls_or_fields() {
    for (value, expect) in [
        ("F()", "F()"),
        ("F (a)", "F(a)"),
        ("a.b.F(c)", "a.b.F(c)"),
        ("a.b.c", "a.b.c"),
        ("a . b", "a.b"),
        ("F(a).b", "F(a).b"),
        ("F(a, b,)", "F(a, b)"),
        ("F(a, n: b, m: c)", "F(a, n: b, m: c)"),
        ("F(x: 1)", "F(x: 1)"),
    ] {
        check(value, expect);
    }
}

#[test]
fn brackets_behind_a_value_project() {
    for (value, expect) in [
        ("a[b]", "a[b]"),
        ("a[b, c]", "a[b, c]"),
        ("a{b, c}", "a[b, c]"),
        ("a { b }", "a[b]"),
        ("F(a)[b].c", "F(a)[b].c"),
        ("a.b[c]{d}", "a.b[c][d]"),
        ("[a, b]", "[a, b]"),
        ("[a, b,][c]", "[a, b][c]"),
        ("{ a: 1 }[a]", "{a: 1}[a]"),
        ("{ a: 1 }{ a }", "{a: 1}[a]"),
        ("a + { b: 1 }", "(a + {b: 1})"),
        ("if (a) b else c[d]", "(if a then b else c[d])"),
    ] {
        check(value, expect);
    }
}

#[test]
fn line_breaks_do_not_matter() {
    check_file("a = b\n[c]\n", "a = b[c]\n");
    check_file("a = b\n{c}\n", "a = b[c]\n");
    check_file("a = b\n(c)\n", "a = b(c)\n");
    check_file("a = b\n- c\n", "a = (b - c)\n");
    check_file("a = b\n.c\n", "a = b.c\n");
    check_file("a = b c = d out a", "a = b\nc = d\nout a\n");
    check_file("in\na\n:\nInt\nout\na", "in a: Int\nout a\n");
    check_file("in a: Int in b: List<Int> c = a", "in a: Int\nin b: List<Int>\nc = a\n");
    check_file("type A = B c = 1", "type A = B\nc = 1\n");
    check_file("use a.b use c as d e = 1", "use a.b\nuse c as d\ne = 1\n");
    check_file("a = b\r\nout a\r\n", "a = b\nout a\n");
}

#[test]
fn a_parenthesis_opens_a_lambda_or_an_expression() {
    for (value, expect) in [
        ("(a)", "a"),
        ("((a))", "a"),
        ("(a) => a", "((a) => a)"),
        ("() => 1", "(() => 1)"),
        ("(a, b) => a + b", "((a, b) => (a + b))"),
        ("(a: Int, b: List<Int>) => a", "((a: Int, b: List<Int>) => a)"),
        ("(a) => (b) => a", "((a) => ((b) => a))"),
        ("((a) => a)", "((a) => a)"),
        ("map(xs, (x) => F(x))", "map(xs, ((x) => F(x)))"),
        ("(a + b)", "(a + b)"),
        ("(a.b)", "a.b"),
    ] {
        check(value, expect);
    }
}

#[test]
fn conditions_take_the_longest_value() {
    for (value, expect) in [
        ("if (a) b else c + d", "(if a then b else (c + d))"),
        ("1 + if (a) b else c + d", "(1 + (if a then b else (c + d)))"),
        ("if (a) b else if (c) d else e", "(if a then b else (if c then d else e))"),
        ("if (a) if (b) c else d else e", "(if a then (if b then c else d) else e)"),
        ("branch { otherwise -> a }", "(branch otherwise -> a)"),
        ("branch { a -> b, c > d -> e, otherwise -> f, }", "(branch a -> b, (c > d) -> e, otherwise -> f)"),
        ("branch { a -> b, otherwise -> c }.d", "(branch a -> b, otherwise -> c).d"),
    ] {
        check(value, expect);
    }
}

#[test]
fn a_match_takes_a_name_a_call_or_parentheses() {
    for (value, expect) in [
        (
            "match a { { b, c } -> b, is List<Int> | D -> 1, _ -> 2 }",
            "(match a: {b, c} -> b, is (List<Int> | D) -> 1, _ -> 2)",
        ),
        ("match a { { b } -> b { c }, _ -> 2, }", "(match a: {b} -> b[c], _ -> 2)"),
        ("match F(a) { _ -> 1 }", "(match F(a): _ -> 1)"),
        ("match (a.b) { _ -> 1 }", "(match a.b: _ -> 1)"),
        ("match (a{b}) { _ -> 1 }", "(match a[b]: _ -> 1)"),
        ("match F(a{b}) { _ -> 1 }", "(match F(a[b]): _ -> 1)"),
        ("match { a: 1 } { _ -> 1 }", "(match {a: 1}: _ -> 1)"),
        ("match F(a) with priority: high { _ -> 1 }", "(match <F(a) with priority: 'high>: _ -> 1)"),
        ("match F(a) with fallback: b ?? c { _ -> 1 }", "(match <F(a) with fallback: (b ?? c)>: _ -> 1)"),
        ("match a { is A -> match b { _ -> 1 }, _ -> 2 }", "(match a: is A -> (match b: _ -> 1), _ -> 2)"),
    ] {
        check(value, expect);
    }
}

#[test]
fn options_are_values_of_one_kind() {
    for (options, expect) in [
        ("retry: 3", "retry: 3"),
        ("retry: -1", "retry: -1"),
        ("timeout: 500ms, delay: 2s", "timeout: 500ms, delay: 2s"),
        ("cache: 5min", "cache: 300s"),
        ("cache: 2h", "cache: 7200s"),
        ("cache: 1d", "cache: 86400s"),
        ("backoff: exponential", "backoff: 'exponential"),
        ("cache_backend: \"big\"", "cache_backend: str(\"big\")"),
        ("throttle: 10/1s", "throttle: 10 per 1s"),
        ("throttle: 10 / 1min", "throttle: 10 per 60s"),
        ("lazy", "lazy"),
        ("lazy: false", "lazy: false"),
        ("lazy, retry: 1", "lazy, retry: 1"),
        ("fallback: a", "fallback: 'a"),
        ("fallback: (a)", "fallback: a"),
        ("fallback: a ?? b + 1", "fallback: (a ?? (b + 1))"),
        ("fallback: [], retry: 1", "fallback: [], retry: 1"),
        ("fallback: G(a) with retry: 1, cache: 1s", "fallback: <G(a) with retry: 1, cache: 1s>"),
        ("unheard: 1, of: two", "unheard: 1, of: 'two"),
        ("retry: 1, retry: 2", "retry: 1, retry: 2"),
    ] {
        check(&format!("F(a) with {options}"), &format!("<F(a) with {expect}>"));
    }
}

#[test]
fn an_option_ends_with_its_value_unless_it_is_a_fallback() {
    for (value, expect) in [
        ("F(a) with retry: 3 + 2", "(<F(a) with retry: 3> + 2)"),
        ("F(a) with timeout: 5s ?? b", "(<F(a) with timeout: 5s> ?? b)"),
        ("F(a) with timeout: 5s when b", "(<F(a) with timeout: 5s> when b)"),
        ("F(a) with priority: high[b]", "<F(a) with priority: 'high>[b]"),
        ("F(a) with fallback: b + 2", "<F(a) with fallback: (b + 2)>"),
    ] {
        check(value, expect);
    }
}

#[test]
fn in_a_list_a_comma_ends_the_options_unless_an_option_follows() {
    for (value, expect) in [
        ("F(G(a) with retry: 3, b)", "F(<G(a) with retry: 3>, b)"),
        ("F(G(a) with retry: 3, timeout: 1s)", "F(<G(a) with retry: 3, timeout: 1s>)"),
        ("F(G(a) with retry: 3, limit: 5)", "F(<G(a) with retry: 3>, limit: 5)"),
        ("F((G(a) with retry: 3), timeout: 1)", "F(<G(a) with retry: 3>, timeout: 1)"),
        ("F(G(a) with retry: 3, timout: 1s)", "F(<G(a) with retry: 3, timout: 1s>)"),
        ("F(G(a) with lazy, lazy, b)", "F(<G(a) with lazy, lazy>, b)"),
        ("{ a: G(a) with retry: 3, b: 2 }", "{a: <G(a) with retry: 3>, b: 2}"),
        ("[G(a) with retry: 3, b]", "[<G(a) with retry: 3>, b]"),
        ("[G(a) with retry: 3,]", "[<G(a) with retry: 3>]"),
        ("branch { a -> G(a) with retry: 3, otherwise -> b }", "(branch a -> <G(a) with retry: 3>, otherwise -> b)"),
        ("[(G(a) with retry: 3, limit: 2)]", "[<G(a) with retry: 3, limit: 2>]"),
        ("map(a, (t) => F(t) with retry: 2, concurrency: 3)", "map(a, ((t) => <F(t) with retry: 2, concurrency: 3>))"),
        ("[\"${F(a) with retry: 1, other: 2}\", b]", "[str(${<F(a) with retry: 1, other: 2>}), b]"),
    ] {
        check(value, expect);
    }
}

#[test]
fn strings_hold_text_escapes_and_expressions() {
    for (value, expect) in [
        (r#""""#, r#"str("")"#),
        (r#""a b""#, r#"str("a b")"#),
        (r#""\n\t\r\\\"\$""#, r#"str("\n\t\r\\\"$")"#),
        (r#""$5 $ $$""#, r#"str("$5 $ $$")"#),
        (r#""a${b}c""#, r#"str("a" ${b} "c")"#),
        (r#""$${b}""#, r#"str("$" ${b})"#),
        (r#""\${b}""#, r#"str("${b}")"#),
        (r#""${"x ${"y"} z"}""#, r#"str(${str("x " ${str("y")} " z")})"#),
        (r#""${ { a: { b: 1 } }.a }""#, r#"str(${{a: {b: 1}}.a})"#),
        (r##""a # b""##, r##"str("a # b")"##),
        ("\"${a # }\" c\n}\"", "str(${a})"),
        ("\"two\nlines\"", "str(\"two\\nlines\")"),
        ("\"\u{e9}\u{1d11e}\"", "str(\"\u{e9}\u{1d11e}\")"),
    ] {
        check(value, expect);
    }
}

#[test]
fn types_are_names_records_merges_and_unions() {
    for (ty, expect) in [
        ("Int", "Int"),
        ("List<List<Int>>", "List<List<Int>>"),
        ("Map<String, Int>", "Map<String, Int>"),
        ("{}", "{}"),
        ("{ a: Int, b: { c: String }, }", "{a: Int, b: {c: String}}"),
        ("A + B + { c: Int }", "(A + B + {c: Int})"),
        ("A + B | C | D", "((A + B) | C | D)"),
        ("Option<A | B>", "Option<(A | B)>"),
    ] {
        check_file(&format!("type T = {ty}"), &format!("type T = {expect}\n"));
    }
}

#[test]
fn numbers_are_read_to_their_ends() {
    for (value, expect) in [
        ("0", "0"),
        ("007", "7"),
        ("9223372036854775807", "9223372036854775807"),
        ("1.50", "1.5"),
        ("a / 1", "(a / 1)"),
        ("10/1", "(10 / 1)"),
        ("[true, false]", "[true, false]"),
    ] {
        check(value, expect);
    }
}

#[test]
fn the_tree_has_each_part_at_its_place_without_blanks_around() {
    let source = "# c\nx =  F( a ) with lazy # d\n";
    let tree = format!("{:#?}", parse(source).syntax);
    insta::assert_snapshot!(tree, @r##"
    SourceFile@0..30
      Comment@0..3 "# c"
      Whitespace@3..4 "\n"
      BindDecl@4..25
        Name@4..5
          Ident@4..5 "x"
        Whitespace@5..6 " "
        Eq@6..7 "="
        Whitespace@7..9 "  "
        CallExpr@9..25
          QName@9..10
            Ident@9..10 "F"
          ArgList@10..15
            LParen@10..11 "("
            Whitespace@11..12 " "
            Arg@12..13
              NameExpr@12..13
                Ident@12..13 "a"
            Whitespace@13..14 " "
            RParen@14..15 ")"
          Whitespace@15..16 " "
          WithClause@16..25
            WithKw@16..20 "with"
            Whitespace@20..21 " "
            CallOption@21..25
              Name@21..25
                LazyKw@21..25 "lazy"
      Whitespace@25..26 " "
      Comment@26..29 "# d"
      Whitespace@29..30 "\n"
    "##);
    assert_eq!(parse(source).syntax.kind(), SyntaxKind::SourceFile);
}

#[test]
fn a_place_covers_its_parentheses() {
    let source = "x = (a) + [ (b) ]\nout x";
    let pipeline::ast::Decl::Bind { value, .. } = &parse(source).file.decls[0] else { panic!() };
    let pipeline::ast::ExprKind::Binary { left, right, op_span, .. } = &value.kind else { panic!() };
    assert_eq!(&source[value.span.range()], "(a) + [ (b) ]");
    assert_eq!(&source[left.span.range()], "(a)");
    assert_eq!(&source[right.span.range()], "[ (b) ]");
    assert_eq!(&source[op_span.range()], "+");
}
