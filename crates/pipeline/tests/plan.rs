//! Plans of sources: what is shared, what is dropped, what begins early, and what the hash is of.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use insta::assert_snapshot;
use pipeline::plan::{Builder, Op, Output};
use pipeline::{Catalog, ModuleSignature, Plan, Span, compile};
use type_schema::CType;

fn text_catalog() -> Catalog {
    let input = || CType::record([("text", CType::String)]);
    Catalog::new([
        ModuleSignature::new("text.Up", input(), CType::String),
        ModuleSignature::new("text.Yes", input(), CType::Bool),
    ])
}

#[track_caller]
fn plan_in(source: &str, catalog: &Catalog) -> Plan {
    let compiled = compile(source, catalog);
    compiled.plan.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
}

#[track_caller]
fn plan(source: &str) -> Plan {
    plan_in(source, &text_catalog())
}

#[track_caller]
fn hash(source: &str) -> String {
    plan(source).hash.to_string()
}

/// A source with something of everything that a hash is of.
const SOURCE: &str = "use text
in words: List<String>
in limit: Option<Int>
short = filter(words, (w) => string-length(w) <= (limit ?? 10))
loud = map(short, (w) => Up(w) with retry: 2, timeout: 2s, fallback: w)
first = if (list-is-empty(loud)) \"none\" else list-first(loud)
out loud
out first
";

#[test]
fn the_hash_of_a_plan_is_the_same_on_every_machine() {
    assert_eq!(hash(SOURCE), "dabba118c29f3ea4d2a0a4e34a2f833b8e6c56ca10ed419eefcde0e848bdf9df");
}

#[test]
fn what_only_explains_a_pipeline_does_not_change_its_hash() {
    let same = [
        (
            "names of bindings and parameters",
            SOURCE.replace("short", "brief").replace("(w)", "(t)").replace("fallback: w", "fallback: t"),
        ),
        ("blanks and comments", SOURCE.replace('\n', "  # why\n\n")),
        ("aliases", SOURCE.replace("use text\n", "").replace("Up(w)", "text.Up(w)")),
        ("unused bindings", SOURCE.replace("out loud", "unused = Up(\"x\")\nout loud")),
        ("the order of bindings", {
            let (first, rest) = SOURCE.split_once("short = ").unwrap();
            let (short, rest) = rest.split_once('\n').unwrap();
            format!("{first}{rest}short = {short}\n")
        }),
        ("examples", SOURCE.replace("in limit", "@example(3) in limit")),
    ];
    for (what, source) in same {
        assert_ne!(source, SOURCE, "{what}");
        assert_eq!(hash(&source), hash(SOURCE), "{what}\n{source}");
    }
}

#[test]
fn what_a_pipeline_means_changes_its_hash() {
    let others = [
        ("a literal", SOURCE.replace("10", "11")),
        ("an option", SOURCE.replace("retry: 2", "retry: 3")),
        ("a duration", SOURCE.replace("2s", "2500ms")),
        ("a fallback", SOURCE.replace("fallback: w", "fallback: \"\"")),
        ("an operator", SOURCE.replace("<=", "<")),
        ("the name of an output", SOURCE.replace("out first", "other = first\nout other")),
        ("the order of outputs", SOURCE.replace("out loud\nout first", "out first\nout loud")),
        ("the name of an input", SOURCE.replace("words", "texts")),
        ("the type of an input", SOURCE.replace("Option<Int>", "Int").replace("(limit ?? 10)", "limit")),
        ("a module", SOURCE.replace("Up(w)", "concat(w, \"\")").replace("retry: 2, timeout: 2s, ", "")),
    ];
    let mut hashes = vec![hash(SOURCE)];
    for (what, source) in others {
        let hash = hash(&source);
        assert!(!hashes.contains(&hash), "{what}");
        hashes.push(hash);
    }
    let input = CType::record([("text", CType::String), ("loud", CType::option(CType::Bool))]);
    let changed = Catalog::new([ModuleSignature::new("text.Up", input, CType::String)]);
    assert!(!hashes.contains(&plan_in(SOURCE, &changed).hash.to_string()), "the fingerprint of a module");
    let described = ModuleSignature {
        language: "rust".into(),
        description: "Says it louder.".into(),
        batch: true,
        ..ModuleSignature::new("text.Up", CType::record([("text", CType::String)]), CType::String)
    };
    assert_eq!(plan_in(SOURCE, &Catalog::new([described])).hash.to_string(), hashes[0], "but not its description");
}

#[test]
fn equal_pure_operations_are_one_node_and_calls_are_not() {
    let plan = plan(
        "in a: Int
        x = (a + 1) * (a + 1)
        y = map([a + 1], (n) => n * (a + 1))
        z = [Up(\"s\"), Up(\"s\")]
        out x\nout y\nout z",
    );
    assert_snapshot!(plan, @r#"
    in a: Int
    %0 a: Int = input a
    %1: Int = 1
    %2: Int = %0 + %1
    %3 x: Int = %2 * %2
    %4: List<Int> = [%2]
    %5 y: List<Int> = map %4
      %0: Int = param 0
      %1: Int = capture %0
      %2: Int = 1
      %3: Int = %1 + %2
      %4: Int = %0 * %3
      give %4
    %6: String = "s"
    %7: {text: String} = {text: %6}
    %8: String = call @0 text.Up %7
    %9: String = call @1 text.Up %7
    %10 z: List<String> = [%8, %9]
    out x = %3
    out y = %5
    out z = %10
    "#);
}

#[test]
fn a_lambda_captures_through_the_lambdas_around_it_and_repeats_literals() {
    let plan = plan(
        "in l: List<Int>
        k = list-length(l)
        x = map(l, (a) => map(l, (b) => a + b + k + 7))
        out x",
    );
    assert_snapshot!(plan, @r#"
    in l: List<Int>
    %0 l: List<Int> = input l
    %1 k: Int = list-length %0
    %2 x: List<List<Int>> = map %0
      %0: List<Int> = capture %0
      %1: Int = param 0
      %2: Int = capture %1
      %3: List<Int> = map %0
        %0: Int = capture %1
        %1: Int = param 0
        %2: Int = %0 + %1
        %3: Int = capture %2
        %4: Int = %2 + %3
        %5: Int = 7
        %6: Int = %4 + %5
        give %6
      give %3
    out x = %2
    "#);
}

#[test]
fn what_all_arms_need_is_early_and_nothing_else_is() {
    let plan = plan(
        "in b: Bool
        u = Up(\"u\")
        v = Up(\"v\")
        w = Up(\"w\")
        x = if (b) concat(u, v) else concat(concat(w, v), u)
        y = if (b) x else w
        out y",
    );
    assert_snapshot!(plan, @r#"
    in b: Bool
    %0 b: Bool = input b
    %1: String = "u"
    %2: {text: String} = {text: %1}
    %3 u: String = call @0 text.Up %2
    %4: String = "v"
    %5: {text: String} = {text: %4}
    %6 v: String = call @1 text.Up %5
    %7: String = concat %3, %6
    %8: String = "w"
    %9: {text: String} = {text: %8}
    %10 w: String = call @2 text.Up %9
    %11: String = concat %10, %6
    %12: String = concat %11, %3
    %13 x: String = if %0 then %7 else %12, early %3, %6
    %14 y: String = if %0 then %13 else %10
    out y = %14
    "#);
}

#[test]
fn a_listing_shows_options_guards_and_matches() {
    let plan = plan(
        "in s: String | Int
        x = match s { is String -> Up(s) with retry: 3, delay: 1s, backoff: linear, cache: 5min, throttle: 10/1s, priority: high, on_error: skip,
                      is Int -> Up(\"int\") with fallback: \"none\", concurrency: 2, batch: 8, batch_timeout: 5ms }
        y = {x: x, n: 1.5}
        z = (y + {m: true})[m, n]
        out z\nout x",
    );
    assert_snapshot!(plan, @r#"
    in s: String | Int
    %0 s: String | Int = input s
    %1: String = %0 as |0
    %2: {text: String} = {text: %1}
    %3: String = call @0 text.Up %2 with retry 3, delay 1s, cache 300s, backoff linear, throttle 10/1s, priority 80
    %4: String = guard %3, skip to ""
    %5: String = "int"
    %6: {text: String} = {text: %5}
    %7: String = call @1 text.Up %6 with concurrency 2, batch 8, batch_timeout 5ms
    %8: String = "none"
    %9: String = guard %7 else %8
    %10 x: String = match %0 {|0 -> %4, |1 -> %9}
    %11: Float = 1.5
    %12 y: {x: String, n: Float} = {x: %10, n: %11}
    %13: Bool = true
    %14: {m: Bool} = {m: %13}
    %15: {x: String, n: Float, m: Bool} = merge %12, %14
    %16 z: {m: Bool, n: Float} = project %15
    out z = %16
    out x = %10
    "#);
}

#[test]
fn a_plan_holds_only_what_its_outputs_may_need() {
    let plan = plan("in a: Int\nin unused: {x: Float}\nb = Yes(\"no\")\nc = a + 1\nout c");
    assert_eq!((plan.modules.len(), plan.sites, plan.inputs.len()), (0, 0, 2));
    assert_eq!(plan.types, [CType::Int, CType::record([("x", CType::Float)])]);
}

#[test]
fn early_is_found_across_thousands_of_nodes() {
    // Each choice needs the call before it in both arms, and one of its own in each: more waiting nodes than one pass takes.
    let mut source = String::from("in b: Bool\nx0 = Up(\"\")\n");
    for i in 1..1_500 {
        let before = i - 1;
        source += &format!("x{i} = if (b) concat(x{before}, Up(\"a\")) else concat(Up(\"b\"), x{before})\n");
    }
    source += "out x1499";
    let plan = plan(&source);
    let choices = plan.root.nodes.iter().filter(|node| matches!(node.op, Op::If { .. }));
    assert!(choices.clone().count() == 1_499 && choices.clone().all(|node| node.early.len() == 1));
}

#[test]
fn a_deep_plan_is_built_without_a_deep_stack() {
    let mut builder = Builder::new();
    let ty = builder.ty(&CType::Bool);
    let mut node = builder.node(Op::Literal(bytes::Bytes::from_static(&[0xc3])), ty, Span::default());
    for _ in 0..200_000 {
        node = builder.node(Op::Not(node), ty, Span::default());
    }
    let plan = builder.finish(vec![], vec![Output { name: "x".into(), node, span: Span::default() }], String::new());
    assert_eq!(plan.root.nodes.len(), 200_001);
}
