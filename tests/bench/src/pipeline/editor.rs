//! How soon the language server says what is wrong after an edit of a large source, as an editor sees it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use pipeline::Catalog;
use serde_json::{Value, json};
use type_schema::{Lock, LockedCapabilities, LockedModule, Signature};

use crate::pipeline::Arguments;
use crate::pipeline::check::{LINES, first, modules, source};
use crate::pipeline::row::Row;
use crate::process::{PATIENCE, beside_this};
use crate::report::median;

pub(crate) fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let (source, modules) = (source(), modules()?);
    let directory = tempfile::tempdir()?;
    let locked = modules.iter().map(|module| {
        let locked = LockedModule {
            signature: Signature { input: module.input.clone(), output: module.output.clone() },
            version: "1.0.0".to_owned(),
            description: "A step.".to_owned(),
            capabilities: LockedCapabilities::default(),
            examples: Vec::new(),
        };
        (module.name.to_string(), locked)
    });
    let lock = Lock { patterns: Vec::new(), modules: locked.collect::<BTreeMap<_, _>>() };
    std::fs::write(directory.path().join("modules.lock.json"), lock.to_string())?;
    let path = directory.path().join("large.cst");
    std::fs::write(&path, &source)?;
    let uri = format!("file://{}", path.display());

    let catalog = Catalog::new(modules);
    let checked = pipeline::compile(&source, &catalog);
    ensure!(checked.diagnostics.is_empty(), "{}", first(&checked.diagnostics));
    // A name in the middle becomes one that is not there, and back again.
    let (right, wrong) = ("c250", "c999");
    let broken = source.replacen(&format!("if ({right}."), &format!("if ({wrong}."), 1);
    let (line, column) = place(&source, &broken).context("the source has that expression")?;
    let range = json!({
        "start": {"line": line, "character": column},
        "end": {"line": line, "character": column + right.len()},
    });

    let mut server = Server::start(directory.path())?;
    server.open(&uri, &source)?;
    let (mut react, mut check) = (Vec::new(), Vec::new());
    // The first two warm up.
    for edit in 0..2 * arguments.repetitions + 2 {
        let breaks = edit % 2 == 0;
        let began = Instant::now();
        let told = server.change(&uri, edit + 2, &range, if breaks { wrong } else { right })?;
        react.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!((told > 0) == breaks, "{told} faults are told after edit {edit}");
        let began = Instant::now();
        let checked = pipeline::compile(if breaks { &broken } else { &source }, &catalog);
        check.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(checked.plan.is_none() == breaks, "{}", first(&checked.diagnostics));
    }
    server.stop()?;
    let ratio = median(react.iter().zip(&check).skip(2).map(|(react, check)| react / check));
    Ok(vec![Row {
        case: "editor, an edit to its diagnostics",
        n: LINES,
        value: median(react.into_iter().skip(2)),
        unit: "ms",
        baseline: Some(median(check.into_iter().skip(2))),
        ratio: Some(ratio),
        beside: "checking in this process",
    }])
}

/// Line and column, from 0, where two ASCII texts begin to differ.
fn place(one: &str, other: &str) -> Option<(usize, usize)> {
    let (line, (one, other)) = one.lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other)?;
    Some((line, one.bytes().zip(other.bytes()).position(|(one, other)| one != other)? - 1))
}

/// A language server as an editor has it. Dropped without [`Server::stop`], it is killed.
struct Server {
    child: Child,
    input: ChildStdin,
    /// What it writes, read by a thread that ends with it.
    messages: Receiver<Result<Value>>,
}

impl Server {
    fn start(directory: &Path) -> Result<Self> {
        let mut command = Command::new(beside_this("modrack")?);
        command.arg("lsp").current_dir(directory).env_remove("MODRACK_HOST");
        let errors = File::create(directory.join("lsp.log"))?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn()?;
        let input = child.stdin.take().context("its input is piped")?;
        let mut output = BufReader::new(child.stdout.take().context("its output is piped")?);
        let (read, messages) = mpsc::channel();
        thread::spawn(move || while read.send(message(&mut output)).is_ok() {});
        let mut server = Self { child, input, messages };
        let root = format!("file://{}", directory.display());
        let folders = json!([{"uri": root, "name": "bench"}]);
        let params = json!({"processId": null, "rootUri": root, "workspaceFolders": folders, "capabilities": {}});
        server.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}))?;
        server.until(|message| message["id"] == 1)?;
        server.send(&json!({"jsonrpc": "2.0", "method": "initialized", "params": {}}))?;
        Ok(server)
    }

    /// Opens a document, and waits until the server knows its modules and finds nothing wrong.
    fn open(&mut self, uri: &str, text: &str) -> Result<()> {
        let document = json!({"uri": uri, "languageId": "cst", "version": 1, "text": text});
        self.notify("textDocument/didOpen", &json!({"textDocument": document}))?;
        let is_clean = |message: &Value| faults(message, uri, None) == Some(0);
        self.until(is_clean).map(drop)
    }

    /// Puts a text in the place of a range; gives how many faults are told then.
    fn change(&mut self, uri: &str, version: usize, range: &Value, text: &str) -> Result<usize> {
        let changes = json!([{"range": range, "text": text}]);
        let document = json!({"uri": uri, "version": version});
        self.notify("textDocument/didChange", &json!({"textDocument": document, "contentChanges": changes}))?;
        let told = self.until(|message| faults(message, uri, Some(version)).is_some())?;
        faults(&told, uri, Some(version)).context("it was just seen")
    }

    fn stop(mut self) -> Result<()> {
        self.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "shutdown"}))?;
        self.until(|message| message["id"] == 2)?;
        self.notify("exit", &Value::Null)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the language server ended with {status}");
        Ok(())
    }

    fn notify(&mut self, method: &str, params: &Value) -> Result<()> {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len())?;
        Ok(self.input.flush()?)
    }

    /// The next message that is meant. What the server asks meanwhile is answered with nothing.
    fn until(&mut self, is_meant: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let message = self.messages.recv_timeout(PATIENCE).context("the language server is silent")??;
            if message.get("method").is_some() && message.get("id").is_some() {
                self.send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": null}))?;
            } else if is_meant(&message) {
                return Ok(message);
            }
        }
    }
}

/// The next message.
fn message(output: &mut BufReader<ChildStdout>) -> Result<Value> {
    let mut length = None;
    loop {
        let mut line = String::new();
        ensure!(output.read_line(&mut line)? > 0, "the language server ended");
        match line.trim_end().split_once(": ") {
            Some(("Content-Length", bytes)) => length = Some(bytes.parse::<usize>()?),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length.context("a message without length")?];
    output.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already needs nothing.
        let _ended = self.child.kill().is_err();
        let _reaped = self.child.wait().is_err();
    }
}

/// How many faults a message tells of a document, if it tells of that one and, where one is asked for, of that version.
fn faults(message: &Value, uri: &str, version: Option<usize>) -> Option<usize> {
    let params = &message["params"];
    let of_it = message["method"] == "textDocument/publishDiagnostics" && params["uri"] == uri;
    let current = version.is_none_or(|version| params["version"].as_u64().is_none_or(|told| told >= version as u64));
    params["diagnostics"].as_array().filter(|_| of_it && current).map(Vec::len)
}
