//! The command line: commands, flags and their help. Does nothing with them.

mod components;
mod dev;
mod lsp;
mod pipelines;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use components::{ComponentsCommand, LogsArgs};
pub(crate) use dev::DevArgs;
pub(crate) use lsp::LspArgs;
pub(crate) use pipelines::{
    AgainstFlags, CheckArgs, FmtArgs, GraphArgs, GraphFormat, PipelinesCommand, PutArgs, RunArgs, RunsCommand, Trace,
};

/// Flags that every command takes.
const GLOBAL: &str = "Global options";

/// Modrack runs typed modules written in any language
#[derive(Debug, Parser)]
#[command(name = "modrack", version, propagate_version = false, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print JSON, also for errors
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,

    /// When to use colour; `auto` also honours NO_COLOR
    #[arg(long, global = true, help_heading = GLOBAL, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,

    /// The configuration file [env: MODRACK_CONFIG] [default: ./modrack.toml, if it is there]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Say more on stderr
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a host until SIGINT or SIGTERM
    ///
    /// Prints where it listens to stdout once it accepts connections, and its log to stderr. The first signal ends it
    /// gracefully: calls that run are answered within `timeouts.drain_ms`. A second one ends it at once.
    Serve(ServeFlags),
    /// Run the components of a directory, and restart each when its files change
    ///
    /// For the author of a module: starts a host in this process with what the directory has, prints MODRACK_HOST for other terminals,
    /// and then all that the components write. A fault in a source shows its trace, and the next change tries again. Ctrl-C ends all.
    ///
    /// Components are those of the JSON files in the directory, as `modrack serve --components` takes them. Where there is none, a
    /// `provider.py`, `provider.js` or `provider.mjs` is run, by the Python of `.venv` in the directory or of the active environment, else
    /// by the `python3` or `node` on PATH. What changes in `node_modules`, `__pycache__`, `target`, `venv` or behind a dot does not count.
    Dev(DevArgs),
    /// See, call and watch the modules of a host
    Modules {
        #[command(flatten)]
        connect: ConnectFlags,
        #[command(subcommand)]
        command: ModulesCommand,
    },
    /// Check pipelines against the modules of a host, or of a lock
    ///
    /// Says all that is wrong with each file, with its place. Nothing runs. The exit code is 2 when any file has an error; a warning
    /// is none.
    #[command(arg_required_else_help = true)]
    Check(CheckArgs),
    /// Format pipelines
    ///
    /// Keeps comments, and never changes what a pipeline does. A file that does not parse is left as it is, and the exit code is 2.
    #[command(arg_required_else_help = true)]
    Fmt(FmtArgs),
    /// Draw a pipeline: its inputs, calls and outputs with what passes between them
    ///
    /// For example: modrack graph prices.cst --out prices.svg
    #[command(arg_required_else_help = true)]
    Graph(GraphArgs),
    /// Run a pipeline and print its outputs
    ///
    /// The pipeline is checked first; then each --arg gives one input and is read by its declared type: text for String, base64
    /// for Bytes, JSON for all others. Outputs are one JSON object. On a terminal each node tells on stderr how it goes.
    ///
    /// Ctrl-C cancels the run. Exit codes: 1 when a node failed, 2 when the pipeline does not check or its inputs are wrong, 4 when the
    /// host cannot be reached, 6 when the time was over, 130 when it was cancelled.
    ///
    /// For example: modrack run prices.cst --arg currency=EUR --report run.html
    #[command(arg_required_else_help = true)]
    Run(RunArgs),
    /// Store pipelines in a host, as modules that anybody can call
    Pipelines {
        #[command(flatten)]
        connect: ConnectFlags,
        #[command(subcommand)]
        command: PipelinesCommand,
    },
    /// See the latest runs of pipelines
    Runs {
        #[command(flatten)]
        connect: ConnectFlags,
        #[command(subcommand)]
        command: RunsCommand,
    },
    /// See and control the processes that a host supervises, and read what they write
    Components {
        #[command(flatten)]
        connect: ConnectFlags,
        #[command(subcommand)]
        command: ComponentsCommand,
    },
    /// Serve an editor: errors while typing, completion, hover and more for pipelines, over stdin and stdout
    ///
    /// Editors start it by themselves; `docs/pipelines.md` says how each is set up. The modules that count are those of --lock or --host,
    /// else of the nearest `modules.lock.json` in or above the directory of a file, else of MODRACK_HOST or the configured host, whose changes
    /// are followed. Without any, all but the calls of modules is checked.
    Lsp(LspArgs),
    /// Write typed bindings of modules, so that an editor knows what each takes and gives
    ///
    /// The modules are those of a host, or of a lock that `modrack modules lock` wrote. Files that an earlier run made and that
    /// are not needed any more are removed; no other file in the directory is touched.
    ///
    /// For example: modrack codegen --language python --module 'text.*' --out src/bindings
    #[command(arg_required_else_help = true)]
    Codegen(CodegenArgs),
    /// See and check the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Explain an error code, or list all of them
    Errors {
        /// The code, e.g. `registry.module.unknown`
        code: Option<String>,
    },
    /// Print the completion script of a shell
    ///
    /// For example: modrack completions bash > ~/.local/share/bash-completion/completions/modrack
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How a client command reaches its host. An empty variable counts as none.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct ConnectFlags {
    /// Where the host is: `http://127.0.0.1:7420`, `https://example.org:7420` or `unix:/run/host.sock` [env: MODRACK_HOST] [default: as configured]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) host: Option<String>,
    /// A file with the token that the host asks clients for [env: MODRACK_TOKEN_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM of the CA that vouches for an `https` host [env: MODRACK_CA_FILE] [default: the system's]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// PEM of the certificate to show to an `https` host [env: MODRACK_CERT_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) cert_file: Option<PathBuf>,
    /// PEM of that certificate's private key [env: MODRACK_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ServeFlags {
    /// TCP address of the gRPC surfaces; port 0 lets the system choose; '' for none
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Unix socket of the gRPC surfaces; '' for none
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<String>,
    /// Where state and sockets live
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Allow `--listen` to be an address that other machines can reach, without TLS and credentials
    #[arg(long)]
    pub(crate) insecure_listen: bool,
    /// A directory of components to start: each `*.json` is one [default: `components.d` in the data directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) components: Option<String>,
    /// Start the bundled modules too
    #[arg(long)]
    pub(crate) bundled: bool,
    /// How a line of the log looks [possible values: auto, text, json]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// What is logged, e.g. `info` or `info,host=debug`
    #[arg(long, value_name = "FILTER")]
    pub(crate) log_filter: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModulesCommand {
    /// List what is registered
    List {
        /// Only names that match; `*` stands for any run of characters, e.g. 'text.*'
        #[arg(default_value = "", hide_default_value = true)]
        pattern: String,
    },
    /// Show one module: types, providers, examples
    Show {
        /// Qualified name, e.g. `text.Uppercase`
        name: String,
    },
    /// Call a module and print its output
    ///
    /// Each --arg gives one field of the input and is read by the field's declared type: text for String, base64 for
    /// Bytes, JSON for all others. A module whose input is no record takes one --arg named `input`.
    ///
    /// A string is printed as it is, every other output as JSON; with --json, every output is JSON on one line. The items of a
    /// stream are printed as they come, one line of JSON each.
    ///
    /// With --batch, each line of the file is one input, and each line of the output what became of it, in the same order:
    /// `{"output": …}` or `{"error": …}`.
    Call(CallArgs),
    /// Write the types of modules to a file, for bindings and pipelines that are checked without a host
    ///
    /// The file is the same whenever the modules are. With --check nothing is written: what differs is printed, with whether
    /// callers that know the old types are still served, and the exit code is 1 when anything does.
    Lock(LockArgs),
    /// Print what changes, beginning with what is there; ends with Ctrl-C
    ///
    /// Stored pipelines are among it: they are modules, and those that check no longer are told too.
    Watch {
        /// Only names that match; `*` stands for any run of characters, e.g. 'text.*'
        #[arg(default_value = "", hide_default_value = true)]
        pattern: String,
        /// Tell of the runs of pipelines too
        #[arg(long)]
        runs: bool,
        /// Tell of the components too: what state each is in, and why it changed
        #[arg(long)]
        components: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// Qualified name, e.g. `text.Uppercase`
    pub(crate) name: String,
    /// One field of the input; `NAME=@FILE` reads the value from a file, `@-` from stdin, `@@…` is a text with one @
    #[arg(long = "arg", short = 'a', value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) args: Vec<(String, String)>,
    /// A file with the whole input as JSON; `-` reads stdin
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["args", "json_input"])]
    pub(crate) input: Option<PathBuf>,
    /// The whole input as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "args")]
    pub(crate) json_input: Option<String>,
    /// A file with one input as JSON per line, for one call each; `-` reads stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["args", "input", "json_input"])]
    pub(crate) batch: Option<PathBuf>,
    /// How long the call may take, e.g. `500ms`, `2s`, `5m`; for a stream or a batch, the whole of it
    #[arg(long, short, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// Only modules that match; `*` stands for any run of characters, e.g. 'text.*'; may be repeated. With --check, those of the file by default
    #[arg(long = "module", value_name = "PATTERN")]
    pub(crate) modules: Vec<String>,
    /// The file
    #[arg(long, value_name = "FILE", default_value = "modules.lock.json")]
    pub(crate) out: PathBuf,
    /// Write nothing; compare the file with the host
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CodegenArgs {
    /// The language of the bindings
    #[arg(long, short, value_enum)]
    pub(crate) language: BindingsLanguage,
    /// The directory that they are written to
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Only modules that match; `*` stands for any run of characters, e.g. 'text.*'; may be repeated
    #[arg(long = "module", short, value_name = "PATTERN")]
    pub(crate) modules: Vec<String>,
    /// Take the modules from a lock instead of a host [default: modules.lock.json]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "modules.lock.json", conflicts_with = "host")]
    pub(crate) lock: Option<PathBuf>,
    /// Write nothing; print what would change as a diff, and exit with 1 when anything would
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectFlags,
}

/// A language that bindings are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BindingsLanguage {
    Python,
    Typescript,
    Rust,
}

impl BindingsLanguage {
    /// As it is written on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Typescript => "typescript",
            Self::Rust => "rust",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every value in force and where it came from
    Show,
    /// Check the configuration and print all its faults
    Check {
        /// The file to check instead of the one that the host would read
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

/// What `--color` says, before the arguments are read as a whole. Anything unknown is reported when they are.
pub(crate) fn colour_of(raw: &[OsString]) -> ColorChoice {
    let value_of = |(i, arg): (usize, &OsString)| match arg.to_str()?.strip_prefix("--color")? {
        "" => raw.get(i + 1)?.to_str().map(str::to_owned),
        joined => joined.strip_prefix('=').map(str::to_owned),
    };
    match raw.iter().enumerate().find_map(value_of).as_deref() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("write it as NAME=VALUE".into()),
    }
}

/// A positive time with a unit, of at most a day.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        "h" => 3.6e6,
        _ => return Err("write a number with `ms`, `s`, `m` or `h`".into()),
    };
    let ms = number.parse::<f64>().map_err(|error| error.to_string())? * unit_ms;
    if (1.0..=8.64e7).contains(&ms) {
        Ok(Duration::from_secs_f64(ms / 1e3))
    } else {
        Err("give at least `1ms` and at most `24h`".into())
    }
}

impl ServeFlags {
    /// The flags that were given: name, key of the configuration, value.
    pub(crate) fn given(self) -> Vec<(&'static str, &'static str, String)> {
        [
            ("--listen", "listen", self.listen),
            ("--socket", "socket", self.socket),
            ("--data-dir", "data_dir", self.data_dir),
            ("--insecure-listen", "insecure_listen", self.insecure_listen.then(|| "true".into())),
            ("--components", "components_dir", self.components),
            ("--bundled", "bundled", self.bundled.then(|| "true".into())),
            ("--log-format", "log.format", self.log_format),
            ("--log-filter", "log.filter", self.log_filter),
        ]
        .into_iter()
        .filter_map(|(flag, key, value)| Some((flag, key, value?)))
        .collect()
    }
}

/// How a client writes the address of a host that listens there. Nobody can connect to the unspecified address.
pub(crate) fn url_of(mut address: SocketAddr, tls: bool) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_defined() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        for (text, ms) in [("500ms", Some(500)), ("1.5s", Some(1500)), ("2m", Some(120_000)), ("24h", Some(86_400_000))]
        {
            assert_eq!(duration(text).ok().map(|d| d.as_millis()), ms, "{text}");
        }
        for text in ["", "5", "0s", "-1s", "s", "25h", "2 s", "infs", "nanms"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_unspecified_address_is_reached_by_loopback() {
        assert_eq!(url_of("0.0.0.0:7".parse().unwrap(), false), "http://127.0.0.1:7");
        assert_eq!(url_of("[::]:7".parse().unwrap(), true), "https://[::1]:7");
    }
}
