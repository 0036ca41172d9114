use super::{at_cursor, with_places};
use crate::ide::{RenameError, definition, references, rename, renamed};

/// The source with the declaration of what is under the cursor in brackets.
fn defined(marked: &str) -> String {
    let (analysis, at) = at_cursor(marked);
    with_places(&analysis.text, definition(&analysis, at))
}

/// The source with all places of what is under the cursor in brackets.
fn placed(marked: &str) -> String {
    let (analysis, at) = at_cursor(marked);
    with_places(&analysis.text, references(&analysis, at).into_iter().map(|place| place.span))
}

fn renamed_to(marked: &str, name: &str) -> Result<String, RenameError> {
    let (analysis, at) = at_cursor(marked);
    let mut text = analysis.text.clone();
    for edit in rename(&analysis, at, name)?.into_iter().rev() {
        text.replace_range(edit.span.range(), &edit.text);
    }
    Ok(text)
}

#[test]
fn a_variable_goes_back_to_its_declaration() {
    for (marked, expect) in [
        ("in a: Int\nb = (a$0)\nout b", "in [a]: Int\nb = (a)\nout b"),
        ("in a: Int\nb = a\nout $0b", "in a: Int\n[b] = a\nout b"),
        ("b = \"${$0a}\"\na = 1\nout b", "b = \"${a}\"\n[a] = 1\nout b"),
        ("x = map([1], (n) => n$0 + 1)\nout x", "x = map([1], ([n]) => n + 1)\nout x"),
        (
            "n = 1\nx = map([n], (n) => map([n$0], (m) => m))\nout x",
            "n = 1\nx = map([n], ([n]) => map([n], (m) => m))\nout x",
        ),
        (
            "in r: { ok: Int }\nok = 1\nx = match r { { ok } -> ok$0 }\nout x",
            "in r: { ok: Int }\nok = 1\nx = match r { { [ok] } -> ok }\nout x",
        ),
        ("b = 1\na = Nowhere($0b", "[b] = 1\na = Nowhere(b"),
        (
            "in a: Int\nb = text.Count(\"\") with fallback: a$0\nout b",
            "in [a]: Int\nb = text.Count(\"\") with fallback: a\nout b",
        ),
    ] {
        assert_eq!(defined(marked), expect);
    }
}

#[test]
fn a_type_and_an_alias_go_back_to_their_declarations() {
    assert_eq!(defined("type T = Int\nin a: List<T$0>\nout a"), "type [T] = Int\nin a: List<T>\nout a");
    assert_eq!(defined("use ml as m\nx = $0m.sentiment.Score(\"\")"), "use ml as [m]\nx = m.sentiment.Score(\"\")");
}

#[test]
fn what_is_declared_elsewhere_has_no_declaration_here() {
    for source in [
        "x = tex$0t.Count(\"\")",
        "in a: Str$0ing",
        "in r: { f: Int }\nf = 1\nx = r.$0f",
        "linear = 1\nx = F() with backoff: linear$0",
    ] {
        assert_eq!(defined(source), source.replacen("$0", "", 1));
    }
}

#[test]
fn references_are_those_of_the_same_declaration_alone() {
    let source = "in n: Int\nx = map([n], (n) => n + 1)\ny = n$0 + x\nout y\nout n";
    assert_eq!(placed(source), "in [n]: Int\nx = map([[n]], (n) => n + 1)\ny = [n] + x\nout y\nout [n]");
}

#[test]
fn a_variable_is_renamed_everywhere_that_it_stands() {
    let source = "in n: Int\nx = map([n], (m) => m + n$0)\nout n";
    assert_eq!(
        renamed_to(source, "number").unwrap(),
        "in number: Int\nx = map([number], (m) => m + number)\nout number"
    );
    assert_eq!(renamed_to("type T = Int\nin a: T$0\nout a", "U").unwrap(), "type U = Int\nin a: U\nout a");
}

#[test]
fn a_name_that_is_none_or_is_taken_is_refused() {
    let source = "in n: Int\nx = map([n], (m) => m + n$0)\ny = free\nout n";
    let taken = |name: &str| Err(RenameError::Taken(name.to_owned()));
    assert_eq!(renamed_to(source, "x"), taken("x"));
    assert_eq!(renamed_to(source, "m"), taken("m"));
    assert_eq!(renamed_to(source, "free"), taken("free"));
    for no_name in ["", "1a", "a b", "match", "a.b"] {
        assert_eq!(renamed_to(source, no_name), Err(RenameError::NoName(no_name.to_owned())));
    }
    assert_eq!(renamed_to("x = tex$0t.Count(\"\")", "y"), Err(RenameError::Nothing));
}

#[test]
fn a_field_of_a_pattern_cannot_have_another_name() {
    let source = "in r: { ok: Int }\nx = match r { { ok } -> ok$0 }\nout x";
    assert_eq!(renamed_to(source, "fine"), Err(RenameError::Field("ok".to_owned())));
    let (analysis, at) = at_cursor(source);
    assert_eq!(renamed(&analysis, at), None);
}
