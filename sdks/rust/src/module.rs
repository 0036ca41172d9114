//! A module as its author describes it, and as the provider keeps it. Runs no calls: see `run` and `provider::calls`.

use std::marker::PhantomData;

use crate::codec::{self, CodecError, Decode, Encode, Typed};
use crate::error::{Category, Error};
use crate::generated::provider::v1::{ModuleCapabilities, ModuleExample, ModuleSpec};
use crate::handler::{BatchHandler, BlockingHandler, Handler, StreamHandler};
use crate::run::{self, Cost, Run};
use crate::types::{CType, is_identifier};

/// Longest name of a module, in bytes.
const MAX_NAME: usize = 128;

/// A module with everything that there is to say about it.
///
/// ```
/// use modrack::{Module, ModuleError, Provider};
///
/// async fn upper(text: String) -> Result<String, ModuleError> {
///     Ok(text.to_uppercase())
/// }
///
/// let module = Module::new("Upper", upper)
///     .description("Upper-case a text.")
///     .version("1.2.0")
///     .idempotent()
///     .example("a".to_owned(), "A".to_owned());
/// let provider = Provider::new("text").with_module(module);
/// ```
#[must_use = "a module does nothing until a provider has it"]
pub struct Module<I, O> {
    pub(crate) definition: Definition,
    types: PhantomData<fn(I) -> O>,
}

/// A module without its native types.
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) version: String,
    pub(crate) idempotent: bool,
    pub(crate) input: CType,
    pub(crate) output: CType,
    pub(crate) examples: Vec<(Vec<u8>, Vec<u8>)>,
    /// The first fault of an example; told when the provider starts, where there is somebody to tell.
    pub(crate) fault: Option<CodecError>,
    pub(crate) run: Run,
    /// What a first step of a call costs.
    pub(crate) cost: Cost,
}

impl<I, O> Module<I, O>
where
    I: Decode + Send + 'static,
    O: Encode + Send + 'static,
{
    /// A module that an async function serves.
    ///
    /// The function is polled where its call arrived, and goes on in a task of its own when it waits. One that computes for long without waiting
    /// soon gets a task from the start; [`Module::blocking`] gives it a thread.
    pub fn new<Args, H>(name: impl Into<String>, handler: H) -> Self
    where
        H: Handler<Args, Input = I, Output = O>,
    {
        Self::of(name.into(), run::call(handler))
    }

    /// A module that an ordinary function serves, which may block: each call has a thread of its own.
    pub fn blocking<Args, H>(name: impl Into<String>, handler: H) -> Self
    where
        H: BlockingHandler<Args, Input = I, Output = O>,
    {
        Self::of(name.into(), run::blocking(handler))
    }

    /// A module whose output is a stream: `O` is the type of an item. It has the capability `stream` and takes no plain calls.
    pub fn stream<Args, H>(name: impl Into<String>, handler: H) -> Self
    where
        H: StreamHandler<Args, Input = I, Item = O>,
    {
        Self::of(name.into(), run::stream(handler))
    }

    /// A module that takes several inputs at once. It has the capability `batch`; a plain call is a batch of one.
    pub fn batch<Args, H>(name: impl Into<String>, handler: H) -> Self
    where
        H: BatchHandler<Args, Input = I, Output = O>,
    {
        Self::of(name.into(), run::batch(handler))
    }

    fn of(name: String, run: Run) -> Self {
        let definition = Definition {
            name,
            description: String::new(),
            version: String::new(),
            idempotent: false,
            input: I::ctype(),
            output: O::ctype(),
            examples: Vec::new(),
            fault: None,
            run,
            cost: Cost::default(),
        };
        Self { definition, types: PhantomData }
    }
}

impl<I: Typed, O: Typed> Module<I, O> {
    /// What the module does, in a sentence or two.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.definition.description = text.into();
        self
    }

    /// Semantic version of the module; `0.0.0` where none is given.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.definition.version = version.into();
        self
    }

    /// Calling it twice with one input has the effect of calling it once, so the host may call it again elsewhere.
    pub fn idempotent(mut self) -> Self {
        self.definition.idempotent = true;
        self
    }

    /// An input and what comes out, for people who look for a module; of a stream, its first item.
    pub fn example(mut self, input: I, output: O) -> Self
    where
        I: Encode,
        O: Encode,
    {
        match codec::to_bytes(&input).and_then(|input| Ok((input, codec::to_bytes(&output)?))) {
            Ok(example) => self.definition.examples.push(example),
            Err(fault) => self.definition.fault = self.definition.fault.or(Some(fault)),
        }
        self
    }
}

impl Definition {
    /// What the host would refuse, found before it is asked.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let about = |error: Error| error.with_detail("module", &self.name);
        if !is_identifier(&self.name) || self.name.len() > MAX_NAME {
            let message = format!("`{}` is no name of a module: letters, digits, `_` and `-`", self.name);
            return Err(Error::new(Category::InvalidArgument, "registry.name.invalid", message));
        }
        self.input.check().map_err(|fault| about(fault.into()).with_detail("type", "input"))?;
        self.output.check().map_err(|fault| about(fault.into()).with_detail("type", "output"))?;
        match &self.fault {
            Some(fault) => Err(about(fault.clone().into())),
            None => Ok(()),
        }
    }

    pub(crate) fn to_wire(&self) -> ModuleSpec {
        let example = |(input, output): &(Vec<u8>, Vec<u8>)| ModuleExample {
            input_data: input.clone(),
            output_data: output.clone(),
        };
        ModuleSpec {
            name: self.name.clone(),
            description: self.description.clone(),
            input: Some(self.input.to_wire()),
            output: Some(self.output.to_wire()),
            version: self.version.clone(),
            capabilities: Some(ModuleCapabilities {
                idempotent: self.idempotent,
                batch: matches!(self.run, Run::Batch(_)),
                stream: matches!(self.run, Run::Stream(_)),
            }),
            examples: self.examples.iter().map(example).collect(),
        }
    }
}

impl<I, O> std::fmt::Debug for Module<I, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Definition { name, input, output, .. } = &self.definition;
        write!(f, "Module({name}: {input} -> {output})")
    }
}
