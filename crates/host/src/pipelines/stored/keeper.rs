//! The task that owns stored pipelines: puts and removes them, checks them again when modules change, and says to the registry which of
//! them are modules. Reads no request of a client.
//!
//! A pipeline that checks no longer is no module until it does again. What it needs may be another stored pipeline, so that one
//! check leads to others; they end because no pipeline needs itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pipeline::{Catalog, Code, Diagnostic, Span};
use protocol::{Capabilities, Error, LocalName, ModuleSpec, Namespace, ProviderInfo, ServiceId, SessionId, codes};
use registry::HostServes;
use tokio::sync::{mpsc, watch};
use type_schema::{Signature, compatibility};

use crate::pipelines::checks::{Checks, may_call_all};
use crate::pipelines::prepared::{Checked, Prepared};
use crate::pipelines::stored::files::{Directory, OnDisk};
use crate::pipelines::stored::{Entry, NAMESPACE, Put, Request, Shelf, Stored, unknown};

/// Changes of modules that come this close together lead to one check.
const TOGETHER: Duration = Duration::from_millis(50);
/// Requests that may wait.
const REQUESTS: usize = 64;
/// Changes that an error names.
const CHANGES_TOLD: usize = 16;

/// Owns the stored pipelines.
pub(crate) struct Keeper {
    checks: Arc<Checks>,
    registry: registry::Handle,
    directory: Directory,
    max_stored: usize,
    session: SessionId,
    requests: mpsc::Receiver<Request>,
    shelf: watch::Sender<Arc<Shelf>>,
    /// What all pipelines were checked against.
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    version: u64,
    /// What of a module a check may depend on.
    modules: HashMap<Arc<str>, (Arc<str>, [bool; 3])>,
    namespaces: BTreeSet<String>,
}

impl Keeper {
    /// A keeper of an empty shelf. `session` is that of the host's own modules.
    pub(crate) fn new(
        checks: Arc<Checks>,
        registry: registry::Handle,
        directory: std::path::PathBuf,
        max_stored: usize,
        session: SessionId,
    ) -> (Self, Stored) {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let (shelf, pictures) = watch::channel(Arc::default());
        let directory = Directory::new(directory);
        let keeper = Self { checks, registry, directory, max_stored, session, requests, shelf, seen: Seen::default() };
        (keeper, Stored { requests: sender, shelf: pictures })
    }

    /// Takes in what is on disk. Until the modules that they need are there, pipelines are stored and no modules.
    ///
    /// # Errors
    /// When the registry does not take the namespace.
    pub(crate) async fn load(&mut self) -> Result<(), Error> {
        let directory = self.directory.clone();
        let found = tokio::task::spawn_blocking(move || directory.load()).await.unwrap_or_default();
        self.serve(&Shelf::new()).await?;
        let mut shelf = Shelf::new();
        for OnDisk { name, source, stored_at, signature } in found {
            let checked = self.check(&name, &source).await?;
            let plan = checked.prepared.clone();
            let entry = Entry { source: source.into(), stored_at, checked, plan, signature, name: name.clone() };
            shelf.insert(name, Arc::new(entry));
        }
        if !shelf.is_empty() {
            tracing::info!(pipelines = shelf.len(), "stored pipelines were read");
        }
        self.settle(shelf).await
    }

    /// Runs until nobody can ask any more, or the registry is over.
    pub(crate) async fn run(mut self) {
        let mut modules = self.registry.subscribe();
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    // Whoever asked may have given up; what was done stays.
                    Some(Request::Put(put, answer)) => drop(answer.send(self.put(put).await)),
                    Some(Request::Delete(name, answer)) => drop(answer.send(self.delete(name).await)),
                    None => return,
                },
                update = modules.next() => {
                    if update.is_none() {
                        return;
                    }
                    tokio::time::sleep(TOGETHER).await;
                    let shelf = self.shelf();
                    if let Err(error) = self.settle(shelf).await {
                        tracing::warn!(%error, "stored pipelines could not be checked again");
                    }
                }
            }
        }
    }

    fn shelf(&self) -> Shelf {
        Shelf::clone(&self.shelf.borrow())
    }

    async fn put(&mut self, put: Put) -> Result<Arc<Entry>, Error> {
        let Put { name, source, replaces, allow_breaking, by } = put;
        let mut shelf = self.shelf();
        let before = shelf.get(&name).cloned();
        replaces_what_is_there(&replaces, before.as_deref())?;
        if before.is_none() && shelf.len() >= self.max_stored {
            let message = format!("{} pipelines are stored, which is the most", shelf.len());
            return Err(Error::of(codes::PIPELINE_LIMIT, message).detail("limit", "pipelines.max_stored"));
        }
        let checked = self.check(&name, &source).await?;
        let prepared = match checked.runnable() {
            Ok(prepared) => Arc::clone(prepared),
            Err(error) => {
                // Without itself there is no such module; that it means itself says more.
                let whole = self.checks.check(&source).await?;
                return Err(match whole.prepared.as_ref().and_then(|plan| circle(&name, plan, &shelf)) {
                    Some(way) => cycle(&way),
                    None => error,
                });
            }
        };
        may_call_all(&by, &prepared)?;
        if let Some(way) = circle(&name, &prepared, &shelf) {
            return Err(cycle(&way));
        }
        let signature = Signature { input: prepared.plan.input_type(), output: prepared.plan.output_type() };
        if let Some(old) = before.as_ref().and_then(|before| before.signature.as_ref()).filter(|_| !allow_breaking) {
            fits_callers(&name, old, &signature)?;
        }
        let stored_at = SystemTime::now();
        let on_disk = OnDisk { name: name.clone(), source, stored_at, signature: Some(signature.clone()) };
        let (directory, written) = (self.directory.clone(), on_disk.clone());
        self.on_disk("written", move || directory.write(&written)).await?;
        let source = on_disk.source.into();
        let entry =
            Entry { source, stored_at, plan: Some(prepared), checked, signature: Some(signature), name: name.clone() };
        let entry = Arc::new(entry);
        shelf.insert(name.clone(), Arc::clone(&entry));
        tracing::info!(pipeline = %name, hash = %entry.plan.as_ref().map(|plan| plan.plan.hash.to_string()).unwrap_or_default(), "a pipeline was stored");
        self.settle(shelf).await?;
        // What depends on it was checked again, and it may depend on that.
        Ok(self.shelf.borrow().get(&name).cloned().unwrap_or(entry))
    }

    async fn delete(&mut self, name: String) -> Result<(), Error> {
        let mut shelf = self.shelf();
        if shelf.remove(&name).is_none() {
            return Err(unknown(&name));
        }
        let (directory, gone) = (self.directory.clone(), name.clone());
        self.on_disk("removed", move || directory.remove(&gone)).await?;
        tracing::info!(pipeline = %name, "a stored pipeline was removed");
        self.settle(shelf).await
    }

    async fn on_disk(
        &self,
        what: &str,
        act: impl FnOnce() -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let failed = |why: &dyn std::fmt::Display| {
            tracing::error!(error = %why, "a stored pipeline cannot be {what}");
            Error::of(codes::INTERNAL, format!("the pipeline cannot be {what} on disk"))
        };
        match tokio::task::spawn_blocking(act).await {
            Ok(done) => done.map_err(|error| failed(&error)),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Checks a source as that of a stored pipeline: what has its own name is no module for it.
    async fn check(&self, name: &str, source: &str) -> Result<Arc<Checked>, Error> {
        self.checks.check_without(&format!("{NAMESPACE}.{name}"), source).await
    }

    /// Publishes a shelf, tells the registry what is a module, and checks again what that or other changes concern, until nothing
    /// is left.
    async fn settle(&mut self, mut shelf: Shelf) -> Result<(), Error> {
        loop {
            self.serve(&shelf).await?;
            self.publish(&shelf);
            let sight = self.checks.sight();
            if sight.version == self.seen.version {
                return Ok(());
            }
            let changed = self.seen.update(sight.version, &sight.catalog);
            let concerned: Vec<_> = shelf.values().filter(|entry| changed.concern(&entry.source)).cloned().collect();
            for entry in concerned {
                let checked = self.check(&entry.name, &entry.source).await?;
                if !Arc::ptr_eq(&checked, &entry.checked) {
                    let entry = Arc::new(again(&entry, checked, &shelf));
                    shelf.insert(entry.name.clone(), entry);
                }
            }
        }
    }

    fn publish(&self, shelf: &Shelf) {
        self.shelf.send_if_modified(|published| {
            let same = published.len() == shelf.len()
                && published.iter().zip(shelf).all(|(old, new)| old.0 == new.0 && Arc::ptr_eq(old.1, new.1));
            if !same {
                *published = Arc::new(shelf.clone());
            }
            !same
        });
    }

    /// Says to the registry which pipelines are modules.
    async fn serve(&self, shelf: &Shelf) -> Result<(), Error> {
        let modules = shelf.values().filter_map(|entry| spec(entry)).collect();
        let info = ProviderInfo { language: "cst".into(), sdk: "modrack".into(), pid: std::process::id() };
        let serves = HostServes {
            session: self.session,
            namespace: Namespace::parse(NAMESPACE).expect("it is an identifier"),
            service_id: ServiceId::parse("modrack-host").expect("it is an identifier"),
            info,
            modules,
        };
        self.registry.serve(serves).await
    }
}

/// The module of a pipeline that checks.
fn spec(entry: &Entry) -> Option<ModuleSpec> {
    let prepared = entry.checked.prepared.as_ref()?;
    let plan = &prepared.plan;
    Some(ModuleSpec {
        name: LocalName::parse(&entry.name).ok()?,
        description: entry.checked.description.clone(),
        input: plan.input_type(),
        output: plan.output_type(),
        // Another plan is another declaration, so that the revision rises also where the types stay.
        version: semver::Version {
            build: semver::BuildMetadata::new(&prepared.view.hash).ok()?,
            ..semver::Version::new(0, 0, 0)
        },
        capabilities: Capabilities {
            idempotent: plan.modules.iter().all(|module| module.idempotent),
            batch: false,
            stream: false,
        },
        examples: Vec::new(),
    })
}

/// An entry after another check.
fn again(entry: &Entry, checked: Arc<Checked>, shelf: &Shelf) -> Entry {
    let way = checked.prepared.as_ref().and_then(|prepared| circle(&entry.name, prepared, shelf));
    let checked = match way {
        Some(way) => {
            let message = format!("the pipeline needs itself: {}", way.join(" -> "));
            Arc::new(checked.refused(Diagnostic::new(Code::Cycle, Span::default(), message)))
        }
        None => checked,
    };
    match (&entry.checked.prepared, &checked.prepared) {
        (Some(_), None) => {
            let first = checked.errors().next().map(|first| format!("{}: {}", first.code, first.message));
            tracing::warn!(pipeline = %entry.name, error = first, "a stored pipeline checks no longer");
        }
        (None, Some(_)) => tracing::info!(pipeline = %entry.name, "a stored pipeline checks again"),
        _ => {}
    }
    let signature =
        |prepared: &Arc<Prepared>| Signature { input: prepared.plan.input_type(), output: prepared.plan.output_type() };
    Entry {
        name: entry.name.clone(),
        source: Arc::clone(&entry.source),
        stored_at: entry.stored_at,
        plan: checked.prepared.clone().or_else(|| entry.plan.clone()),
        signature: checked.prepared.as_ref().map(signature).or_else(|| entry.signature.clone()),
        checked,
    }
}

/// The way from a pipeline to itself, if a plan of it has one.
fn circle(name: &str, prepared: &Prepared, shelf: &Shelf) -> Option<Vec<String>> {
    let stored = |prepared: &Prepared| {
        let names = prepared.view.modules.iter().filter_map(|module| module.strip_prefix("pipeline."));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    // Each with the one that led to it.
    let mut came_from: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut next: Vec<(String, Option<String>)> = stored(prepared).into_iter().map(|needed| (needed, None)).collect();
    while let Some((needed, by)) = next.pop() {
        if needed == name {
            let mut way = vec![format!("pipeline.{name}")];
            let mut at = by;
            while let Some(step) = at {
                way.push(format!("pipeline.{step}"));
                at = came_from.get(&step).cloned().flatten();
            }
            way.push(format!("pipeline.{name}"));
            way.reverse();
            return Some(way);
        }
        if came_from.contains_key(&needed) {
            continue;
        }
        if let Some(plan) = shelf.get(&needed).and_then(|entry| entry.plan.as_ref()) {
            next.extend(stored(plan).into_iter().map(|further| (further, Some(needed.clone()))));
        }
        came_from.insert(needed, by);
    }
    None
}

fn cycle(way: &[String]) -> Error {
    let way = way.join(" -> ");
    Error::of(codes::PIPELINE_CYCLE, format!("the pipeline would need itself: {way}")).detail("cycle", way)
}

/// # Errors
/// `pipeline.plan.changed`.
fn replaces_what_is_there(replaces: &str, there: Option<&Entry>) -> Result<(), Error> {
    let present = there.and_then(|entry| entry.plan.as_ref()).map(|plan| plan.view.hash.as_str());
    let fits = match (replaces, there) {
        ("", _) | ("new", None) => true,
        (hash, Some(_)) => present == Some(hash),
        (_, None) => false,
    };
    if fits {
        return Ok(());
    }
    let message = match (replaces, there) {
        ("new", Some(_)) => "a pipeline of that name is stored already",
        (_, None) => "no pipeline of that name is stored",
        _ => "the stored pipeline is not the one that the request names",
    };
    Err(Error::of(codes::PLAN_CHANGED, message).detail("plan_hash", present.unwrap_or_default()))
}

/// # Errors
/// `pipeline.incompatible` with the changes that break callers.
fn fits_callers(name: &str, old: &Signature, new: &Signature) -> Result<(), Error> {
    let compatibility = compatibility(old, new);
    if !compatibility.is_breaking() {
        return Ok(());
    }
    let mut by_path: BTreeMap<String, String> = BTreeMap::new();
    for change in compatibility.breaking().take(CHANGES_TOLD) {
        let told = by_path.entry(format!("{}{}", change.side, change.path)).or_default();
        let separator = if told.is_empty() { "" } else { "; " };
        *told = format!("{told}{separator}{}", change.what);
    }
    let first = by_path.first_key_value().map(|(path, what)| format!("{path}: {what}")).unwrap_or_default();
    let message = format!("`pipeline.{name}` would break its callers: {first}");
    let error = Error::of(codes::PIPELINE_INCOMPATIBLE, message).detail("pipeline", name);
    Err(by_path.into_iter().fold(error, |error, (path, what)| error.detail(path, what)))
}

/// What changed between two pictures of the modules: local names of modules, and last parts of namespaces.
struct Changed(BTreeSet<String>);

impl Changed {
    /// Whether a source may mean something else now. A name that does not occur in it cannot matter.
    fn concern(&self, source: &str) -> bool {
        self.0.iter().any(|name| source.contains(name.as_str()))
    }
}

impl Seen {
    fn update(&mut self, version: u64, catalog: &Catalog) -> Changed {
        let local = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let modules: HashMap<_, _> = catalog
            .modules()
            .map(|module| {
                let flags = [module.batch, module.stream, module.idempotent];
                (Arc::clone(&module.name), (Arc::clone(&module.fingerprint), flags))
            })
            .collect();
        let namespaces: BTreeSet<String> = catalog.namespaces().map(str::to_owned).collect();
        let differs = |(name, module): &(&Arc<str>, &(Arc<str>, [bool; 3])), other: &HashMap<_, _>| {
            other.get(*name) != Some(*module)
        };
        let mut changed = BTreeSet::new();
        changed.extend(modules.iter().filter(|new| differs(new, &self.modules)).map(|(name, _)| local(name)));
        changed.extend(self.modules.iter().filter(|old| differs(old, &modules)).map(|(name, _)| local(name)));
        changed.extend(namespaces.symmetric_difference(&self.namespaces).map(|name| local(name)));
        *self = Self { version, modules, namespaces };
        Changed(changed)
    }
}
