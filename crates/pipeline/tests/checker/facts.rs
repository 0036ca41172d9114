//! What an editor learns of the places of a source.

use pipeline::compile;
use pipeline::facts::FactKind;

use crate::catalog;

/// Each fact as `text: what`, in order.
fn facts(source: &str) -> String {
    let checked = compile(source, &catalog());
    let line = |span: pipeline::Span| source[..span.start as usize].matches('\n').count() + 1;
    let shown: Vec<String> = checked
        .facts
        .facts
        .iter()
        .map(|fact| {
            let text = &source[fact.span.range()];
            let what = match &fact.kind {
                FactKind::Expr { ty } => format!("expression of {ty}"),
                FactKind::Variable { definition, ty, .. } => format!("variable of {ty}, line {}", line(*definition)),
                FactKind::Module(module) => format!("module {}", module.name),
                FactKind::Function { name, signature, .. } => format!("function {name}{signature}"),
                FactKind::Field { ty, .. } => format!("field of {ty}"),
                FactKind::Parameter { name, ty } => format!("for {name} of {ty}"),
                FactKind::Type { definition, ty, .. } => format!("type {ty}, line {:?}", definition.map(line)),
                FactKind::Namespace { name } => format!("namespace {name}"),
            };
            format!("{}: {text}: {what}", line(fact.span))
        })
        .collect();
    shown.join("\n")
}

#[test]
fn names_types_fields_modules_and_parameters_are_known() {
    insta::assert_snapshot!(facts("use ml as m\ntype Text = { body: String }\nin doc: Text\nmood = m.Sentiment(text: doc.body).score\nlong = list-length([mood])\nout long\n"), @"
1: ml: namespace ml
1: m: namespace ml
2: Text: type {body: String}, line Some(2)
2: body: field of String
2: String: type String, line None
3: doc: variable of {body: String}, line 3
3: Text: type {body: String}, line Some(2)
4: mood: variable of Float, line 4
4: m.Sentiment(text: doc.body).score: expression of Float
4: m.Sentiment(text: doc.body): expression of {label: String, score: Float}
4: m: namespace ml
4: Sentiment: module ml.Sentiment
4: text: for text of String
4: doc.body: expression of String
4: doc: variable of {body: String}, line 3
4: body: field of String
4: score: field of Float
5: long: variable of Int, line 5
5: list-length([mood]): expression of Int
5: list-length: function stdlib.list.list-length(list: List<T>) -> Int
5: [mood]: expression of List<Float>
5: [mood]: for list of List<Float>
5: mood: variable of Float, line 4
6: long: variable of Int, line 5
");
}

#[test]
fn a_narrowed_variable_has_its_narrow_type_and_its_first_definition() {
    insta::assert_snapshot!(facts("in o: Option<Int>\nx = match o { is Int -> o, _ -> 0 }\nout x\n"), @"
1: o: variable of Option<Int>, line 1
1: Option: type Option<Int>, line None
1: Int: type Int, line None
2: x: variable of Int, line 2
2: match o { is Int -> o, _ -> 0 }: expression of Int
2: o: variable of Option<Int>, line 1
2: Int: type Int, line None
2: o: variable of Int, line 1
2: 0: expression of Int
3: x: variable of Int, line 2
");
}

#[test]
fn what_is_right_beside_an_error_is_known_too() {
    insta::assert_snapshot!(facts("in doc: { body: String }\na = nope(doc.body)\nb = Uppercase(doc.bdy)\nout b\n"), @"
1: doc: variable of {body: String}, line 1
1: body: field of String
1: String: type String, line None
2: a: variable of Any, line 2
2: doc.body: expression of String
2: doc: variable of {body: String}, line 1
2: body: field of String
3: b: variable of String, line 3
3: Uppercase(doc.bdy): expression of String
3: Uppercase: module text.Uppercase
3: doc.bdy: for text of String
3: doc: variable of {body: String}, line 1
4: b: variable of String, line 3
");
}
