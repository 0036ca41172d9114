//! Graphs of small pipelines, as a list of nodes with what leads to them.

use std::fmt::Write as _;

use type_schema::CType;

use super::{Graph, Node};
use crate::{Catalog, ModuleSignature, compile};

fn catalog() -> Catalog {
    let module = |name: &str, language: &str, input: &str, output: &str| ModuleSignature {
        language: language.into(),
        ..ModuleSignature::new(name, CType::parse(input).unwrap(), CType::parse(output).unwrap())
    };
    Catalog::new([
        module("text.Upper", "python", "{text: String}", "String"),
        module("text.Replace", "python", "{text: String, find: String, replace: Option<String>}", "String"),
        module("text.Length", "rust", "{text: String}", "Int"),
        module("data.Average", "typescript", "List<Int>", "Float"),
        module("shop.Price", "", "{sku: String}", "{price: Float, note: String}"),
    ])
}

fn graph(source: &str) -> Graph {
    let checked = compile(source, &catalog());
    let plan = checked.plan.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    Graph::of(&plan, source)
}

/// A line per node, those of a group further in, and one for each edge to it.
fn shown(graph: &Graph) -> String {
    let mut text = String::new();
    let depth = |node: &Node| std::iter::successors(node.parent, |at| graph.nodes[*at as usize].parent).count();
    for node in &graph.nodes {
        let indent = "  ".repeat(depth(node));
        let kind = serde_json::to_value(node.kind).unwrap();
        write!(text, "{indent}{} {} `{}`", node.id, kind.as_str().unwrap(), node.label).unwrap();
        for (mark, part) in [("= ", &node.name), ("in ", &node.language)] {
            part.iter().for_each(|part| write!(text, " {mark}{part}").unwrap());
        }
        node.site.iter().for_each(|site| write!(text, " site {site}").unwrap());
        node.lines.iter().for_each(|line| write!(text, " ({line})").unwrap());
        node.options.iter().for_each(|option| write!(text, " [{option}]").unwrap());
        writeln!(text, " : {}", node.ty).unwrap();
        for edge in graph.edges.iter().filter(|edge| edge.to == node.id) {
            let arrow = if edge.conditional { "<~" } else { "<-" };
            let label = if edge.label.is_empty() { String::new() } else { format!(" as {}", edge.label) };
            writeln!(text, "{indent}    {arrow} {}{}{label} : {}", edge.from, edge.path, edge.ty).unwrap();
        }
    }
    text
}

#[test]
fn calls_show_their_constants_and_options_and_edges_their_parameters() {
    let graph = graph(
        "in text: String\nin unused: Int\n\
         clean = text.Replace(text, \"  \", replace: \" \") with retry: 3, timeout: 500ms, cache: 5min\n\
         loud = text.Upper(clean)\nout loud\nout clean\n",
    );
    insta::assert_snapshot!(shown(&graph), @r#"
    0 input `text` : String
    1 input `unused` : Int
    2 call `text.Replace` = clean in python site 0 (find: "  ") (replace: " ") [timeout: 500ms] [retry: 3] [cache: 5min] : String
        <- 0 as text : String
    3 call `text.Upper` = loud in python site 1 : String
        <- 2 as text : String
    4 output `loud` : String
        <- 3 : String
    5 output `clean` : String
        <- 2 : String
    "#);
    let call = graph.site(0).unwrap();
    assert_eq!((call.place.line, call.place.column), (3, 9));
}

#[test]
fn operators_between_calls_are_one_expression_and_fields_are_steps() {
    insta::assert_snapshot!(shown(&graph(
        "in order: {sku: String, count: Int, customer: {name: String}}\n\
         price = shop.Price(order.sku)\n\
         total = price.price * to-float(order.count) + 4.9   # with the postage\n\
         letter = text.Upper(\"Dear ${order.customer.name}, ${total}\")\n\
         result = { letter: letter, total: total }\nout result\n",
    )), @r#"
    0 input `order` : {sku: String, count: Int, customer: {name: String}}
    1 call `shop.Price` = price site 0 : {price: Float, note: String}
        <- 0.sku as sku : String
    2 expression `price.price * to-float(order.count) + 4.9` = total : Float
        <- 1.price : Float
        <- 0.count : Int
    3 expression `"Dear ${order.customer.name}, ${total}"` : String
        <- 0.customer.name : String
        <- 2 : Float
    4 call `text.Upper` = letter in python site 1 : String
        <- 3 as text : String
    5 expression `{ letter: letter, total: total }` = result : {letter: String, total: Float}
        <- 4 : String
        <- 2 : Float
    6 output `result` : {letter: String, total: Float}
        <- 5 : {letter: String, total: Float}
    "#);
}

#[test]
fn calls_of_equal_arguments_do_not_share_a_record() {
    insta::assert_snapshot!(shown(&graph(
        "in text: String\na = text.Upper(text)\nb = text.Length(text)\nout a\nout b\n",
    )), @"
    0 input `text` : String
    1 call `text.Upper` = a in python site 0 : String
        <- 0 as text : String
    2 call `text.Length` = b in rust site 1 : Int
        <- 0 as text : String
    3 output `a` : String
        <- 1 : String
    4 output `b` : Int
        <- 2 : Int
    ");
}

#[test]
fn a_list_function_that_calls_is_a_group_with_parameters_and_captures() {
    insta::assert_snapshot!(shown(&graph(
        "in texts: List<List<String>>\nin find: String\n\
         sizes = map(texts, (line) => map(line, (word) => text.Length(text.Replace(word, find, \"-\"))))\n\
         mean = map(sizes, (line) => data.Average(line))\nout mean\n",
    )), @r#"
    0 input `texts` : List<List<String>>
    1 input `find` : String
    2 each `map` = sizes : List<List<Int>>
        <- 0 : List<List<String>>
      3 parameter `line` : List<String>
      4 capture `find` : String
          <- 1 : String
      5 each `map` : List<Int>
          <- 3 : List<String>
        6 parameter `word` : String
        7 capture `find` : String
            <- 4 : String
        8 call `text.Replace` in python site 0 (replace: "-") : String
            <- 6 as text : String
            <- 7 as find : String
        9 call `text.Length` in rust site 1 : Int
            <- 8 as text : String
    10 each `map` = mean : List<Float>
        <- 2 : List<List<Int>>
      11 parameter `line` : List<Int>
      12 call `data.Average` in typescript site 2 : Float
          <- 11 : List<Int>
    13 output `mean` : List<Float>
        <- 10 : List<Float>
    "#);
}

#[test]
fn a_list_function_without_calls_is_one_node() {
    insta::assert_snapshot!(shown(&graph(
        "in numbers: List<Int>\nin least: Int\n\
         large = filter(numbers, (n) => n > least)\nsum = fold(large, 0, (sum, n) => sum + n)\nout sum\n",
    )), @"
    0 input `numbers` : List<Int>
    1 input `least` : Int
    2 each `filter(numbers, (n) => n > least)` = large : List<Int>
        <- 0 : List<Int>
        <- 1 : Int
    3 each `fold(large, 0, (sum, n) => sum + n)` = sum : Int
        <- 2 : List<Int>
    4 output `sum` : Int
        <- 3 : Int
    ");
}

#[test]
fn choices_hold_their_condition_and_say_what_is_needed_only_then() {
    insta::assert_snapshot!(shown(&graph(
        "in text: String\nin limit: Option<Int>\n\
         length = text.Length(text)\n\
         short = if (length < 10) text else text.Upper(text)\n\
         size = branch { length < 5 -> \"tiny\", length < (limit ?? 100) -> short, otherwise -> text.Upper(short) }\n\
         maybe = text.Upper(text) when length > 3 and (limit ?? 1) > 2\n\
         sure = maybe ?? \"nothing\"\nout size\nout sure\n",
    )), @r#"
    0 input `text` : String
    1 input `limit` : Option<Int>
    2 call `text.Length` = length in rust site 0 : Int
        <- 0 as text : String
    3 call `text.Upper` in python site 1 : String
        <- 0 as text : String
    4 choice `if length < 10` = short : String
        <- 2 : Int
        <~ 0 as then : String
        <~ 3 as else : String
    5 call `text.Upper` in python site 2 : String
        <- 4 as text : String
    6 choice `branch` = size (length < 5: "tiny") : String
        <- 2 : Int
        <- 1 : Option<Int>
        <~ 4 as length < (limit ?? 100) : String
        <~ 5 as else : String
    7 call `text.Upper` in python site 3 : String
        <- 0 as text : String
    8 choice `when length > 3 and (limit ?? 1) > 2` = maybe : Option<String>
        <- 2 : Int
        <- 1 : Option<Int>
        <~ 7 as then : String
    9 choice `??` = sure (else: "nothing") : String
        <- 8 : Option<String>
    10 output `size` : String
        <- 6 : String
    11 output `sure` : String
        <- 9 : String
    "#);
}

#[test]
fn an_arm_of_a_match_says_what_it_takes() {
    insta::assert_snapshot!(shown(&graph(
        "type Shape = { side: Int } | { name: String } | Int\nin shape: Shape\n\
         said = match shape { { name } -> text.Upper(name), is Int -> \"a number\", _ -> \"a square\" }\nout said\n",
    )), @r#"
    0 input `shape` : {side: Int} | {name: String} | Int
    1 call `text.Upper` in python site 0 : String
        <- 0.name as text : String
    2 choice `match shape` = said (Int: "a number") ({side: Int}: "a square") : String
        <- 0 : {side} | {name} | Int
        <~ 1 as {name: String} : String
    3 output `said` : String
        <- 2 : String
    "#);
}

#[test]
fn a_binding_is_told_by_its_name_where_it_is_used() {
    let graph = graph(
        "in text: String\nlong = text.Length(text) > 9\nspare = text.Upper(text)\n\
         said = if (long) \"long\" else text.Replace(text, \"a\") with fallback: spare\nout said\n",
    );
    let shown = shown(&graph);
    assert!(shown.contains("choice `if long`"), "{shown}");
    assert!(shown.contains("[fallback: spare]"), "{shown}");
}

#[test]
fn a_fallback_belongs_to_its_call() {
    insta::assert_snapshot!(shown(&graph(
        "in text: String\n\
         a = text.Upper(text) with fallback: \"none\", retry: 1\n\
         b = text.Upper(text) with fallback: text.Replace(text, \"a\")\n\
         c = text.Length(text) with on_error: skip, priority: high\nout a\nout b\nout c\n",
    )), @r#"
    0 input `text` : String
    1 call `text.Upper` = a in python site 0 [retry: 1] [fallback: "none"] : String
        <- 0 as text : String
    2 call `text.Replace` in python site 2 (find: "a") : String
        <- 0 as text : String
    3 call `text.Upper` = b in python site 1 [fallback: text.Replace(text, "a")] : String
        <- 0 as text : String
        <~ 2 as fallback : String
    4 call `text.Length` = c in rust site 3 [priority: high] [on_error: skip] : Int
        <- 0 as text : String
    5 output `a` : String
        <- 1 : String
    6 output `b` : String
        <- 3 : String
    7 output `c` : Int
        <- 4 : Int
    "#);
}

#[test]
fn an_output_without_any_input_comes_from_its_text() {
    insta::assert_snapshot!(shown(&graph("answer = 6 * 7\nsame = answer\nout answer\nout same\n")), @"
    0 expression `6 * 7` = answer : Int
    1 output `answer` : Int
        <- 0 : Int
    2 output `same` : Int
        <- 0 : Int
    ");
}

#[test]
fn a_graph_is_the_same_each_time_and_comes_back_from_json() {
    let source = "in texts: List<String>\nsizes = map(texts, (t) => text.Length(t))\nout sizes\n";
    let first = graph(source);
    assert_eq!(first, graph(source));
    let json = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), first);
}

/// Each node stands behind what it uses and behind its group, also with fallbacks and captures.
#[test]
fn edges_lead_from_earlier_nodes_to_later_ones() {
    let graph = graph(
        "in texts: List<String>\nin find: String\n\
         tail = text.Upper(find)\n\
         a = map(texts, (t) => text.Replace(t, find) with fallback: text.Upper(tail))\nout a\n",
    );
    assert!(graph.edges.iter().all(|edge| edge.from < edge.to), "{}", shown(&graph));
    assert!(graph.nodes.iter().all(|node| node.parent.is_none_or(|parent| parent < node.id)));
}
