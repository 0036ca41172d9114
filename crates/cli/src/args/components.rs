//! The commands about components: their flags and help. Does nothing with them.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ComponentsCommand {
    /// List the components: what each is, where it is in its life, what went wrong last
    List,
    /// Show one component: state, probes, what it says of itself, what holds it in, what it uses
    ///
    /// Processor time and memory are those of its whole process group at this moment.
    Show {
        /// As configured, e.g. `dator-http`
        id: String,
        /// Print the configuration in force as JSON, and nothing else
        #[arg(long)]
        configuration: bool,
    },
    /// Start components that do not run, one after the other, and wait until each is ready
    ///
    /// Also one that failed: restarts by policy begin anew.
    Start(IdsArgs),
    /// Drain and stop components, one after the other, until no process of them is left
    Stop(IdsArgs),
    /// Restart components, one after the other
    ///
    /// Each is drained, stopped, started and waited for before the next is touched, so that of several replicas one is always left.
    /// Ends at the first that does not become ready; those after it are left as they are.
    Restart(IdsArgs),
    /// Print what components wrote
    ///
    /// Lines of several components are in the order in which the host read them, each with the id in a colour of its own. With
    /// --json, one object a line.
    Logs(LogsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct IdsArgs {
    /// As configured, e.g. `dator-http`
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// As configured, e.g. `dator-http`; all where none is named
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Go on with what comes; ends with Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// So many of the latest lines of each [default: all that the host keeps]
    #[arg(long, short = 'n', value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tail: Option<u32>,
    /// Begin each line with when the host read it, in UTC
    #[arg(long, short)]
    pub(crate) timestamps: bool,
}
