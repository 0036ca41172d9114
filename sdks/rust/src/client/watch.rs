//! The changes of a registry as they come. Keeps no picture of the whole.

use tonic::Streaming;

use crate::client::ModuleInfo;
use crate::error::Error;
use crate::generated::host::v1::WatchResponse;
use crate::generated::host::v1::watch_response::Event;

/// The changes that [`Client::watch`](crate::Client::watch) asked for. Dropping it ends the request.
#[derive(Debug)]
pub struct Watch(Streaming<WatchResponse>);

/// One change of the registry.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// The module is registered.
    Added(ModuleInfo),
    /// Its types, description, version or providers changed.
    Changed(ModuleInfo),
    /// It is gone.
    Removed {
        /// Qualified name.
        name: String,
        /// `unregistered`, `lease_expired`, `link_lost`, `replaced`, `attach_timeout`.
        reason: String,
    },
    /// The present state is told; from here on these are changes.
    Synced {
        /// How many modules there are.
        modules: u32,
    },
}

impl Watch {
    pub(crate) fn new(stream: Streaming<WatchResponse>) -> Self {
        Self(stream)
    }

    /// The next change; `None` when the host has ended the stream. After an error nothing follows.
    pub async fn next(&mut self) -> Option<Result<Change, Error>> {
        loop {
            let message = match self.0.message().await {
                Ok(message) => message?,
                Err(status) => return Some(Err(Error::from_status(&status))),
            };
            let module = |module: Option<_>| ModuleInfo::from_wire(module.unwrap_or_default());
            match message.event {
                Some(Event::Added(event)) => return Some(module(event.module).map(Change::Added)),
                Some(Event::Changed(event)) => return Some(module(event.module).map(Change::Changed)),
                Some(Event::Removed(event)) => {
                    return Some(Ok(Change::Removed { name: event.name, reason: event.reason }));
                }
                Some(Event::Synced(event)) => return Some(Ok(Change::Synced { modules: event.modules })),
                // These are not asked for here, and a newer host may tell of more.
                Some(
                    Event::Pipeline(_)
                    | Event::PipelineRemoved(_)
                    | Event::Run(_)
                    | Event::RunsMissed(_)
                    | Event::Component(_),
                )
                | None => {}
            }
        }
    }
}
