//! `modrack components list`: a table, or an array of objects. Changes nothing.

use std::time::SystemTime;

use comfy_table::{Cell, Color};
use protocol::generated::host::v1 as pb;
use protocol::listing::components as listing;

use super::{age, colour_of};
use crate::client::Client;
use crate::failure::Failures;
use crate::output::{Output, cell, coloured};
use crate::target::Target;

/// Below this width module, kind and process go; `show` has them.
const ROOM_FOR_ALL: u16 = 100;
/// Below this width all goes but the state and what went wrong.
const ROOM_FOR_DETAILS: u16 = 72;

pub(crate) async fn run(target: &Target, output: &Output) -> Result<(), Failures> {
    let components = Client::connect(target).await?.list_components().await?;
    if output.json {
        return output.document(&components.iter().map(listing::component).collect());
    }
    if components.is_empty() {
        anstream::eprintln!(
            "no components\nhint: `modrack serve --components DIR` runs those of a directory, `--bundled` those that come with Modrack"
        );
        return Ok(());
    }
    output.line(&table(&components, SystemTime::now(), output))
}

fn table(components: &[pb::Component], now: SystemTime, output: &Output) -> String {
    let width = output.width().unwrap_or(u16::MAX);
    let (all, details) = (width >= ROOM_FOR_ALL, width >= ROOM_FOR_DETAILS);
    let mut headings = vec!["COMPONENT"];
    if all {
        headings.extend(["MODULE", "KIND"]);
    }
    headings.push("STATE");
    if details {
        headings.push("SINCE");
    }
    if all {
        headings.push("PID");
    }
    if details {
        headings.push("RESTARTS");
    }
    headings.push("LAST ERROR");
    let rows = components.iter().map(|component| {
        let mut row = vec![cell(&component.id)];
        if all {
            row.push(cell(&component.module_id));
            row.push(cell(listing::kind(component.kind())));
        }
        row.push(state(component));
        if details {
            row.push(cell(age(component.since.as_ref(), now)));
        }
        if all {
            row.push(cell(if component.pid == 0 { "-".into() } else { component.pid.to_string() }));
        }
        if details {
            row.push(cell(component.restarts.to_string()));
        }
        row.push(error(component));
        row
    });
    output.table(&headings, rows)
}

fn state(component: &pb::Component) -> Cell {
    let text = match component.state() {
        // Nobody has to wonder why it does not run.
        pb::ComponentState::Configured if !component.enabled => "disabled",
        state => listing::state(state),
    };
    match colour_of(component.state()) {
        Some(colour) => coloured(text, colour),
        None => cell(text),
    }
}

/// The code says what went wrong in short. What a ready component recovered from is past, and not coloured.
fn error(component: &pb::Component) -> Cell {
    match &component.last_error {
        Some(error) if component.state() == pb::ComponentState::Ready => cell(&error.code),
        Some(error) => cell(&error.code).fg(Color::Red),
        None => cell("-"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn component(id: &str, kind: pb::ComponentKind, state: pb::ComponentState) -> pb::Component {
        pb::Component {
            id: id.into(),
            module_id: id.split('-').next().unwrap_or_default().into(),
            kind: kind.into(),
            state: state.into(),
            enabled: true,
            since: Some(prost_types::Timestamp { seconds: 1000, nanos: 0 }),
            ..pb::Component::default()
        }
    }

    fn shown(width: u16) -> String {
        use pb::{ComponentKind as Kind, ComponentState as State};
        let error = |code: &str| Some(pb::ComponentFault { code: code.into(), ..pb::ComponentFault::default() });
        let components = [
            pb::Component { pid: 4711, ..component("arca", Kind::HttpLocalJson, State::Ready) },
            pb::Component {
                pid: 4712,
                restarts: 2,
                last_error: error("component.exited"),
                ..component("dator-http", Kind::HttpLocalJson, State::Degraded)
            },
            pb::Component {
                restarts: 3,
                last_error: error("component.restarts.exhausted"),
                since: None,
                ..component("text", Kind::GrpcLocal, State::Failed)
            },
            pb::Component { enabled: false, ..component("echo", Kind::CommandStdio, State::Configured) },
            component("odd\u{1b}[31m", Kind::Unspecified, State::Unspecified),
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + 135);
        table(&components, now, &Output::with_width(width))
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        insta::assert_snapshot!(shown(120), @"
        COMPONENT   MODULE    KIND             STATE     SINCE  PID   RESTARTS  LAST ERROR
        arca        arca      http_local_json  ready     2 min  4711  0         -
        dator-http  dator     http_local_json  degraded  2 min  4712  2         component.exited
        text        text      grpc_local       failed    -      -     3         component.restarts.exhausted
        echo        echo      command_stdio    disabled  2 min  -     0         -
        odd�[31m    odd�[31m  unknown          unknown   2 min  -     0         -
        ");
    }

    #[test]
    fn a_narrow_terminal_shows_states_and_errors() {
        insta::assert_snapshot!(shown(80), @"
        COMPONENT   STATE     SINCE  RESTARTS  LAST ERROR
        arca        ready     2 min  0         -
        dator-http  degraded  2 min  2         component.exited
        text        failed    -      3         component.restarts.exhausted
        echo        disabled  2 min  0         -
        odd�[31m    unknown   2 min  0         -
        ");
        insta::assert_snapshot!(shown(60), @"
        COMPONENT   STATE     LAST ERROR
        arca        ready     -
        dator-http  degraded  component.exited
        text        failed    component.restarts.exhausted
        echo        disabled  -
        odd�[31m    unknown   -
        ");
    }
}
