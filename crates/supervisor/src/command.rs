//! One process per question: the message on its standard input, the answer on its standard output, its complaints in the log. Keeps
//! no process between two questions and reads no answer.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use protocol::component::SandboxReport;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::error::Error;
use crate::options::ShimCommand;
use crate::output::Ring;
use crate::process::{self, Launch, SpawnFault, Stdin};

/// Which question, as the last argument of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question {
    Init,
    Invoke,
}

/// How a `command_stdio` component is asked.
pub(crate) struct Command {
    pub(crate) id: Arc<str>,
    pub(crate) shim: ShimCommand,
    /// Without input, and without the argument that names the question.
    pub(crate) launch: Launch,
    pub(crate) permits: Semaphore,
    pub(crate) max_bytes: usize,
    pub(crate) ring: Ring,
    pub(crate) start: u64,
    /// What held the first process in.
    pub(crate) sandbox: OnceLock<SandboxReport>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There was no process.
    Spawn(SpawnFault),
    /// It ran in vain.
    Run(Error),
}

impl Fault {
    /// As somebody sees it who asked a component, not for a process.
    pub(crate) fn into_error(self, id: &Arc<str>) -> Error {
        match self {
            Self::Spawn(fault) => Error::Unreachable { id: Arc::clone(id), reason: fault.to_string() },
            Self::Run(error) => error,
        }
    }
}

impl Command {
    /// Runs one process to its end, until `deadline`: no process of it is left when this is dropped or answers, but for the moment
    /// that SIGKILL takes.
    pub(crate) async fn ask(&self, question: Question, body: Bytes, deadline: Instant) -> Result<Bytes, Fault> {
        let begin = Instant::now();
        match tokio::time::timeout_at(deadline, self.run(question, body)).await {
            Ok(answer) => answer,
            Err(_) => {
                let within = deadline.saturating_duration_since(begin);
                Err(Fault::Run(Error::Timeout { id: Arc::clone(&self.id), within }))
            }
        }
    }

    async fn run(&self, question: Question, body: Bytes) -> Result<Bytes, Fault> {
        let _permit = self.permits.acquire().await.map_err(|_| Fault::Run(Error::Stopping))?;
        let mut launch = self.launch.clone();
        launch.stdin = Stdin::Bytes(body);
        launch.args.push(match question {
            Question::Init => "middleware-init".to_owned(),
            Question::Invoke => "middleware-invoke".to_owned(),
        });
        let mut process = process::spawn(&self.shim, launch).await.map_err(Fault::Spawn)?;
        self.sandbox.get_or_init(|| process.sandbox.clone());
        let (Some(stdout), Some(stderr)) = (process.stdout.take(), process.stderr.take()) else {
            return Err(Fault::Spawn(SpawnFault::Failed { reason: "its output cannot be read".to_owned() }));
        };
        let answer = async {
            match read(stdout, self.max_bytes).await {
                Some(answer) => Ok((answer, process.exited().await)),
                None => Err(Fault::Run(Error::TooLarge { id: Arc::clone(&self.id), limit: self.max_bytes })),
            }
        };
        let complaints = async {
            self.ring.drain(stderr, true, self.start).await;
            Ok(())
        };
        let ((answer, exit), ()) = tokio::try_join!(answer, complaints)?;
        if !exit.is_success() {
            let what = format!("nothing: it {exit}");
            return Err(Fault::Run(Error::Invalid { id: Arc::clone(&self.id), what }));
        }
        Ok(answer)
    }
}

/// The whole stream; none when it is longer than it may be. What cannot be read has ended.
async fn read(mut stream: impl AsyncRead + Unpin, max_bytes: usize) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    loop {
        match stream.read_buf(&mut whole).await {
            Ok(0) | Err(_) => return Some(whole.freeze()),
            Ok(_) if whole.len() > max_bytes => return None,
            Ok(_) => {}
        }
    }
}
