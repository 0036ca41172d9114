//! The commands about pipelines: their flags and help. Does nothing with them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{ConnectFlags, assignment, duration};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The pipelines; `-` reads stdin
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) against: AgainstFlags,
}

/// What a pipeline is checked against.
#[derive(Debug, Args)]
pub(crate) struct AgainstFlags {
    /// Check against the modules of a lock instead of those of a host
    #[arg(long, value_name = "FILE", conflicts_with = "host")]
    pub(crate) lock: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connect: ConnectFlags,
}

#[derive(Debug, Args)]
pub(crate) struct FmtArgs {
    /// The pipelines; `-` formats stdin to stdout
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write nothing; print what would change as a diff, and exit with 1 when anything would
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// The pipeline; `-` reads stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How it is drawn [default: by the suffix of --out, else svg]
    #[arg(long, short, value_enum)]
    pub(crate) format: Option<GraphFormat>,
    /// The file to write instead of stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) against: AgainstFlags,
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// A picture for documents, for light and dark pages
    Svg,
    /// For Graphviz
    Dot,
    /// For Markdown pages that draw Mermaid
    Mermaid,
    /// For programs
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A file, `-` for stdin, or a stored pipeline as `pipeline.NAME`
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipeline: String,
    /// One input; `NAME=@FILE` reads the value from a file, `@-` from stdin, `@@…` is a text with one @
    #[arg(long = "arg", short = 'a', value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) args: Vec<(String, String)>,
    /// A file with all inputs as one JSON object; `-` reads stdin
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["args", "json_input"])]
    pub(crate) input: Option<PathBuf>,
    /// All inputs as one JSON object
    #[arg(long, value_name = "JSON", conflicts_with = "args")]
    pub(crate) json_input: Option<String>,
    /// Run once for each `@example`, with its inputs
    #[arg(long, conflicts_with_all = ["args", "input", "json_input"])]
    pub(crate) examples: bool,
    /// Print which node ran when, waited, was cached or retried, to stderr after the run
    #[arg(long, value_enum, value_name = "CALLS", num_args = 0..=1, require_equals = true, default_missing_value = "short")]
    pub(crate) trace: Option<Trace>,
    /// Write a page about the run, to be opened in a browser
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// How long the run may take, e.g. `500ms`, `2s`, `5m` [default: the host's]
    #[arg(long, short, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) connect: ConnectFlags,
}

/// Which calls of a node have rows of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trace {
    /// Few of each node: what failed, was retried or took longest; the others are summed up
    Short,
    /// All that the record tells one by one
    All,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PipelinesCommand {
    /// Store a pipeline, or replace it; it is a module then: `pipeline.NAME`
    Put(PutArgs),
    /// List the stored pipelines, also those that check no longer
    List,
    /// Show one stored pipeline: types, modules, source, and why it checks no longer
    Show {
        /// The name, with or without `pipeline.`
        name: String,
    },
    /// Remove a stored pipeline and its module; runs that have begun go on
    Delete {
        /// The name, with or without `pipeline.`
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The source; `-` reads stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The name [default: that of the file without its suffix]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Only where this is the hash of the present plan, or `new` where there must be none
    #[arg(long, value_name = "HASH")]
    pub(crate) replaces: Option<String>,
    /// Store it also where callers of the present one would no longer fit
    #[arg(long)]
    pub(crate) allow_breaking: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List the runs that the host has records of, latest first
    List {
        /// Only those of this stored pipeline, with or without `pipeline.`
        #[arg(long, value_name = "NAME")]
        pipeline: Option<String>,
        /// Most runs to list, at most 1000
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show one run: what it came to, where it failed, what each node did
    Show {
        /// As `modrack run` and errors name it
        run: String,
        /// Print calls and attempts too
        #[arg(long, value_enum, value_name = "CALLS", num_args = 0..=1, require_equals = true, default_missing_value = "short")]
        trace: Option<Trace>,
        /// Write a page about the run, to be opened in a browser; of a stored pipeline with its graph
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
}
