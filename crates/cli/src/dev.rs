//! `modrack dev`: a host in this process with the components of a directory, each started anew when its files change. Forgets all at its end:
//! state lives in a temporary directory. Supervises nothing itself.

mod changes;
mod found;
mod interpreter;
mod screen;
mod session;

use std::collections::BTreeSet;
use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};

use host::config::{Config, Sources};
use tokio::sync::oneshot;

use crate::args::{ConnectFlags, DevArgs, url_of};
use crate::codes;
use crate::dev::changes::Changes;
use crate::dev::found::Found;
use crate::dev::screen::Screen;
use crate::dev::session::{Session, Why};
use crate::failure::{Failure, Failures};
use crate::output::Output;
use crate::serve::{self, Signals};
use crate::target;

/// What the host says of itself. What becomes of components is on the screen anyway.
const QUIET_LOG: &str = "warn,supervisor=error";

/// One `modrack dev`.
struct Dev<'a> {
    directory: PathBuf,
    /// State and sockets of the host, and the components as it reads them.
    scratch: tempfile::TempDir,
    listen: String,
    file: Option<PathBuf>,
    verbose: bool,
    output: &'a Output,
}

pub(crate) fn run(args: DevArgs, file: Option<PathBuf>, verbose: bool, output: &Output) -> Result<(), Failures> {
    let directory = args.dir.canonicalize().map_err(|error| {
        Failure::local(codes::DEV_NOTHING, format!("`{}` cannot be opened: {error}", args.dir.display()))
    })?;
    let scratch = tempfile::Builder::new()
        .prefix("modrack-dev-")
        .tempdir()
        .map_err(|error| Failure::local(codes::SERVE_FAILED, format!("no temporary directory can be made: {error}")))?;
    let mut dev = Dev { directory, scratch, listen: args.listen, file, verbose, output };
    let found = found::components(&dev.directory, &variable)?;
    dev.write(&found)?;
    let config = dev.config()?;
    serve::start_log(&config.log);
    let runtime = host::runtime(config.threads)
        .map_err(|error| Failure::local(codes::SERVE_FAILED, format!("the runtime cannot start: {error}")))?;
    runtime.block_on(dev.rounds(found, config))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Dev<'_> {
    /// A round lasts as long as there are the same components.
    async fn rounds(&mut self, mut found: Vec<Found>, mut config: Config) -> Result<(), Failures> {
        let mut signals = Signals::new()
            .map_err(|error| Failure::local(codes::SERVE_FAILED, format!("signals cannot be received: {error}")))?;
        loop {
            let mut changes = self.watch(&found)?;
            let ended = self.round(&found, config, &mut changes, &mut signals).await?;
            match ended {
                Why::Interrupted => return Ok(()),
                Why::Reconfigured => {}
            }
            (found, config) = loop {
                match self.read() {
                    Ok(read) => break read,
                    Err(failures) => {
                        failures.print(self.output.json);
                        Screen::new(&found, self.output).waiting()?;
                    }
                }
                tokio::select! {
                    _ = signals.next() => return Ok(()),
                    _ = changes.next() => {}
                }
            };
        }
    }

    fn read(&self) -> Result<(Vec<Found>, Config), Failures> {
        let found = found::components(&self.directory, &variable)?;
        self.write(&found)?;
        Ok((found, self.config()?))
    }

    /// Runs a host until somebody ends it or the components change.
    async fn round(
        &mut self,
        found: &[Found],
        config: Config,
        changes: &mut Changes,
        signals: &mut Signals,
    ) -> Result<Why, Failures> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, running) = oneshot::channel();
        // A sender that is gone asks for the end, too.
        let host = host::serve(config, async { drop(stopped.await) }, ready);
        let work = async {
            let running = tokio::select! {
                biased;
                _ = signals.next() => return Ok(Why::Interrupted),
                running = running => running,
            };
            let Ok(running) = running else {
                // It ended before it was ready; its own end says why.
                return pending().await;
            };
            let Some(address) = running.addresses.listen else {
                return Err(Failure::local(codes::SERVE_FAILED, "the host listens on no TCP address").into());
            };
            // Whoever calls from another terminal finds the host where it was.
            self.listen = address.to_string();
            let url = url_of(address, running.addresses.tls);
            let connect = ConnectFlags { host: Some(url.clone()), ..ConnectFlags::default() };
            let target = target::resolve(connect, self.file.clone())?;
            let screen = Screen::new(found, self.output);
            let ended = Session::new(&self.directory, found, screen, target, url).run(changes, signals).await;
            drop(stop);
            ended
        };
        let mut host = std::pin::pin!(host);
        let mut work = std::pin::pin!(work);
        let ended = tokio::select! {
            // It only ends by itself when it cannot go on.
            served = &mut host => return served.map(|()| Why::Interrupted).map_err(|error| serve::failure(&error)),
            ended = &mut work => ended,
        };
        host.await.map_err(|error| serve::failure(&error))?;
        ended
    }

    /// What the host reads: flags over the environment over a file, as `modrack serve` has it.
    fn config(&self) -> Result<Config, Failures> {
        let path = |name: &str| self.scratch.path().join(name).display().to_string();
        let mut sources = Sources::of_process(self.file.clone())
            .flag("--listen", "listen", self.listen.clone())
            .flag("--data-dir", "data_dir", path("host"))
            .flag("--components", "components_dir", path("components"));
        if !self.verbose {
            sources = sources.flag("--log-filter", "log.filter", QUIET_LOG);
        }
        Ok(Config::load(&sources)?.config)
    }

    /// Writes the components for the host. None is started by policy: after a failure the next change is worth a try, not the next second.
    fn write(&self, found: &[Found]) -> Result<(), Failure> {
        let directory = self.scratch.path().join("components");
        let refused = |error: std::io::Error| {
            Failure::local(codes::FILE_REFUSED, format!("`{}` cannot be written: {error}", directory.display()))
        };
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(refused)?;
        }
        fs::create_dir(&directory).map_err(refused)?;
        for component in found {
            let mut config = component.config.clone();
            config["restart_policy"]["mode"] = "never".into();
            let path = directory.join(format!("{}.json", component.id));
            fs::write(path, config.to_string()).map_err(refused)?;
        }
        Ok(())
    }

    fn watch(&self, found: &[Found]) -> Result<Changes, Failure> {
        let sources = found.iter().filter_map(|component| component.sources.clone());
        let roots = sources.filter(|path| path.is_dir()).chain([self.directory.clone()]).collect();
        Changes::watch(&without_inner(roots)).map_err(|error| {
            Failure::local(
                codes::DEV_UNWATCHED,
                format!("the files of `{}` cannot be watched: {error}", self.directory.display()),
            )
        })
    }
}

/// Directories without those that lie in another.
fn without_inner(directories: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let is_inner = |directory: &Path| directory.ancestors().skip(1).any(|outer| directories.contains(outer));
    directories.iter().filter(|directory| !is_inner(directory)).cloned().collect()
}
