//! The project's own commands, run as `cargo xtask <command>`. Nothing of the product is in here, and nothing here is shipped.
//!
//! * `setup`    installs what the Python and TypeScript parts need, inside the tree
//! * `codegen`  writes, or checks, the code that comes from `proto/`
//! * `tidy`     checks the invariants of the architecture
//! * `bundle`   builds the modules that come with Modrack into executables
//! * `demo`     runs modules in three languages against a fresh host
//! * `test`     runs the tests of all languages
//! * `bench`    measures, beside baselines in the same run
//! * `fuzz`     compares the codecs of all languages on drawn values
//! * `ci`       runs everything that CI runs
//!
//! They need cargo, Python and Node; a missing one is named with the command that installs it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to the one who runs it")]

mod bench;
mod bundle;
mod ci;
mod codegen;
mod demo;
mod fuzz;
mod npm;
mod packages;
mod prerequisites;
mod progress;
mod python;
mod setup;
mod stage;
mod stamp;
mod test;
mod tidy;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::progress::Progress;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the packages that the Python and TypeScript parts need, inside the tree. Does nothing when nothing changed.
    Setup,
    /// Write the code that comes from the protos.
    Codegen {
        /// Write nothing; show what would change, and fail when something would.
        #[arg(long)]
        check: bool,
    },
    /// Check the invariants of the architecture.
    Tidy,
    /// Build the modules that come with Modrack into executables that need nothing but an interpreter.
    Bundle {
        /// The directory that gets one directory for each [default: target/bundle, where a host that cargo built looks]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Run modules in Python, TypeScript and Rust against a fresh host, on a real text.
    Demo,
    /// Run the tests.
    Test {
        /// Only these parts; all when none is named.
        #[arg(value_enum)]
        parts: Vec<test::Part>,
    },
    /// Measure, each beside its baseline in the same run.
    Bench {
        /// Only these; all when none is named.
        #[arg(value_enum)]
        benches: Vec<bench::Bench>,
        /// For the measurements of calls and the host, behind `--`; `cargo xtask bench call -- --help` lists them.
        #[arg(last = true)]
        options: Vec<String>,
    },
    /// Compare the codecs of all languages on drawn types and values.
    Fuzz {
        #[command(subcommand)]
        what: fuzz::Fuzz,
    },
    /// Run everything that CI runs.
    Ci {
        /// Only these checks; all when none is named.
        #[arg(value_enum)]
        checks: Vec<ci::Check>,
        /// Leave these checks out.
        #[arg(long, value_enum, value_name = "CHECK")]
        except: Vec<ci::Check>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let workspace = Workspace::find()?;
    let progress = Progress::new();
    match command {
        Command::Setup => setup::run(&workspace, &progress),
        Command::Codegen { check: false } => codegen::write(&workspace),
        Command::Codegen { check: true } => codegen::check(&workspace),
        Command::Tidy => tidy::run(&workspace, &progress),
        Command::Bundle { out } => bundle::run(&workspace, &progress, out.as_deref()),
        Command::Demo => demo::run(&workspace, &progress),
        Command::Test { parts } => test::run(&workspace, &progress, &parts),
        Command::Bench { benches, options } => bench::run(&workspace, &progress, &benches, &options),
        Command::Fuzz { what } => fuzz::run(&workspace, &progress, &what),
        Command::Ci { checks, except } => ci::run(&workspace, &progress, &checks, &except),
    }
}
