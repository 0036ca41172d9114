//! Sources that somebody made to be large, deep or nonsense.

use std::time::{Duration, Instant};

use pipeline::diagnostic::render;
use pipeline::{Code, MAX_DIAGNOSTICS, MAX_SOURCE_BYTES, format, parse};

/// Reads, formats and shows a text, and says how long it took.
fn read(source: &str) -> Duration {
    let started = Instant::now();
    let parsed = parse(source);
    assert_eq!(parsed.syntax.text().len(), u32::try_from(source.len()).unwrap().into());
    assert!(parsed.diagnostics.len() <= MAX_DIAGNOSTICS);
    assert_eq!(render("x.cst", source, &parsed.diagnostics, true).is_empty(), parsed.diagnostics.is_empty());
    let formatted = format(source);
    // What the values of numbers are is nothing to the form.
    let is_form = |message: &str| !message.contains("no output") && !message.contains("out of the range");
    assert_eq!(formatted.is_err(), parsed.diagnostics.iter().any(|fault| is_form(&fault.message)), "{}", &source[..20]);
    started.elapsed()
}

#[test]
fn repeated_pieces_are_read_in_linear_time_whatever_they_are() {
    let pieces = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ")(",
        "\"",
        "\"${",
        "${",
        "\"\n",
        "\"${\n",
        "a.",
        "a + ",
        "a ?? ",
        "a when ",
        "not ",
        "- ",
        "if (",
        "if (a) b else ",
        "match ",
        "match a {is A -> ",
        "branch { a -> ",
        "x = {",
        "x = (",
        "x = \"${",
        "(a) => ",
        "(a, ",
        "f(",
        "f(a = ",
        "f(a: ",
        "f(x) with ",
        "f(x) with fallback: ",
        "f(x) with a: 1, ",
        "with ",
        "@",
        "@example(",
        "@source(",
        "type A = ",
        "type A = List<",
        "in a: {b: ",
        "List<",
        "a = ",
        "a b ",
        "a = b ",
        "a[b",
        "a{b",
        "a[b]",
        "a{b}.c",
        "in ",
        "out ",
        "out a ",
        "use ",
        "use a.",
        "#",
        "# a\n",
        "\\",
        "\u{e9}",
        "\u{1d11e} ",
        "\0",
        ";",
        "=>",
        "->",
        "throttle: 1/",
        "\"\\q",
        "1",
        "1.",
        "1s ",
        "99999999999999999999 ",
        "a = 99999999999999999999\n",
        "a = [1,\n",
        "a = \"b\n",
        " ",
        "\n",
        "\r",
    ];
    for piece in pieces {
        for prefix in ["", "x = f(", "x = \"${"] {
            let source = format!("{prefix}{}", piece.repeat((16 << 10) / piece.len()));
            let elapsed = read(&source);
            assert!(elapsed < Duration::from_secs(10), "{prefix}{piece}: {elapsed:?}");
        }
    }
}

#[test]
fn ten_thousand_parentheses_are_refused_at_the_first_that_is_too_deep() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{a: ", "}"), ("f(", ")"), ("not (", ")"), ("\"${", "}\""), ("if (", ") 1 else 2")]
    {
        let source = format!("x = {}1{}\nout x\n", open.repeat(10_000), close.repeat(10_000));
        let parsed = parse(&source);
        let [fault] = &parsed.diagnostics[..] else { panic!("{open}: {:?}", parsed.diagnostics) };
        assert_eq!((fault.code, fault.message.as_str()), (Code::ParseError, "nested deeper than 128 levels"), "{open}");
    }
}

#[test]
fn nesting_up_to_the_limit_is_read() {
    for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")")] {
        let source = |depth: usize| format!("x = {}1{}\nout x\n", open.repeat(depth), close.repeat(depth));
        assert_eq!(parse(&source(127)).diagnostics, []);
        assert_eq!(parse(&source(128)).diagnostics.len(), 1);
    }
}

#[test]
fn chains_of_operators_are_as_long_as_things_may_be_deep() {
    for (link, place) in [(" + 1", 128), (".a", 128), ("[a]", 128), (" ?? 1", 128), (" or 1", 128)] {
        let source = |links: usize| format!("x = b{}\nout x\n", link.repeat(links));
        assert_eq!(parse(&source(place - 1)).diagnostics, [], "{link}");
        let faults = parse(&source(place)).diagnostics;
        assert_eq!(faults.len(), 1, "{link} {faults:?}");
        assert_eq!(faults[0].message, "nested deeper than 128 levels");
        assert_eq!(parse(&source(100_000)).diagnostics.len(), 1, "{link}");
    }
}

#[test]
fn a_source_that_is_too_large_is_refused_without_being_read() {
    let source = "x = 1\n".repeat(10_000_000 / 6);
    let parsed = parse(&source);
    let [fault] = &parsed.diagnostics[..] else { panic!("{}", parsed.diagnostics.len()) };
    assert_eq!(fault.message, format!("the source has {} bytes, more than 1048576", source.len()));
    assert_eq!(parsed.file.decls, []);
    assert_eq!(parsed.syntax.text().to_string(), source);
    assert_eq!(format(&source), Err(parsed.diagnostics));
}

#[test]
fn the_largest_source_is_read() {
    let source = "out x\n".repeat(MAX_SOURCE_BYTES / 6);
    assert_eq!(parse(&source).diagnostics, []);
    assert_eq!(format(&source), Ok(source));
}

#[test]
fn of_many_faults_a_hundred_are_told_and_the_last_says_so() {
    let source = "x = )\n".repeat(1000);
    let faults = parse(&source).diagnostics;
    assert_eq!(faults.len(), MAX_DIAGNOSTICS);
    let last = faults.last().unwrap().help.last().unwrap();
    assert!(last.ends_with("more errors are not shown"), "{last}");
}
