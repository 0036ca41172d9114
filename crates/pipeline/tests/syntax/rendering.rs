//! How diagnostics look, whatever stands around their places.

use pipeline::diagnostic::{LineIndex, json, render};
use pipeline::{Code, Diagnostic, Span};

fn fault(source: &str, at: &str) -> Diagnostic {
    let start = u32::try_from(source.find(at).unwrap()).unwrap();
    let span = Span::new(start, start + u32::try_from(at.len()).unwrap());
    Diagnostic::new(Code::TypeMismatch, span, "expected Int, found String").label("this is a String")
}

#[test]
fn a_diagnostic_shows_source_labels_related_places_and_help() {
    let source = "in text: String\n\nn = text + 1\nout n\n";
    let shown =
        fault(source, "text + 1").related(Span::new(3, 7), "declared here").help("write `to-int(…)`").help("or else");
    let warning = Diagnostic::new(Code::UnusedBinding, Span::new(17, 18), "nothing needs `n`");
    insta::assert_snapshot!(render("a.cst", source, &[shown, warning], false), @r#"
    error[E010]: expected Int, found String
     --> a.cst:3:5
      |
    1 | in text: String
      |    ---- declared here
    2 |
    3 | n = text + 1
      |     ^^^^^^^^ this is a String
      |
      = help: write `to-int(…)`
      = help: or else

    warning[W001]: nothing needs `n`
     --> a.cst:3:1
      |
    3 | n = text + 1
      | ^
    "#);
}

#[test]
fn carets_stand_right_behind_tabs_and_beyond_ascii_and_in_crlf() {
    let source = "\u{feff}a = 1\r\n\tb = \"\u{e9}\u{1d11e}\u{4e2d}\" + x\r\n";
    insta::assert_snapshot!(render("a.cst", source, &[fault(source, "x")], false), @r#"
    error[E010]: expected Int, found String
     --> a.cst:2:14
      |
    2 |     b = "é𝄞中" + x
      |                  ^ this is a String
    "#);
}

#[test]
fn the_end_of_a_file_and_places_beyond_it_can_be_shown() {
    for source in ["", "a", "a\n", "a\r\n", "\u{1d11e}"] {
        let len = u32::try_from(source.len()).unwrap();
        for span in
            [Span::new(len, len), Span::new(len + 5, len + 9), Span::new(0, len), Span::new(1, 1), Span::new(2, 1)]
        {
            let shown = render("a.cst", source, &[Diagnostic::new(Code::ParseError, span, "wrong")], false);
            assert!(shown.starts_with("error[E020]: wrong\n --> a.cst:"), "{source:?} {span:?}: {shown}");
        }
    }
}

#[test]
fn what_a_source_says_cannot_command_a_terminal() {
    let source = "a = \u{1b}[31m\n";
    let shown = render("\u{1b}a.cst", source, &[fault(source, "\u{1b}[31m").help("did you mean `\u{1b}[0m`?")], false);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn colours_are_shown_on_demand() {
    let source = "a = b\n";
    assert!(render("a.cst", source, &[fault(source, "b")], true).contains("\u{1b}["));
    assert!(!render("a.cst", source, &[fault(source, "b")], false).contains('\u{1b}'));
    assert_eq!(render("a.cst", source, &[], true), "");
}

#[test]
fn json_says_the_same() {
    let source = "# \u{e9}\n\u{e9} = b\n";
    let shown = fault(source, "b").related(Span::new(0, 1), "there").help("so");
    let value = json(&LineIndex::new(source), &[shown]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap(), @r#"
    [
      {
        "code": "E010",
        "help": [
          "so"
        ],
        "label": "this is a String",
        "message": "expected Int, found String",
        "related": [
          {
            "message": "there",
            "span": {
              "column": 1,
              "end": 1,
              "line": 1,
              "start": 0
            }
          }
        ],
        "severity": "error",
        "span": {
          "column": 5,
          "end": 11,
          "line": 2,
          "start": 10
        }
      }
    ]
    "#);
}
