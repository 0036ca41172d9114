//! A registered type, compiled once for all its calls, and the way from one such type to another. The public face of
//! `plan`, `validate`, `transcode` and `decode`; holds no logic of its own.

use std::borrow::Cow;

use crate::{
    ctype::{CType, TypeError},
    decode::decode_plan,
    encode::encode,
    error::{DecodeError, EncodeError},
    plan::{self, Plan},
    reader::{Fault, Reader},
    subtype::{Mismatch, is_subtype},
    transcode::transcode,
    validate::{Layout, walk},
    value::CValue,
};

/// A type that keeps the rules of registration, compiled for its bytes. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct Schema {
    ctype: CType,
    plan: Plan,
}

impl Schema {
    /// Checks and compiles a type. Linear in the type, but for the fields of a record, which are sorted.
    ///
    /// # Errors
    /// Those of [`CType::check`].
    pub fn new(ctype: CType) -> Result<Schema, TypeError> {
        ctype.check()?;
        let plan = plan::identity(&ctype);
        Ok(Schema { ctype, plan })
    }

    /// The type.
    pub fn ctype(&self) -> &CType {
        &self.ctype
    }

    /// Checks that `bytes` hold one value of this type, and tells whether they are its canonical bytes.
    ///
    /// Canonical bytes, and others whose keys are in order, are walked once and nothing is allocated. Only where keys are out of order are the
    /// bytes walked again, with memory in proportion to them; time is then at most n log n in the number of keys.
    ///
    /// # Errors
    /// The first fault in reading order.
    pub fn validate(&self, bytes: &[u8]) -> Result<Layout, DecodeError> {
        match check(&self.plan, bytes)? {
            Some(layout) => Ok(layout),
            None => transcode(&self.plan, bytes).map(|_| Layout::Equivalent).map_err(DecodeError::from),
        }
    }

    /// The canonical bytes of the value in `bytes`, which are `bytes` themselves where they are canonical already.
    ///
    /// # Errors
    /// Those of [`Schema::validate`].
    pub fn canonicalize<'b>(&self, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, DecodeError> {
        borrow_or_write(&self.plan, bytes)
    }

    /// The value in `bytes` as a tree.
    ///
    /// # Errors
    /// Those of [`Schema::validate`].
    pub fn decode(&self, bytes: &[u8]) -> Result<CValue, DecodeError> {
        Ok(decode_plan(bytes, &self.plan)?)
    }

    /// The canonical bytes of a value.
    ///
    /// # Errors
    /// Those of [`encode`].
    pub fn encode(&self, value: &CValue) -> Result<Vec<u8>, EncodeError> {
        encode(value, &self.ctype)
    }
}

/// The way from the bytes of one type to those of a supertype. Built once for each pair that meets, e.g. an edge of a pipeline.
#[derive(Debug)]
pub struct Transcoder {
    plan: Plan,
    keeps_layout: bool,
}

impl Transcoder {
    /// Compiles the way from `from` to `to`.
    ///
    /// Where several variants of a union of `to` would take a value, it becomes the one that equals its type, else the first.
    ///
    /// # Errors
    /// Why `from` is no subtype of `to`.
    pub fn new(from: &Schema, to: &Schema) -> Result<Transcoder, Mismatch> {
        is_subtype(&from.ctype, &to.ctype)?;
        let plan = plan::between(&from.ctype, &to.ctype).expect("a subtype has a plan to its supertype");
        Ok(Transcoder { keeps_layout: plan.keeps_layout(), plan })
    }

    /// Whether canonical bytes are forwarded as they are.
    pub fn keeps_layout(&self) -> bool {
        self.keeps_layout
    }

    /// Validates `bytes` as a value of the source and gives the canonical bytes of the same value in the target: `bytes` themselves
    /// where the layout is the same and they are canonical, else written in one pass.
    ///
    /// Fields that the target does not declare are gone; positions of variants are those of the target; a None that the
    /// target's field must show is written as nil.
    ///
    /// # Errors
    /// Those of [`Schema::validate`] for the source.
    pub fn transcode<'b>(&self, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, DecodeError> {
        if self.keeps_layout {
            borrow_or_write(&self.plan, bytes)
        } else {
            Ok(Cow::Owned(transcode(&self.plan, bytes)?))
        }
    }
}

fn borrow_or_write<'b>(plan: &Plan, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, DecodeError> {
    match check(plan, bytes)? {
        Some(Layout::Canonical) => Ok(Cow::Borrowed(bytes)),
        Some(Layout::Equivalent) | None => Ok(Cow::Owned(transcode(plan, bytes)?)),
    }
}

/// The layout of valid bytes; none where keys are out of order, so that only [`transcode`] can tell whether they are valid.
fn check(plan: &Plan, bytes: &[u8]) -> Result<Option<Layout>, Fault> {
    let mut reader = Reader::new(bytes);
    match walk(plan, &mut reader) {
        Ok(()) => {
            reader.end()?;
            Ok(Some(if reader.canonical { Layout::Canonical } else { Layout::Equivalent }))
        }
        Err(Some(fault)) => Err(fault),
        Err(None) => Ok(None),
    }
}
