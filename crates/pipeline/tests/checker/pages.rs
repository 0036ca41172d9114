//! The pages of the codes show what a person sees: each has a source and the text of its diagnostics.

use std::path::Path;

use pipeline::Code;

use crate::{codes, told};

/// The text between a fence of that language and the next.
fn block<'p>(page: &'p str, language: &str) -> &'p str {
    let start = page.find(&format!("```{language}\n")).map(|at| at + language.len() + 4).expect("a block");
    let end = page[start..].find("```").expect("an end");
    &page[start..start + end]
}

#[test]
fn each_page_has_a_source_with_its_code_and_the_very_text_of_its_diagnostics() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for code in Code::ALL {
        if matches!(code, Code::ParseError | Code::UnexpectedToken | Code::Streaming) {
            continue;
        }
        let page =
            std::fs::read_to_string(pages.join(format!("{code}.md"))).unwrap_or_else(|_| panic!("{code} has a page"));
        let source = block(&page, "cst");
        assert!(codes(source).contains(&code.to_string()), "{code}");
        assert_eq!(block(&page, "text"), format!("{}\n", told(source).trim_end()), "{code}");
    }
}
