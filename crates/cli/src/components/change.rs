//! `modrack components start|stop|restart`: one component after the other, each waited for. Ends at the first failure.

use protocol::generated::host::v1 as pb;
use protocol::listing::components as listing;

use super::colour_of;
use crate::client::Client;
use crate::failure::{Failure, Failures, printable};
use crate::output::{Output, ansi};
use crate::target::Target;

/// What is done to each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Start,
    Stop,
    Restart,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }

    async fn of(self, client: &Client, id: &str) -> Result<pb::Component, Failure> {
        match self {
            Self::Start => client.start_component(id).await,
            Self::Stop => client.stop_component(id).await,
            Self::Restart => client.restart_component(id).await,
        }
    }
}

pub(crate) async fn run(target: &Target, change: Change, ids: &[String], output: &Output) -> Result<(), Failures> {
    let client = Client::connect(target).await?;
    // A slip in the last id must not leave the first ones changed. The failure names the nearest id.
    let known = client.list_components().await?;
    for id in ids.iter().filter(|id| !known.iter().any(|component| component.id == **id)) {
        client.get_component(id).await?;
    }
    for (done, id) in ids.iter().enumerate() {
        let component = change.of(&client, id).await.map_err(|failure| told(failure, change, id, &ids[done + 1..]))?;
        if output.json {
            output.json_line(&listing::component(&component))?;
        } else {
            output.line(&line(&component, output))?;
        }
    }
    Ok(())
}

fn line(component: &pb::Component, output: &Output) -> String {
    let state = listing::state(component.state());
    let state = colour_of(component.state()).map_or(state.to_owned(), |colour| output.paint(ansi(colour), state));
    let pid = if component.pid == 0 { String::new() } else { format!("  pid {}", component.pid) };
    format!("{}  {state}{pid}", printable(&component.id))
}

/// The failure of one, with where to look and which ones were not reached.
fn told(failure: Failure, change: Change, id: &str, rest: &[String]) -> Failure {
    if !failure.code().starts_with("component.") || failure.exit() == crate::exit::Exit::NotFound {
        return failure;
    }
    let mut hint = format!("`modrack components show {id}` says why, `modrack components logs {id}` what it wrote");
    if !rest.is_empty() {
        hint.push_str(&format!(
            "; then `modrack components {} {id} {}`: those are as they were",
            change.as_str(),
            rest.join(" ")
        ));
    }
    failure.hint(hint)
}
