//! `modrack modules list`: a table, or an array of objects. Changes nothing.

use comfy_table::Color;
use protocol::generated::host::v1 as pb;

use crate::client::Client;
use crate::failure::Failures;
use crate::modules::view;
use crate::output::{Output, cell, coloured};
use crate::target::Target;

/// Below this width the types go; `show` has them.
const ROOM_FOR_TYPES: u16 = 100;
/// Below this width all goes that a call does not need.
const ROOM_FOR_DETAILS: u16 = 64;

pub(crate) async fn run(target: &Target, pattern: &str, output: &Output) -> Result<(), Failures> {
    let modules = Client::connect(target).await?.list(pattern).await?;
    if output.json {
        return output.document(&modules.iter().map(view::json).collect());
    }
    if modules.is_empty() {
        let (what, hint) = match pattern {
            "" => ("no modules".to_owned(), format!("start a provider with MODRACK_HOST={}", target.as_str())),
            pattern => (format!("no module matches `{pattern}`"), "`modrack modules list` shows all".to_owned()),
        };
        anstream::eprintln!("{what}\nhint: {hint}");
        return Ok(());
    }
    output.line(&table(&modules, output))
}

fn table(modules: &[pb::Module], output: &Output) -> String {
    let width = output.width().unwrap_or(u16::MAX);
    let (types, details) = (width >= ROOM_FOR_TYPES, width >= ROOM_FOR_DETAILS);
    let mut headings = vec!["MODULE"];
    if types {
        headings.push("TYPE");
    }
    if details {
        headings.extend(["VERSION", "LANGUAGE", "PLANE"]);
    }
    headings.extend(["PROVIDERS", "STATE"]);
    let rows = modules.iter().map(|module| {
        let mut row = vec![cell(&module.name)];
        if types {
            row.push(cell(view::signature(module)));
        }
        if details {
            row.push(cell(format!("{} r{}", module.version, module.revision)));
            row.push(cell(view::joined(module, view::language)));
            row.push(cell(view::joined(module, |endpoint| view::plane(endpoint.plane()).into())));
        }
        row.push(cell(module.endpoints.len().to_string()));
        row.push(state_cell(module));
        row
    });
    output.table(&headings, rows)
}

fn state_cell(module: &pb::Module) -> comfy_table::Cell {
    let state = view::best_state(module);
    coloured(state, if state == "ready" { Color::Green } else { Color::Yellow })
}

#[cfg(test)]
mod tests {
    use protocol::generated::provider::v1::{DataPlane, ProviderInfo};

    use super::*;

    fn module(name: &str, input: &str, endpoints: &[(&str, DataPlane, pb::SessionState)]) -> pb::Module {
        let endpoint = |&(language, plane, state): &(&str, DataPlane, pb::SessionState)| pb::Endpoint {
            plane: plane.into(),
            state: state.into(),
            info: Some(ProviderInfo { language: language.into(), ..ProviderInfo::default() }),
            ..pb::Endpoint::default()
        };
        pb::Module {
            name: name.into(),
            input_text: input.into(),
            output_text: "String".into(),
            version: "1.2.0".into(),
            revision: 3,
            endpoints: endpoints.iter().map(endpoint).collect(),
            ..pb::Module::default()
        }
    }

    fn shown(width: u16) -> String {
        let (ready, draining) = (pb::SessionState::Ready, pb::SessionState::Draining);
        let modules = [
            module("text.Uppercase", "{text: String}", &[("python", DataPlane::Link, ready)]),
            module(
                "text.Replace",
                "{text: String, find: String, replace: String}",
                &[
                    ("rust", DataPlane::Unary, draining),
                    ("", DataPlane::Attach, ready),
                    ("rust", DataPlane::Unary, ready),
                ],
            ),
            module("odd\u{1b}[31m.Name", "Any", &[("", DataPlane::Unspecified, pb::SessionState::Pending)]),
        ];
        table(&modules, &Output::with_width(width))
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        insta::assert_snapshot!(shown(120), @r"
        MODULE          TYPE                                                VERSION   LANGUAGE  PLANE         PROVIDERS  STATE
        text.Uppercase  {text: String} -> String                            1.2.0 r3  python    link          1          ready
        text.Replace    {text: String, find: String, replace: String} ->    1.2.0 r3  rust      attach,unary  3          ready
                        String
        odd�[31m.Name   Any -> String                                       1.2.0 r3  -         -             1          pending
        ");
    }

    #[test]
    fn types_are_broken_to_the_width_as_long_as_there_is_room_for_them() {
        insta::assert_snapshot!(shown(100), @r"
        MODULE          TYPE                            VERSION   LANGUAGE  PLANE         PROVIDERS  STATE
        text.Uppercase  {text: String} -> String        1.2.0 r3  python    link          1          ready
        text.Replace    {text: String, find: String,    1.2.0 r3  rust      attach,unary  3          ready
                        replace: String} -> String
        odd�[31m.Name   Any -> String                   1.2.0 r3  -         -             1          pending
        ");
    }

    #[test]
    fn a_narrow_terminal_shows_what_a_call_needs() {
        insta::assert_snapshot!(shown(80), @r"
        MODULE          VERSION   LANGUAGE  PLANE         PROVIDERS  STATE
        text.Uppercase  1.2.0 r3  python    link          1          ready
        text.Replace    1.2.0 r3  rust      attach,unary  3          ready
        odd�[31m.Name   1.2.0 r3  -         -             1          pending
        ");
        insta::assert_snapshot!(shown(40), @r"
        MODULE          PROVIDERS  STATE
        text.Uppercase  1          ready
        text.Replace    3          ready
        odd�[31m.Name   1          pending
        ");
    }
}
