//! Any text is read without loss; what has a canonical form keeps its meaning in it; and a check of it ends.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pipeline::{Catalog, ModuleSignature, diagnostic, format, parse};
use type_schema::CType;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let modules = [
        ("text.Uppercase", "{text: String}", "String"),
        ("text.WordCount", "{text: String}", "Int"),
        ("ml.Score", "{text: String, limit: Option<Int>}", "{score: Float} | {error: String}"),
        ("data.Sum", "List<Int>", "Int"),
    ];
    let ctype = |text| CType::parse(text).expect("a type");
    Catalog::new(modules.map(|(name, input, output)| ModuleSignature::new(name, ctype(input), ctype(output))))
});

fuzz_target!(|source: &str| {
    let parsed = parse(source);
    assert_eq!(parsed.syntax.text(), source);
    let _shown = diagnostic::render("x.cst", source, &parsed.diagnostics, false);
    let compiled = pipeline::compile(source, &CATALOG);
    let _shown = diagnostic::render("x.cst", source, &compiled.diagnostics, false);
    if let Ok(formatted) = format(source) {
        assert_eq!(format(&formatted).as_ref(), Ok(&formatted));
        let hash = |checked: pipeline::Checked| checked.plan.map(|plan| plan.hash);
        assert_eq!(hash(pipeline::compile(&formatted, &CATALOG)), hash(compiled));
    }
});
