//! `modrack fmt`: pipelines in their normal form. How that looks is the crate `pipeline`'s.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pipeline::{Diagnostic, diagnostic};
use serde_json::{Value, json};
use similar::TextDiff;

use crate::args::FmtArgs;
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::output::{Output, colour_of_stderr};
use crate::pipelines::counted;
use crate::pipelines::source::Source;

/// What became of one file.
struct Formatted {
    source: Source,
    path: PathBuf,
    result: Result<String, Vec<Diagnostic>>,
}

impl Formatted {
    fn change(&self) -> &'static str {
        match &self.result {
            Ok(text) if *text == self.source.text => "unchanged",
            Ok(_) => "formatted",
            Err(_) => "invalid",
        }
    }

    fn is_changed(&self) -> bool {
        self.change() == "formatted"
    }
}

pub(crate) fn run(args: &FmtArgs, output: &Output) -> Result<(), Failures> {
    let mut files = Vec::new();
    for path in &args.files {
        let source = Source::read(path)?;
        let result = pipeline::format(&source.text);
        files.push(Formatted { source, path: path.clone(), result });
    }
    for file in &files {
        if !args.check {
            write(file, output)?;
        }
    }
    if output.json {
        output.document(&files.iter().map(|file| document(file, args.check)).collect::<Value>())?;
    } else {
        print(&files, args.check, output)?;
    }
    end(&files, args.check)
}

/// The text to its file, or to stdout where it came from stdin.
fn write(file: &Formatted, output: &Output) -> Result<(), Failures> {
    match &file.result {
        Ok(text) if file.path == Path::new("-") && !output.json => output.bytes(text.as_bytes()),
        Ok(text) if file.path != Path::new("-") && file.is_changed() => replace(&file.path, text).map_err(|error| {
            Failure::local(codes::FILE_REFUSED, format!("`{}` cannot be written: {error}", file.path.display())).into()
        }),
        _ => Ok(()),
    }
}

/// Puts a new file in the place of the old one in one step, so that nobody ever reads a half of it. A link stays one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = fs::File::create_new(&beside)?;
        file.set_permissions(fs::metadata(&path)?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().inspect_err(|_| {
        // What is left behind helps nobody; the first failure says what went wrong.
        let _absent = fs::remove_file(&beside).is_err();
    })
}

fn print(files: &[Formatted], check: bool, output: &Output) -> Result<(), Failures> {
    for file in files {
        match &file.result {
            Err(diagnostics) => {
                let source = &file.source;
                let rendered = diagnostic::render(&source.name, &source.text, diagnostics, colour_of_stderr());
                anstream::eprintln!("{}\n", rendered.trim_end());
            }
            Ok(_) if check && file.is_changed() => output.text(diff(file).trim_end())?,
            Ok(_) if !check && file.is_changed() && file.path != Path::new("-") => {
                output.line(&format!("formatted {}", file.source.name))?;
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

fn diff(file: &Formatted) -> String {
    let Ok(text) = &file.result else { return String::new() };
    let (from, to) = (format!("a/{}", file.source.name), format!("b/{}", file.source.name));
    TextDiff::from_lines(file.source.text.as_str(), text)
        .unified_diff()
        .context_radius(3)
        .header(&from, &to)
        .to_string()
}

fn document(file: &Formatted, check: bool) -> Value {
    let source = &file.source;
    let mut document = json!({ "file": source.name, "change": file.change() });
    if let (true, true, Some(object)) = (check, file.is_changed(), document.as_object_mut()) {
        object.insert("diff".into(), diff(file).into());
    }
    if let (Err(diagnostics), Some(object)) = (&file.result, document.as_object_mut()) {
        let json = diagnostic::json(&diagnostic::LineIndex::new(&source.text), diagnostics);
        object.insert("diagnostics".into(), json);
    }
    if let (Ok(text), true, Some(object)) = (&file.result, file.path == Path::new("-"), document.as_object_mut()) {
        object.insert("text".into(), text.clone().into());
    }
    document
}

fn end(files: &[Formatted], check: bool) -> Result<(), Failures> {
    let invalid = files.iter().filter(|file| file.result.is_err()).count();
    let changed = files.iter().filter(|file| file.is_changed()).count();
    if invalid > 0 {
        let message = format!("{} cannot be read as a pipeline and stayed as it was", counted(invalid, "file"));
        return Err(Failure::local(codes::PIPELINE_INVALID, message).hint("mend what the messages above name").into());
    }
    if check && changed > 0 {
        let differ = if changed == 1 { "differs" } else { "differ" };
        let message = format!("{} {differ} from the normal form", counted(changed, "file"));
        let names: Vec<_> =
            files.iter().filter(|file| file.is_changed()).map(|file| file.source.name.as_str()).collect();
        return Err(Failure::local(codes::FORMAT_DIFFERS, message)
            .hint(format!("`modrack fmt {}` writes it", names.join(" ")))
            .into());
    }
    Ok(())
}
