//! What sources say, how they are refused, formatted and shown.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

mod drawn;
mod format;
mod grammar;
mod hostile;
mod properties;
mod refusals;
mod rendering;
mod shape;
