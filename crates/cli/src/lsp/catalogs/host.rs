//! Follows the modules of a host through its `Watch`, over as many connections as it takes, and learns which caches it has. Knows
//! no document.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipeline::{Catalog, ModuleSignature};
use protocol::generated::host::v1 as pb;
use protocol::generated::host::v1::watch_response::Event;
use protocol::schema;
use tokio::time::Instant;

use crate::client::Client;
use crate::failure::Failure;
use crate::lsp::catalogs::News;
use crate::target::Target;

/// The first wait before a host is tried again, and the longest; each is twice the one before.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How long changes are gathered before they are told: a provider registers all its modules in one go.
const GATHER: Duration = Duration::from_millis(50);

/// Follows until the server is gone.
pub(super) async fn follow(target: &Target, tell: &impl Fn(News) -> bool) {
    let mut wait = WAITS.0;
    loop {
        let mut modules = Modules::default();
        let failure = match connected(target, &mut modules, tell).await {
            Ok(()) => return,
            Err(failure) => failure,
        };
        if modules.is_synced {
            wait = WAITS.0;
        }
        if !tell(News::NoHost(failure.to_string())) {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(WAITS.1);
    }
}

/// Follows over one connection: until it fails, or the server is gone.
async fn connected(target: &Target, modules: &mut Modules, tell: &impl Fn(News) -> bool) -> Result<(), Failure> {
    let client = Client::connect(target).await?;
    let mut events = client.watch("", false, false).await?;
    let mut tell_at: Option<Instant> = None;
    loop {
        let next = match tell_at {
            Some(at) => tokio::time::timeout_at(at, events.message()).await.ok(),
            None => Some(events.message().await),
        };
        match next {
            Some(Ok(Some(pb::WatchResponse { event }))) => {
                if event.is_some_and(|event| modules.apply(event)) && modules.is_synced {
                    tell_at = tell_at.or_else(|| Some(Instant::now() + GATHER));
                }
            }
            Some(Ok(None)) => return Err(client.failure(&tonic::Status::unavailable("the host ended the watch"))),
            Some(Err(status)) => return Err(client.failure(&status)),
            None => {
                tell_at = None;
                if !tell(News::Host(Arc::new(modules.catalog()))) {
                    return Ok(());
                }
            }
        }
    }
}

/// The modules as the events of one watch tell them.
#[derive(Debug, Default)]
struct Modules {
    by_name: BTreeMap<String, ModuleSignature>,
    /// Names that `cache_backend` may take.
    caches: Vec<String>,
    is_synced: bool,
}

impl Modules {
    /// Whether the catalog is another one now.
    fn apply(&mut self, event: Event) -> bool {
        match event {
            Event::Added(pb::ModuleAdded { module: Some(module) })
            | Event::Changed(pb::ModuleChanged { module: Some(module) }) => {
                let name = module.name.clone();
                match signature(module) {
                    // Most changes are of endpoints alone.
                    Some(signature) => self.by_name.insert(name, signature.clone()) != Some(signature),
                    None => self.by_name.remove(&name).is_some(),
                }
            }
            Event::Removed(removed) => self.by_name.remove(&removed.name).is_some(),
            Event::Synced(synced) => {
                self.caches = synced.caches;
                !std::mem::replace(&mut self.is_synced, true)
            }
            Event::Added(_)
            | Event::Component(_)
            | Event::Changed(_)
            | Event::Pipeline(_)
            | Event::PipelineRemoved(_)
            | Event::Run(_)
            | Event::RunsMissed(_) => false,
        }
    }

    fn catalog(&self) -> Catalog {
        let catalog = Catalog::new(self.by_name.values().cloned());
        self.caches.iter().fold(catalog, |catalog, cache| catalog.with_cache(cache.as_str()))
    }
}

/// `None` where the types are of a later version of the host.
fn signature(module: pb::Module) -> Option<ModuleSignature> {
    let input = schema::from_proto(module.input, "input").ok()?;
    let output = schema::from_proto(module.output, "output").ok()?;
    let offers = module.capabilities.unwrap_or_default();
    let mut languages: Vec<_> = module
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.info.as_ref())
        .map(|info| info.language.as_str())
        .filter(|language| !language.is_empty())
        .collect();
    languages.sort_unstable();
    languages.dedup();
    Some(ModuleSignature {
        description: module.description.into(),
        batch: offers.batch,
        stream: offers.stream,
        idempotent: offers.idempotent,
        language: languages.join(", ").into(),
        ..ModuleSignature::new(&module.name, input, output)
    })
}
