//! A module as it was declared, compiled. Made before the owner of the state is asked, so that nobody waits for it.

use std::sync::Arc;

use protocol::{Error, ModuleName, ModuleSpec, Namespace, Registration, codes};
use type_schema::{CType, Schema, fingerprint};

use crate::attachment::Attachment;
use crate::routes::{Module, Routes};

/// A declaration with everything that follows from it. Shares what it can with the declaration that is live.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    pub(crate) spec: Arc<ModuleSpec>,
    fingerprint: Arc<str>,
    input_text: Arc<str>,
    output_text: Arc<str>,
    input: Arc<Schema>,
    output: Arc<Schema>,
}

/// One module of a request: the name as the request has it, and the declaration or why it is refused.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) name: String,
    pub(crate) declaration: Result<Declaration, Error>,
}

impl Declaration {
    /// Compiles a declaration; types that `live` has are not compiled again.
    ///
    /// # Errors
    /// `registry.schema.invalid`.
    pub(crate) fn compile(spec: ModuleSpec, live: Option<&Module>) -> Result<Self, Error> {
        if let Some(live) = live.filter(|live| live.spec.input == spec.input && live.spec.output == spec.output) {
            let spec = if *live.spec == spec { Arc::clone(&live.spec) } else { Arc::new(spec) };
            return Ok(Self { spec, ..Self::of(live) });
        }
        Ok(Self {
            fingerprint: fingerprint(&spec.input, &spec.output).into(),
            input_text: spec.input.to_string().into(),
            output_text: spec.output.to_string().into(),
            input: Arc::new(schema(&spec.input)?),
            output: Arc::new(schema(&spec.output)?),
            spec: Arc::new(spec),
        })
    }

    /// The declaration of a revision.
    fn of(module: &Module) -> Self {
        Self {
            spec: Arc::clone(&module.spec),
            fingerprint: Arc::clone(&module.fingerprint),
            input_text: Arc::clone(&module.input_text),
            output_text: Arc::clone(&module.output_text),
            input: Arc::clone(&module.input),
            output: Arc::clone(&module.output),
        }
    }

    /// Whether a revision was declared in the same words.
    pub(crate) fn is(&self, module: &Module) -> bool {
        Arc::ptr_eq(&self.spec, &module.spec) || self.spec == module.spec
    }

    /// A revision with this declaration.
    pub(crate) fn module(&self, name: ModuleName, revision: u64) -> Module {
        let Self { spec, fingerprint, input_text, output_text, input, output } = self.clone();
        let attachment = Attachment::default();
        Module { name, spec, revision, fingerprint, input_text, output_text, input, output, attachment }
    }
}

/// Takes the modules out of a request and compiles them.
pub(crate) fn offers(registration: &mut Registration, routes: &Routes) -> Vec<Offer> {
    let modules = std::mem::take(&mut registration.modules);
    let compile = |namespace: &Namespace, spec: ModuleSpec| {
        let live = routes.get(ModuleName::new(namespace, &spec.name).as_str());
        Declaration::compile(spec, live.map(|route| &*route.module))
    };
    modules
        .into_iter()
        .map(|module| Offer {
            declaration: module.spec.and_then(|spec| compile(&registration.namespace, spec)),
            name: module.name,
        })
        .collect()
}

fn schema(ctype: &CType) -> Result<Schema, Error> {
    Schema::new(ctype.clone()).map_err(|fault| {
        Error::of(codes::SCHEMA_INVALID, format!("the type is refused: {fault}"))
            .detail("type_code", fault.code.as_str())
            .detail("path", fault.path)
    })
}
