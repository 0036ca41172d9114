//! Who may provide modules: credentials and the namespaces they cover. Does not ask anybody for a credential.

use std::fmt;
use std::path::{Path, PathBuf};

use protocol::{Namespace, Subject};
use subtle::ConstantTimeEq as _;

use crate::config::Config;
use crate::config::fault::FaultCode;
use crate::config::read::{Reader, Refusal, string};

/// Longest credential, in bytes.
const MAX_CREDENTIAL_BYTES: u64 = 4096;
/// A shorter one could be guessed.
const MIN_CREDENTIAL_CHARS: usize = 16;

/// One entry of `[[providers]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderGrant {
    /// Whom the credential identifies. Several entries may name one subject, e.g. while its credential is changed.
    pub subject: Subject,
    /// Where the credential was read from.
    pub credential_file: PathBuf,
    /// What the file holds, without white space at its ends.
    pub credential: Credential,
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

/// A secret. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    /// Whether this is the credential. Constant time for one length.
    #[must_use]
    pub fn is(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
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
    let mut grants: Vec<ProviderGrant> = Vec::new();
    for i in 0.. {
        let prefix = format!("providers[{i}]");
        if !reader.has(&prefix) {
            break;
        }
        reader.known(&prefix);
        let Some(grant) = entry(reader, &prefix) else { continue };
        if let Some(other) = grants.iter().position(|other| other.credential == grant.credential) {
            let key = format!("{prefix}.credential_file");
            let message = format!("`{key}` holds the credential of `{}`", grants[other].subject);
            let origin = reader.origin(&key);
            let hint = "give each entry its own credential; the host tells providers apart by it";
            reader.fault(&key, origin, Refusal::new(FaultCode::ValueConflict, message, hint));
        }
        grants.push(grant);
    }
    grants
}

fn entry(reader: &mut Reader<'_>, prefix: &str) -> Option<ProviderGrant> {
    let keys = ["subject", "credential_file", "namespaces"].map(|name| format!("{prefix}.{name}"));
    let mut complete = true;
    for key in &keys {
        if !reader.has(key) {
            complete = false;
            let refusal = Refusal::new(
                FaultCode::KeyMissing,
                format!("`{key}` is missing"),
                "an entry of `[[providers]]` has `subject`, `credential_file` and `namespaces`",
            );
            let origin = reader.origin(prefix);
            reader.fault(key, origin, refusal);
        }
    }
    let [subject_key, file_key, namespaces_key] = &keys;

    let subject = reader.text(subject_key, "", |text| {
        let usable = (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
        let hint = "a subject has 1 to 128 bytes and no control characters";
        usable.then_some(()).ok_or_else(|| {
            Refusal::new(FaultCode::ValueInvalid, format!("`{subject_key}` cannot be `{}`", text.escape_debug()), hint)
        })
    });

    let bases = reader.bases();
    let show = |read: &Option<(PathBuf, Credential)>| {
        read.as_ref().map_or_else(|| "".into(), |(path, _)| path.display().to_string().into())
    };
    let credential = reader.take(file_key, None, show, |raw, origin| {
        let path = bases.resolve(origin, string(file_key, raw)?);
        credential_in(file_key, &path).map(|credential| Some((path, credential)))
    });

    let mut namespaces = Vec::new();
    let patterns = reader.strings(namespaces_key);
    for text in &patterns {
        match NamespaceGrant::parse(text) {
            Some(grant) => namespaces.push(grant),
            None => {
                let origin = reader.origin(namespaces_key);
                let message = format!("`{namespaces_key}` cannot hold `{}`", text.escape_debug());
                let hint = "write a namespace (`text`), one with all below it (`text.*`), or all (`*`)";
                reader.fault(namespaces_key, origin, Refusal::new(FaultCode::ValueInvalid, message, hint));
            }
        }
    }
    if complete && patterns.is_empty() {
        let origin = reader.origin(namespaces_key);
        let message = format!("`{namespaces_key}` names no namespace");
        let hint = "list what the provider may serve, e.g. `namespaces = [\"text.*\"]`";
        reader.fault(namespaces_key, origin, Refusal::new(FaultCode::ValueInvalid, message, hint));
    }

    let (credential_file, credential) = credential.filter(|_| complete)?;
    Some(ProviderGrant { subject: Subject::new(&subject), credential_file, credential, namespaces })
}

fn credential_in(key: &str, path: &Path) -> Result<Credential, Refusal> {
    use std::io::Read as _;

    let refuse = |message: String| {
        let hint = "the file holds nothing but the credential and is readable by the host; `openssl rand -hex 32` makes a good one";
        Refusal::new(FaultCode::CredentialUnreadable, format!("`{key}`: `{}` {message}", path.display()), hint)
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_CREDENTIAL_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    match text.trim() {
        _ if text.len() as u64 > MAX_CREDENTIAL_BYTES => {
            Err(refuse(format!("has more than {MAX_CREDENTIAL_BYTES} bytes")))
        }
        credential if credential.chars().count() < MIN_CREDENTIAL_CHARS => {
            Err(refuse(format!("has fewer than {MIN_CREDENTIAL_CHARS} characters")))
        }
        credential => Ok(Credential(credential.into())),
    }
}
