//! The failures that the run loop itself finds. Those of modules come from whoever invokes them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Failure;

/// A failure on its way. Boxed, so that results stay small where nothing fails.
pub(super) type Fault = Box<Failure>;

/// An Int beyond 64 bits.
pub(super) fn overflow() -> Fault {
    invalid("pipeline.arithmetic.overflow", "the result is no 64-bit integer")
}

/// An Int divided by 0.
pub(super) fn division_by_zero() -> Fault {
    invalid("pipeline.arithmetic.division_by_zero", "an integer is divided by zero")
}

/// The first or last item of no items.
pub(super) fn empty_list() -> Fault {
    invalid("pipeline.list.empty", "the list is empty")
}

/// A Float that no Int stands for.
pub(super) fn convert_range(value: f64) -> Fault {
    invalid("pipeline.convert.range", format!("{value} is no 64-bit integer"))
}

/// An operation that would make more bytes than a value may have.
pub(super) fn too_large(limit: usize) -> Fault {
    let mut fault = invalid("pipeline.value.too_large", format!("the value is larger than {limit} bytes"));
    fault.details.insert("limit".to_owned(), limit.to_string());
    fault
}

/// An Any that no arm takes.
pub(super) fn any_mismatch() -> Fault {
    invalid("pipeline.any.mismatch", "the value is of no type that the match names")
}

/// Bytes that are not of the type that the plan says, or a plan that contradicts itself: a fault of whoever gave them.
pub(super) fn malformed() -> Fault {
    failure("INTERNAL", "pipeline.value.malformed", "a value is not of the type that the plan says".into())
}

fn invalid(code: &'static str, message: impl Into<Cow<'static, str>>) -> Fault {
    failure("INVALID_ARGUMENT", code, message.into())
}

fn failure(category: &'static str, code: &'static str, message: Cow<'static, str>) -> Fault {
    Box::new(Failure {
        category: category.into(),
        code: code.into(),
        message: message.into_owned(),
        origin: "core".into(),
        retryable: false,
        details: BTreeMap::new(),
    })
}
