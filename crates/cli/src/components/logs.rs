//! `modrack components logs`: what components wrote, of late and from now on. Changes nothing.

use std::collections::BTreeMap;
use std::time::SystemTime;

use anstyle::Style;
use protocol::generated::host::v1 as pb;
use protocol::listing::components as listing;
use protocol::{Error, codes as wire};
use serde_json::Value;
use tokio::sync::mpsc;
use tonic::Streaming;

use super::palette::Palette;
use crate::args::LogsArgs;
use crate::client::Client;
use crate::failure::{Failure, Failures, printable};
use crate::output::Output;
use crate::target::Target;

/// Groups of lines that wait to be printed. Past that the host keeps them, and numbers tell what it let go.
const WAITING: usize = 64;

pub(crate) async fn run(target: &Target, args: LogsArgs, output: &Output) -> Result<(), Failures> {
    tokio::select! {
        biased;
        // A component that never pauses must not keep Ctrl-C waiting.
        _ = tokio::signal::ctrl_c(), if args.follow => Ok(()),
        ended = print(target, &args, output) => ended,
    }
}

async fn print(target: &Target, args: &LogsArgs, output: &Output) -> Result<(), Failures> {
    let client = Client::connect(target).await?;
    let ids = if args.ids.is_empty() {
        client.list_components().await?.into_iter().map(|component| component.id).collect()
    } else {
        args.ids.clone()
    };
    let mut streams = Vec::new();
    for id in &ids {
        streams.push((id.clone(), client.component_logs(id, args.tail.unwrap_or_default(), args.follow).await?));
    }
    // Of one component that somebody named, the lines alone are wanted.
    let palette = (args.ids.len() != 1).then(|| Palette::new(&ids));
    let mut printer = Printer { palette, timestamps: args.timestamps, last: BTreeMap::new(), output };
    if args.follow { follow(&client, streams, &mut printer).await } else { kept(&client, streams, &mut printer).await }
}

/// What the host keeps, in the order in which it read it.
async fn kept(
    client: &Client,
    streams: Vec<(String, Streaming<pb::ComponentLogsResponse>)>,
    printer: &mut Printer<'_>,
) -> Result<(), Failures> {
    let mut lines = Vec::new();
    for (id, mut stream) in streams {
        while let Some(message) = stream.message().await.map_err(|status| client.failure(&status))? {
            lines.extend(message.lines.into_iter().map(|line| (id.clone(), line)));
        }
    }
    lines.sort_by_key(|(_, line)| line.at.and_then(|at| SystemTime::try_from(at).ok()));
    lines.iter().try_for_each(|(id, line)| printer.print(id, line))
}

/// What comes, as it comes. Ends with a failure alone.
async fn follow(
    client: &Client,
    streams: Vec<(String, Streaming<pb::ComponentLogsResponse>)>,
    printer: &mut Printer<'_>,
) -> Result<(), Failures> {
    let (tx, mut rx) = mpsc::channel(WAITING);
    // They end with this function, at the latest when nobody receives.
    let mut readers = tokio::task::JoinSet::new();
    for (id, stream) in streams {
        readers.spawn(read(client.clone(), id, stream, tx.clone()));
    }
    drop(tx);
    while let Some((id, lines)) = rx.recv().await {
        for line in lines? {
            printer.print(&id, &line)?;
        }
    }
    Err(Error::of(wire::HOST_STOPPING, "the host ended the output").into())
}

async fn read(
    client: Client,
    id: String,
    mut stream: Streaming<pb::ComponentLogsResponse>,
    tx: mpsc::Sender<(String, Result<Vec<pb::LogLine>, Failure>)>,
) {
    loop {
        let (lines, is_last) = match stream.message().await {
            Ok(Some(message)) => (Ok(message.lines), false),
            Ok(None) => return,
            Err(status) => (Err(client.failure(&status)), true),
        };
        if tx.send((id.clone(), lines)).await.is_err() || is_last {
            return;
        }
    }
}

/// How lines look.
struct Printer<'o> {
    palette: Option<Palette>,
    timestamps: bool,
    /// Number of the last line of each component.
    last: BTreeMap<String, u64>,
    output: &'o Output,
}

impl Printer<'_> {
    fn print(&mut self, id: &str, line: &pb::LogLine) -> Result<(), Failures> {
        let last = self.last.insert(id.to_owned(), line.number);
        let missed = last.map_or(0, |last| line.number.saturating_sub(last + 1));
        if self.output.json {
            let mut object = listing::line(line);
            if let Value::Object(members) = &mut object {
                members.insert("component".into(), id.into());
                members.insert("missed".into(), missed.into());
            }
            return self.output.json_line(&object);
        }
        let head = self.head(id, line);
        if missed > 0 {
            let text = format!("… {missed} lines were missed");
            self.output.line(&format!("{head}{}", self.output.paint(Style::new().dimmed(), &text)))?;
        }
        if head.is_empty() {
            self.output.text(&line.text)
        } else {
            self.output.line(&format!("{head}{}", printable(&line.text)))
        }
    }

    fn head(&self, id: &str, line: &pb::LogLine) -> String {
        let mut head = match &self.palette {
            Some(palette) => {
                let (style, id) = palette.head(&printable(id));
                format!("{} ", self.output.paint(style, &format!("{id} │")))
            }
            None => String::new(),
        };
        if let Some(at) = line.at.filter(|_| self.timestamps) {
            // The type writes itself as RFC 3339.
            head.push_str(&format!("{} ", self.output.paint(Style::new().dimmed(), &at.to_string())));
        }
        head
    }
}
