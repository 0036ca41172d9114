//! Pictures of graphs made by hand: that everything has its place, and that no text is markup.

use std::collections::BTreeSet;

use pipeline::graph::{Edge, Graph, Kind, Node, Place};

use super::drawing::draw;
use super::{Mark, Marks, State, dot, mermaid, parse, svg};

fn node(graph: &mut Graph, kind: Kind, label: &str, ty: &str) -> u32 {
    let id = u32::try_from(graph.nodes.len()).unwrap();
    graph.nodes.push(Node {
        id,
        kind,
        label: label.into(),
        name: None,
        parent: None,
        ty: ty.into(),
        lines: Vec::new(),
        site: None,
        module: None,
        language: None,
        options: Vec::new(),
        place: Place { start: 0, end: 1, line: 3, column: 5 },
    });
    id
}

fn edge(graph: &mut Graph, from: u32, to: u32, label: &str, ty: &str) {
    graph.edges.push(Edge {
        from,
        to,
        label: label.into(),
        path: String::new(),
        ty: ty.into(),
        conditional: ["then", "else", "otherwise", "fallback"].contains(&label),
    });
}

/// A pipeline with everything that a picture has.
fn example() -> Graph {
    let mut graph = Graph::default();
    let g = &mut graph;
    let text = node(g, Kind::Input, "text", "String");
    let limit = node(g, Kind::Input, "limit", "Int");
    let order = node(g, Kind::Input, "order", "{customer: {name: String, mail: String}, lines: List<{price: Float}>}");
    let clean = node(g, Kind::Call, "text.Trim", "String");
    g.nodes[3].name = Some("clean".into());
    g.nodes[3].language = Some("python".into());
    g.nodes[3].site = Some(0);
    edge(g, text, clean, "text", "String");
    let words = node(g, Kind::Call, "text.Split", "List<String>");
    g.nodes[4].name = Some("words".into());
    g.nodes[4].language = Some("rust".into());
    g.nodes[4].lines = vec![r#"delimiter: " ""#.into()];
    g.nodes[4].options = ["timeout: 2s", "retry: 3", "backoff: exponential", "cache: 5min"].map(Into::into).to_vec();
    g.nodes[4].site = Some(1);
    edge(g, clean, words, "text", "String");
    let scores = node(g, Kind::Each, "map", "List<Float>");
    g.nodes[5].name = Some("scores".into());
    edge(g, words, scores, "", "List<String>");
    let word = node(g, Kind::Parameter, "word", "String");
    let captured = node(g, Kind::Capture, "limit", "Int");
    let score = node(g, Kind::Call, "ml.sentiment.Score", "Float");
    for inner in [word, captured, score] {
        g.nodes[inner as usize].parent = Some(scores);
    }
    g.nodes[score as usize].language = Some("typescript".into());
    g.nodes[score as usize].site = Some(2);
    g.nodes[score as usize].options = ["concurrency: 4", "fallback: 0.0"].map(Into::into).to_vec();
    edge(g, limit, captured, "", "Int");
    edge(g, word, score, "text", "String");
    edge(g, captured, score, "limit", "Int");
    let mean = node(g, Kind::Call, "data.Average", "Float");
    g.nodes[mean as usize].language = Some("typescript".into());
    g.nodes[mean as usize].name = Some("mean".into());
    edge(g, scores, mean, "numbers", "List<Float>");
    let count = node(g, Kind::Expression, "list-length(words) * 2 + limit", "Int");
    g.nodes[count as usize].name = Some("count".into());
    edge(g, words, count, "", "List<String>");
    edge(g, limit, count, "", "Int");
    let upper = node(g, Kind::Call, "text.Uppercase", "String");
    g.nodes[upper as usize].language = Some("python".into());
    edge(g, order, upper, "text", "String");
    g.edges.last_mut().unwrap().path = ".customer.name".into();
    let verdict = node(g, Kind::Choice, "if mean > 0.5", "String");
    g.nodes[verdict as usize].name = Some("verdict".into());
    g.nodes[verdict as usize].lines = vec![r#"else: "bad""#.into()];
    edge(g, mean, verdict, "", "Float");
    edge(g, upper, verdict, "then", "String");
    let out = node(g, Kind::Output, "verdict", "String");
    edge(g, verdict, out, "", "String");
    let out = node(g, Kind::Output, "count", "Int");
    edge(g, count, out, "", "Int");
    let out = node(g, Kind::Output, "clean", "String");
    edge(g, clean, out, "", "String");
    graph
}

/// The words of a style's classes, and the tags that a picture is made of.
fn tags(svg: &str) -> BTreeSet<String> {
    let names = svg.split('<').skip(1).map(|tag| tag.split([' ', '>', '/']).next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

#[test]
fn no_card_lies_on_another_and_none_beyond_the_page() {
    let graph = example();
    let drawing = draw(&graph);
    for (a, one) in graph.nodes.iter().zip(&drawing.cards) {
        assert!(one.at.x >= 0.0 && one.at.x + one.size.width <= drawing.size.width, "{}", a.label);
        assert!(one.at.y >= 0.0 && one.at.y + one.size.height <= drawing.size.height, "{}", a.label);
        for (b, other) in graph.nodes.iter().zip(&drawing.cards).filter(|(b, _)| b.id > a.id && b.parent == a.parent) {
            let apart = one.at.x + one.size.width <= other.at.x
                || other.at.x + other.size.width <= one.at.x
                || one.at.y + one.size.height <= other.at.y
                || other.at.y + other.size.height <= one.at.y;
            assert!(apart, "{} and {}", a.label, b.label);
        }
    }
}

#[test]
fn what_is_inside_a_group_stays_inside() {
    let graph = example();
    let drawing = draw(&graph);
    for node in &graph.nodes {
        let Some(parent) = node.parent else { continue };
        let (inner, outer) = (&drawing.cards[node.id as usize], &drawing.cards[parent as usize]);
        assert!(
            inner.at.x > outer.at.x && inner.at.x + inner.size.width < outer.at.x + outer.size.width,
            "{}",
            node.label
        );
        assert!(
            inner.at.y > outer.at.y && inner.at.y + inner.size.height < outer.at.y + outer.size.height,
            "{}",
            node.label
        );
    }
}

#[test]
fn every_edge_goes_down_from_its_node_and_ends_on_the_other() {
    let graph = example();
    let drawing = draw(&graph);
    assert_eq!(drawing.lines.len(), graph.edges.len());
    for line in &drawing.lines {
        let edge = &graph.edges[line.edge];
        let from = &drawing.cards[edge.from as usize];
        assert!((line.points[0].y - from.at.y - from.size.height).abs() < 0.01, "{edge:?}");
        assert!(line.points.windows(2).all(|pair| pair[0].y <= pair[1].y + 0.01), "{edge:?}");
        let to = &drawing.cards[graph.nodes[edge.to as usize]
            .parent
            .filter(|_| graph.nodes[edge.from as usize].parent.is_none())
            .unwrap_or(edge.to) as usize];
        let end = line.points.last().unwrap();
        assert!((end.y - to.at.y).abs() < 0.01, "{edge:?}");
        assert!(end.x > to.at.x && end.x < to.at.x + to.size.width, "{edge:?}");
    }
}

/// No text of a module, of a source or of a run is markup.
#[test]
fn texts_are_escaped_everywhere() {
    let mut graph = example();
    let nasty = "</text><script>alert(1)</script>\"'&\u{1b}[31m\u{0}";
    for node in &mut graph.nodes {
        node.label = nasty.into();
        node.name = Some(nasty.into());
        node.language = Some(nasty.into());
        node.lines = vec![nasty.into()];
        node.options = vec![nasty.into()];
        node.ty = nasty.into();
    }
    for edge in &mut graph.edges {
        (edge.label, edge.path, edge.ty) = (nasty.into(), nasty.into(), nasty.into());
    }
    // Short enough for name and type on one line.
    (graph.nodes[0].label, graph.nodes[0].ty) = ("<b>".into(), "<i>&".into());
    let marks = Marks::from([(0, Mark { state: State::Failed, note: nasty.into(), link: nasty.into() })]);
    let text = svg(&graph, nasty, &marks);
    let expected = ["a", "g", "path", "rect", "style", "svg", "text", "title", "tspan"];
    assert_eq!(tags(&text), expected.map(ToOwned::to_owned).into());
    assert!(!text.contains(['\u{1b}', '\u{0}']), "XML has no control characters");
    // In Graphviz and Mermaid a text ends with a quote: none is left as it is.
    let dot = dot(&graph);
    for line in dot.lines() {
        let bare = line.replace("\\\\", "").replace("\\\"", "");
        assert_eq!(bare.matches('"').count() % 2, 0, "{line}");
    }
    let mermaid = mermaid(&graph);
    assert!(!mermaid.contains("<script") && !mermaid.contains("alert(1)</"), "{mermaid}");
    assert!(mermaid.lines().all(|line| line.matches('"').count() <= 2), "{mermaid}");
}

#[test]
fn a_graph_whose_references_lead_nowhere_is_none() {
    let json = |graph: &Graph| serde_json::to_string(graph).unwrap();
    let graph = example();
    assert_eq!(parse(&json(&graph)), Some(graph.clone()));
    let mut wrong = graph.clone();
    wrong.edges[0].to = 99;
    assert_eq!(parse(&json(&wrong)), None);
    let mut wrong = graph.clone();
    wrong.nodes[3].parent = Some(3);
    assert_eq!(parse(&json(&wrong)), None);
    let mut wrong = graph;
    wrong.nodes[3].id = 4;
    assert_eq!(parse(&json(&wrong)), None);
    assert_eq!(parse("{}"), None);
}

#[test]
fn the_texts_for_other_programs_hold_the_whole_graph() {
    insta::assert_snapshot!(dot(&example()), @r#"
    digraph pipeline {
      rankdir=TB;
      compound=true;
      node [shape=box, style=rounded, fontname="monospace", fontsize=11];
      edge [fontname="monospace", fontsize=9];
      n0 [label="text: String", shape=ellipse];
      n1 [label="limit: Int", shape=ellipse];
      n2 [label="order: {customer: {name: String, mail: String}, lines: List<{price: Float}>}", shape=ellipse];
      n3 [label="text.Trim\nclean\n(python)"];
      n4 [label="text.Split\nwords\n(rust)\ndelimiter: \" \"\ntimeout: 2s\nretry: 3\nbackoff: exponential\ncache: 5min"];
      subgraph cluster_5 {
        label="map\nscores";
        style=rounded;
        n6 [label="word: String", shape=ellipse];
        n7 [label="limit: Int", shape=ellipse];
        n8 [label="ml.sentiment.Score\n(typescript)\nconcurrency: 4\nfallback: 0.0"];
      }
      n9 [label="data.Average\nmean\n(typescript)"];
      n10 [label="list-length(words) * 2 + limit\ncount"];
      n11 [label="text.Uppercase\n(python)"];
      n12 [label="if mean > 0.5\nverdict\nelse: \"bad\"", shape=diamond, style=solid];
      n13 [label="verdict: String", shape=ellipse];
      n14 [label="count: Int", shape=ellipse];
      n15 [label="clean: String", shape=ellipse];
      n0 -> n3 [label="text: String"];
      n3 -> n4 [label="text: String"];
      n4 -> n8 [label="List<String>", lhead=cluster_5];
      n1 -> n7 [label="limit: Int"];
      n6 -> n8 [label="text: String"];
      n7 -> n8 [label="limit: Int"];
      n8 -> n9 [label="numbers: List<Float>", ltail=cluster_5];
      n4 -> n10 [label="List<String>"];
      n1 -> n10 [label="Int"];
      n2 -> n11 [label="text = .customer.name: String"];
      n9 -> n12 [label="Float"];
      n11 -> n12 [label="then: String", style=dashed];
      n12 -> n13 [label="String"];
      n10 -> n14 [label="Int"];
      n3 -> n15 [label="String"];
    }
    "#);
    insta::assert_snapshot!(mermaid(&example()), @r#"
    flowchart TB
      n0(["text: String"])
      n1(["limit: Int"])
      n2(["order: #123;customer: #123;name: String, mail: String#125;, lines: List#60;#123;price: Float#125;#62;#125;"])
      n3["text.Trim<br>clean<br>(python)"]
      n4["text.Split<br>words<br>(rust)<br>delimiter: #34; #34;<br>timeout: 2s<br>retry: 3<br>backoff: exponential<br>cache: 5min"]
      subgraph n5["map<br>scores"]
        n6(["word: String"])
        n7(["limit: Int"])
        n8["ml.sentiment.Score<br>(typescript)<br>concurrency: 4<br>fallback: 0.0"]
      end
      n9["data.Average<br>mean<br>(typescript)"]
      n10("list-length(words) #42; 2 #43; limit<br>count")
      n11["text.Uppercase<br>(python)"]
      n12{{"if mean #62; 0.5<br>verdict<br>else: #34;bad#34;"}}
      n13(["verdict: String"])
      n14(["count: Int"])
      n15(["clean: String"])
      n0 -->|"text: String"| n3
      n3 -->|"text: String"| n4
      n4 -->|"List#60;String#62;"| n5
      n1 -->|"limit: Int"| n7
      n6 -->|"text: String"| n8
      n7 -->|"limit: Int"| n8
      n5 -->|"numbers: List#60;Float#62;"| n9
      n4 -->|"List#60;String#62;"| n10
      n1 -->|"Int"| n10
      n2 -->|"text = .customer.name: String"| n11
      n9 -->|"Float"| n12
      n11 -.->|"then: String"| n12
      n12 -->|"String"| n13
      n10 -->|"Int"| n14
      n3 -->|"String"| n15
    "#);
}

/// Three hundred calls one below the other, all of which take one input: more than a person ever writes.
#[test]
fn a_large_graph_is_placed_in_bounded_time() {
    let mut graph = Graph::default();
    let text = node(&mut graph, Kind::Input, "text", "String");
    let mut before = text;
    for _ in 0..300 {
        let call = node(&mut graph, Kind::Call, "text.Replace", "String");
        edge(&mut graph, before, call, "text", "String");
        edge(&mut graph, text, call, "find", "String");
        before = call;
    }
    let drawing = draw(&graph);
    assert_eq!((drawing.cards.len(), drawing.lines.len()), (301, 600));
}
