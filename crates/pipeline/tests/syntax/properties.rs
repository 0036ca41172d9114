//! Properties of drawn files and texts.

use pipeline::syntax::{SyntaxKind, SyntaxNode};
use pipeline::{Diagnostic, MAX_DIAGNOSTICS, format, parse, print};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::drawn::{file, soup};
use crate::shape::without_places;

/// The comments of a source, in order.
fn comments(source: &str) -> Vec<String> {
    let tokens = parse(source).syntax.descendants_with_tokens().filter_map(|element| element.into_token());
    let comments = tokens.filter(|token| token.kind() == SyntaxKind::Comment);
    comments.map(|token| token.text().trim_end().to_owned()).collect()
}

/// The source with comments and blanks before some of its tokens, where those may stand.
fn disturbed(source: &str, what: &[u8]) -> String {
    let mut text = String::new();
    let mut what = what.iter().cycle();
    let mut count = 0;
    for token in parse(source).syntax.descendants_with_tokens().filter_map(|element| element.into_token()) {
        let is_fixed = matches!(
            token.kind(),
            SyntaxKind::StringText
                | SyntaxKind::Escape
                | SyntaxKind::StringEnd
                | SyntaxKind::InterpolationStart
                | SyntaxKind::Whitespace
                | SyntaxKind::Comment
        );
        // A qualified name has no blanks.
        let is_in_name = token.parent().is_some_and(|node| node.kind() == SyntaxKind::QName);
        if !is_fixed && !is_in_name {
            match what.next() {
                Some(0) => text.push_str("\n\n\n"),
                Some(1) => {
                    count += 1;
                    text.push_str(&format!(" # behind {count} \n"));
                }
                Some(2) => {
                    count += 1;
                    text.push_str(&format!("\n\n  # own {count}\r\n"));
                }
                Some(3) => {
                    count += 1;
                    text.push_str(&format!(" #b{count}\n #o{count}\n"));
                }
                Some(4) => text.push_str("  \t"),
                _ => {}
            }
        }
        text.push_str(token.text());
    }
    text
}

fn places_are_right(source: &str, diagnostics: &[Diagnostic]) -> Result<(), TestCaseError> {
    prop_assert!(diagnostics.len() <= MAX_DIAGNOSTICS);
    for diagnostic in diagnostics {
        for span in std::iter::once(diagnostic.span).chain(diagnostic.related.iter().map(|(span, _)| *span)) {
            prop_assert!(source.get(span.range()).is_some(), "{span:?} of {diagnostic:?}");
        }
    }
    prop_assert!(diagnostics.is_sorted_by_key(|diagnostic| diagnostic.span.start));
    Ok(())
}

fn depth(node: &SyntaxNode) -> usize {
    node.descendants().map(|node| node.ancestors().count()).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 600 } else { 20_000 }))]

    #[test]
    fn a_printed_file_reads_back_as_the_same_file(file in file()) {
        let text = print(&file);
        let parsed = parse(&text);
        let faults: Vec<_> = parsed.diagnostics.iter().filter(|fault| fault.message != "the pipeline has no output").collect();
        prop_assert!(faults.is_empty(), "{text}\n{faults:?}");
        prop_assert_eq!(without_places(&parsed.file), without_places(&file), "{}", text);
        prop_assert_eq!(format(&text), Ok(text));
    }

    #[test]
    fn formatting_keeps_meaning_and_comments_and_is_done_once(file in file(), what in vec(0u8..9, 1..40)) {
        let source = disturbed(&print(&file), &what);
        let formatted = format(&source).unwrap();
        prop_assert_eq!(without_places(&parse(&formatted).file), without_places(&parse(&source).file), "{}\n{}", source, formatted);
        prop_assert_eq!(comments(&formatted), comments(&source), "{}\n{}", source, formatted);
        prop_assert_eq!(format(&formatted).unwrap(), formatted.clone(), "{}", source);
        let has_trailing_blank = formatted.lines().any(|line| line.ends_with(' '));
        prop_assert!(!has_trailing_blank || source.contains('"'), "{}", formatted);
    }

    #[test]
    fn any_text_is_read_without_loss_and_refused_at_its_places(source in prop_oneof![soup(), any::<String>(), ".{0,40}"]) {
        let parsed = parse(&source);
        prop_assert_eq!(parsed.syntax.text().to_string(), source.as_str());
        places_are_right(&source, &parsed.diagnostics)?;
        prop_assert!(depth(&parsed.syntax) < 1000);
        if let Ok(formatted) = format(&source) {
            prop_assert_eq!(without_places(&parse(&formatted).file), without_places(&parsed.file));
            prop_assert_eq!(format(&formatted).unwrap(), formatted);
        }
        let shown = pipeline::diagnostic::render("x.cst", &source, &parsed.diagnostics, false);
        prop_assert_eq!(shown.is_empty(), parsed.diagnostics.is_empty());
    }

    #[test]
    fn a_source_with_a_piece_cut_out_is_read_without_loss(file in file(), from in any::<prop::sample::Index>(), len in 1usize..9) {
        let text = print(&file);
        prop_assume!(!text.is_empty());
        let from = text.floor_char_boundary(from.index(text.len()));
        let to = text.ceil_char_boundary((from + len).min(text.len()));
        let source = format!("{}{}", &text[..from], &text[to..]);
        let parsed = parse(&source);
        prop_assert_eq!(parsed.syntax.text().to_string(), source.as_str());
        places_are_right(&source, &parsed.diagnostics)?;
    }
}
