//! The host's end of a shim: starts it, carries wishes to it and its facts back. Touches the process itself only when its shim is
//! lost.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Exit, Launch, Process, SpawnFault, Stdin, Wish};
use crate::options::ShimCommand;
use crate::shim::frame::{self, Fact, Order};

/// From the order until the program has to run, on a machine that is very busy.
pub(super) const START_BOUND: Duration = Duration::from_secs(10);

/// From the wish to kill until the shim is given up. Longer than the shim takes at most.
pub(super) const KILL_BOUND: Duration = Duration::from_secs(7);

/// From the last fact of a shim to its end.
const LAST_BOUND: Duration = Duration::from_secs(1);

pub(super) async fn spawn(shim: &ShimCommand, launch: Launch) -> Result<Process, SpawnFault> {
    let (mut child, socket) =
        start(shim).map_err(|error| failed(format!("shim `{}`: {error}", shim.program.display())))?;
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let (mut reader, mut writer) = socket.into_split();
    let first = timeout(START_BOUND, async {
        tell(&mut writer, launch).await?;
        hear(&mut reader).await
    });
    let fact = match first.await {
        Ok(Ok(fact)) => fact,
        Ok(Err(error)) => {
            end(&mut child).await;
            return Err(failed(format!("its shim ended: {error}")));
        }
        Err(_) => {
            end(&mut child).await;
            return Err(failed(format!("its shim said nothing for {} s", START_BOUND.as_secs())));
        }
    };
    match fact {
        Fact::Started { pid, sandbox } => {
            let (wish, wishes) = watch::channel(Wish::Run);
            let (told, exit) = watch::channel(None);
            tokio::spawn(drive(Shim { child, reader, writer, pid }, wishes, told));
            Ok(Process { pid, sandbox: sandbox.into_report(), stdout, stderr, wish, exit })
        }
        Fact::Failed(fault) => {
            end(&mut child).await;
            Err(fault)
        }
        Fact::Exited(exit) => {
            end(&mut child).await;
            Err(failed(format!("it {exit} before it was started")))
        }
    }
}

/// Starts the shim with an empty environment: what the host has in its own is no business of anybody.
fn start(shim: &ShimCommand) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let child = Command::new(&shim.program)
        .args(&shim.args)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok((child, UnixStream::from_std(ours)?))
}

async fn tell(writer: &mut OwnedWriteHalf, launch: Launch) -> io::Result<()> {
    let input = match launch.stdin {
        Stdin::Null => None,
        Stdin::Bytes(bytes) => Some(bytes),
    };
    let order = Order {
        executable: launch.executable,
        args: launch.args,
        cwd: launch.cwd,
        env: launch.env,
        sandbox: launch.sandbox,
        input: input.as_ref().map(bytes::Bytes::len),
    };
    writer.write_all(&frame::encode(&order)?).await?;
    if let Some(input) = input {
        writer.write_all(&input).await?;
    }
    Ok(())
}

async fn hear(reader: &mut OwnedReadHalf) -> io::Result<Fact> {
    let mut head = [0; 4];
    reader.read_exact(&mut head).await?;
    let mut body = vec![0; frame::length(head)?];
    reader.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}

/// A shim that has told that its program runs.
struct Shim {
    child: Child,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    pid: u32,
}

/// Ends with the tree; at most [`KILL_BOUND`] after the owner wants so or has dropped his [`Process`]. When the runtime ends before,
/// the socket is closed, and the shim does the rest.
async fn drive(mut shim: Shim, mut wishes: watch::Receiver<Wish>, told: watch::Sender<Option<Exit>>) {
    let exit = match last_fact(&mut shim.reader, &mut shim.writer, &mut wishes).await {
        Some(exit) => exit,
        None => {
            kill_group(shim.pid);
            Exit::Lost
        }
    };
    // Without its socket it stays for nothing.
    drop(shim.writer);
    end(&mut shim.child).await;
    told.send_replace(Some(exit));
}

/// How the process ended, as its shim says; none when the shim is lost.
async fn last_fact(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    wishes: &mut watch::Receiver<Wish>,
) -> Option<Exit> {
    let mut fact = std::pin::pin!(hear(reader));
    let mut give_up = None;
    loop {
        tokio::select! {
            fact = &mut fact => return match fact {
                Ok(Fact::Exited(exit)) => Some(exit),
                _ => None,
            },
            changed = wishes.changed(), if give_up.is_none() => {
                let wish = if changed.is_ok() { *wishes.borrow_and_update() } else { Wish::Kill };
                let command = match wish {
                    Wish::Run => continue,
                    Wish::Terminate => frame::TERMINATE,
                    Wish::Kill => {
                        give_up = Some(Instant::now() + KILL_BOUND);
                        frame::KILL
                    }
                };
                // One byte fits always; a shim that does not take it has ended, which its side of the socket tells.
                drop(writer.write_all(&[command]).await);
            }
            () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => return None,
        }
    }
}

/// The shim is lost. The main process dies with it (`PR_SET_PDEATHSIG`), its group by this.
fn kill_group(pid: u32) {
    if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Nobody left is what is wanted.
        rustix::process::kill_process_group(group, Signal::KILL).ok();
    }
}

/// Buries a shim that has nothing more to do; kills one that does not end.
async fn end(shim: &mut Child) {
    if timeout(LAST_BOUND, shim.wait()).await.is_err() {
        drop(shim.kill().await);
    }
}

fn failed(reason: String) -> SpawnFault {
    SpawnFault::Failed { reason }
}
