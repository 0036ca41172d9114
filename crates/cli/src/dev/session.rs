//! One round of `modrack dev` from the ready host to its end: what comes from the host and from the files, put together. A client of the
//! host as any other; prints through the screen alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::watch_response::Event;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::changes::Changes;
use super::found::{self, Found};
use super::screen::Screen;
use crate::client::Client;
use crate::failure::{Failure, Failures};
use crate::serve::Signals;
use crate::target::Target;

/// Why a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody asked for the end.
    Interrupted,
    /// Which components there are has changed.
    Reconfigured,
}

/// What the host tells.
enum Told {
    Lines(String, Vec<pb::LogLine>),
    Watched(Box<Event>),
    /// A start anew ended after so long.
    Restarted(String, Result<Duration, Failure>),
}

/// How far a component is with being started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anew {
    /// On its way.
    Running,
    /// On its way, and its files have changed since.
    Again,
}

pub(super) struct Session<'a> {
    directory: &'a Path,
    found: &'a [Found],
    screen: Screen<'a>,
    target: Target,
    url: String,
    /// Type of each module that was shown.
    modules: BTreeMap<String, String>,
    anew: BTreeMap<String, Anew>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        directory: &'a Path,
        found: &'a [Found],
        screen: Screen<'a>,
        target: Target,
        url: String,
    ) -> Self {
        Self { directory, found, screen, target, url, modules: BTreeMap::new(), anew: BTreeMap::new() }
    }

    /// Prints what happens, and starts anew what has changed, until the round ends.
    pub(super) async fn run(mut self, changes: &mut Changes, signals: &mut Signals) -> Result<Why, Failures> {
        self.screen.ready(&self.url, self.found)?;
        let client = Client::connect(&self.target).await?;
        let (tx, mut told) = mpsc::channel(64);
        // They end with this function.
        let mut tasks = JoinSet::new();
        let mut watch = client.watch("", false, true).await?;
        let events = tx.clone();
        tasks.spawn(async move {
            while let Ok(Some(message)) = watch.message().await {
                let Some(event) = message.event else { continue };
                if events.send(Told::Watched(Box::new(event))).await.is_err() {
                    break;
                }
            }
        });
        for component in self.found {
            let (id, lines) = (component.id.clone(), tx.clone());
            let mut stream = client.component_logs(&id, 0, true).await?;
            tasks.spawn(async move {
                while let Ok(Some(message)) = stream.message().await {
                    if lines.send(Told::Lines(id.clone(), message.lines)).await.is_err() {
                        break;
                    }
                }
            });
        }
        loop {
            tokio::select! {
                biased;
                _ = signals.next() => return Ok(Why::Interrupted),
                Some(told) = told.recv() => {
                    if let Some(id) = self.told(told)? {
                        tasks.spawn(restart(client.clone(), id, tx.clone()));
                    }
                }
                group = changes.next() => {
                    if let Some(file) = self.reconfiguring(&group) {
                        self.screen.reconfigured(&file)?;
                        return Ok(Why::Reconfigured);
                    }
                    for id in self.changed(&group)? {
                        tasks.spawn(restart(client.clone(), id, tx.clone()));
                    }
                }
            }
        }
    }

    /// Shows what the host told; gives the component that has to be started once more.
    fn told(&mut self, told: Told) -> Result<Option<String>, Failures> {
        match told {
            Told::Lines(id, lines) => lines.iter().try_for_each(|line| self.screen.log(&id, line))?,
            Told::Watched(event) => self.watched(&event)?,
            Told::Restarted(id, ended) => {
                let again = self.anew.remove(&id) == Some(Anew::Again);
                match ended {
                    Ok(took) => self.screen.restarted(&id, took)?,
                    Err(failure) => self.screen.failed(&id, &failure)?,
                }
                if again {
                    self.anew.insert(id.clone(), Anew::Running);
                    return Ok(Some(id));
                }
            }
        }
        Ok(None)
    }

    fn watched(&mut self, event: &Event) -> Result<(), Failures> {
        match event {
            Event::Component(event) => self.screen.state(event),
            Event::Added(pb::ModuleAdded { module: Some(module) })
            | Event::Changed(pb::ModuleChanged { module: Some(module) }) => {
                let types = format!("{} -> {}", module.input_text, module.output_text);
                // A module that comes back as it was is no news: each start brings all of them.
                if self.modules.insert(module.name.clone(), types.clone()) == Some(types) {
                    return Ok(());
                }
                self.screen.module(module)
            }
            _ => Ok(()),
        }
    }

    /// The file of a group that says which components there are.
    fn reconfiguring(&self, group: &BTreeSet<PathBuf>) -> Option<String> {
        let file = group.iter().find(|path| found::is_configuration(path, self.directory, self.found))?;
        Some(self.shown(file))
    }

    /// The components whose files have changed and that are not on their way yet.
    fn changed(&mut self, group: &BTreeSet<PathBuf>) -> Result<Vec<String>, Failures> {
        let mut ids = Vec::new();
        for component in self.found {
            let Some(sources) = &component.sources else { continue };
            let files: Vec<_> =
                group.iter().filter(|path| path.starts_with(sources)).map(|path| self.shown(path)).collect();
            if files.is_empty() {
                continue;
            }
            self.screen.changed(&component.id, &files)?;
            let on_its_way = self.anew.contains_key(&component.id);
            self.anew.insert(component.id.clone(), if on_its_way { Anew::Again } else { Anew::Running });
            if !on_its_way {
                ids.push(component.id.clone());
            }
        }
        Ok(ids)
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.directory).unwrap_or(path).display().to_string()
    }
}

async fn restart(client: Client, id: String, tx: mpsc::Sender<Told>) {
    let started = Instant::now();
    let ended = client.restart_component(&id).await.map(|_| started.elapsed());
    // Without a receiver the round is over.
    let _over = tx.send(Told::Restarted(id, ended)).await;
}
