//! Runs steps and says how they go: a spinner with the step's last line on a terminal, one plain line elsewhere. The output of a
//! step is shown when it fails, and not otherwise.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Tells the user what goes on.
pub(crate) struct Progress {
    terminal: bool,
}

impl Progress {
    /// Finds out whether anybody watches.
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal() }
    }

    /// Runs a command to its end and gives its output, standard output and error in the order of their lines.
    ///
    /// # Errors
    /// When the command cannot be started or does not end with status 0; its output is then printed.
    pub(crate) fn command(&self, label: &str, command: impl Into<Command>) -> Result<String> {
        let mut command = command.into();
        let step = self.start(label);
        // The output is read, not shown: colours would only be in the way.
        command.env("NO_COLOR", "1").env_remove("FORCE_COLOR");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", command.get_program().display()))?;
        let (lines, received) = channel();
        let readers = [
            child.stdout.take().map(|out| forward(out, lines.clone())),
            child.stderr.take().map(|err| forward(err, lines)),
        ];
        let mut output = String::new();
        for line in received {
            step.line(&line);
            writeln!(output, "{line}")?;
        }
        for reader in readers.into_iter().flatten() {
            reader.join().ok().context("a reader of the output panicked")?;
        }
        let status = child.wait()?;
        if !status.success() {
            step.end("failed");
            eprint!("{output}");
            bail!("{label}: `{}` ended with {status}", command.get_program().display());
        }
        step.end(summary(&output).unwrap_or("done"));
        Ok(output)
    }

    /// Runs a function as a step; what it gives is what the step's line says.
    pub(crate) fn step(&self, label: &str, work: impl FnOnce() -> Result<String>) -> Result<()> {
        let step = self.start(label);
        let done = work();
        step.end(done.as_deref().unwrap_or("failed"));
        done.map(drop)
    }

    /// Says that a step is left out, and why.
    pub(crate) fn skip(&self, label: &str, reason: &str) {
        eprintln!("  {label}: left out, {reason}");
    }

    fn start(&self, label: &str) -> Step {
        let bar = ProgressBar::with_draw_target(
            None,
            if self.terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() },
        );
        bar.set_style(
            ProgressStyle::with_template("{spinner} {prefix} {wide_msg:.dim}").expect("the template is right"),
        );
        bar.set_prefix(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        if !self.terminal {
            eprintln!("  {label} …");
        }
        Step { bar, label: label.to_owned(), started: Instant::now() }
    }
}

struct Step {
    bar: ProgressBar,
    label: String,
    started: Instant,
}

impl Step {
    fn line(&self, line: &str) {
        self.bar.set_message(line.trim().to_owned());
    }

    fn end(&self, how: &str) {
        self.bar.finish_and_clear();
        eprintln!("  {}: {how} ({:.1} s)", self.label, self.started.elapsed().as_secs_f64());
    }
}

fn forward(stream: impl Read + Send + 'static, lines: Sender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if lines.send(line).is_err() {
                break;
            }
        }
    })
}

/// The line in which test runners and checkers say what they found, e.g. `12 passed in 0.3s`.
fn summary(output: &str) -> Option<&str> {
    const MARKS: [&str; 6] = ["Summary [", " passed", "test result: ok", "All checks passed", "0 errors", "Checked "];
    let line = output.lines().rev().find(|line| MARKS.iter().any(|mark| line.contains(mark)))?;
    Some(line.trim().trim_matches('=').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_the_runner_s_own_last_word() {
        assert_eq!(summary("a\n======= 12 passed in 0.34s =======\n"), Some("12 passed in 0.34s"));
        assert_eq!(
            summary("x\n     Summary [   0.1s] 7 tests run: 7 passed\n"),
            Some("Summary [   0.1s] 7 tests run: 7 passed")
        );
        assert_eq!(summary("nothing of the kind\n"), None);
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let mut command = Command::new("cargo");
        command.arg("no-such-subcommand");
        let error = Progress { terminal: false }.command("the step", command).unwrap_err().to_string();
        assert!(error.starts_with("the step: `cargo` ended with exit status"), "{error}");
    }
}
