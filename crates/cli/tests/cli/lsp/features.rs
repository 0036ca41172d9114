use serde_json::{Value, json};
use testkit::Editor;

use super::{Session, cursor, range, shown};

/// Asks about the cursor of a document that is opened for it.
async fn asked(session: &mut Session, method: &str, marked: &str, others: Value) -> Value {
    let (text, position) = cursor(marked);
    let uri = session.open("asked.cst", &text).await;
    let mut params = json!({ "textDocument": { "uri": uri }, "position": position });
    params.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    session.editor.ask(method, params).await.unwrap()
}

async fn replaced(editor: &mut Editor, uri: &str, version: i32, at: [u32; 4], text: &str) -> Vec<String> {
    let [line, from, to_line, to] = at;
    let range = json!({ "start": { "line": line, "character": from }, "end": { "line": to_line, "character": to } });
    editor.change(uri, version, json!([{ "range": range, "text": text }])).await;
    loop {
        let published = editor.diagnostics(uri).await;
        if published["version"] == version {
            return shown(&published);
        }
    }
}

#[tokio::test]
async fn faults_are_published_while_typing_and_go_when_they_are_mended() {
    let mut session = Session::start().await;
    let uri = session.open("a.cst", "in title: String\n# 𝄞\nx = text.Cout(title) # é\nout x\n").await;
    let editor = &mut session.editor;
    let first = replaced(editor, &uri, 2, [2, 4, 2, 4], "").await;
    assert_eq!(
        first,
        ["2:9-2:13 1 E002: the namespace `text` has no module `Cout`\nnot found\nhelp: did you mean `Count`?"]
    );
    assert_eq!(replaced(editor, &uri, 3, [2, 11, 2, 12], "un").await, Vec::<String>::new());
    // Positions count UTF-16: the clef is two.
    let third = replaced(editor, &uri, 4, [1, 4, 2, 0], " b\ny = \"𝄞\" + 1\nout y\n").await;
    let expected = "2:9-2:10 1 E014: `+` takes two Ints or two Floats, not String and Int\nnot two numbers of one type\n\
                    help: put Strings together by `\"${a}${b}\"` or `concat(a, b)`";
    assert_eq!(third, [expected]);
}

#[tokio::test]
async fn edits_that_come_together_are_checked_once() {
    let mut session = Session::start().await;
    let uri = session.open("a.cst", "x = 1\nout x\n").await;
    let range = json!({ "start": { "line": 0, "character": 4 }, "end": { "line": 0, "character": 5 } });
    let mut batch = String::new();
    for version in 2..40 {
        let params = json!({
            "textDocument": { "uri": uri, "version": version },
            "contentChanges": [{ "range": range, "text": (version % 10).to_string() }],
        });
        let message = json!({ "jsonrpc": "2.0", "method": "textDocument/didChange", "params": params }).to_string();
        batch += &format!("Content-Length: {}\r\n\r\n{message}", message.len());
    }
    session.editor.send_raw(batch.as_bytes()).await;
    let mut versions = Vec::new();
    while versions.last() != Some(&39) {
        versions.push(session.editor.diagnostics(&uri).await["version"].as_i64().unwrap());
    }
    // What is published never goes back, and the last is of the last edit.
    assert!(versions.is_sorted(), "{versions:?}");
}

#[tokio::test]
async fn completion_offers_modules_with_their_documentation() {
    let mut session = Session::start().await;
    let items = asked(&mut session, "textDocument/completion", "# é𝄞\nx = text.$0\n", json!({})).await;
    let items = items.as_array().unwrap();
    let labels: Vec<_> = items.iter().map(|item| item["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Count", "Uppercase"]);
    insta::assert_snapshot!(format!("{:#}", items[0]), @r#"
    {
      "detail": "(text: String) -> Int",
      "documentation": {
        "kind": "markdown",
        "value": "```cst\ntext.Count(text: String) -> Int\n```\n\nCount the words."
      },
      "insertTextFormat": 2,
      "kind": 3,
      "label": "Count",
      "labelDetails": {
        "description": "text"
      },
      "sortText": "00000",
      "textEdit": {
        "newText": "Count(${1:text})",
        "range": {
          "end": {
            "character": 9,
            "line": 1
          },
          "start": {
            "character": 9,
            "line": 1
          }
        }
      }
    }
    "#);
}

#[tokio::test]
async fn an_editor_without_snippets_and_markdown_gets_plain_text() {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("modules.lock.json"), super::lock(super::NAMES)).unwrap();
    let mut session = Session::spawn(dir, &["lsp"]);
    let capabilities = json!({ "textDocument": { "hover": { "contentFormat": ["plaintext"] } } });
    session.editor.initialize(capabilities, json!({})).await;
    let items = asked(&mut session, "textDocument/completion", "x = text.Up$0\nout x", json!({})).await;
    let one = items.as_array().unwrap().iter().find(|item| item["label"] == "Uppercase").unwrap();
    assert_eq!((&one["textEdit"]["newText"], &one["insertTextFormat"]), (&json!("Uppercase"), &json!(1)));
    let uri = session.uri("asked.cst");
    let symbols =
        session.editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } })).await.unwrap();
    assert_eq!(symbols[0]["location"]["uri"], uri.as_str());
}

#[tokio::test]
async fn hover_signatures_and_definitions_answer_about_the_cursor() {
    let mut session = Session::start().await;
    let hover =
        asked(&mut session, "textDocument/hover", "x = \"𝄞\" y = text.Upper$0case(\"\")\nout x", json!({})).await;
    assert_eq!(hover["contents"]["kind"], "markdown");
    assert_eq!(range(&hover["range"]), "0:18-0:27");
    assert!(hover["contents"]["value"].as_str().unwrap().contains("Upper-case a text."), "{hover}");

    let help = asked(&mut session, "textDocument/signatureHelp", "x = text.Uppercase($0", json!({})).await;
    assert_eq!(help["signatures"][0]["label"], "text.Uppercase(text: String) -> String");
    assert_eq!(help["activeParameter"], 0);

    let place = asked(&mut session, "textDocument/definition", "in title: String\nx = title$0\nout x", json!({})).await;
    assert_eq!(
        (place["uri"].as_str().unwrap(), range(&place["range"]).as_str()),
        (session.uri("asked.cst").as_str(), "0:3-0:8")
    );
    let nothing = asked(&mut session, "textDocument/definition", "x = text.Cou$0nt(\"\")\nout x", json!({})).await;
    assert_eq!(nothing, Value::Null);
}

#[tokio::test]
async fn references_highlights_and_renames_cover_every_place() {
    let mut session = Session::start().await;
    let source = "in title: String\nx = \"${ti$0tle}\"\nout title\nout x";
    let ranges = |places: &Value| places.as_array().unwrap().iter().map(|one| range(&one["range"])).collect::<Vec<_>>();
    let with = |is: bool| json!({ "context": { "includeDeclaration": is } });
    let all = asked(&mut session, "textDocument/references", source, with(true)).await;
    assert_eq!(ranges(&all), ["0:3-0:8", "1:7-1:12", "2:4-2:9"]);
    let uses = asked(&mut session, "textDocument/references", source, with(false)).await;
    assert_eq!(ranges(&uses), ["1:7-1:12", "2:4-2:9"]);
    let marks = asked(&mut session, "textDocument/documentHighlight", source, json!({})).await;
    assert_eq!(ranges(&marks).len(), 3);
    let can = asked(&mut session, "textDocument/prepareRename", source, json!({})).await;
    assert_eq!(range(&can), "1:7-1:12");
    let edit = asked(&mut session, "textDocument/rename", source, json!({ "newName": "name" })).await;
    let edits = &edit["changes"][session.uri("asked.cst")];
    assert_eq!((ranges(edits).len(), &edits[0]["newText"]), (3, &json!("name")));
    let (_, position) = cursor(source);
    let params = json!({ "textDocument": { "uri": session.uri("asked.cst") }, "position": position, "newName": "x" });
    let refusal = session.editor.ask("textDocument/rename", params).await.unwrap_err();
    assert_eq!((&refusal["code"], &refusal["message"]), (&json!(-32803), &json!("the name `x` is taken")));
}

#[tokio::test]
async fn formatting_edits_the_lines_that_differ_and_nothing_that_does_not_parse() {
    let mut session = Session::start().await;
    let uri = session.open("a.cst", "in   a: Int # é\n\nx = a+1\n\nout x\n").await;
    let params = json!({ "textDocument": { "uri": uri }, "options": { "tabSize": 2, "insertSpaces": true } });
    let edits = session.editor.ask("textDocument/formatting", params.clone()).await.unwrap();
    let shown = edits.as_array().unwrap().iter().map(|edit| format!("{} {}", range(&edit["range"]), edit["newText"]));
    assert_eq!(shown.collect::<Vec<_>>(), ["0:0-1:0 \"in a: Int # é\\n\"", "2:0-3:0 \"x = a + 1\\n\""]);
    session.editor.change(&uri, 2, json!([{ "text": "in a: Int\nx = (\n" }])).await;
    assert_eq!(session.editor.ask("textDocument/formatting", params).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn the_outline_has_the_declarations() {
    let mut session = Session::start().await;
    let uri = session.open("a.cst", "in a: Int\nx = a + 1\nout x\n").await;
    let symbols =
        session.editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } })).await.unwrap();
    let shown = symbols.as_array().unwrap().iter().map(|one| {
        format!(
            "{} {} {} {}",
            one["name"].as_str().unwrap(),
            one["detail"],
            range(&one["range"]),
            range(&one["selectionRange"])
        )
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        ["a \"Int\" 0:0-0:9 0:3-0:4", "x \"Int\" 1:0-1:9 1:0-1:1", "x \"Int\" 2:0-2:5 2:4-2:5",]
    );
}
