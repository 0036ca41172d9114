//! One process that a test owns: its output is kept, it is ended by its own id, and it never outlives its owner.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A running process in a group of its own.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

#[derive(Debug, Default)]
struct Output {
    lines: Mutex<Vec<(Stream, String)>>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
    /// Both ended.
    End,
}

impl Process {
    /// Starts a program; `name` is for the person who reads a failure.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(name: &str, command: &mut Command) -> Self {
        let command = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let output = Arc::new(Output::default());
        let out = keep(&output, Stream::Out, child.stdout.take().expect("it is piped"));
        let err = keep(&output, Stream::Err, child.stderr.take().expect("it is piped"));
        let ended = Arc::clone(&output);
        thread::spawn(move || {
            out.join().expect("reading does not panic");
            err.join().expect("reading does not panic");
            ended.push(Stream::End, String::new());
        });
        Self { name: name.to_owned(), child, output }
    }

    /// Its name, for the person who reads a failure.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks the process to end.
    pub fn signal_term(&self) {
        kill_process(self.pid(), Signal::TERM).expect("the process has not been awaited yet");
    }

    /// Asks the process to end, as Ctrl-C does.
    pub fn signal_int(&self) {
        kill_process(self.pid(), Signal::INT).expect("the process has not been awaited yet");
    }

    /// Stops the process where it is: it runs no more, and nobody is told.
    pub fn signal_stop(&self) {
        kill_process(self.pid(), Signal::STOP).expect("the process has not been awaited yet");
    }

    /// Lets a stopped process go on.
    pub fn signal_continue(&self) {
        kill_process(self.pid(), Signal::CONT).expect("the process has not been awaited yet");
    }

    /// Ends the process at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        kill_process(self.pid(), Signal::KILL).expect("the process has not been awaited yet");
        self.child.wait().expect("a child can be awaited");
    }

    /// Waits until the process ends by itself.
    ///
    /// # Panics
    /// When it runs on for [`testkit::PATIENCE`].
    pub async fn ended(&mut self) -> ExitStatus {
        let name = self.name.clone();
        testkit::eventually(&format!("the end of {name}"), || {
            let status = self.child.try_wait().expect("a child can be awaited");
            async move { status }
        })
        .await
    }

    /// Waits for a line on the standard output that `select` takes something from.
    ///
    /// # Panics
    /// When the process ends first, or the line does not come within [`testkit::PATIENCE`].
    pub fn stdout_line<T>(&self, what: &str, select: impl Fn(&str) -> Option<T>) -> T {
        let until = Instant::now() + testkit::PATIENCE;
        let mut lines = self.output.lines.lock().expect("no holder panics");
        loop {
            if let Some(found) = lines.iter().filter(|(s, _)| *s == Stream::Out).find_map(|(_, line)| select(line)) {
                return found;
            }
            assert!(lines.iter().all(|(s, _)| *s != Stream::End), "{} ended before it told {what}", self.name);
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} did not tell {what}", self.name);
            lines = self.output.changed.wait_timeout(lines, left).expect("no holder panics").0;
        }
    }

    /// Waits until nobody holds the outputs any more: the process ended, and what it started too. Not bounded.
    pub async fn closed(&self) {
        let closed = || {
            let lines = self.output.lines.lock().expect("no holder panics");
            lines.last().is_some_and(|(stream, _)| *stream == Stream::End)
        };
        while !closed() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the process wrote to both outputs so far.
    #[must_use]
    pub fn output(&self) -> String {
        let lines = self.output.lines.lock().expect("no holder panics");
        lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }
}

impl Output {
    fn push(&self, stream: Stream, line: String) {
        self.lines.lock().expect("no holder panics").push((stream, line));
        self.changed.notify_all();
    }
}

fn keep(output: &Arc<Output>, stream: Stream, source: impl Read + Send + 'static) -> thread::JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        for line in BufReader::new(source).split(b'\n') {
            // The process is gone, or its output is: there is nothing more to keep.
            let Ok(line) = line else { break };
            output.push(stream, String::from_utf8_lossy(&line).into_owned());
        }
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also what the process started itself; where all are gone already, there is nothing to end.
        let _gone = kill_process_group(self.pid(), Signal::KILL).is_err();
        let _reaped = self.child.wait().is_err();
        if thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the test failed, and this says why")]
            {
                eprintln!("--- {} (process {}) wrote:\n{}", self.name, self.child.id(), self.output());
            }
        }
    }
}
