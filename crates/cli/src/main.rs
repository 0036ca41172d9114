//! The `modrack` command: reads the command line, runs one command, turns its end into output and an exit code.
//! Holds no logic of the host; everything but `serve` and the local commands is a gRPC call.
// A command line's output is what it is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod bindings;
mod client;
mod codes;
mod components;
mod config;
mod dev;
mod errors;
mod exit;
mod failure;
mod lsp;
mod modules;
mod output;
mod pipelines;
mod serve;
mod target;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};

use crate::args::{Cli, Command, ComponentsCommand, ConfigCommand, ModulesCommand, PipelinesCommand, RunsCommand};
use crate::components::change::{self, Change};
use crate::exit::Exit;
use crate::failure::{Failure, Failures};
use crate::output::Output;

const NO_COMMAND: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;

fn main() -> ExitCode {
    // The host starts each component through a process of this program, which is nothing but that then.
    if let Some(ended) = host::shim() {
        return ended;
    }
    // A fault in the arguments has to be told in the form that they ask for, before they are read.
    let raw: Vec<_> = std::env::args_os().collect();
    let json = raw.iter().any(|arg| arg == "--json");
    output::choose_colour(args::colour_of(&raw));

    let matches = match Cli::command().after_long_help(exit::help()).try_get_matches_from(&raw) {
        Ok(matches) => matches,
        // Help and version, which clap words and colours; a closed pipe is no fault of ours. No command at all gets the help, too.
        Err(error) if !error.use_stderr() || (!json && error.kind() == NO_COMMAND) => {
            let _closed = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
        Err(error) => {
            Failures::from(Failure::usage(&error)).print(json);
            return Exit::Usage.into();
        }
    };
    let cli = Cli::from_arg_matches(&matches).expect("the matches come from the same definition");
    let output = Output::new(cli.json);
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failures) => {
            failures.print(json);
            failures.exit().into()
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<(), Failures> {
    let Cli { config, verbose, command, .. } = cli;
    match command {
        Command::Serve(flags) => serve::run(config, flags, output),
        Command::Dev(args) => dev::run(args, config, verbose, output),
        Command::Modules { connect, command } => {
            let target = target::resolve(connect, config)?;
            client::block_on(async {
                match command {
                    ModulesCommand::List { pattern } => modules::list::run(&target, &pattern, output).await,
                    ModulesCommand::Show { name } => modules::show::run(&target, &name, output).await,
                    ModulesCommand::Call(call) => modules::call::run(&target, call, verbose, output).await,
                    ModulesCommand::Lock(args) => modules::lock::run(&target, args, output).await,
                    ModulesCommand::Watch { pattern, runs, components } => {
                        modules::watch::run(&target, &pattern, runs, components, output).await
                    }
                }
            })?
        }
        Command::Check(args) => client::block_on(pipelines::check::run(args, config, output))?,
        Command::Fmt(args) => pipelines::format::run(&args, output),
        Command::Graph(args) => client::block_on(pipelines::graph::run(args, config, output))?,
        Command::Run(args) => {
            let target = target::resolve(args.connect.clone(), config)?;
            client::block_on(pipelines::run::run(&target, args, verbose, output))?
        }
        Command::Pipelines { connect, command } => {
            let target = target::resolve(connect, config)?;
            client::block_on(async {
                match command {
                    PipelinesCommand::Put(args) => pipelines::stored::put(&target, args, output).await,
                    PipelinesCommand::List => pipelines::stored::list(&target, output).await,
                    PipelinesCommand::Show { name } => pipelines::stored::show(&target, &name, output).await,
                    PipelinesCommand::Delete { name } => pipelines::stored::delete(&target, &name, output).await,
                }
            })?
        }
        Command::Runs { connect, command } => {
            let target = target::resolve(connect, config)?;
            client::block_on(async {
                match command {
                    RunsCommand::List { pipeline, limit } => {
                        pipelines::runs::list(&target, pipeline, limit, output).await
                    }
                    RunsCommand::Show { run, trace, report } => {
                        pipelines::runs::show(&target, &run, trace, report, output).await
                    }
                }
            })?
        }
        Command::Components { connect, command } => {
            let target = target::resolve(connect, config)?;
            client::block_on(async {
                match command {
                    ComponentsCommand::List => components::list::run(&target, output).await,
                    ComponentsCommand::Show { id, configuration } => {
                        components::show::run(&target, &id, configuration, output).await
                    }
                    ComponentsCommand::Start(args) => change::run(&target, Change::Start, &args.ids, output).await,
                    ComponentsCommand::Stop(args) => change::run(&target, Change::Stop, &args.ids, output).await,
                    ComponentsCommand::Restart(args) => change::run(&target, Change::Restart, &args.ids, output).await,
                    ComponentsCommand::Logs(args) => components::logs::run(&target, args, output).await,
                }
            })?
        }
        Command::Lsp(args) => lsp::run(args, config),
        Command::Codegen(args) => client::block_on(bindings::run(args, config, output))?,
        Command::Config { command: ConfigCommand::Show } => config::show(config, output),
        Command::Config { command: ConfigCommand::Check { file } } => config::check(file.or(config), output),
        Command::Errors { code } => errors::run(code.as_deref(), output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "modrack", &mut script);
            output.bytes(&script)
        }
    }
}
