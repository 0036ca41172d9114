//! `modrack lsp`: a language server for pipelines over stdin and stdout. Its parts are in `lsp/`; this is the wiring of its threads.
//!
//! One thread reads messages, one writes them, one follows locks and a host, and this one owns all state. Queues are bounded: who
//! fills one waits, and no lock is shared.

mod answer;
mod catalogs;
mod client;
mod diagnostics;
mod documents;
mod modules;
mod question;
mod server;
mod text;
mod transport;
mod uri;

use std::io::{BufReader, BufWriter};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use host::config::Config;
use tokio::sync::watch;

use crate::args::LspArgs;
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::lsp::catalogs::{Following, Sources};
use crate::lsp::server::{End, Event, Server};
use crate::lsp::transport::{Frame, Outgoing};
use crate::target;

/// How many events and messages may wait.
const QUEUE: usize = 256;
/// How many events are taken in while work waits. More than an editor sends at once, and few enough that a flood of edits does not
/// keep the work waiting for ever.
const AHEAD: usize = 64;

/// Runs until the client ends it.
pub(crate) fn run(args: LspArgs, config: Option<PathBuf>) -> Result<(), Failures> {
    let LspArgs { lock, connect, stdio: _ } = args;
    let pinned_host = connect.host.is_some();
    let (events_tx, events) = sync_channel(QUEUE);
    let (messages, outgoing) = sync_channel(QUEUE);
    let (following_tx, following) = watch::channel(Following::default());

    let from = Sources { pinned: lock, caches: caches(config.clone()), target: target::resolve(connect, config) };
    catalogs::spawn(from, following, events_tx.clone());
    // It waits for input that may never come, so the end of the process ends it.
    thread::spawn(move || read(&events_tx));
    let writer = thread::spawn(move || write(&outgoing));

    let end = serve(Server::new(pinned_host), &events, &messages, &following_tx);
    drop(messages);
    // A panic of the writer was told already.
    let _panicked = writer.join().is_err();
    match end {
        End::Orderly => Ok(()),
        End::Abrupt => Err(Failure::local(codes::LSP_ENDED, "the editor left without `shutdown`").into()),
    }
}

/// The caches that the configuration names: a lock tells of none. What is wrong with it is told with the host.
fn caches(config: Option<PathBuf>) -> Vec<String> {
    match Config::load(&host::config::Sources::of_process(config)) {
        Ok(loaded) => loaded.config.pipelines.caches.into_iter().map(|cache| cache.name).collect(),
        Err(_) => Vec::new(),
    }
}

fn serve(
    mut server: Server,
    events: &Receiver<Event>,
    messages: &SyncSender<Outgoing>,
    following: &watch::Sender<Following>,
) -> End {
    let mut ahead = 0;
    loop {
        let event = match server.has_work() {
            false => events.recv().map_err(|_| TryRecvError::Disconnected),
            true if ahead < AHEAD => events.try_recv(),
            true => Err(TryRecvError::Empty),
        };
        match event {
            Ok(event) => {
                ahead += 1;
                if let ControlFlow::Break(end) = server.apply(event) {
                    return end;
                }
            }
            Err(TryRecvError::Empty) => {
                ahead = 0;
                server.work();
            }
            Err(TryRecvError::Disconnected) => return End::Abrupt,
        }
        for message in server.take_outgoing() {
            // Nobody reads any more.
            if messages.send(message).is_err() {
                return End::Abrupt;
            }
        }
        following.send_if_modified(|last| {
            let is_new = last != server.following();
            if is_new {
                last.clone_from(server.following());
            }
            is_new
        });
    }
}

fn read(events: &SyncSender<Event>) {
    let mut input = BufReader::new(std::io::stdin().lock());
    loop {
        let frame = transport::read(&mut input).unwrap_or(Frame::End);
        let is_end = matches!(frame, Frame::End);
        if events.send(Event::Frame(frame)).is_err() || is_end {
            return;
        }
    }
}

/// Writes until there is nothing more to come, or nobody reads.
fn write(outgoing: &Receiver<Outgoing>) {
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut messages = outgoing.iter();
    while messages.next().is_some_and(|message| transport::write(&mut output, &message).is_ok()) {}
}
