//! `cargo xtask demo`: a fresh host that starts the example modules of three languages by itself, each called on a real text, a pipeline over
//! all of them, and the two modules that come with Modrack at work. Leaves nothing behind but the report of the pipeline's run.

mod components;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xshell::cmd;

use crate::progress::Progress;
use crate::stage::Stage;
use crate::workspace::Workspace;
use crate::{bundle, setup};

/// What the modules are called on.
const TEXT: &str = "examples/texts/as-you-like-it.txt";

/// What runs over the modules of all three languages, and with which inputs; its `text` is the text.
const PIPELINE: &str = "examples/mixed.cst";
const INPUTS: [&str; 2] = ["speaker=ADAM", "long=20"];
/// Where the report of that run lies, below the root.
const REPORT: &str = "target/demo/mixed.html";

/// A call that has a price, and shows more copies than are offered and a contact that the answer hides.
const PRICED: &str = "modules call shop.Print --arg title=Hamlet --arg copies=9 --arg contact=ann@example.org";
/// How long all components may take to be ready.
const READY: Duration = Duration::from_secs(30);

/// Builds what is needed, runs the demo, and ends every process that it started.
pub(crate) fn run(workspace: &Workspace, progress: &Progress) -> Result<()> {
    setup::sdks(workspace, progress)?;
    let shell = &workspace.shell;
    let parts = ["--package", "cli", "--bin", "modrack"];
    progress.command("host", cmd!(shell, "cargo build --locked {parts...}"))?;
    let parts = ["--package", "modrack", "--example", "strings_modules", "--example", "demo"];
    progress.command("Rust modules", cmd!(shell, "cargo build --locked {parts...}"))?;
    bundle::run(workspace, progress, None)?;
    let data = shell.create_temp_dir()?;
    let stage = Stage::new(workspace, data.path());
    let directory = data.path().join("components");
    components::write(workspace, &stage, &directory)?;
    let (mut host, address) =
        stage.host_with(data.path(), &[Path::new("--bundled"), "--components".as_ref(), &directory])?;
    let demo = Demo { workspace, stage: &stage, address: &address };
    let pids = demo.play().inspect_err(|_| {
        // The error itself says what failed; the log says more.
        drop(stage.show_logs());
    })?;
    host.stop()?;
    for pid in &pids {
        ensure!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} of a component is still there");
    }
    eprintln!("\n  the host ended with status 0, and its {} components with it", pids.len());
    Ok(())
}

struct Demo<'a> {
    workspace: &'a Workspace,
    stage: &'a Stage<'a>,
    address: &'a str,
}

impl Demo<'_> {
    /// All acts; gives the processes of the components.
    fn play(&self) -> Result<Vec<u64>> {
        let pids = self.all_ready()?;
        eprintln!("  host at {}, which started all of these:", self.address);
        self.show("components list")?;
        println!();
        self.modules()?;
        self.pipeline()?;
        self.priced()?;
        self.phases()?;
        Ok(pids)
    }

    /// Waits until each component is ready.
    fn all_ready(&self) -> Result<Vec<u64>> {
        let until = Instant::now() + READY;
        loop {
            let listed = self.modrack("components list --json").output().context("cannot start `modrack`")?;
            let listed: Value = serde_json::from_slice(&listed.stdout).context("the components are no JSON")?;
            let components = listed.as_array().map(Vec::as_slice).unwrap_or_default();
            let not_ready = components.iter().find(|component| component["state"] != "ready");
            match not_ready {
                None if !components.is_empty() => {
                    return Ok(components.iter().filter_map(|component| component["pid"].as_u64()).collect());
                }
                Some(component) if component["state"] == "failed" || Instant::now() > until => {
                    bail!("{} is {}: {}", component["id"], component["state"], component["last_error"]["message"]);
                }
                _ => {
                    ensure!(Instant::now() < until, "there were no components within {READY:?}");
                    thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    /// The table of calls.
    fn modules(&self) -> Result<()> {
        let shown = Command::new(self.stage.built("examples/demo"))
            .arg(self.workspace.path(TEXT))
            .env("MODRACK_HOST", self.address)
            .stdin(Stdio::null())
            .status()
            .context("cannot start the demo's client")?;
        ensure!(shown.success(), "the demo's client ended with {shown}");
        Ok(())
    }

    /// Runs the pipeline as anybody would, by the command line.
    fn pipeline(&self) -> Result<()> {
        let report = self.workspace.path(REPORT);
        self.workspace.shell.create_dir(report.parent().context("the report has a directory")?)?;
        let inputs = INPUTS.join(" --arg ");
        self.show(&format!("run {PIPELINE} --arg text=@{TEXT} --arg {inputs} --trace --report {REPORT}"))
    }

    /// dator: what is offered, a call that is shaped, and one more than is accepted at once.
    fn priced(&self) -> Result<()> {
        println!("\ndator stands before the shop: one job at a time, at most five copies, no addresses in answers.");
        self.show("modules call shop.Offers --json-input {}")?;
        self.show(PRICED)?;
        println!("\n$ modrack {PRICED} & modrack {PRICED}\n");
        let both = [self.modrack(PRICED), self.modrack(PRICED)]
            .map(|mut command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn());
        let mut ended = Vec::new();
        for child in both {
            ended.push(child.context("cannot start `modrack`")?.wait_with_output()?);
        }
        ended.sort_by_key(|output| !output.status.success());
        let [served, deferred] = ended.as_slice() else { bail!("two commands were started") };
        print_output(served);
        print_output(deferred);
        let is_deferred = String::from_utf8_lossy(&deferred.stderr).contains("middleware.deferred");
        ensure!(served.status.success() && is_deferred, "of two calls at once, one is served and one is deferred");
        Ok(())
    }

    /// arca: three phases in place of one call, the second of which fails once.
    fn phases(&self) -> Result<()> {
        println!(
            "\narca answers in three phases, each a run of its own; the module of the second is down the first time."
        );
        self.show(
            "modules call flaky.Summarise --arg text=@examples/components/line.txt --arg key=demo --arg failures=1",
        )?;
        self.show("runs list --limit 4")
    }

    /// Runs a command as anybody would, and shows it.
    fn show(&self, line: &str) -> Result<()> {
        println!("\n$ modrack {line}\n");
        let ended = self.modrack(line).status().context("cannot start `modrack`")?;
        ensure!(ended.success(), "`modrack {line}` ended with {ended}");
        Ok(())
    }

    /// The command with these words, in the root of the tree.
    fn modrack(&self, line: &str) -> Command {
        let mut command = Command::new(self.stage.built("modrack"));
        command.current_dir(self.workspace.path("")).env("MODRACK_HOST", self.address).stdin(Stdio::null());
        command.args(line.split(' '));
        command
    }
}

fn print_output(output: &Output) {
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
