use super::at_cursor;
use crate::ide::{hover, signature, symbols};

/// What is under the cursor and what is shown of it.
fn shown(marked: &str) -> String {
    let (analysis, at) = at_cursor(marked);
    match hover(&analysis, at) {
        Some(hover) => format!("[{}]\n{}", analysis.slice(hover.span), hover.markdown),
        None => "nothing".to_owned(),
    }
}

#[test]
fn a_module_shows_its_signature_and_what_it_does_and_offers() {
    insta::assert_snapshot!(shown("x = text.Upper$0case(\"a\")\nout x"), @r"
    [Uppercase]
    ```cst
    text.Uppercase(text: String) -> String
    ```

    Upper-case a text.

    provided in typescript · `idempotent` · `batch`
    ");
}

#[test]
fn a_function_of_the_standard_library_shows_the_same() {
    insta::assert_snapshot!(shown("x = list-le$0ngth([1])\nout x"), @r"
    [list-length]
    ```cst
    stdlib.list.list-length(list: List<T>) -> Int
    ```

    How many items there are.

    standard library
    ");
}

#[test]
fn a_variable_shows_its_type_and_the_comment_above_it() {
    let source =
        "# The pipeline.\n\n# What it is called.\n# Any text.\nin title: String\nx = text.Count(tit$0le)\nout x";
    insta::assert_snapshot!(shown(source), @r"
    [title]
    ```cst
    in title: String
    ```

    What it is called.
    Any text.

    parameter `text: String`
    ");
}

#[test]
fn a_variable_in_a_match_shows_its_narrowed_type() {
    let source = "in r: { ok: Int } | { error: String }\nx = match r { { ok } -> o$0k, _ -> 0 }\nout x";
    insta::assert_snapshot!(shown(source), @r"
    [ok]
    ```cst
    ok: Int
    ```
    ");
}

#[test]
fn a_long_record_is_shown_field_by_field() {
    let source = "type Order = { identifier: String, customer: String, lines: List<{ name: String, price: Float, amount: Int }> }\nin order: Ord$0er\nout order";
    insta::assert_snapshot!(shown(source), @r"
    [Order]
    ```cst
    type Order = {
      identifier: String,
      customer: String,
      lines: List<{name: String, price: Float, amount: Int}>,
    }
    ```
    ");
}

#[test]
fn fields_literals_options_and_namespaces_are_explained() {
    let check = |marked: &str, expect: &str| assert_eq!(shown(marked), expect, "{marked}");
    check("in r: { a: Int }\nx = r.$0a\nout x", "[a]\n```cst\na: Int\n```");
    check("x = text.Count($0\"a\")\nout x", "[\"a\"]\n```cst\nString\n```\n\nparameter `text: String`");
    check(
        "x = text.Count(\"a\") with ret$0ry: 1\nout x",
        "[retry]\n```cst\nretry\n```\n\nAttempts after the first, on failures that may pass.",
    );
    check("x = te$0xt.Count(\"a\")\nout x", "[text]\n```cst\nnamespace text\n```\n\n4 modules");
    check("x = 1 $0+ 2\nout x", "[1 + 2]\n```cst\nInt\n```");
    check("x = 1 # one$0\nout x", "nothing");
}

#[test]
fn what_has_an_error_is_explained_as_far_as_it_is_known() {
    assert_eq!(shown("x = Nowhere(1)\ny = $0x\nout y"), "[x]\n```cst\nx: ?\n```");
    assert_eq!(shown("x = $0Nowhere(1)\nout x"), "nothing");
}

/// The label with the active parameter in brackets.
fn signed(marked: &str) -> String {
    let (analysis, at) = at_cursor(marked);
    let Some(help) = signature(&analysis, at) else { return "nothing".to_owned() };
    match help.active {
        Some(active) => {
            let parameter = &help.parameters[active as usize];
            help.label.replacen(parameter.as_str(), &format!("[{parameter}]"), 1)
        }
        None => help.label,
    }
}

#[test]
fn the_signature_of_the_innermost_open_call_is_shown_with_the_parameter_that_is_typed() {
    let check = |marked: &str, expect: &str| assert_eq!(signed(marked), expect, "{marked}");
    check("x = text.Repeat($0", "text.Repeat([text: String], times: Option<Int>) -> String");
    check("x = text.Repeat(\"a\", $0)", "text.Repeat(text: String, [times: Option<Int>]) -> String");
    check("x = text.Repeat(times: $0", "text.Repeat(text: String, [times: Option<Int>]) -> String");
    check("x = text.Repeat(text.Count($0), 1)", "text.Count([text: String]) -> Int");
    check("x = text.Repeat(text.Count(\"\"), 1, $0)", "text.Repeat(text: String, times: Option<Int>) -> String");
    check("x = map([1], $0", "stdlib.collection.map(list: List<T>, [function: ](T) => U) -> List<U>");
    check("x = 1$0", "nothing");
}

#[test]
fn the_outline_lists_the_declarations_with_their_types() {
    let source =
        "use ml as m\ntype T = { a: Int }\n@example(1)\nin n: Int\nx = m.sentiment.Score(\"a\")\nbroken = \nout x\n$0";
    let (analysis, _) = at_cursor(source);
    let shown = symbols(&analysis).into_iter().map(|symbol| {
        format!("{:?} {} ({}) {:?}", symbol.kind, symbol.name, symbol.detail, analysis.slice(symbol.span))
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r#"
    Use ml (as m) "use ml as m"
    Type T ({a: Int}) "type T = { a: Int }"
    Input n (Int) "@example(1)\nin n: Int"
    Binding x ({score: Float, label: String}) "x = m.sentiment.Score(\"a\")"
    Binding broken () "broken ="
    Output x ({score: Float, label: String}) "out x"
    "#);
}
