//! What `modrack dev` prints: the lines of all components as they come, and what happens to them. Decides nothing.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use protocol::generated::host::v1 as pb;
use protocol::listing::components as listing;
use serde_json::{Value, json};

use super::found::Found;
use crate::components::palette::Palette;
use crate::failure::{Failure, Failures, printable};
use crate::output::Output;

/// Who speaks where it is no component.
const HOST: &str = "host";

/// The terminal, or whoever reads the JSON.
pub(super) struct Screen<'o> {
    palette: Palette,
    output: &'o Output,
}

impl<'o> Screen<'o> {
    pub(super) fn new(found: &[Found], output: &'o Output) -> Self {
        let ids: Vec<_> = found.iter().map(|component| component.id.clone()).chain([HOST.to_owned()]).collect();
        Self { palette: Palette::new(&ids), output }
    }

    /// Once the host listens.
    pub(super) fn ready(&self, url: &str, found: &[Found]) -> Result<(), Failures> {
        if self.output.json {
            let components: Vec<_> = found.iter().map(|one| json!({ "id": one.id, "runs": one.about })).collect();
            return self.told(json!({ "event": "host", "listen": url, "components": components }));
        }
        for component in found {
            self.line(&component.id, Style::new().dimmed(), &component.about)?;
        }
        self.line(HOST, Style::new().bold(), &format!("MODRACK_HOST={url}"))?;
        let text =
            "call them from another terminal with that; a change of a file starts its component anew; Ctrl-C ends all";
        self.line(HOST, Style::new().dimmed(), text)
    }

    /// One line that a component wrote.
    pub(super) fn log(&self, id: &str, line: &pb::LogLine) -> Result<(), Failures> {
        if self.output.json {
            return self.told(json!({ "event": "log", "component": id, "line": listing::line(line) }));
        }
        self.line(id, Style::new(), &line.text)
    }

    /// A component is something else than it was.
    pub(super) fn state(&self, event: &pb::ComponentEvent) -> Result<(), Failures> {
        if self.output.json {
            let mut object = listing::event(event);
            object["event"] = "component".into();
            return self.told(object);
        }
        let Some(component) = &event.component else { return Ok(()) };
        let (style, sign) = match component.state() {
            pb::ComponentState::Ready => (AnsiColor::Green.on_default(), "●"),
            pb::ComponentState::Failed => (AnsiColor::Red.on_default(), "✗"),
            pb::ComponentState::Degraded => (AnsiColor::Yellow.on_default(), "●"),
            _ => (Style::new().dimmed(), "○"),
        };
        let state = listing::state(component.state());
        let more = match (component.state(), &component.last_error) {
            (pb::ComponentState::Failed, Some(error)) => {
                format!(": {} ({}); waits for a change", error.message, error.code)
            }
            (pb::ComponentState::Ready, _) if component.pid != 0 => format!(", pid {}", component.pid),
            (pb::ComponentState::Degraded, _) => format!(": {}", event.reason),
            _ => String::new(),
        };
        self.line(&component.id, style, &format!("{sign} {state}{more}"))
    }

    /// A module that was not there, or not of that type.
    pub(super) fn module(&self, module: &pb::Module) -> Result<(), Failures> {
        let text = format!("{}  {} -> {}", module.name, module.input_text, module.output_text);
        if self.output.json {
            return self.told(json!({ "event": "module", "name": module.name, "input": module.input_text, "output": module.output_text }));
        }
        self.line(HOST, Style::new(), &text)
    }

    /// Files changed, so that a component is started anew.
    pub(super) fn changed(&self, id: &str, files: &[String]) -> Result<(), Failures> {
        if self.output.json {
            return self.told(json!({ "event": "changed", "component": id, "files": files }));
        }
        let more = if files.len() > 3 { format!(" and {} more", files.len() - 3) } else { String::new() };
        let files = files.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        self.line(id, AnsiColor::Blue.on_default(), &format!("↻ {files}{more} changed"))
    }

    /// A component is ready again after a change.
    pub(super) fn restarted(&self, id: &str, took: Duration) -> Result<(), Failures> {
        if self.output.json {
            return Ok(());
        }
        self.line(id, Style::new().dimmed(), &format!("ready {:.2} s after the change", took.as_secs_f64()))
    }

    /// A component could not be started anew; its state says why, so this is for whatever else went wrong.
    pub(super) fn failed(&self, id: &str, failure: &Failure) -> Result<(), Failures> {
        if self.output.json {
            return self.told(json!({ "event": "failed", "component": id, "error": failure.json()["error"] }));
        }
        if failure.code().starts_with("component.") {
            return Ok(());
        }
        self.line(id, AnsiColor::Red.on_default(), &format!("✗ {failure}"))
    }

    /// Which components there are has changed.
    pub(super) fn reconfigured(&self, file: &str) -> Result<(), Failures> {
        if self.output.json {
            return self.told(json!({ "event": "reconfigured", "file": file }));
        }
        self.line(HOST, AnsiColor::Blue.on_default(), &format!("↻ {file} changed: all are started anew"))
    }

    /// What the files say cannot be used.
    pub(super) fn waiting(&self) -> Result<(), Failures> {
        if self.output.json {
            return self.told(json!({ "event": "waiting" }));
        }
        self.line(HOST, AnsiColor::Red.on_default(), "✗ nothing runs; waits for a change")
    }

    fn told(&self, event: Value) -> Result<(), Failures> {
        self.output.json_line(&event)
    }

    fn line(&self, id: &str, style: Style, text: &str) -> Result<(), Failures> {
        let (head, padded) = self.palette.head(&printable(id));
        let head = self.output.paint(head, &format!("{padded} │"));
        self.output.line(&format!("{head} {}", self.output.paint(style, &printable(text))))
    }
}
