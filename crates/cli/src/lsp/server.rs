//! The state of the language server: which documents are open, what waits to be answered or checked, which modules count. Does no I/O:
//! events come in, messages pile up until they are taken.
//!
//! One thread owns it. An event costs little; the work that events leave behind is done one piece at a time when no event waits,
//! so that an edit overtakes the check of the text before it, and a cancelled request is dropped before it is begun.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response, ResponseError};
use lsp_types::notification::{self, Notification as _};
use lsp_types::request::{self, Request as _};
use lsp_types::{InitializeParams, MessageType};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::lsp::answer;
use crate::lsp::catalogs::{Following, News};
use crate::lsp::client::Client;
use crate::lsp::diagnostics;
use crate::lsp::documents::{Documents, Snapshot};
use crate::lsp::modules::Modules;
use crate::lsp::question::{self, Question};
use crate::lsp::transport::{Frame, Outgoing};
use crate::lsp::uri;

/// How many requests may wait; one more is refused.
const MAX_WAITING: usize = 256;

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The client sent something, or left.
    Frame(Frame),
    /// Modules were found.
    News(News),
}

/// How the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// As the protocol says: `shutdown`, then `exit`.
    Orderly,
    /// The client left without `shutdown`.
    Abrupt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    ShutDown,
}

/// A request that waits, with the text that it was asked about.
struct Waiting {
    id: RequestId,
    question: Question,
    snapshot: Snapshot,
}

/// A check that is done, to be published if no edit came meanwhile.
struct Checked {
    snapshot: Snapshot,
    diagnostics: Vec<lsp_types::Diagnostic>,
}

/// The state.
pub(crate) struct Server {
    phase: Phase,
    client: Client,
    documents: Documents,
    modules: Modules,
    waiting: VecDeque<Waiting>,
    checked: Option<Checked>,
    outgoing: Vec<Outgoing>,
    /// Ids of requests to the client.
    next_id: i32,
}

impl Server {
    /// With `pinned_host` a host's modules count and no lock's.
    pub(crate) fn new(pinned_host: bool) -> Self {
        Self {
            phase: Phase::New,
            client: Client::default(),
            documents: Documents::default(),
            modules: Modules::new(pinned_host),
            waiting: VecDeque::new(),
            checked: None,
            outgoing: Vec::new(),
            next_id: 0,
        }
    }

    /// What to send now, in this order.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    /// What is to be followed in the background.
    pub(crate) fn following(&self) -> &Following {
        self.modules.following()
    }

    /// Whether [`Self::work`] has something to do.
    pub(crate) fn has_work(&self) -> bool {
        self.checked.is_some() || !self.waiting.is_empty() || self.documents.has_stale()
    }

    /// Takes an event in.
    pub(crate) fn apply(&mut self, event: Event) -> ControlFlow<End> {
        match event {
            Event::Frame(Frame::Message(Message::Request(request))) => self.request(request),
            Event::Frame(Frame::Message(Message::Notification(notification))) => {
                return self.notification(notification);
            }
            // Of the only request that this server makes: that files be watched. Without it they are looked at now and then.
            Event::Frame(Frame::Message(Message::Response(_))) => {}
            Event::Frame(Frame::Malformed(refusal)) => self.outgoing.push(Outgoing::Refusal(refusal)),
            Event::Frame(Frame::End) => return ControlFlow::Break(self.end()),
            Event::News(news) => {
                let messages = self.modules.apply(news);
                self.documents.recheck(&self.modules);
                for (kind, text) in messages {
                    self.show(kind, text);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Does one piece of work.
    pub(crate) fn work(&mut self) {
        if let Some(Checked { snapshot, diagnostics }) = self.checked.take() {
            if self.documents.is_current(&snapshot) {
                self.notify::<notification::PublishDiagnostics>(lsp_types::PublishDiagnosticsParams {
                    uri: snapshot.uri,
                    diagnostics,
                    version: Some(snapshot.version),
                });
            }
        } else if let Some(waiting) = self.waiting.pop_front() {
            self.answer(waiting);
        } else if let Some(snapshot) = self.documents.next_stale() {
            let client = &self.client;
            let (documents, modules) = (&mut self.documents, &self.modules);
            let checked = catch_unwind(AssertUnwindSafe(|| {
                let (catalog, is_known) = modules.of(&snapshot);
                let analysis = documents.analysis(&snapshot, &catalog);
                diagnostics::of(&analysis, &snapshot, is_known, client)
            }));
            match checked {
                Ok(diagnostics) => self.checked = Some(Checked { snapshot, diagnostics }),
                Err(_panic) => self.log(MessageType::ERROR, format!("the check of {} panicked", snapshot.uri.as_str())),
            }
        }
    }

    fn answer(&mut self, waiting: Waiting) {
        let Waiting { id, question, snapshot } = waiting;
        let (documents, modules, client) = (&mut self.documents, &self.modules, &self.client);
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let (catalog, _) = modules.of(&snapshot);
            let analysis = documents.analysis(&snapshot, &catalog);
            answer::to(question, &analysis, &snapshot, client)
        }));
        let answer = answer.unwrap_or_else(|_panic| Err(error(ErrorCode::InternalError, "the answer panicked")));
        self.respond(id, answer);
    }

    fn request(&mut self, request: Request) {
        let Request { id, method, params } = request;
        let refusal = match (self.phase, method.as_str()) {
            (Phase::New, request::Initialize::METHOD) => return self.initialize(id, params),
            (Phase::New, _) => error(ErrorCode::ServerNotInitialized, "`initialize` comes first"),
            (Phase::ShutDown, _) => error(ErrorCode::InvalidRequest, "the server is shut down"),
            (Phase::Running, request::Initialize::METHOD) => {
                error(ErrorCode::InvalidRequest, "the server is initialized already")
            }
            (Phase::Running, request::Shutdown::METHOD) => {
                self.phase = Phase::ShutDown;
                for waiting in std::mem::take(&mut self.waiting) {
                    self.respond(waiting.id, Err(error(ErrorCode::ServerCancelled, "the server is shut down")));
                }
                return self.respond(id, Ok(Value::Null));
            }
            (Phase::Running, _) if self.waiting.len() >= MAX_WAITING => {
                error(ErrorCode::ServerCancelled, "too many requests wait")
            }
            (Phase::Running, method) => match question::read(method, params, &self.documents, self.client.encoding) {
                Ok((question, snapshot)) => return self.waiting.push_back(Waiting { id, question, snapshot }),
                Err(refusal) => refusal,
            },
        };
        self.respond(id, Err(refusal));
    }

    fn initialize(&mut self, id: RequestId, params: Value) {
        let params: InitializeParams = match serde_json::from_value(params) {
            Ok(params) => params,
            Err(fault) => return self.respond(id, Err(error(ErrorCode::InvalidParams, fault.to_string()))),
        };
        self.client = Client::of(&params.capabilities);
        let folders = params.workspace_folders.unwrap_or_default();
        // What clients say that know no folders.
        #[expect(deprecated, reason = "old clients name one root alone")]
        let root = params.root_uri.filter(|_| folders.is_empty());
        let roots = folders.iter().map(|folder| &folder.uri).chain(&root).filter_map(uri::path).collect();
        self.modules.set_roots(roots);
        self.phase = Phase::Running;
        self.respond(id, Ok(self.client.initialize_result()));
    }

    fn notification(&mut self, notification: Notification) -> ControlFlow<End> {
        let Notification { method, params } = notification;
        let read = match (self.phase, method.as_str()) {
            (_, notification::Exit::METHOD) => return ControlFlow::Break(self.end()),
            (Phase::New | Phase::ShutDown, _) => Ok(()),
            (Phase::Running, notification::Initialized::METHOD) => {
                self.watch_files();
                Ok(())
            }
            (_, notification::Cancel::METHOD) => {
                of::<notification::Cancel>(params).map(|params| self.cancel(params.id))
            }
            (_, notification::DidOpenTextDocument::METHOD) => {
                of::<notification::DidOpenTextDocument>(params).map(|params| {
                    self.documents.open(params.text_document, &self.modules.home());
                    self.follow();
                })
            }
            (_, notification::DidChangeTextDocument::METHOD) => of::<notification::DidChangeTextDocument>(params)
                .and_then(|params| {
                    let uri = params.text_document.uri.as_str().to_owned();
                    let is_open = self.documents.change(params, self.client.encoding);
                    if is_open { Ok(()) } else { Err(format!("{uri} is not open")) }
                }),
            (_, notification::DidCloseTextDocument::METHOD) => {
                of::<notification::DidCloseTextDocument>(params).map(|params| self.close(params.text_document.uri))
            }
            (_, notification::DidSaveTextDocument::METHOD | notification::DidChangeWatchedFiles::METHOD) => {
                self.modules.look();
                Ok(())
            }
            // Notifications are never refused, and a client may send any that it likes.
            _ => Ok(()),
        };
        if let Err(fault) = read {
            self.log(MessageType::WARNING, format!("`{method}` is passed over: {fault}"));
        }
        ControlFlow::Continue(())
    }

    fn close(&mut self, uri: lsp_types::Uri) {
        if self.documents.close(&uri) {
            self.follow();
            let closed = lsp_types::PublishDiagnosticsParams { uri, diagnostics: Vec::new(), version: None };
            self.notify::<notification::PublishDiagnostics>(closed);
        }
    }

    fn follow(&mut self) {
        self.modules.follow(self.documents.directories());
    }

    fn cancel(&mut self, id: lsp_types::NumberOrString) {
        let id = match id {
            lsp_types::NumberOrString::Number(number) => RequestId::from(number),
            lsp_types::NumberOrString::String(text) => RequestId::from(text),
        };
        // One that was answered already, or was never made, needs nothing.
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.id == id) {
            self.waiting.remove(at);
            self.respond(id, Err(error(ErrorCode::RequestCanceled, "cancelled by the client")));
        }
    }

    /// Asks to be told when a lock changes.
    fn watch_files(&mut self) {
        let Some(registration) = self.client.watch_locks() else { return };
        let params = lsp_types::RegistrationParams { registrations: vec![registration] };
        let request = Request::new(self.next_id.into(), request::RegisterCapability::METHOD.to_owned(), params);
        self.next_id += 1;
        self.outgoing.push(Outgoing::Message(request.into()));
    }

    fn end(&self) -> End {
        if self.phase == Phase::ShutDown { End::Orderly } else { End::Abrupt }
    }

    fn respond(&mut self, id: RequestId, response_result: Result<Value, ResponseError>) {
        self.outgoing.push(Outgoing::Message(Response { id, response_result }.into()));
    }

    fn notify<N: notification::Notification>(&mut self, params: N::Params)
    where
        N::Params: Serialize,
    {
        self.outgoing.push(Outgoing::Message(Notification::new(N::METHOD.to_owned(), params).into()));
    }

    fn show(&mut self, typ: MessageType, message: String) {
        self.notify::<notification::ShowMessage>(lsp_types::ShowMessageParams { typ, message });
    }

    fn log(&mut self, typ: MessageType, message: String) {
        self.notify::<notification::LogMessage>(lsp_types::LogMessageParams { typ, message });
    }
}

/// An error answer.
pub(super) fn error(code: ErrorCode, message: impl Into<String>) -> ResponseError {
    ResponseError { code: code as i32, message: message.into(), data: None }
}

fn of<N: notification::Notification>(params: Value) -> Result<N::Params, String>
where
    N::Params: DeserializeOwned,
{
    serde_json::from_value(params).map_err(|error| error.to_string())
}
