//! `modrack modules show`: everything that the host knows of one module. Changes nothing.

use std::fmt::Write as _;

use anstyle::Style;
use protocol::generated::host::v1 as pb;
use type_schema::{CType, Record};

use crate::client::Client;
use crate::failure::{Failures, printable};
use crate::modules::view;
use crate::output::{Output, cell};
use crate::target::Target;

pub(crate) async fn run(target: &Target, name: &str, output: &Output) -> Result<(), Failures> {
    let module = Client::connect(target).await?.get(name).await?;
    if output.json {
        return output.document(&view::json(&module));
    }
    output.line(&describe(&module, output))?;
    let rows = module.endpoints.iter().map(|endpoint| {
        let info = endpoint.info.clone().unwrap_or_default();
        let dash = |text: &str| cell(if text.is_empty() { "-" } else { text });
        vec![
            dash(&endpoint.service_id),
            dash(&endpoint.group_id),
            dash(&info.language),
            dash(&info.sdk),
            cell(if info.pid == 0 { "-".into() } else { info.pid.to_string() }),
            dash(view::plane(endpoint.plane())),
            dash(view::state(endpoint.state())),
            dash(&endpoint.session_id),
        ]
    });
    let headings = ["PROVIDER", "GROUP", "LANGUAGE", "SDK", "PID", "PLANE", "STATE", "SESSION"];
    output.line(&output.table(&headings, rows))
}

fn describe(module: &pb::Module, output: &Output) -> String {
    let mut text = output.paint(Style::new().bold(), &printable(&module.name));
    writeln!(text, "  {} r{}", printable(&module.version), module.revision).expect("a String takes all text");
    let mut line = |label: &str, value: &str| {
        writeln!(text, "  {label:<14}{}", printable(value)).expect("a String takes all text");
    };
    if !module.description.is_empty() {
        for (i, part) in module.description.lines().enumerate() {
            line(if i == 0 { "description" } else { "" }, part);
        }
    }
    line("input", &module.input_text);
    line("output", &module.output_text);
    let offers = view::capabilities(module);
    if !offers.is_empty() {
        line("capabilities", &offers.join(", "));
    }
    line("fingerprint", &module.schema_fingerprint);
    for example in &module.examples {
        let (input, output) = view::example(module, example);
        line("example", &format!("{input} -> {output}"));
    }
    if let Some(call) = sample_call(module) {
        line("call", &call);
    }
    text
}

/// A command line that calls the module, with the fields to be filled in.
fn sample_call(module: &pb::Module) -> Option<String> {
    let input = protocol::schema::from_proto(module.input.clone(), "input").ok()?;
    let args = match &input {
        CType::Record(record) => record_args(record),
        _ => " --arg input=…".into(),
    };
    Some(format!("modrack modules call {}{args}", module.name))
}

fn record_args(record: &Record) -> String {
    let required = record.fields.iter().filter(|field| !field.ctype.is_option());
    required.map(|field| format!(" --arg {}=…", field.name)).collect()
}
