//! `modrack codegen`: typed bindings of the modules of a host or of a lock, in a directory. How they look is the crate `codegen`'s.

mod directory;

use std::path::{Path, PathBuf};

use codegen::bindings;
use serde_json::{Value, json};
use type_schema::Lock;

use crate::args::{BindingsLanguage, CodegenArgs};
use crate::bindings::directory::{Change, Directory};
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::modules::lock;
use crate::output::Output;
use crate::target;

pub(crate) async fn run(args: CodegenArgs, config: Option<PathBuf>, output: &Output) -> Result<(), Failures> {
    let language = match args.language {
        BindingsLanguage::Python => bindings::Language::Python,
        BindingsLanguage::Typescript => bindings::Language::TypeScript,
        BindingsLanguage::Rust => bindings::Language::Rust,
    };
    let lock = modules(&args, config).await?;
    let files = bindings::generate(&lock, language).map_err(|error| {
        Failure::from(protocol::Error::of(protocol::codes::INTERNAL, format!("no bindings were made: {error}")))
    })?;
    let directory = Directory::compare(&args.out, files)?;
    if args.check { check(&args, &directory, &lock, output) } else { write(&args, &directory, &lock, output) }
}

async fn modules(args: &CodegenArgs, config: Option<PathBuf>) -> Result<Lock, Failures> {
    let (lock, whence) = match &args.lock {
        Some(file) => (lock::read(file)?.matching(&args.modules), format!("`{}`", file.display())),
        None => {
            let target = target::resolve(args.connect.clone(), config)?;
            (lock::fetch(&target, &args.modules).await?, format!("the host at `{}`", target.as_str()))
        }
    };
    if lock.modules.is_empty() {
        return Err(lock::unmatched(&whence, &args.modules).into());
    }
    Ok(lock)
}

fn write(args: &CodegenArgs, directory: &Directory, lock: &Lock, output: &Output) -> Result<(), Failures> {
    directory.write()?;
    if output.json {
        return output.document(&document(args, directory, lock, Value::Null));
    }
    for (path, change) in directory.changes() {
        output.line(&format!("{:<10}{}", change.as_str(), args.out.join(path).display()))?;
    }
    output.line(&summary(args, directory, lock))
}

fn check(args: &CodegenArgs, directory: &Directory, lock: &Lock, output: &Output) -> Result<(), Failures> {
    let stale = directory.changes().filter(|(_, change)| *change != Change::Unchanged).count();
    let diff = directory.diff();
    if output.json {
        output.document(&document(args, directory, lock, diff.clone().into()))?;
    } else if stale == 0 {
        output.line(&summary(args, directory, lock))?;
    } else {
        output.text(diff.trim_end())?;
    }
    if stale == 0 {
        return Ok(());
    }
    let files = if stale == 1 { "1 file differs" } else { &format!("{stale} files differ") };
    let message = format!("{files} in `{}` from what the modules give", args.out.display());
    Err(Failure::local(codes::BINDINGS_STALE, message).hint(format!("run `{}`", command(args))).into())
}

fn summary(args: &CodegenArgs, directory: &Directory, lock: &Lock) -> String {
    let files = directory.changes().filter(|(_, change)| *change != Change::Removed).count();
    let changed = directory.changes().filter(|(_, change)| *change != Change::Unchanged).count();
    let (modules, s, fs) = (lock.modules.len(), plural(lock.modules.len()), plural(files));
    format!("{modules} module{s} in {files} file{fs} of {}, {changed} changed", language_name(args.language))
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn document(args: &CodegenArgs, directory: &Directory, lock: &Lock, diff: Value) -> Value {
    let files = directory.changes().map(|(path, change)| json!({ "path": path, "change": change.as_str() }));
    let mut document = json!({
        "language": args.language.as_str(),
        "out": args.out.display().to_string(),
        "modules": lock.modules.keys().collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
    });
    if let Value::String(diff) = diff {
        document["diff"] = diff.into();
    }
    document
}

fn language_name(language: BindingsLanguage) -> &'static str {
    match language {
        BindingsLanguage::Python => "Python",
        BindingsLanguage::Typescript => "TypeScript",
        BindingsLanguage::Rust => "Rust",
    }
}

/// The command line that writes what `--check` compares with.
fn command(args: &CodegenArgs) -> String {
    let mut words = vec!["modrack codegen --language".to_owned(), args.language.as_str().to_owned()];
    let path = |path: &Path| quoted(&path.display().to_string());
    if let Some(lock) = &args.lock {
        words.push(format!("--lock {}", path(lock)));
    }
    let connect = &args.connect;
    if let Some(host) = &connect.host {
        words.push(format!("--host {}", quoted(host)));
    }
    let files = [
        ("--token-file", &connect.token_file),
        ("--ca-file", &connect.ca_file),
        ("--cert-file", &connect.cert_file),
        ("--key-file", &connect.key_file),
    ];
    words.extend(files.iter().filter_map(|(flag, file)| Some(format!("{flag} {}", path(file.as_ref()?)))));
    words.extend(args.modules.iter().map(|pattern| format!("--module {}", quoted(pattern))));
    words.push(format!("--out {}", path(&args.out)));
    words.join(" ")
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if word.chars().all(plain) && !word.is_empty() {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
