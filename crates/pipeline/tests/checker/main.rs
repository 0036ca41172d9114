//! The checker at its boundary: a source and a catalog in, a plan, diagnostics and facts out.

mod codes;
mod examples;
mod facts;
mod fuzz;
mod matches;
mod names;
mod options;
mod pages;
mod records;
mod runs;
mod scale;
mod std_functions;
// The scripted world of the tests of runs.
#[allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs)]
#[path = "../run/support.rs"]
mod support;
mod types;
mod values;

use pipeline::plan::{Body, Node, Op, Plan};
use pipeline::{Catalog, ModuleSignature, compile, diagnostic};
use type_schema::CType;

/// Modules of every kind.
fn catalog() -> Catalog {
    let module = |name: &str, input: &str, output: &str| {
        ModuleSignature::new(name, input.parse().expect("a type"), output.parse().expect("a type"))
    };
    Catalog::new([
        module("text.Uppercase", "{text: String}", "String"),
        module("text.Replace", "{text: String, find: String, replace: String}", "String"),
        ModuleSignature { batch: true, ..module("text.WordCount", "{text: String}", "Int") },
        ModuleSignature { batch: true, ..module("ml.Sentiment", "{text: String}", "{label: String, score: Float}") },
        module("ml.Embed", "{text: String}", "List<Float>"),
        module("legacy.Embed", "{text: String}", "List<Float>"),
        module("data.Average", "{numbers: List<Int>}", "Float"),
        module("data.Scale", "{value: Float, factor: Float}", "Float"),
        module("raw.Echo", "String", "String"),
        module("raw.Maybe", "Option<Int>", "Int"),
        module("raw.Now", "{}", "Int"),
        module(
            "shop.Find",
            "{query: String, limit: Option<Int>}",
            "List<{id: Int, title: String, note: Option<String>}>",
        ),
        module("shop.Price", "{order: {id: Int, tags: List<String>}}", "Float"),
        module("shop.Shape", "{name: String}", "{radius: Float} | {width: Float, height: Float} | String"),
        module("shop.Lookup", "{key: String}", "Option<{id: Int, title: String}>"),
        module("store.Load", "{key: String}", "Any"),
        module("store.Save", "{key: String, value: Any}", "Bool"),
        ModuleSignature { stream: true, ..module("live.Ticks", "{n: Int}", "Int") },
    ])
    .with_cache("disk")
}

/// All that is said about a source, as people read it.
fn told(source: &str) -> String {
    let checked = compile(source, &catalog());
    assert_eq!(
        checked.plan.is_none(),
        checked.diagnostics.iter().any(|said| said.severity() == pipeline::Severity::Error)
    );
    diagnostic::render("a.cst", source, &checked.diagnostics, false)
}

/// The codes that are said about a source, in the order of their places.
fn codes(source: &str) -> Vec<String> {
    compile(source, &catalog()).diagnostics.iter().map(|said| said.code.to_string()).collect()
}

/// The messages that are said about a source.
fn messages(source: &str) -> Vec<String> {
    compile(source, &catalog()).diagnostics.into_iter().map(|said| said.message).collect()
}

/// The plan of a source about which nothing is to be said.
fn plan(source: &str) -> Plan {
    let checked = compile(source, &catalog());
    let told = diagnostic::render("a.cst", source, &checked.diagnostics, false);
    assert!(checked.diagnostics.is_empty(), "{told}");
    checked.plan.expect("a plan")
}

/// The type of the last output.
fn ty(source: &str) -> String {
    output_type(&plan(source)).to_string()
}

fn output_type(plan: &Plan) -> CType {
    let output = plan.outputs.last().expect("an output");
    plan.ctype(plan.root.nodes[output.node.0 as usize].ty).clone()
}

/// The type of an expression; `t: String`, `n: Int`, `f: Float`, `b: Bool`, `xs: List<Int>`, `fs: List<Float>`, `ts: List<String>`,
/// `o: Option<Int>`, `r: {a: Int, b: String}`, `rs: List<{a: Int, b: String}>` and `any: Any` are inputs.
fn of(expr: &str) -> String {
    ty(&with_inputs(expr))
}

/// A source that puts out one expression over the inputs of [`of`].
fn with_inputs(expr: &str) -> String {
    format!(
        "in t: String\nin n: Int\nin f: Float\nin b: Bool\nin xs: List<Int>\nin fs: List<Float>\nin ts: List<String>\nin o: Option<Int>\n\
         in r: {{a: Int, b: String}}\nin rs: List<{{a: Int, b: String}}>\nin any: Any\nx = {expr}\nout x\n"
    )
}

/// Every node, those of lambdas too.
fn nodes(plan: &Plan) -> Vec<&Node> {
    fn walk<'p>(body: &'p Body, found: &mut Vec<&'p Node>) {
        for node in &body.nodes {
            found.push(node);
            if let Op::Each(each) = &node.op {
                walk(&each.body, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(&plan.root, &mut found);
    found
}

fn calls(plan: &Plan) -> Vec<&pipeline::plan::Call> {
    let call = |node: &&Node| matches!(node.op, Op::Call(_));
    nodes(plan)
        .into_iter()
        .filter(call)
        .map(|node| match &node.op {
            Op::Call(call) => &**call,
            _ => unreachable!(),
        })
        .collect()
}
