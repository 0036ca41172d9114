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
