//! What can be wrong with a configuration. Finds nothing itself.

use std::fmt;

use crate::config::entry::Origin;

/// Stable name of a kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// The file cannot be read.
    FileUnreadable,
    /// The file is no TOML.
    Syntax,
    /// No such key.
    KeyUnknown,
    /// A key that must be there is not.
    KeyMissing,
    /// A value of another kind than the key takes.
    ValueType,
    /// A number outside what the key takes.
    ValueRange,
    /// A value of the right kind that cannot be used.
    ValueInvalid,
    /// Two values that cannot both hold.
    ValueConflict,
    /// `listen` is open to other machines and nobody said that it may be.
    ListenInsecure,
    /// A credential or token file that cannot be used.
    CredentialUnreadable,
    /// A certificate or key that cannot be used.
    TlsInvalid,
}

impl FaultCode {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::FileUnreadable,
        Self::Syntax,
        Self::KeyUnknown,
        Self::KeyMissing,
        Self::ValueType,
        Self::ValueRange,
        Self::ValueInvalid,
        Self::ValueConflict,
        Self::ListenInsecure,
        Self::CredentialUnreadable,
        Self::TlsInvalid,
    ];

    /// What to do about this kind in general; a fault's own hint says more.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::FileUnreadable => "check the path after `--config` or in MODRACK_CONFIG",
            Self::Syntax => "mend the line that the error names; the file is TOML",
            Self::KeyUnknown => "`modrack config show` lists the keys",
            Self::KeyMissing => "set the key that the error names",
            Self::ValueType => "give the key a value of the kind that the error names",
            Self::ValueRange => "give a number within the range that the hint names",
            Self::ValueInvalid => "the hint says what the key takes",
            Self::ValueConflict => "change one of the keys that the error names",
            Self::ListenInsecure => {
                "set TLS and credentials, listen on loopback or a Unix socket, or set `insecure_listen`"
            }
            Self::CredentialUnreadable => {
                "the file holds nothing but the secret, is readable by the host and not writable by everybody"
            }
            Self::TlsInvalid => {
                "the files are PEM: a certificate chain, its unencrypted private key, a CA's certificate"
            }
        }
    }

    /// The code, e.g. `config.key.unknown`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileUnreadable => "config.file.unreadable",
            Self::Syntax => "config.syntax",
            Self::KeyUnknown => "config.key.unknown",
            Self::KeyMissing => "config.key.missing",
            Self::ValueType => "config.value.type",
            Self::ValueRange => "config.value.range",
            Self::ValueInvalid => "config.value.invalid",
            Self::ValueConflict => "config.value.conflict",
            Self::ListenInsecure => "config.listen.insecure",
            Self::CredentialUnreadable => "config.credential.unreadable",
            Self::TlsInvalid => "config.tls.invalid",
        }
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind.
    pub code: FaultCode,
    /// The key; empty when the whole file is at fault.
    pub key: String,
    /// Where the faulty value was set.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.origin, self.message, self.code)
    }
}

/// Why a configuration was refused: every fault, in the order of file, environment, flags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// At least one.
    pub faults: Vec<Fault>,
}
