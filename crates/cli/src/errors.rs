//! `modrack errors`: what a code means. Local; asks no host.

use host::config::FaultCode;
use serde_json::{Value, json};
use type_schema::{Code, TypeCode};

use crate::client::nearest;
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::output::{Output, cell};

/// One row, whoever owns the code.
struct Row {
    code: &'static str,
    category: &'static str,
    retryable: bool,
    hint: &'static str,
}

/// Of the host, then of values and types, then of the configuration, then of the command line.
fn rows() -> impl Iterator<Item = Row> + Clone {
    let host = protocol::codes::ALL.iter().map(|code| Row {
        code: code.name,
        category: code.category.as_str(),
        retryable: code.retryable,
        hint: code.hint,
    });
    let refused = |code, hint| Row { code, category: "INVALID_ARGUMENT", retryable: false, hint };
    let codec = Code::ALL.iter().map(move |code| refused(code.as_str(), code.describe()));
    let types = TypeCode::ALL.iter().map(move |code| refused(code.as_str(), code.describe()));
    let config = FaultCode::ALL.iter().map(|code| Row {
        code: code.as_str(),
        category: "CONFIGURATION",
        retryable: false,
        hint: code.about(),
    });
    let cli = codes::ALL.iter().map(|code| Row {
        code: code.name,
        category: "COMMAND_LINE",
        retryable: code.exit == crate::exit::Exit::Unavailable,
        hint: code.hint,
    });
    host.chain(codec).chain(types).chain(config).chain(cli)
}

fn json(row: &Row) -> Value {
    json!({ "code": row.code, "category": row.category, "retryable": row.retryable, "hint": row.hint })
}

pub(crate) fn run(code: Option<&str>, output: &Output) -> Result<(), Failures> {
    let Some(code) = code else {
        if output.json {
            return output.document(&rows().map(|row| json(&row)).collect());
        }
        let narrow = output.width().is_some_and(|width| width < 80);
        let headings: &[_] = if narrow { &["CODE", "HINT"] } else { &["CODE", "CATEGORY", "RETRY", "HINT"] };
        let rows = rows().map(|row| {
            let retry = if row.retryable { "yes" } else { "no" };
            let mut cells = vec![cell(row.code), cell(row.category), cell(retry), cell(row.hint)];
            if narrow {
                cells.drain(1..3);
            }
            cells
        });
        return output.line(&output.table(headings, rows));
    };
    let Some(row) = rows().find(|row| row.code == code) else {
        let failure = Failure::local(codes::CODE_UNKNOWN, format!("`{code}` is no code that this command knows"));
        return Err(match nearest(code, rows().map(|row| row.code)) {
            Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
            None => failure,
        }
        .into());
    };
    if output.json {
        return output.document(&json(&row));
    }
    let retry = if row.retryable { "the same request may succeed later" } else { "the same request fails again" };
    output.line(&format!("{}\n  category  {}\n  retry     {retry}\n  hint      {}", row.code, row.category, row.hint))
}
