//! An editor by script: speaks the language server protocol over any pair of streams, and keeps what it did not ask for until somebody
//! looks for it. Knows no language, and starts no server.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};

use crate::wait::within;

/// An editor with a server.
pub struct Editor {
    to: Box<dyn AsyncWrite + Send + Unpin>,
    from: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    kept: VecDeque<Value>,
    next_id: i64,
}

impl Editor {
    /// With the server's input and its output.
    pub fn new(
        input: impl AsyncWrite + Send + Unpin + 'static,
        output: impl AsyncRead + Send + Unpin + 'static,
    ) -> Self {
        Self { to: Box::new(input), from: BufReader::new(Box::new(output)), kept: VecDeque::new(), next_id: 1 }
    }

    /// Sends bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.to.write_all(bytes).await.expect("the server reads");
        self.to.flush().await.expect("the server reads");
    }

    /// Sends a text as one message.
    pub async fn send_text(&mut self, text: &str) {
        self.send_raw(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes()).await;
    }

    /// Sends a notification.
    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send_text(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()).await;
    }

    /// Sends a request and gives its id.
    pub async fn request(&mut self, method: &str, params: Value) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send_text(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()).await;
        id
    }

    /// Sends a request and gives its result, or its error.
    pub async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.request(method, params).await;
        self.answer(&json!(id)).await
    }

    /// The answer to the request with this id.
    pub async fn answer(&mut self, id: &Value) -> Result<Value, Value> {
        let is_answer = |message: &Value| message.get("method").is_none() && message["id"] == *id;
        let mut answer = self.await_message(&format!("the answer to {id}"), is_answer).await;
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }

    /// The parameters of the next notification or request with this method.
    pub async fn told(&mut self, method: &str) -> Value {
        self.await_message(method, |message| message["method"] == method).await["params"].take()
    }

    /// The next diagnostics of a document.
    pub async fn diagnostics(&mut self, uri: &str) -> Value {
        let method = "textDocument/publishDiagnostics";
        let is_of = |message: &Value| message["method"] == method && message["params"]["uri"] == uri;
        self.await_message(&format!("diagnostics of {uri}"), is_of).await["params"].take()
    }

    /// What came and was not looked for yet.
    pub fn kept(&self) -> impl Iterator<Item = &Value> {
        self.kept.iter()
    }

    /// Begins the session with these capabilities and these other members of the parameters; gives the server's answer.
    pub async fn initialize(&mut self, capabilities: Value, others: Value) -> Value {
        let mut params = json!({ "processId": null, "rootUri": null, "capabilities": capabilities });
        if let (Value::Object(params), Value::Object(others)) = (&mut params, others) {
            params.extend(others);
        }
        let result = self.ask("initialize", params).await.expect("the server begins");
        self.notify("initialized", json!({})).await;
        result
    }

    /// Opens a document at version 1.
    pub async fn open(&mut self, uri: &str, text: &str) {
        let document = json!({ "uri": uri, "languageId": "cst", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
    }

    /// Edits a document by these changes.
    pub async fn change(&mut self, uri: &str, version: i32, changes: Value) {
        let params = json!({ "textDocument": { "uri": uri, "version": version }, "contentChanges": changes });
        self.notify("textDocument/didChange", params).await;
    }

    /// The next message from the server; `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Value> {
        within("a message of the server", self.read()).await
    }

    async fn await_message(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&is_it) {
            return self.kept.remove(at).expect("it is there");
        }
        let found = async {
            loop {
                let message = self.read().await.unwrap_or_else(|| panic!("the server ended without {what}"));
                if is_it(&message) {
                    return message;
                }
                self.kept.push_back(message);
            }
        };
        within(what, found).await
    }

    async fn read(&mut self) -> Option<Value> {
        let mut length = None;
        loop {
            let mut line = String::new();
            if self.from.read_line(&mut line).await.expect("the server's output is text") == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                header => {
                    if let Some(value) = header.strip_prefix("Content-Length: ") {
                        length = Some(value.parse::<usize>().expect("a length"));
                    }
                }
            }
        }
        let mut body = vec![0; length.expect("each message has its length")];
        self.from.read_exact(&mut body).await.expect("the message is whole");
        Some(serde_json::from_slice(&body).expect("the message is JSON"))
    }
}
