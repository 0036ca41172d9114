//! The commands about modules: one file each, with what they share. Each is a client of the host.

mod batch;
pub(crate) mod call;
pub(crate) mod input;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod show;
pub(crate) mod view;
pub(crate) mod watch;
