//! What keeps strangers out, tried from outside. `docs/security.md` names each of these attempts.

mod callers;
mod certificates;
mod dialling;
mod limits;
mod pipelines;
mod secrets;
mod tokens;
mod transport;
