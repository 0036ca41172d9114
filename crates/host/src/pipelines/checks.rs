//! Checks of sources against what is registered now. Keeps nothing itself: catalogs and sources have files of their own.

use std::sync::Arc;

use pipeline::{Code, Span};
use protocol::{Error, ModuleName};

use crate::access::Principal;
use crate::pipelines::catalog::{Catalogs, Sight};
use crate::pipelines::options::Options;
use crate::pipelines::prepared::{Checked, Prepared};
use crate::pipelines::sources::Sources;

/// Checks sources.
pub(crate) struct Checks {
    registry: registry::Handle,
    catalogs: Catalogs,
    sources: Sources,
}

impl Checks {
    pub(crate) fn new(registry: registry::Handle, options: &Options) -> Self {
        Self { catalogs: Catalogs::new(options.caches.clone()), sources: Sources::new(options.call_timeout), registry }
    }

    /// All modules as they are now.
    pub(crate) fn sight(&self) -> Sight {
        self.catalogs.whole(&self.registry.routes())
    }

    /// What a check against all modules finds.
    ///
    /// # Errors
    /// `host.internal`.
    pub(crate) async fn check(&self, source: &str) -> Result<Arc<Checked>, Error> {
        self.sources.check(source, &self.sight()).await
    }

    /// What a check against all modules but one finds.
    ///
    /// # Errors
    /// `host.internal`.
    pub(crate) async fn check_without(&self, module: &str, source: &str) -> Result<Arc<Checked>, Error> {
        let sight = self.sight();
        let local = module.rsplit('.').next().unwrap_or_default();
        // Where its name does not occur nothing can mean it.
        if sight.catalog.get(module).is_none() || !source.contains(local) {
            return self.sources.check(source, &sight).await;
        }
        let catalog = self.catalogs.without(module, &self.registry.routes());
        self.sources.check(source, &Sight { catalog, of: Some(format!("without {module}")), ..sight }).await
    }

    /// What runs for a caller. Who may not list learns of no module that it may not call, not even whether it exists.
    ///
    /// # Errors
    /// `host.scope.missing` for a module that the caller may not call, `pipeline.check.failed`.
    pub(crate) async fn runnable(&self, principal: &Principal, source: &str) -> Result<Arc<Prepared>, Error> {
        let sight = self.catalogs.seen_by(principal, &self.registry.routes());
        let checked = self.sources.check(source, &sight).await?;
        match checked.runnable() {
            Ok(prepared) => {
                may_call_all(principal, prepared)?;
                Ok(Arc::clone(prepared))
            }
            Err(error) => Err(hidden(principal, &checked, &sight).unwrap_or(error)),
        }
    }
}

/// # Errors
/// `host.scope.missing` for the first module that the caller may not call.
pub(crate) fn may_call_all(principal: &Principal, prepared: &Prepared) -> Result<(), Error> {
    prepared.view.modules.iter().try_for_each(|module| principal.may_call(&ModuleName::parse(module)?))
}

/// Why a caller with a narrow view may not know what a name means: the error is the same whether there is such a module or not.
fn hidden(principal: &Principal, checked: &Checked, sight: &Sight) -> Option<Error> {
    sight.of.as_ref()?;
    let unknown = |code: Code| matches!(code, Code::UndefinedModule | Code::UndefinedNamespace);
    let unresolved = checked.errors().filter(|diagnostic| unknown(diagnostic.code));
    unresolved
        .filter_map(|diagnostic| written(&checked.source, diagnostic.span))
        .find_map(|name| principal.may_call(&name).err())
}

/// The whole qualified name of which a part stands at a place; of a namespace alone, some module in it.
fn written(source: &str, span: Span) -> Option<ModuleName> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let (before, rest) = source.split_at_checked(span.start as usize)?;
    let start = before.trim_end_matches(belongs).len();
    let end = span.start as usize + rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    let name = source.get(start..end)?;
    ModuleName::parse(name).or_else(|_| ModuleName::parse(&format!("{name}.Any"))).ok().filter(|_| !name.is_empty())
}
