//! Compiles `.proto` text to descriptors. Imports are found among the given sources and the well-known types only, never on disk.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, FileDescriptor};
use prost_types::FileDescriptorSet;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::error::Error;

/// The text of `.proto` files by their import paths, e.g. `modrack/types/v1/types.proto`.
#[derive(Debug, Clone, Default)]
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// No sources.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file under the path by which others import it.
    pub fn insert(&mut self, import_path: impl Into<String>, text: impl Into<String>) {
        self.0.insert(import_path.into(), text.into());
    }

    /// Compiles all files.
    ///
    /// # Errors
    /// [`Error::Compile`] on the first file that is wrong or imports what is not there.
    pub fn compile(&self) -> Result<Descriptors, Error> {
        let mut resolver = ChainFileResolver::new();
        resolver.add(InMemory(self.clone()));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = Compiler::with_file_resolver(resolver);
        compiler.include_imports(true).include_source_info(true);
        compiler.open_files(self.0.keys()).map_err(|error| Error::Compile(Box::new(error)))?;
        Ok(Descriptors { pool: compiler.descriptor_pool(), names: self.0.keys().cloned().collect() })
    }
}

/// Compiled sources, with their comments.
#[derive(Debug, Clone)]
pub struct Descriptors {
    pool: DescriptorPool,
    names: Vec<String>,
}

impl Descriptors {
    /// The files that were given as sources, in ascending order of their import paths; no well-known types.
    pub(crate) fn files(&self) -> impl Iterator<Item = FileDescriptor> {
        self.names.iter().filter_map(|name| self.pool.get_file_by_name(name))
    }

    /// Everything that the sources need, imports before the files that import them.
    pub(crate) fn set(&self) -> FileDescriptorSet {
        FileDescriptorSet { file: self.pool.files().map(|file| file.file_descriptor_proto().clone()).collect() }
    }
}

struct InMemory(Sources);

impl FileResolver for InMemory {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}
