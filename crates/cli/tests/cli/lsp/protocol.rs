use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Session, everything};

fn code(answer: Result<Value, Value>) -> i64 {
    answer.unwrap_err()["code"].as_i64().unwrap()
}

#[tokio::test]
async fn the_server_says_what_it_can_do() {
    let mut session = Session::spawn(TempDir::new().unwrap(), &["lsp"]);
    let result = session.editor.initialize(everything(), json!({})).await;
    assert_eq!(result["serverInfo"]["name"], "modrack");
    insta::assert_snapshot!(format!("{:#}", result["capabilities"]), @r#"
    {
      "completionProvider": {
        "triggerCharacters": [
          ".",
          ":",
          "[",
          "{",
          "@"
        ]
      },
      "definitionProvider": true,
      "documentFormattingProvider": true,
      "documentHighlightProvider": true,
      "documentSymbolProvider": true,
      "hoverProvider": true,
      "positionEncoding": "utf-16",
      "referencesProvider": true,
      "renameProvider": {
        "prepareProvider": true
      },
      "signatureHelpProvider": {
        "triggerCharacters": [
          "(",
          ","
        ]
      },
      "textDocumentSync": {
        "change": 2,
        "openClose": true,
        "save": {
          "includeText": false
        }
      }
    }
    "#);
    let registered = session.editor.told("client/registerCapability").await;
    assert_eq!(registered["registrations"][0]["method"], "workspace/didChangeWatchedFiles");
}

#[tokio::test]
async fn positions_are_bytes_where_the_editor_takes_them() {
    let mut session = Session::spawn(TempDir::new().unwrap(), &["lsp"]);
    let capabilities = json!({ "general": { "positionEncodings": ["utf-16", "utf-8"] } });
    let result = session.editor.initialize(capabilities, json!({})).await;
    assert_eq!(result["capabilities"]["positionEncoding"], "utf-8");
    let uri = session.uri("a.cst");
    session.editor.open(&uri, "x = \"𝄞\" + y\nout x\n").await;
    let published = session.editor.diagnostics(&uri).await;
    assert_eq!(published["diagnostics"][0]["range"]["start"], json!({ "line": 0, "character": 13 }));
}

#[tokio::test]
async fn shutdown_then_exit_is_the_good_end() {
    let mut session = Session::start().await;
    assert_eq!(session.editor.ask("shutdown", Value::Null).await, Ok(Value::Null));
    let late = session.editor.ask("textDocument/hover", json!({})).await;
    assert_eq!(code(late), -32600);
    session.editor.notify("exit", Value::Null).await;
    assert_eq!(session.end().await, Some(0));
}

#[tokio::test]
async fn an_end_without_shutdown_is_told_by_the_exit_code() {
    let mut session = Session::start().await;
    session.editor.notify("exit", Value::Null).await;
    assert_eq!(session.end().await, Some(1));

    let Session { editor, mut child, dir } = Session::start().await;
    drop(editor);
    let status = testkit::within("the end of the server", child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(1));
    drop(dir);
}

#[tokio::test]
async fn nothing_but_initialize_is_answered_before_it() {
    let mut session = Session::spawn(TempDir::new().unwrap(), &["lsp"]);
    assert_eq!(code(session.editor.ask("textDocument/hover", json!({})).await), -32002);
    session.editor.open("file:///a.cst", "x = ").await;
    assert_eq!(code(session.editor.ask("initialize", json!({ "capabilities": 5 })).await), -32602);
    session.editor.initialize(everything(), json!({})).await;
    assert_eq!(code(session.editor.ask("initialize", json!({ "capabilities": {} })).await), -32600);
}

#[tokio::test]
async fn what_is_no_message_gets_an_error_and_costs_nothing_else() {
    let mut session = Session::start().await;
    for (text, id, expected) in [
        ("{", Value::Null, -32700),
        ("\u{feff}", Value::Null, -32700),
        ("[1, 2]", Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":99,"method":7}"#, json!(99), -32600),
        (r#"{"jsonrpc":"2.0","id":4294967296,"method":"shutdown"}"#, json!(4_294_967_296_i64), -32600),
    ] {
        session.editor.send_text(text).await;
        assert_eq!(code(session.editor.answer(&id).await), expected, "{text}");
    }
    session.editor.send_raw(b"Content-Type: nothing\r\n\r\n").await;
    assert_eq!(code(session.editor.answer(&Value::Null).await), -32700);
    session.editor.send_raw(b"Content-Length: 4\r\n\r\n\xff\xfe\x00\x01").await;
    assert_eq!(code(session.editor.answer(&Value::Null).await), -32700);

    assert_eq!(code(session.editor.ask("textDocument/nothing", json!({})).await), -32601);
    assert_eq!(code(session.editor.ask("textDocument/hover", json!({ "textDocument": 1 })).await), -32602);
    let uri = session.uri("never.cst");
    let unopened = json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": 0 } });
    assert_eq!(code(session.editor.ask("textDocument/hover", unopened).await), -32602);
    session.editor.notify("textDocument/didChange", json!({ "nothing": 1 })).await;
    session.editor.notify("$/whatever", json!({})).await;
    assert!(session.editor.told("window/logMessage").await["message"].as_str().unwrap().contains("didChange"));

    assert_eq!(session.editor.ask("shutdown", Value::Null).await, Ok(Value::Null));
}

#[tokio::test]
async fn places_outside_the_text_are_the_nearest_ones() {
    let mut session = Session::start().await;
    let uri = session.open("a.cst", "in a: Int\nout a\n").await;
    for (line, character) in [(0_u32, 4_000_000_000_u32), (4_000_000_000, 0), (1, 4)] {
        let at = json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } });
        assert!(session.editor.ask("textDocument/completion", at).await.is_ok(), "{line}:{character}");
    }
    let backwards = json!({ "start": { "line": 9, "character": 9 }, "end": { "line": 0, "character": 0 } });
    session.editor.change(&uri, 2, json!([{ "range": backwards, "text": "x = y\nout x\n" }])).await;
    loop {
        let published = session.editor.diagnostics(&uri).await;
        if published["version"] == 2 {
            assert_eq!(published["diagnostics"][0]["code"], "E001");
            return;
        }
    }
}

#[tokio::test]
async fn a_request_that_waits_can_be_cancelled() {
    let mut session = Session::start().await;
    let uri = session.open("a.cst", "x = 1\nout x\n").await;
    // Both arrive in one piece, so that the request waits when it is cancelled.
    let params = json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": 0 } });
    let messages = [
        json!({ "jsonrpc": "2.0", "id": "slow", "method": "textDocument/hover", "params": params }),
        json!({ "jsonrpc": "2.0", "id": "gone", "method": "textDocument/hover", "params": params }),
        json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": "gone" } }),
        json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": "never" } }),
    ];
    let text: String =
        messages.iter().map(|one| format!("Content-Length: {}\r\n\r\n{one}", one.to_string().len())).collect();
    session.editor.send_raw(text.as_bytes()).await;
    assert!(session.editor.answer(&json!("slow")).await.is_ok());
    // It was cancelled, or answered before: never both, never neither.
    match session.editor.answer(&json!("gone")).await {
        Err(error) => assert_eq!(error["code"], -32800),
        Ok(answer) => assert!(answer.is_object() || answer.is_null()),
    }
    assert_eq!(session.editor.ask("shutdown", Value::Null).await, Ok(Value::Null));
    assert!(session.editor.kept().all(|message| message["id"] != "gone" && message["id"] != "never"));
}

#[tokio::test]
async fn a_closed_document_has_no_diagnostics_any_more() {
    let mut session = Session::start().await;
    let uri = session.open("a.cst", "x = y\nout x\n").await;
    assert_eq!(session.editor.diagnostics(&uri).await["diagnostics"].as_array().unwrap().len(), 1);
    session.editor.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } })).await;
    loop {
        let published = session.editor.diagnostics(&uri).await;
        if published.get("version").is_none() {
            assert_eq!(published["diagnostics"], json!([]));
            break;
        }
    }
    let asked = session.editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri } })).await;
    assert_eq!(code(asked), -32602);
}

#[tokio::test]
async fn hostile_documents_are_answered_like_any_other() {
    let mut session = Session::start().await;
    let deep = format!("x = {}1\nout x\n", "(".repeat(10_000));
    let garbage: String = (0..20_000_u32).filter_map(|i| char::from_u32(i * 37 % 0xd000)).collect();
    let long = "x = 1\n".repeat(2 << 20 >> 2);
    for (name, text) in [("deep.cst", &deep), ("garbage.cst", &garbage), ("long.cst", &long)] {
        let uri = session.uri(name);
        session.editor.open(&uri, text).await;
        let published = session.editor.diagnostics(&uri).await;
        assert!(!published["diagnostics"].as_array().unwrap().is_empty(), "{name}");
        let at = json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": 4 } });
        assert!(session.editor.ask("textDocument/completion", at.clone()).await.is_ok(), "{name}");
        assert!(session.editor.ask("textDocument/hover", at).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn many_documents_are_served_at_once() {
    let mut session = Session::start().await;
    let uris: Vec<_> = (0..300).map(|i| session.uri(&format!("{i}.cst"))).collect();
    for (i, uri) in uris.iter().enumerate() {
        session.editor.open(uri, &format!("x = missing-{i}\nout x\n")).await;
    }
    for (i, uri) in uris.iter().enumerate() {
        let published = session.editor.diagnostics(uri).await;
        assert!(published["diagnostics"][0]["message"].as_str().unwrap().contains(&format!("missing-{i}")));
    }
}
