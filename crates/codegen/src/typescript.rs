//! TypeScript: messages on the official `@bufbuild/protobuf` runtime, and typed `@grpc/grpc-js` clients and service definitions.
//! Decides nothing about the place: all imports between the files are relative, so the folder works wherever it lies.

pub(crate) mod names;
mod types;
mod view;

use crate::descriptors::Descriptors;
use crate::error::Error;
use crate::files::Files;
use crate::render::Templates;

const TEMPLATES: &[(&str, &str)] = &[
    ("file.ts", include_str!("../templates/typescript/file.ts.hbs")),
    ("enum", include_str!("../templates/typescript/enum.hbs")),
    ("message", include_str!("../templates/typescript/message.hbs")),
    ("service", include_str!("../templates/typescript/service.hbs")),
];

/// What clients and definitions have in common; it is the same for every set of protos.
const RUNTIME: &str = include_str!("../templates/typescript/runtime.ts");

/// Generates `<path>.ts` for each source, and `runtime.ts`, which their services import.
///
/// # Errors
/// [`Error::Template`] and [`Error::Render`], which are faults of a template.
pub fn generate(descriptors: &Descriptors) -> Result<Files, Error> {
    let templates = Templates::new(TEMPLATES)?;
    let mut files = Files::new();
    for file in descriptors.files() {
        files.insert(names::path(&file), templates.render("file.ts", &view::of_file(&file))?);
        if file.services().len() > 0 {
            files.insert("runtime.ts", RUNTIME);
        }
    }
    Ok(files)
}
