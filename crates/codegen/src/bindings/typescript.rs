//! Bindings in TypeScript: types written with `t.*`, whose static types the compiler infers, and one class a namespace. Decides
//! every name and expression; the template holds the loops.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use type_schema::{CType, KeyType};

use super::MARK;
use super::model::{Input, Module, Named, Namespace, visit};
use super::names::{Unique, identifier, upper_camel};
use super::text;
use crate::error::Error;
use crate::files::Files;
use crate::render::Templates;
use crate::typescript::names::comment;

const TEMPLATES: &[(&str, &str)] = &[
    ("namespace.ts", include_str!("../../templates/bindings/namespace.ts.hbs")),
    ("index.ts", include_str!("../../templates/bindings/index.ts.hbs")),
];

/// What a file of bindings imports or takes from the language.
const TAKEN: [&str; 12] = [
    "Accepted",
    "AsyncGenerator",
    "CallOptions",
    "Client",
    "Infer",
    "Map",
    "Object",
    "Promise",
    "TypedModule",
    "TypedStream",
    "modules",
    "t",
];
/// Members that every object has or that give it a meaning of its own: a `then` would make a client a promise.
const MEMBERS: [&str; 8] =
    ["constructor", "hasOwnProperty", "isPrototypeOf", "then", "toJSON", "toLocaleString", "toString", "valueOf"];

#[derive(Serialize)]
struct Index {
    mark: &'static str,
    exports: Vec<Export>,
}

#[derive(Serialize)]
struct Export {
    class: String,
    file: String,
}

#[derive(Serialize)]
struct File {
    mark: &'static str,
    namespace: String,
    class: String,
    imports: Vec<&'static str>,
    types: Vec<TypeView>,
    methods: Vec<Method>,
}

/// A constant that is a type, and the static type of its values under the same name.
#[derive(Serialize)]
struct TypeView {
    name: String,
    doc: String,
    /// The fields of a record, one a line; none for any other type.
    fields: Option<Vec<String>>,
    expression: String,
    /// `Accepted` for what goes out, `Infer` for what comes in.
    view: &'static str,
}

#[derive(Serialize)]
struct Method {
    name: String,
    qualified: String,
    doc: String,
    input: String,
    output: String,
    /// Its first parameter with its default; none where there is nothing to give.
    parameter: Option<String>,
    argument: &'static str,
    returns: String,
    call: &'static str,
    /// `TypedModule`, or `TypedStream`.
    class: &'static str,
}

pub(super) fn generate(namespaces: &[Namespace<'_>]) -> Result<Files, Error> {
    let templates = Templates::new(TEMPLATES)?;
    let mut files = Files::new();
    let mut stems = Unique::without(["index"]);
    let mut classes = Unique::default();
    let mut exports = Vec::new();
    for namespace in namespaces {
        let stem = stems.take(&identifier(namespace.name).to_ascii_lowercase());
        let file = file(namespace);
        // Two namespaces may have one class name; in the index each needs its own.
        exports.push(Export { class: export(&file.class, &mut classes), file: stem.clone() });
        files.insert(format!("{stem}.ts"), templates.render("namespace.ts", &file)?);
    }
    files.insert("index.ts", templates.render("index.ts", &Index { mark: MARK, exports })?);
    Ok(files)
}

fn export(class: &str, taken: &mut Unique) -> String {
    let name = taken.take(class);
    if name == class { name } else { format!("{class} as {name}") }
}

/// For each named type, what the static type under its name is of: `Accepted` or `Infer`.
type Views = HashMap<String, &'static str>;

/// Whether the whole input or output of a module needs a type of its own: every one that has parts.
fn needs_name(ctype: &CType) -> bool {
    match ctype {
        CType::String | CType::Int | CType::Float | CType::Bool | CType::Bytes | CType::Any => false,
        CType::Record(record) => !record.fields.is_empty(),
        CType::List(_) | CType::Map(..) | CType::Option(_) | CType::Union(_) => true,
    }
}

fn file(namespace: &Namespace<'_>) -> File {
    let mut globals = Unique::without(TAKEN);
    let class = globals.take(&upper_camel(namespace.name));
    let mut members = Unique::without(MEMBERS);
    let mut types = Vec::new();
    let mut methods = Vec::new();
    let mut imports: HashSet<&'static str> = ["CallOptions", "Client", "t"].into();
    for module in &namespace.modules {
        let signature = &module.locked.signature;
        let mut named = Named::new();
        let (input_root, output_root) = (&signature.input, &signature.output);
        let wanted = |ctype: &CType| matches!(ctype, CType::Record(record) if !record.fields.is_empty());
        let is_input = |ctype: &CType| wanted(ctype) || (needs_name(ctype) && ctype == input_root);
        if !matches!(module.input(), Input::Nothing) {
            named.add(input_root, &module.input_name(), &is_input, &mut globals);
        }
        let outgoing = named.types.len();
        let is_output = |ctype: &CType| wanted(ctype) || (needs_name(ctype) && ctype == output_root);
        named.add(output_root, &module.output_name(), &is_output, &mut globals);
        let mut coming = HashSet::new();
        visit(output_root, &mut |part| {
            coming.insert(part.clone());
        });
        let mut views = HashMap::new();
        for (i, (name, ctype)) in named.types.iter().enumerate() {
            let view = if i < outgoing && !coming.contains(*ctype) { "Accepted" } else { "Infer" };
            imports.insert(view);
            views.insert(name.clone(), view);
            types.push(type_view(name, ctype, &named, module, view));
        }
        let method = method(module, &named, &views, members.escape(&identifier(module.local), &MEMBERS));
        for view in ["Accepted", "Infer"] {
            let written = |text: &str| text.contains(&format!("{view}<"));
            if written(&method.returns) || method.parameter.as_deref().is_some_and(written) {
                imports.insert(view);
            }
        }
        imports.insert(method.class);
        methods.push(method);
    }
    let order = ["type Accepted", "type CallOptions", "type Client", "type Infer", "TypedModule", "TypedStream", "t"];
    let wanted = |import: &&str| imports.contains(import.trim_start_matches("type "));
    File {
        mark: MARK,
        namespace: namespace.name.to_owned(),
        class,
        imports: order.into_iter().filter(wanted).collect(),
        types,
        methods,
    }
}

fn type_view(name: &str, ctype: &CType, named: &Named<'_>, module: &Module<'_>, view: &'static str) -> TypeView {
    let role = if *ctype == module.locked.signature.input {
        format!("What `{}` takes.", module.qualified)
    } else if *ctype == module.locked.signature.output {
        format!("What `{}` gives.", module.qualified)
    } else {
        format!("A part of what `{}` takes or gives.", module.qualified)
    };
    let fields = match ctype {
        CType::Record(record) => {
            let line =
                |field: &type_schema::Field| format!("{}: {}", property(&field.name), expression(&field.ctype, named));
            Some(record.fields.iter().map(line).collect())
        }
        _ => None,
    };
    let expression = if fields.is_some() { String::new() } else { parts(ctype, named) };
    TypeView { name: name.to_owned(), doc: comment(&[role], ""), fields, expression, view }
}

fn method(module: &Module<'_>, named: &Named<'_>, views: &Views, name: String) -> Method {
    let signature = &module.locked.signature;
    let (parameter, argument) = match module.input() {
        Input::Nothing => (None, "{}"),
        Input::Fields(fields) => {
            let all_optional = fields.iter().all(|field| field.ctype.is_option());
            let default = if all_optional { " = {}" } else { "" };
            (Some(format!("input: {}{default}", accepted(&signature.input, named, views))), "input")
        }
        Input::Value(ctype) => {
            let parameter = format!("value: {}", accepted(ctype, named, views));
            // A client takes `undefined` for an input that was left out.
            (Some(parameter), if ctype.is_option() { "value ?? null" } else { "value" })
        }
    };
    let output = value(&signature.output, named, views);
    let stream = module.locked.capabilities.stream;
    Method {
        name,
        qualified: module.qualified.to_owned(),
        doc: comment(&text::of_module(module), "  "),
        input: expression(&signature.input, named),
        output: expression(&signature.output, named),
        parameter,
        argument,
        returns: if stream {
            format!("AsyncGenerator<{output}, void, undefined>")
        } else {
            format!("Promise<{output}>")
        },
        call: if stream { "stream" } else { "call" },
        class: if stream { "TypedStream" } else { "TypedModule" },
    }
}

/// The static type of what comes in.
fn value(ctype: &CType, named: &Named<'_>, views: &Views) -> String {
    let plain = match ctype {
        CType::String => "string",
        CType::Int => "number | bigint",
        CType::Float => "number",
        CType::Bool => "boolean",
        CType::Bytes => "Uint8Array",
        CType::Any => "Infer<typeof t.any>",
        _ => return named.name(ctype).map_or("Record<string, never>".to_owned(), |name| seen_as("Infer", name, views)),
    };
    plain.to_owned()
}

/// The static type of what is accepted where it goes out.
fn accepted(ctype: &CType, named: &Named<'_>, views: &Views) -> String {
    match ctype {
        CType::Float => "Accepted<typeof t.float>".to_owned(),
        CType::Any => "Accepted<typeof t.any>".to_owned(),
        _ => named.name(ctype).map_or_else(|| value(ctype, named, views), |name| seen_as("Accepted", name, views)),
    }
}

/// One view of a named type: its name where that is the view that the name has.
fn seen_as(view: &str, name: &str, views: &Views) -> String {
    if views.get(name) == Some(&view) { name.to_owned() } else { format!("{view}<typeof {name}>") }
}

/// The type as an expression: by its name where it has one.
fn expression(ctype: &CType, named: &Named<'_>) -> String {
    named.name(ctype).map_or_else(|| parts(ctype, named), str::to_owned)
}

/// The type as an expression of its parts.
fn parts(ctype: &CType, named: &Named<'_>) -> String {
    match ctype {
        CType::String => "t.string".to_owned(),
        CType::Int => "t.int".to_owned(),
        CType::Float => "t.float".to_owned(),
        CType::Bool => "t.bool".to_owned(),
        CType::Bytes => "t.bytes".to_owned(),
        CType::Any => "t.any".to_owned(),
        CType::List(item) => format!("t.list({})", expression(item, named)),
        CType::Map(key, item) => {
            let key = match key {
                KeyType::String => "t.string",
                KeyType::Int => "t.int",
                KeyType::Bool => "t.bool",
            };
            format!("t.map({key}, {})", expression(item, named))
        }
        CType::Option(item) => format!("t.option({})", expression(item, named)),
        CType::Union(variants) => {
            let variants: Vec<_> = variants.iter().map(|variant| expression(variant, named)).collect();
            format!("t.union({})", variants.join(", "))
        }
        // Every other record has a name.
        CType::Record(_) => "t.record({})".to_owned(),
    }
}

/// The name of a field as a key of an object literal.
fn property(name: &str) -> String {
    match name {
        // As a plain key it would set the prototype.
        "__proto__" => "[\"__proto__\"]".to_owned(),
        _ if name.contains('-') => format!("\"{name}\""),
        _ => name.to_owned(),
    }
}
