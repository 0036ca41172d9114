//! Who may provide modules: credentials and the namespaces they cover. Does not ask anybody for a credential.

use std::path::PathBuf;

use protocol::{Namespace, Secret, Subject};

use crate::config::Config;
use crate::config::grants::{self, Form};
use crate::config::read::Reader;

/// One entry of `[[providers]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderGrant {
    /// Whom the credential identifies. Several entries may name one subject, e.g. while its credential is changed.
    pub subject: Subject,
    /// Where the credential was read from.
    pub credential_file: PathBuf,
    /// What the file holds, without white space at its ends.
    pub credential: Secret,
    /// What the subject may serve; at least one.
    pub namespaces: Vec<NamespaceGrant>,
}

impl ProviderGrant {
    /// Whether the subject may serve this namespace.
    #[must_use]
    pub fn covers(&self, namespace: &Namespace) -> bool {
        self.namespaces.iter().any(|grant| grant.covers(namespace))
    }
}

impl Config {
    /// The entry that a credential belongs to. Takes the same time for every wrong credential of one length.
    #[must_use]
    pub fn grant(&self, credential: &str) -> Option<&ProviderGrant> {
        self.providers
            .iter()
            .fold(None, |found, grant| if grant.credential.is(credential) { Some(grant) } else { found })
    }
}

/// A namespace, `text`; a namespace with all below it, `text.*`; or all, `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceGrant {
    /// `text`.
    Exact(Namespace),
    /// `text.*`: `text`, `text.en`, `text.en.uk`.
    Below(Namespace),
    /// `*`.
    All,
}

impl NamespaceGrant {
    /// Reads one; none for what is no such pattern.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix(".*") {
            _ if text == "*" => Some(Self::All),
            Some(above) => Namespace::parse(above).ok().map(Self::Below),
            None => Namespace::parse(text).ok().map(Self::Exact),
        }
    }

    /// Whether the namespace is covered.
    #[must_use]
    pub fn covers(&self, namespace: &Namespace) -> bool {
        match self {
            Self::All => true,
            Self::Exact(own) => own == namespace,
            Self::Below(own) => namespace
                .as_str()
                .strip_prefix(own.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
        }
    }
}

/// Reads `[[providers]]`; entries with a fault are left out.
pub(super) fn read(reader: &mut Reader<'_>) -> Vec<ProviderGrant> {
    let form = Form {
        list: "providers",
        file: "credential_file",
        grants: "namespaces",
        grant: "namespace",
        hint: "write a namespace (`text`), one with all below it (`text.*`), or all (`*`)",
        example: "list what the provider may serve, e.g. `namespaces = [\"text.*\"]`",
        parse: NamespaceGrant::parse,
    };
    let grant = |entry: grants::Granted<NamespaceGrant>| ProviderGrant {
        subject: entry.subject,
        credential_file: entry.file,
        credential: entry.secret,
        namespaces: entry.grants,
    };
    grants::read(reader, &form).into_iter().map(grant).collect()
}
