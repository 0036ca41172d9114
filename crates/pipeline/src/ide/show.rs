//! Types, modules and functions as an editor shows them: signatures and Markdown. Looks nothing up.

use type_schema::CType;

use crate::catalog::ModuleSignature;
use crate::stdlib::Function;

/// The longest type on one line.
const LINE: usize = 72;

/// A type as text, over several lines where it is a long record.
pub(super) fn pretty(ty: &CType) -> String {
    let mut text = String::new();
    write(ty, 0, &mut text);
    text
}

fn write(ty: &CType, depth: usize, text: &mut String) {
    let flat = ty.to_string();
    let (open, inner, close) = match ty {
        _ if flat.len() + 2 * depth <= LINE => return text.push_str(&flat),
        CType::List(item) => ("List<", &**item, ">"),
        CType::Option(item) => ("Option<", &**item, ">"),
        CType::Record(record) => {
            text.push_str("{\n");
            for field in &record.fields {
                text.push_str(&"  ".repeat(depth + 1));
                text.push_str(&field.name);
                text.push_str(": ");
                write(&field.ctype, depth + 1, text);
                text.push_str(",\n");
            }
            text.push_str(&"  ".repeat(depth));
            return text.push('}');
        }
        _ => return text.push_str(&flat),
    };
    text.push_str(open);
    write(inner, depth, text);
    text.push_str(close);
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// `None` for one of the standard library, whose type depends on the arguments.
    pub(super) ty: Option<CType>,
}

/// The parameters of a module: one for each field of a record, else one that is the input.
pub(super) fn parameters(module: &ModuleSignature) -> Vec<Parameter> {
    match &module.input {
        CType::Record(record) => {
            let parameter =
                |field: &type_schema::Field| Parameter { name: field.name.clone(), ty: Some(field.ctype.clone()) };
            record.fields.iter().map(parameter).collect()
        }
        other => vec![Parameter { name: "input".to_owned(), ty: Some(other.clone()) }],
    }
}

/// `(text: String, times: Option<Int>) -> String`
pub(super) fn signature(module: &ModuleSignature) -> String {
    let parameters = parameters(module).into_iter();
    let shown: Vec<_> = parameters
        .map(|one| format!("{}: {}", one.name, one.ty.map_or_else(String::new, |ty| ty.to_string())))
        .collect();
    format!("({}) -> {}", shown.join(", "), module.output)
}

/// A module in Markdown: signature, description, what it offers.
pub(super) fn module(module: &ModuleSignature) -> String {
    let short = format!("{}{}", module.name, signature(module));
    let long = || {
        let parameters = parameters(module).into_iter();
        let lines = parameters.map(|one| {
            format!("  {}: {},\n", one.name, one.ty.map_or_else(String::new, |ty| pretty(&ty).replace('\n', "\n  ")))
        });
        format!("{}(\n{}) -> {}", module.name, lines.collect::<String>(), pretty(&module.output))
    };
    let head = code(&if short.len() <= LINE { short } else { long() });
    let mut facts = Vec::new();
    if !module.language.is_empty() {
        facts.push(format!("provided in {}", module.language));
    }
    for (offered, name) in [(module.idempotent, "idempotent"), (module.batch, "batch")] {
        if offered {
            facts.push(format!("`{name}`"));
        }
    }
    if module.stream {
        facts.push("gives a stream, which no pipeline can call".to_owned());
    }
    paragraphs([head, module.description.to_string(), facts.join(" · ")])
}

/// A function of the standard library in Markdown.
pub(super) fn function(name: &str, signature: &str, description: &str) -> String {
    paragraphs([code(&format!("{name}{signature}")), description.to_owned(), "standard library".to_owned()])
}

/// The same of one in the table.
pub(super) fn std_function(one: &Function) -> String {
    function(&one.qualified(), one.signature, one.description)
}

/// A block of the language.
pub(super) fn code(text: &str) -> String {
    format!("```cst\n{text}\n```")
}

/// Those that say something, apart from each other.
pub(super) fn paragraphs(texts: impl IntoIterator<Item = String>) -> String {
    let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    texts.join("\n\n")
}
