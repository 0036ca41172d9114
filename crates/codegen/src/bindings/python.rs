//! Bindings in Python: frozen dataclasses, and two classes a namespace, for `AsyncClient` and for `Client`. Decides every name
//! and annotation; the template holds the loops.

use std::collections::HashSet;

use serde::Serialize;
use type_schema::{CType, KeyType};

use super::MARK;
use super::model::{Input, Module, Named, Namespace, visit};
use super::names::{Unique, identifier, screaming, upper_camel};
use super::text;
use crate::error::Error;
use crate::files::Files;
use crate::python::names::{docstring, is_keyword};
use crate::render::Templates;

const TEMPLATES: &[(&str, &str)] = &[
    ("namespace.py", include_str!("../../templates/bindings/namespace.py.hbs")),
    ("init.py", include_str!("../../templates/bindings/init.py.hbs")),
];

/// What annotations in a class refer to; an attribute or method of the same name would stand in their way.
const ANNOTATIONS: [&str; 14] = [
    "Any",
    "AsyncGenerator",
    "Generator",
    "Variant",
    "bool",
    "bytes",
    "dict",
    "float",
    "int",
    "list",
    "property",
    "str",
    "super",
    "type",
];
/// What a module of bindings imports or defines besides.
const IMPORTED: [&str; 4] = ["AsyncClient", "Client", "TypedModule", "dataclass"];
/// Names of a client class itself.
const MEMBERS: [&str; 1] = ["_client"];
/// Parameters that every method has besides the input.
const OPTIONS: [&str; 3] = ["self", "timeout", "idempotency_key"];

/// `__init__.py`.
#[derive(Serialize)]
struct Init {
    mark: &'static str,
}

/// The file of a namespace.
#[derive(Serialize)]
struct File {
    mark: &'static str,
    namespace: String,
    imports: Vec<String>,
    records: Vec<RecordView>,
    modules: Vec<ModuleView>,
    classes: Vec<ClassView>,
}

#[derive(Serialize)]
struct RecordView {
    name: String,
    doc: String,
    /// `text: str`, `count: int | None = None`.
    fields: Vec<String>,
}

#[derive(Serialize)]
struct ModuleView {
    constant: String,
    qualified: String,
    output: String,
    input_text: String,
    output_text: String,
    /// Each record in the types: its text and its class.
    records: Vec<Pair>,
}

#[derive(Serialize)]
struct Pair {
    key: String,
    value: String,
}

#[derive(Serialize)]
struct ClassView {
    name: String,
    doc: String,
    client: &'static str,
    methods: Vec<Method>,
}

#[derive(Serialize, Clone)]
struct Method {
    define: &'static str,
    name: String,
    parameters: Vec<String>,
    returns: String,
    doc: String,
    call: &'static str,
    constant: String,
    /// The fields of the input with their parameters; none where `value` is the input.
    fields: Option<Vec<String>>,
    value: &'static str,
}

pub(super) fn generate(namespaces: &[Namespace<'_>]) -> Result<Files, Error> {
    let templates = Templates::new(TEMPLATES)?;
    let mut files = Files::new();
    let mut stems = Unique::without(["__init__"]);
    for namespace in namespaces {
        let stem = stems.take(&word(&identifier(namespace.name).to_ascii_lowercase()));
        files.insert(format!("{stem}.py"), templates.render("namespace.py", &file(namespace))?);
    }
    files.insert("__init__.py", templates.render("init.py", &Init { mark: MARK })?);
    Ok(files)
}

fn file(namespace: &Namespace<'_>) -> File {
    let mut globals = Unique::without(ANNOTATIONS.into_iter().chain(IMPORTED));
    let class = globals.take(&upper_camel(namespace.name));
    let blocking = globals.take(&format!("Blocking{class}"));

    let mut names = Vec::new();
    for module in &namespace.modules {
        let mut named = Named::new();
        let is_record = |ctype: &CType| matches!(ctype, CType::Record(_));
        match module.input() {
            Input::Nothing => {}
            Input::Fields(fields) => {
                for field in fields {
                    let place = module.input_name() + &upper_camel(&field.name);
                    named.add(&field.ctype, &place, &is_record, &mut globals);
                }
            }
            Input::Value(ctype) => named.add(ctype, &module.input_name(), &is_record, &mut globals),
        }
        named.add(&module.locked.signature.output, &module.output_name(), &is_record, &mut globals);
        names.push(named);
    }
    let classes_of_records: Vec<_> =
        names.iter().flat_map(|named| named.types.iter().map(|(name, _)| name.as_str())).collect();

    let mut records = Vec::new();
    let mut modules = Vec::new();
    let mut methods = Vec::new();
    let mut members = Unique::without(MEMBERS.into_iter().chain(classes_of_records.iter().copied()));
    let mut imports = Imports::default();
    let mut constants = Vec::new();
    for module in &namespace.modules {
        constants.push(globals.take(&format!("_{}", screaming(module.local))));
    }
    for ((module, named), constant) in namespace.modules.iter().zip(&names).zip(&constants) {
        records.extend(named.types.iter().map(|(name, ctype)| record(name, ctype, named, &classes_of_records, module)));
        let signature = &module.locked.signature;
        imports.note(&signature.input);
        imports.note(&signature.output);
        imports.streams |= module.locked.capabilities.stream;
        let nested: Vec<&CType> = match module.input() {
            Input::Nothing => vec![&signature.output],
            Input::Fields(fields) => fields.iter().map(|f| &f.ctype).chain([&signature.output]).collect(),
            Input::Value(value) => vec![value, &signature.output],
        };
        modules.push(ModuleView {
            constant: constant.clone(),
            qualified: module.qualified.to_owned(),
            output: annotation(&signature.output, named),
            input_text: signature.input.to_string(),
            output_text: signature.output.to_string(),
            records: named
                .within(&nested)
                .into_iter()
                .map(|(name, ctype)| Pair { key: ctype.to_string(), value: name.clone() })
                .collect(),
        });
        let name = members.escape(&word(&identifier(module.local)), &ANNOTATIONS);
        methods.push(method(module, named, name, constant, &constants));
    }
    imports.records = !records.is_empty();
    let is_async = |method: &Method| method.define == "async def";
    let blocking_methods = methods
        .iter()
        .map(|method| Method {
            define: "def",
            returns: if is_async(method) { method.returns.clone() } else { blocking_stream(&method.returns) },
            call: if is_async(method) { "return self._client.call_typed" } else { method.call },
            ..method.clone()
        })
        .collect();
    File {
        mark: MARK,
        namespace: namespace.name.to_owned(),
        imports: imports.lines(),
        records,
        modules,
        classes: vec![
            ClassView {
                name: class,
                doc: format!("Modules of `{}` through an `AsyncClient`.", namespace.name),
                client: "AsyncClient",
                methods,
            },
            ClassView {
                name: blocking,
                doc: format!("Modules of `{}` through a `Client`, from threads.", namespace.name),
                client: "Client",
                methods: blocking_methods,
            },
        ],
    }
}

fn record(name: &str, ctype: &CType, named: &Named<'_>, classes: &[&str], module: &Module<'_>) -> RecordView {
    let CType::Record(record) = ctype else { unreachable!("only records are named") };
    let reserved: Vec<&str> = ANNOTATIONS.into_iter().chain(classes.iter().copied()).collect();
    let mut scope = Unique::default();
    let fields = record.fields.iter().map(|field| {
        let attribute = scope.escape(&word(&identifier(&field.name)), &reserved);
        let default = if field.ctype.is_option() { " = None" } else { "" };
        format!("{attribute}: {}{default}", annotation(&field.ctype, named))
    });
    let fields = fields.collect();
    let line = format!("A record of `{}`.", module.qualified);
    RecordView { name: name.to_owned(), doc: docstring(&[line], "    "), fields }
}

fn method(module: &Module<'_>, named: &Named<'_>, name: String, constant: &str, constants: &[String]) -> Method {
    let mut scope = Unique::without(OPTIONS.into_iter().chain(constants.iter().map(String::as_str)));
    let mut required = Vec::new();
    let mut optional = Vec::new();
    let mut value = "value";
    let fields = match module.input() {
        Input::Nothing => Some(Vec::new()),
        Input::Fields(fields) => {
            let mut lines = Vec::new();
            for field in fields {
                let ideal = word(&identifier(&field.name));
                let parameter = scope.escape(&ideal, &OPTIONS);
                let annotation = annotation(&field.ctype, named);
                if field.ctype.is_option() {
                    optional.push(format!("{parameter}: {annotation} = None"));
                } else {
                    required.push(format!("{parameter}: {annotation}"));
                }
                lines.push(format!("\"{}\": {parameter}", field.name));
            }
            Some(lines)
        }
        Input::Value(ctype) => {
            required.push(format!("value: {}", annotation(ctype, named)));
            None
        }
    };
    if fields.is_some() {
        value = "";
    }
    let mut parameters = vec!["self".to_owned()];
    parameters.extend(required);
    parameters.push("*".to_owned());
    parameters.extend(optional);
    parameters.push("timeout: float | None = None".to_owned());
    parameters.push("idempotency_key: str = \"\"".to_owned());
    let output = annotation(&module.locked.signature.output, named);
    let stream = module.locked.capabilities.stream;
    Method {
        define: if stream { "def" } else { "async def" },
        name,
        parameters,
        returns: if stream { format!("AsyncGenerator[{output}, None]") } else { output },
        doc: docstring(&text::of_module(module), "        "),
        call: if stream { "return self._client.stream_typed" } else { "return await self._client.call_typed" },
        constant: constant.to_owned(),
        fields,
        value,
    }
}

/// What a blocking client gives where the other gives an `AsyncGenerator[T, None]`.
fn blocking_stream(returns: &str) -> String {
    let generator = returns.strip_prefix("Async").unwrap_or(returns);
    format!("{}, None]", generator.strip_suffix(']').unwrap_or(generator))
}

/// A name that Python takes: no keyword, and none that a class mangles or gives a meaning of its own.
fn word(name: &str) -> String {
    if is_keyword(name) {
        return format!("{name}_");
    }
    match name.strip_prefix("__") {
        Some(rest) => format!("{}_", identifier(rest.trim_matches('_')).trim_start_matches("__")),
        None => name.to_owned(),
    }
}

/// The annotation of a type: exactly what the SDK decodes it to.
fn annotation(ctype: &CType, named: &Named<'_>) -> String {
    match ctype {
        CType::String => "str".to_owned(),
        CType::Int => "int".to_owned(),
        CType::Float => "float".to_owned(),
        CType::Bool => "bool".to_owned(),
        CType::Bytes => "bytes".to_owned(),
        CType::Any => "Any".to_owned(),
        CType::List(item) => format!("list[{}]", annotation(item, named)),
        CType::Map(key, value) => {
            let key = match key {
                KeyType::String => "str",
                KeyType::Int => "int",
                KeyType::Bool => "bool",
            };
            format!("dict[{key}, {}]", annotation(value, named))
        }
        CType::Option(value) => format!("{} | None", annotation(value, named)),
        CType::Union(variants) => {
            let mut parts: Vec<_> = variants.iter().map(|variant| annotation(variant, named)).collect();
            if is_ambiguous(variants) {
                parts.push("Variant".to_owned());
            }
            parts.join(" | ")
        }
        CType::Record(_) => named.name(ctype).expect("every record but the input itself was named").to_owned(),
    }
}

/// Whether a Python value may not tell which variant it is, so that it comes as a `Variant`: two variants share a class, or one
/// takes everything or nothing.
fn is_ambiguous(variants: &[CType]) -> bool {
    let mut kinds = HashSet::new();
    let mut has = |kind| !kinds.insert(kind);
    let mut ambiguous = false;
    let mut records = false;
    for variant in variants {
        ambiguous |= match variant {
            CType::String => has("str"),
            CType::Int => has("int"),
            CType::Float => has("float"),
            CType::Bool => has("bool"),
            CType::Bytes => has("bytes"),
            CType::List(_) => has("list"),
            CType::Map(..) => has("dict"),
            CType::Record(_) => {
                records = true;
                false
            }
            CType::Any | CType::Option(_) | CType::Union(_) => true,
        };
    }
    // A mapping may stand for a record as well.
    ambiguous || (records && kinds.contains("dict"))
}

/// What a file of bindings imports beyond what all do.
#[derive(Default)]
struct Imports {
    any: bool,
    variant: bool,
    streams: bool,
    records: bool,
}

impl Imports {
    fn note(&mut self, ctype: &CType) {
        visit(ctype, &mut |part| match part {
            CType::Any => self.any = true,
            CType::Union(variants) => self.variant |= is_ambiguous(variants),
            _ => {}
        });
    }

    fn lines(&self) -> Vec<String> {
        let standard = [
            (self.streams, "from collections.abc import AsyncGenerator, Generator"),
            (self.records, "from dataclasses import dataclass"),
            (self.any, "from typing import Any"),
        ];
        let mut lines: Vec<String> =
            standard.iter().filter(|(wanted, _)| *wanted).map(|(_, line)| (*line).to_owned()).collect();
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let variant = if self.variant { ", Variant" } else { "" };
        lines.push(format!("from modrack import AsyncClient, Client{variant}"));
        lines.push("from modrack.bindings import TypedModule".to_owned());
        lines
    }
}
