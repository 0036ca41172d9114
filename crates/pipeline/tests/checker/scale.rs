//! Large and hostile sources end, with the faults that they have.

use std::fmt::Write;

use pipeline::{MAX_SOURCE_BYTES, compile};

use crate::{catalog, codes, messages};

#[test]
fn a_long_chain_of_bindings_is_checked_whatever_its_order() {
    let mut source = String::from("in a0: Int\nout a20000\n");
    for i in (1..=20_000).rev() {
        writeln!(source, "a{i} = a{} + 1", i - 1).unwrap();
    }
    assert!(codes(&source).is_empty());
}

#[test]
fn a_long_cycle_is_told_in_short() {
    let mut source = String::from("out a0\n");
    for i in 0..10_000 {
        writeln!(source, "a{i} = a{}", (i + 1) % 10_000).unwrap();
    }
    assert_eq!(codes(&source), ["E031"]);
}

#[test]
fn a_source_full_of_unknown_names_tells_a_hundred() {
    let mut source = String::from("out x0\n");
    for i in 0..20_000 {
        writeln!(source, "x{i} = Nope{i}(nothing{i})").unwrap();
    }
    let checked = compile(&source, &catalog());
    assert_eq!(checked.diagnostics.len(), 100);
    assert!(checked.plan.is_none());
}

#[test]
fn errors_are_told_though_a_hundred_warnings_stand_before() {
    let mut source = String::new();
    for i in 0..200 {
        writeln!(source, "x{i} = {i}").unwrap();
    }
    source.push_str("y = nope\nout y\n");
    assert!(codes(&source).contains(&"E001".to_owned()));
}

#[test]
fn types_that_are_many_times_large_are_bounded_together() {
    let wide: String = (0..4000).map(|i| format!("f{i}: Int, ")).collect();
    let mut source = format!("in w: {{ {wide} }}\nin o: {{ x: Int }}\nout y0\n");
    for i in 0..2000 {
        writeln!(source, "y{i} = w + {{ g{i}: 1 }}").unwrap();
    }
    assert!(source.len() < MAX_SOURCE_BYTES);
    let told = messages(&source);
    assert!(told.contains(&"the types of a pipeline have at most 2000000 parts together".to_owned()), "{}", told[0]);
}

#[test]
fn deep_expressions_end_where_the_parser_allows_no_more() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("not ", ""),
        ("-", ""),
        ("if (true) ", " else 1"),
        ("Uppercase(", ")"),
        ("\"${", "}\""),
    ] {
        let source = format!("x = {}1{}\nout x\n", open.repeat(10_000), close.repeat(10_000));
        assert!(compile(&source, &catalog()).plan.is_none(), "{open}");
        let source = format!("x = {}1{}\nout x\n", open.repeat(60), close.repeat(60));
        let told = compile(&source, &catalog()).diagnostics;
        assert!(told.iter().all(|said| said.message != "nested too deeply"), "{open}");
    }
    let chain = format!("x = 1{}\nout x\n", " + 1".repeat(100));
    assert!(codes(&chain).is_empty());
}
