//! Bindings in Rust: structs and enums that derive the SDK's traits, and one struct a namespace. Decides every name and type;
//! the template holds the loops.

use std::collections::HashMap;

use serde::Serialize;
use type_schema::{CType, KeyType};

use super::MARK;
use super::model::{Input, Module, Named, Namespace};
use super::names::{Unique, identifier, screaming, snake, upper_camel};
use super::text;
use crate::error::Error;
use crate::files::Files;
use crate::render::Templates;

const TEMPLATES: &[(&str, &str)] = &[
    ("namespace.rs", include_str!("../../templates/bindings/namespace.rs.hbs")),
    ("mod.rs", include_str!("../../templates/bindings/mod.rs.hbs")),
];

/// Names that the file of a namespace uses without a path.
const TAKEN: [&str; 12] =
    ["Bool", "Box", "Clone", "Debug", "Err", "None", "Ok", "Option", "PartialEq", "Self", "String", "Vec"];
/// <https://doc.rust-lang.org/reference/keywords.html>, those of the future included.
const KEYWORDS: [&str; 53] = [
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super",
    "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use", "virtual", "where", "while",
    "yield",
];
/// Methods that a client has itself.
const METHODS: [&str; 5] = ["clone", "fmt", "into", "new", "with_options"];

#[derive(Serialize)]
struct Root {
    mark: &'static str,
    namespaces: Vec<Export>,
}

#[derive(Serialize)]
struct Export {
    file: String,
    class: String,
    /// The class, or `Class as Class_2`.
    import: String,
}

#[derive(Serialize)]
struct File {
    mark: &'static str,
    namespace: String,
    class: String,
    constants: Vec<Constant>,
    types: Vec<TypeView>,
    methods: Vec<Method>,
}

#[derive(Serialize)]
struct Constant {
    name: String,
    qualified: String,
    fingerprint: String,
    input: String,
    output: String,
}

#[derive(Serialize)]
struct TypeView {
    name: String,
    doc: String,
    /// `Record` for a struct, `Union` for an enum.
    derive: &'static str,
    keyword: &'static str,
    members: Vec<String>,
}

#[derive(Serialize)]
struct Method {
    name: String,
    doc: String,
    parameters: Vec<String>,
    argument: &'static str,
    constant: String,
    returns: String,
    call: &'static str,
}

pub(super) fn generate(namespaces: &[Namespace<'_>]) -> Result<Files, Error> {
    let templates = Templates::new(TEMPLATES)?;
    let mut files = Files::new();
    let mut stems = Unique::without(["mod"]);
    let mut classes = Unique::default();
    let mut exports = Vec::new();
    for namespace in namespaces {
        let stem = stems.escape(&identifier(namespace.name).to_ascii_lowercase(), &KEYWORDS);
        let file = file(namespace);
        let class = classes.take(&file.class);
        let import = if class == file.class { class.clone() } else { format!("{} as {class}", file.class) };
        exports.push(Export { file: stem.clone(), class, import });
        files.insert(format!("{stem}.rs"), templates.render("namespace.rs", &file)?);
    }
    files.insert("mod.rs", templates.render("mod.rs", &Root { mark: MARK, namespaces: exports })?);
    Ok(files)
}

/// Whether a type needs a declaration: a record with fields, a union.
fn is_declared(ctype: &CType) -> bool {
    match ctype {
        CType::Record(record) => !record.fields.is_empty(),
        CType::Union(_) => true,
        _ => false,
    }
}

fn file(namespace: &Namespace<'_>) -> File {
    let mut types_scope = Unique::without(TAKEN);
    let class = types_scope.take(&upper_camel(namespace.name));
    let mut values = Unique::default();
    let mut functions = Unique::without(METHODS);
    let mut constants = Vec::new();
    let mut types = Vec::new();
    let mut methods = Vec::new();
    for module in &namespace.modules {
        let signature = &module.locked.signature;
        let mut named = Named::new();
        named.add(&signature.input, &module.input_name(), &is_declared, &mut types_scope);
        named.add(&signature.output, &module.output_name(), &is_declared, &mut types_scope);
        types.extend(named.types.iter().map(|(name, ctype)| declaration(name, ctype, &named, module)));
        let constant = values.take(&screaming(module.local));
        let (parameter, input, argument) = input(module, &named);
        let output = rust_type(&signature.output, &named);
        constants.push(Constant {
            name: constant.clone(),
            qualified: module.qualified.to_owned(),
            fingerprint: signature.fingerprint(),
            input,
            output: output.clone(),
        });
        let stream = module.locked.capabilities.stream;
        methods.push(Method {
            name: functions.escape(&snake(module.local), &KEYWORDS),
            doc: doc(&text::of_module(module), "    "),
            parameters: parameter.into_iter().collect(),
            argument,
            constant,
            returns: if stream { format!("::modrack::CallStream<{output}>") } else { output },
            call: if stream { "stream_typed" } else { "call_typed" },
        });
    }
    File { mark: MARK, namespace: namespace.name.to_owned(), class, constants, types, methods }
}

/// The parameter of a method, the type of what is sent, and the argument.
fn input(module: &Module<'_>, named: &Named<'_>) -> (Option<String>, String, &'static str) {
    match module.input() {
        Input::Nothing => (None, "()".to_owned(), "&()"),
        Input::Fields(_) => {
            let sent = rust_type(&module.locked.signature.input, named);
            (Some(format!("input: &{sent}")), sent, "input")
        }
        Input::Value(ctype) => match ctype {
            CType::Int | CType::Float | CType::Bool => {
                let sent = rust_type(ctype, named);
                (Some(format!("value: {sent}")), sent, "&value")
            }
            CType::String => (Some("value: &str".to_owned()), "str".to_owned(), "value"),
            CType::List(item) => {
                let sent = format!("[{}]", rust_type(item, named));
                (Some(format!("value: &{sent}")), sent, "value")
            }
            _ => {
                let sent = rust_type(ctype, named);
                (Some(format!("value: &{sent}")), sent, "value")
            }
        },
    }
}

fn declaration(name: &str, ctype: &CType, named: &Named<'_>, module: &Module<'_>) -> TypeView {
    let role = if *ctype == module.locked.signature.input {
        format!("What `{}` takes.", module.qualified)
    } else if *ctype == module.locked.signature.output {
        format!("What `{}` gives.", module.qualified)
    } else {
        format!("A part of what `{}` takes or gives.", module.qualified)
    };
    let doc = doc(&[role], "");
    let name = name.to_owned();
    match ctype {
        CType::Record(record) => {
            let mut scope = Unique::default();
            let member = |field: &type_schema::Field| {
                let (ident, written) = field_name(&field.name, &mut scope);
                let rename = if ident == field.name {
                    String::new()
                } else {
                    format!("#[modrack(rename = \"{}\")]\n    ", field.name)
                };
                format!("{rename}pub {written}: {}", rust_type(&field.ctype, named))
            };
            let members = record.fields.iter().map(member).collect();
            TypeView { name, doc, derive: "Record", keyword: "struct", members }
        }
        CType::Union(variants) => {
            let same = |name| variants.iter().filter(|variant| variant_name(variant) == name).count();
            let mut seen: HashMap<&str, u32> = HashMap::new();
            let member = |variant: &CType| {
                let kind = variant_name(variant);
                let number = seen.entry(kind).and_modify(|number| *number += 1).or_insert(1);
                // Of several of one kind, each has its number.
                let number = if same(kind) > 1 { number.to_string() } else { String::new() };
                format!("{kind}{number}({})", rust_type(variant, named))
            };
            let members = variants.iter().map(member).collect();
            TypeView { name, doc, derive: "Union", keyword: "enum", members }
        }
        _ => unreachable!("only records and unions are declared"),
    }
}

/// The name of a field without and with the mark of a raw identifier.
fn field_name(name: &str, scope: &mut Unique) -> (String, String) {
    let ideal = snake(name);
    let raw = KEYWORDS.contains(&ideal.as_str()) && !["crate", "self", "super"].contains(&ideal.as_str());
    if raw {
        let ident = scope.take(&ideal);
        let written = format!("r#{ident}");
        return (ident, written);
    }
    let ident = scope.escape(&ideal, &KEYWORDS);
    (ident.clone(), ident)
}

fn variant_name(ctype: &CType) -> &'static str {
    match ctype {
        CType::String => "String",
        CType::Int => "Int",
        CType::Float => "Float",
        CType::Bool => "Bool",
        CType::Bytes => "Bytes",
        CType::Any => "Any",
        CType::List(_) => "List",
        CType::Map(..) => "Map",
        CType::Record(_) => "Record",
        CType::Union(_) => "Union",
        CType::Option(_) => "Option",
    }
}

/// The Rust type of a type: the one that the SDK's codec is implemented for.
fn rust_type(ctype: &CType, named: &Named<'_>) -> String {
    match ctype {
        CType::String => "String".to_owned(),
        CType::Int => "i64".to_owned(),
        CType::Float => "f64".to_owned(),
        CType::Bool => "bool".to_owned(),
        CType::Bytes => "::modrack::Bytes".to_owned(),
        CType::Any => "::modrack::Value".to_owned(),
        CType::List(item) => format!("Vec<{}>", rust_type(item, named)),
        CType::Map(key, value) => {
            let key = match key {
                KeyType::String => "String",
                KeyType::Int => "i64",
                KeyType::Bool => "bool",
            };
            format!("::std::collections::BTreeMap<{key}, {}>", rust_type(value, named))
        }
        CType::Option(value) => format!("Option<{}>", rust_type(value, named)),
        CType::Record(_) | CType::Union(_) => named.name(ctype).unwrap_or("()").to_owned(),
    }
}

/// Lines of a doc comment. What Markdown would take for code, and rustdoc for a test, is text here.
fn doc(lines: &[String], indent: &str) -> String {
    let line = |line: &String| {
        let line = line.trim_start().replace("```", "\\`\\`\\`").replace("~~~", "\\~\\~\\~");
        format!("{indent}/// {line}").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}
