use super::{at_cursor, catalog};
use crate::ide::{Analysis, Completion, completion, hover, references, signature};

fn offered(marked: &str) -> Vec<Completion> {
    let (analysis, at) = at_cursor(marked);
    completion(&analysis, at)
}

fn labels(marked: &str) -> Vec<String> {
    offered(marked).into_iter().map(|one| one.label).collect()
}

fn check(marked: &str, expect: &[&str]) {
    assert_eq!(labels(marked), expect, "{marked}");
}

/// That these are offered, and in this order.
fn check_among(marked: &str, expect: &[&str]) {
    let labels = labels(marked);
    let mut found: Vec<&str> = Vec::new();
    for label in &labels {
        if expect.contains(&label.as_str()) && !found.contains(&label.as_str()) {
            found.push(label);
        }
    }
    assert_eq!(found, expect, "{marked} offers {labels:?}");
}

/// What the source becomes when the completion of that label is taken.
fn taken(marked: &str, label: &str) -> String {
    let source = marked.replacen("$0", "", 1);
    let offered = offered(marked);
    let one = offered.iter().find(|one| one.label == label).unwrap_or_else(|| panic!("{label} is offered"));
    let mut text = source;
    text.replace_range(one.replace.range(), one.snippet.as_ref().unwrap_or(&one.insert));
    text
}

#[test]
fn modules_are_offered_behind_their_namespace() {
    check("x = text.$0", &["Count", "Repeat", "Uppercase"]);
    check("x = text.Up$0", &["Count", "Repeat", "Uppercase"]);
    check("x = ml.$0\nout x", &["sentiment"]);
    check("x = ml.sentiment.$0\ny = 2\nout y", &["Embed", "Score"]);
    check("use ml.sentiment as s\nx = s.$0", &["Embed", "Score"]);
    check("use ml\nx = sentiment.$0", &["Embed", "Score"]);
    check_among("x = stdlib.$0", &["identity", "bool", "collection", "math"]);
}

#[test]
fn a_module_is_found_by_its_local_name_and_put_in_by_the_name_that_means_it() {
    let source = "in title: String\nx = Up$0";
    assert_eq!(taken(source, "Uppercase"), "in title: String\nx = text.Uppercase(${1:text})");
    assert_eq!(taken("use text\nx = Up$0", "Uppercase"), "use text\nx = Uppercase(${1:text})");
    assert_eq!(taken("use ml as m\nx = Sc$0", "Score"), "use ml as m\nx = m.sentiment.Score(${1:text})");
    assert_eq!(taken("x = len$0", "list-length"), "x = list-length(${1:list})");
    // Of two uses that both have the name, neither brings it in.
    assert_eq!(taken("use text\nuse data\nx = $0", "Count"), "use text\nuse data\nx = data.Count(${1:numbers})");
}

#[test]
fn a_call_that_has_arguments_keeps_them() {
    assert_eq!(taken("in t: String\nx = text.Rep$0(t)", "Uppercase"), "in t: String\nx = text.Uppercase(t)");
}

#[test]
fn a_stream_is_not_offered() {
    assert!(!labels("x = $0").contains(&"Tail".to_owned()));
}

#[test]
fn variables_come_first_and_those_of_the_wanted_type_before_all() {
    let source = "in n: Int\nin title: String\ny = text.Repeat($0)\nout y";
    check_among(source, &["text", "times", "title", "Repeat", "n"]);
}

#[test]
fn a_binding_is_not_offered_to_itself() {
    check_among("in a: Int\nb = 1\nc = $0\nout c", &["a", "b"]);
    assert!(!labels("in a: Int\nb = 1\nc = $0\nout c").contains(&"c".to_owned()));
}

#[test]
fn parameters_and_fields_of_patterns_are_offered_inside() {
    check_among("in xs: List<Int>\ny = map(xs, (item) => $0)\nout y", &["item", "xs"]);
    check_among("in r: { ok: Int } | { error: String }\ny = match r { { ok } -> $0", &["ok", "r"]);
    assert!(!labels("in xs: List<Int>\ny = map(xs, (item) => item)\nz = $0").contains(&"item".to_owned()));
}

#[test]
fn fields_are_offered_behind_a_dot_and_in_projections() {
    let order = "type Line = { name: String, price: Float }\nin order: { id: Int, lines: List<Line> }\n";
    for rest in ["x = order.$0", "x = order.$0\nout x", "x = order[$0", "x = order[id, $0]", "x = order{ $0 }"] {
        check(&format!("{order}{rest}"), &["id", "lines"]);
    }
    check(&format!("{order}x = order.lines.$0"), &["name", "price"]);
    check(&format!("{order}x = (order).$0"), &["id", "lines"]);
    check(&format!("{order}x = f(order.$0"), &["id", "lines"]);
    check(&format!("{order}x = \"a ${{order.$0}}\""), &["id", "lines"]);
    check(&format!("{order}x = map(order.lines, (line) => line.$0)"), &["name", "price"]);
    check("in t: String\nx = ml.sentiment.Score(t).$0", &["score", "label"]);
    check("in n: Int\nx = n.$0", &[]);
}

#[test]
fn arguments_are_offered_by_the_names_that_are_left() {
    check_among("x = text.Repeat(\"a\", $0", &["times"]);
    assert!(!labels("x = text.Repeat(\"a\", $0").contains(&"text: ".to_owned()));
    check_among("x = text.Repeat(text: \"a\", $0)", &["times"]);
    check_among("x = text.Repeat($0", &["text", "times"]);
    assert_eq!(taken("x = text.Repeat(\"a\", t$0)", "times"), "x = text.Repeat(\"a\", times: )");
}

#[test]
fn options_are_offered_behind_with_and_their_values_behind_the_colon() {
    check_among("x = text.Count(\"a\") with $0", &["retry", "timeout", "fallback", "batch_timeout"]);
    let left = labels("x = text.Count(\"a\") with retry: 3, $0");
    assert!(left.contains(&"timeout".to_owned()) && !left.contains(&"retry".to_owned()), "{left:?}");
    check_among("x = text.Repeat(text.Uppercase(\"a\") with retry: 3, $0", &["timeout", "times"]);
    check("x = text.Count(\"a\") with timeout: 2$0", &["2ms", "2s", "2min", "2h", "2d"]);
    check("x = text.Count(\"a\") with timeout: 2s, backoff: $0", &["exponential", "linear", "fixed"]);
    check("x = text.Count(\"a\") with on_error: w$0\nout x", &["propagate", "skip", "log", "wrap"]);
    check("x = text.Count(\"a\") with priority: $0", &["critical", "high", "normal", "low", "background"]);
    check("x = text.Count(\"a\") with cache_backend: $0", &["\"memory\""]);
    check("x = text.Count(\"a\") with cache_backend: \"$0\"", &["memory"]);
    check_among("in n: Int\nx = text.Count(\"a\") with fallback: $0", &["n", "list-length"]);
    assert_eq!(taken("x = text.Count(\"a\") with re$0", "retry"), "x = text.Count(\"a\") with retry: ");
}

#[test]
fn types_are_offered_where_a_type_is_written() {
    for source in [
        "type Order = { id: Int }\nin x: $0",
        "type Order = { id: Int }\nin x: List<$0",
        "type Order = { id: Int }\ntype X = $0",
    ] {
        check_among(source, &["Order", "String", "List"]);
        assert!(!labels(source).contains(&"Uppercase".to_owned()));
    }
    check_among("type A = { a: Int }\nin f: A\nx = match f { is $0", &["A", "String"]);
}

#[test]
fn namespaces_are_offered_behind_use() {
    check_among("use $0", &["data", "ml", "ml.sentiment", "stdlib.list", "text"]);
    check("use ml.$0", &["sentiment"]);
}

#[test]
fn outputs_are_what_is_bound_and_not_put_out_yet() {
    check("in a: Int\nb = 1\nc = 2\nout b\nout $0", &["c", "a"]);
}

#[test]
fn declarations_begin_with_a_word() {
    check("$0", &["in", "out", "type", "use", "@example"]);
    check(
        "in a: Int\no$0\nout a",
        &["with", "when", "and", "or", "else", "as", "in", "out", "type", "use", "@example"],
    );
    check("@$0", &["example"]);
    check_among("x = text.Count(\"a\") w$0", &["with", "when"]);
}

#[test]
fn patterns_are_those_of_what_is_matched() {
    let source = "in r: { ok: Int } | { error: String }\ny = match r { $0 }";
    check(source, &["{ ok }", "{ error }", "is", "_"]);
    check("in r: { ok: Int } | { error: String }\ny = match r { { $0 } -> 1 }", &["ok", "error"]);
    check_among("in a: Bool\ny = branch { a -> 1, $0", &["a", "otherwise"]);
}

#[test]
fn nothing_is_offered_in_comments_in_texts_and_for_new_names() {
    for source in ["# te$0", "x = \"te$0\"", "in $0", "type $0", "use text as $0", "x = map([1], (a, $0", "x = { $0"] {
        check(source, &[]);
    }
}

#[test]
fn every_place_of_any_beginning_of_a_source_has_an_answer() {
    let source = "use text\ntype T = { a: List<Int> }\n@example(1)\nin é: T\nx = map(é.a, (n) => text.Repeat(\"${n} \\n\", times: -n) with \
                  retry: 3, throttle: 10/1s)\ny = match é { { a } -> a[b], is T -> 1.5, _ -> branch { true -> x, otherwise -> é } }\nout y";
    for (end, _) in source.char_indices() {
        let analysis = Analysis::new(&source[..end], catalog());
        for at in [end, end.saturating_sub(1), end + 9] {
            let at = u32::try_from(at).unwrap();
            for one in completion(&analysis, at) {
                assert!(one.replace.end as usize <= end && source.is_char_boundary(one.replace.start as usize));
            }
            let answers = (hover(&analysis, at), signature(&analysis, at), references(&analysis, at));
            assert!(answers.0.is_none_or(|hover| hover.span.end as usize <= end));
        }
    }
}
