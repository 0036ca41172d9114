//! What the codec reports: one error type for each direction, all with the same codes.

use crate::{code::Code, ctype::at, path::Trail, reader::Fault};

/// Why bytes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{} at byte {offset}", at(path), code.describe())]
pub struct DecodeError {
    /// The stable code.
    pub code: Code,
    /// The path to the fault, empty for the root: `.rows[3]|1`.
    pub path: String,
    /// Offset in the input of the value or length at fault, in bytes.
    pub offset: usize,
}

/// Why a [`CValue`](crate::CValue) has no bytes under a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", at(path), code.describe())]
pub struct EncodeError {
    /// The stable code.
    pub code: Code,
    /// The path to the fault, empty for the root.
    pub path: String,
}

/// Why JSON is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", at(path), detail.as_deref().unwrap_or(code.describe()))]
pub struct JsonError {
    /// The stable code.
    pub code: Code,
    /// The path to the fault, empty for the root.
    pub path: String,
    /// What the reader of the text said, with line and column, where the text is no JSON.
    pub detail: Option<String>,
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        Self { code: fault.code, path: fault.trail.render(), offset: fault.offset }
    }
}

/// A fault without a place in bytes, on its way outwards.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) trail: Trail,
}

impl Refusal {
    pub(crate) fn new(code: Code) -> Box<Self> {
        Box::new(Self { code, trail: Trail::default() })
    }

    pub(crate) fn inside(mut self: Box<Self>, step: String) -> Box<Self> {
        self.trail.push(step);
        self
    }
}

impl From<Box<Refusal>> for EncodeError {
    fn from(refusal: Box<Refusal>) -> Self {
        Self { code: refusal.code, path: refusal.trail.render() }
    }
}

impl From<Box<Refusal>> for JsonError {
    fn from(refusal: Box<Refusal>) -> Self {
        Self { code: refusal.code, path: refusal.trail.render(), detail: None }
    }
}
