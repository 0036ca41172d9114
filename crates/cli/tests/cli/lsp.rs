//! `modrack lsp` as an editor meets it: a real process, spoken to over its stdin and stdout.

mod features;
mod modules;
mod protocol;

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Editor, within};
use tokio::process::Child;
use type_schema::{CType, Lock, LockedCapabilities, LockedModule, Signature};

use crate::run::modrack;

/// A lock with `text.Count` and `text.Uppercase`, or with other names for them.
fn lock(names: [&str; 2]) -> String {
    let locked = |input: &str, output: &str, description: &str| LockedModule {
        signature: Signature { input: CType::parse(input).unwrap(), output: CType::parse(output).unwrap() },
        version: "1.0.0".into(),
        description: description.into(),
        capabilities: LockedCapabilities::default(),
        examples: Vec::new(),
    };
    let modules =
        [locked("{text: String}", "Int", "Count the words."), locked("{text: String}", "String", "Upper-case a text.")];
    let named = names.into_iter().map(|name| format!("text.{name}")).zip(modules);
    Lock { patterns: Vec::new(), modules: named.collect() }.to_string()
}

const NAMES: [&str; 2] = ["Count", "Uppercase"];

/// A server with its directory and an editor.
struct Session {
    editor: Editor,
    child: Child,
    dir: TempDir,
}

impl Session {
    /// A server in a directory with a lock, and an editor that can do everything.
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("modules.lock.json"), lock(NAMES)).unwrap();
        let mut session = Self::spawn(dir, &["lsp"]);
        session.editor.initialize(everything(), json!({})).await;
        session
    }

    /// A server that nothing was said to yet.
    fn spawn(dir: TempDir, args: &[&str]) -> Self {
        let mut command = modrack(dir.path(), args);
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let editor = Editor::new(child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { editor, child, dir }
    }

    fn uri(&self, name: &str) -> String {
        uri(&self.dir.path().join(name))
    }

    /// Opens a document and waits until it is checked against modules that are known.
    async fn open(&mut self, name: &str, text: &str) -> String {
        let uri = self.uri(name);
        self.editor.open(&uri, text).await;
        // An unknown module is no fault before the modules are known: this makes sure that they are.
        let probe = self.uri("probe.cst");
        self.editor.open(&probe, "x = nowhere.Nothing()\nout x\n").await;
        while self.editor.diagnostics(&probe).await["diagnostics"].as_array().unwrap().is_empty() {}
        uri
    }

    /// What `modrack lsp` ends with.
    async fn end(&mut self) -> Option<i32> {
        within("the end of the server", self.child.wait()).await.unwrap().code()
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// The capabilities of an editor that can do everything.
fn everything() -> Value {
    json!({
        "general": { "positionEncodings": ["utf-16"] },
        "textDocument": {
            "completion": { "completionItem": { "snippetSupport": true } },
            "documentSymbol": { "hierarchicalDocumentSymbolSupport": true },
            "hover": { "contentFormat": ["markdown"] },
            "publishDiagnostics": { "relatedInformation": true },
        },
        "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } },
    })
}

/// A document with its cursor taken out, and the cursor in UTF-16.
fn cursor(marked: &str) -> (String, Value) {
    let at = marked.find("$0").expect("the source has a cursor");
    let before = &marked[..at];
    let line = before.matches('\n').count();
    let character = before.rsplit('\n').next().unwrap().encode_utf16().count();
    (marked.replacen("$0", "", 1), json!({ "line": line, "character": character }))
}

/// `1:4-1:9`
fn range(range: &Value) -> String {
    let place = |place: &Value| format!("{}:{}", place["line"], place["character"]);
    format!("{}-{}", place(&range["start"]), place(&range["end"]))
}

/// One line for each: place, severity, code and message.
fn shown(diagnostics: &Value) -> Vec<String> {
    let one = |one: &Value| {
        let severity = one["severity"].as_u64().unwrap();
        format!(
            "{} {} {}: {}",
            range(&one["range"]),
            severity,
            one["code"].as_str().unwrap(),
            one["message"].as_str().unwrap()
        )
    };
    diagnostics["diagnostics"].as_array().unwrap().iter().map(one).collect()
}
