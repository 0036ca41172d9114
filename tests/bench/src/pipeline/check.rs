//! Checking of a large source. Also makes that source, and its modules, for others that measure with it.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use pipeline::{Catalog, ModuleSignature};
use type_schema::CType;

use crate::pipeline::Arguments;
use crate::pipeline::row::Row;
use crate::report::median;

/// Lines of the source.
pub(crate) const LINES: usize = 1000;
/// Calls in it.
pub(crate) const CALLS: usize = 500;
/// Modules that it calls in turn.
const MODULES: usize = 50;

/// The modules that the source calls: records in and out, in five namespaces.
pub(crate) fn modules() -> Result<Vec<ModuleSignature>> {
    let input = CType::parse("{text: String, weight: Float, limit: Option<Int>}")?;
    let output = CType::parse(
        "{score: Float, label: String, tags: List<{name: String, weight: Float}>, best: {name: String} | {none: Bool}}",
    )?;
    Ok((0..MODULES)
        .map(|i| ModuleSignature::new(&format!("area{}.Step{i}", i % 5), input.clone(), output.clone()))
        .collect())
}

/// A source of [`LINES`] lines: each call has options, and each is followed by an expression that works with what it gave.
pub(crate) fn source() -> String {
    let mut text = String::from("# A generated pipeline.\nuse area0\nin text: String\nin weight: Float\n");
    for i in 0..CALLS {
        let before = i.checked_sub(1).map_or_else(|| "weight".to_owned(), |before| format!("e{before}"));
        let module = i % MODULES;
        let name =
            if module.is_multiple_of(5) { format!("Step{module}") } else { format!("area{}.Step{module}", module % 5) };
        let line = match i % 4 {
            0 => format!("c{i} = {name}(text, {before}) with retry: 2, timeout: 2s"),
            1 => format!("c{i} = {name}(text: \"${{text}} {i}\", weight: {before}, limit: {i}) with cache: 5min"),
            2 => format!("c{i} = {name}(text, {before} * 0.5) with fallback: c{}, priority: high", i - 1),
            _ => format!("c{i} = {name}(c{}.label, {before}, {i})", i - 1),
        };
        let expression = match i % 5 {
            0 => format!("e{i} = if (c{i}.score > 0.5) c{i}.score else {before}"),
            1 => format!("e{i} = fold(c{i}.tags, 0.0, (sum, tag) => sum + tag.weight)"),
            2 => format!("e{i} = c{i}.score + {before} * 2"),
            3 => format!("e{i} = match (c{i}.best) {{ {{name}} -> to-float(string-length(name)), _ -> {before} }}"),
            _ => format!("e{i} = list-sum(c{i}.tags.weight) + c{i}.score"),
        };
        // Head and end of the source take five lines.
        let between = if i < 5 { ' ' } else { '\n' };
        let _infallible = writeln!(text, "{line}{between}{expression}");
    }
    let _infallible = writeln!(text, "out e{}", CALLS - 1);
    text
}

pub(crate) fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let (source, catalog) = (source(), Catalog::new(modules()?));
    let checked = pipeline::compile(&source, &catalog);
    ensure!(checked.plan.is_some(), "{}", first(&checked.diagnostics));
    ensure!(source.lines().count() == LINES, "the source has {} lines", source.lines().count());
    let (mut check, mut parse) = (Vec::new(), Vec::new());
    for _ in 0..arguments.repetitions * 5 {
        let began = Instant::now();
        black_box(pipeline::parse(black_box(&source)));
        parse.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        black_box(pipeline::compile(black_box(&source), &catalog));
        check.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let ratio = median(check.iter().zip(&parse).map(|(check, parse)| check / parse));
    Ok(vec![Row {
        case: "check",
        n: source.lines().count(),
        value: median(check),
        unit: "ms",
        baseline: Some(median(parse)),
        ratio: Some(ratio),
        beside: "parsing alone",
    }])
}

/// The first fault, for people.
pub(crate) fn first(diagnostics: &[pipeline::Diagnostic]) -> String {
    diagnostics.first().map_or_else(|| "no plan, and no diagnostic".to_owned(), |first| format!("{first:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_has_its_lines_and_calls_and_nothing_is_wrong_with_it() {
        let source = source();
        assert_eq!(source.lines().count(), LINES);
        let checked = pipeline::compile(&source, &Catalog::new(modules().unwrap()));
        assert_eq!(checked.diagnostics, []);
        assert_eq!(checked.plan.unwrap().sites as usize, CALLS);
    }
}
