//! The flags of the language server. Does nothing with them.

use std::path::PathBuf;

use clap::Args;

use super::ConnectFlags;

#[derive(Debug, Args)]
pub(crate) struct LspArgs {
    /// Check against the modules of this lock
    #[arg(long, value_name = "FILE", conflicts_with = "host")]
    pub(crate) lock: Option<PathBuf>,
    /// Speak over stdin and stdout, as always; many editors say so
    #[arg(long, hide = true)]
    pub(crate) stdio: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectFlags,
}
