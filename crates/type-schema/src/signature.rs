//! What a module takes and gives, and its fingerprint. Whether one signature may replace another is `compat`'s.

use sha2::{Digest, Sha256};

use crate::ctype::CType;

/// The input and output type of a module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// What it takes.
    pub input: CType,
    /// What it gives.
    pub output: CType,
}

impl Signature {
    /// The fingerprint of both types.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.input, &self.output)
    }
}

/// Lower-case hex SHA-256 of `<input as text> -> <output as text>`: 64 characters.
pub fn fingerprint(input: &CType, output: &CType) -> String {
    let digest = Sha256::digest(format!("{input} -> {output}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
