//! `modrack serve`: configuration, log, signals, and what is printed when the host is ready. The host itself is `host::serve`.

use std::error::Error as _;
use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;

use host::config::{Config, Log, LogFormat, Sources};
use host::{Addresses, ServeError};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::args::{ServeFlags, url_of};
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::output::Output;

/// Exit codes of a process that a signal ended: 128 and the signal's number.
const BY_SIGINT: i32 = 130;
const BY_SIGTERM: i32 = 143;

pub(crate) fn run(file: Option<PathBuf>, flags: ServeFlags, output: &Output) -> Result<(), Failures> {
    let given = flags.given();
    let sources =
        given.into_iter().fold(Sources::of_process(file), |sources, (flag, key, value)| sources.flag(flag, key, value));
    let config = Config::load(&sources)?.config;
    start_log(&config.log);
    let runtime = host::runtime(config.threads)
        .map_err(|error| Failure::local(codes::SERVE_FAILED, format!("the runtime cannot start: {error}")))?;
    runtime.block_on(serve(config, output))
}

async fn serve(config: Config, output: &Output) -> Result<(), Failures> {
    // Before the host is ready, so that no signal is lost.
    let signals = Signals::new()
        .map_err(|error| Failure::local(codes::SERVE_FAILED, format!("signals cannot be received: {error}")))?;
    let (ready, running) = oneshot::channel();
    let host = host::serve(config, signals.first(), ready);
    let announce = async {
        // Without them the host ended before it was ready; its own end says why.
        if let Ok(running) = running.await {
            output.announce(&ready_text(&running.addresses, output.json));
        }
    };
    let (served, ()) = tokio::join!(host, announce);
    served.map_err(|error| failure(&error))
}

/// Why a host could not start, or not go on.
pub(crate) fn failure(error: &ServeError) -> Failures {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::local(codes::SERVE_FAILED, format!("{error}{cause}")).into()
}

fn ready_text(addresses: &Addresses, json: bool) -> String {
    let url = addresses.listen.map(|address| url_of(address, addresses.tls));
    let socket = addresses.socket.as_ref().map(|path| format!("unix:{}", path.display()));
    let link = addresses.link.as_ref().map(|path| path.display().to_string());
    if json {
        return json!({ "listen": url, "socket": socket, "link": link, "pid": std::process::id() }).to_string();
    }
    let mut lines: Vec<_> = url.iter().chain(&socket).map(|address| format!("listening on {address}")).collect();
    if let Some(best) = url.or(socket) {
        lines.push(format!("providers and clients find it with MODRACK_HOST={best}"));
    }
    lines.join("\n")
}

pub(crate) fn start_log(log: &Log) {
    let filter = EnvFilter::new(&log.filter);
    let terminal = stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match log.format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Auto if !terminal => builder.json().init(),
        LogFormat::Auto | LogFormat::Text => {
            let colour = anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never;
            builder.with_ansi(colour).init();
        }
    }
}

/// SIGINT and SIGTERM.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The exit code of a process that the next one ends.
    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => BY_SIGINT,
            _ = self.terminate.recv() => BY_SIGTERM,
        }
    }

    /// Completes with the first signal; the second one ends the process.
    async fn first(mut self) {
        self.next().await;
        tokio::spawn(async move {
            let code = self.next().await;
            tracing::warn!("ended at once by a second signal");
            std::process::exit(code);
        });
    }
}
