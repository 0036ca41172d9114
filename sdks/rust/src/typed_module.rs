//! What generated bindings are made of: modules whose types are known before a host is asked. Calls nothing itself.

use std::marker::PhantomData;

/// A module with the types that a caller was written for: `I` is what it takes, `O` what it gives, or one item of its stream.
///
/// `modrack codegen --language rust` writes constants of this type. The fingerprint is the SHA-256 of the two types as text, as the host
/// tells it; it must be that of `I` and `O`.
#[derive(Debug)]
pub struct TypedModule<I: ?Sized, O> {
    name: &'static str,
    fingerprint: &'static str,
    types: PhantomData<fn(&I) -> O>,
}

impl<I: ?Sized, O> TypedModule<I, O> {
    /// A module by its qualified name.
    #[must_use]
    pub const fn new(name: &'static str, fingerprint: &'static str) -> Self {
        Self { name, fingerprint, types: PhantomData }
    }

    /// Qualified name, `namespace.Name`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// SHA-256 of the types, in hex.
    #[must_use]
    pub const fn fingerprint(&self) -> &'static str {
        self.fingerprint
    }
}
