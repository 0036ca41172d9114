//! `modrack modules lock`: what the host has, as a file that bindings and pipelines are checked against. The format is `type-schema`'s.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::generated::host::v1 as pb;
use protocol::schema;
use serde_json::{Value, json};
use type_schema::{Lock, LockDifference, LockedCapabilities, LockedExample, LockedModule, Signature};

use crate::args::LockArgs;
use crate::client::Client;
use crate::codes;
use crate::failure::{Failure, Failures};
use crate::modules::view;
use crate::output::{Output, cell};
use crate::target::Target;

pub(crate) async fn run(target: &Target, args: LockArgs, output: &Output) -> Result<(), Failures> {
    if args.check {
        return check(target, &args, output).await;
    }
    let lock = fetch(target, &args.modules).await?;
    if lock.modules.is_empty() {
        return Err(unmatched(&format!("the host at `{}`", target.as_str()), &args.modules).into());
    }
    let text = lock.to_string();
    let is_same = std::fs::read_to_string(&args.out).is_ok_and(|present| present == text);
    if !is_same {
        std::fs::write(&args.out, text).map_err(|error| {
            Failure::local(codes::FILE_REFUSED, format!("`{}` cannot be written: {error}", args.out.display()))
        })?;
    }
    let (count, change) = (lock.modules.len(), if is_same { "unchanged" } else { "written" });
    if output.json {
        let modules: Vec<_> = lock.modules.keys().collect();
        return output
            .document(&json!({ "file": args.out.display().to_string(), "change": change, "modules": modules }));
    }
    output.line(&format!("{change:<10}{}: {}", args.out.display(), counted(count)))
}

/// The modules of a host that match any pattern; all without patterns.
pub(crate) async fn fetch(target: &Target, patterns: &[String]) -> Result<Lock, Failures> {
    let client = Client::connect(target).await?;
    let all = [String::new()];
    let asked = if patterns.is_empty() { &all } else { patterns };
    let mut modules = BTreeMap::new();
    for pattern in asked {
        for module in client.list(pattern).await? {
            modules.insert(module.name.clone(), locked(&module)?);
        }
    }
    Ok(Lock { patterns: patterns.to_vec(), modules })
}

/// That there is nothing to write.
pub(crate) fn unmatched(whence: &str, patterns: &[String]) -> Failure {
    let what = match patterns {
        [] => "no modules".to_owned(),
        patterns => format!("no module that matches `{}`", patterns.join("` or `")),
    };
    Failure::local(codes::MODULE_UNMATCHED, format!("{whence} has {what}"))
}

/// Reads a lock from a file.
pub(crate) fn read(path: &Path) -> Result<Lock, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::local(codes::LOCK_UNREADABLE, format!("`{}` cannot be read: {error}", path.display()))
    })?;
    Lock::parse(&text).map_err(|error| {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Failure::local(codes::LOCK_INVALID, format!("`{}`: {error}{source}", path.display()))
    })
}

fn locked(module: &pb::Module) -> Result<LockedModule, Failure> {
    let input = schema::from_proto(module.input.clone(), "input")?;
    let output = schema::from_proto(module.output.clone(), "output")?;
    let offers = module.capabilities.unwrap_or_default();
    let examples = module.examples.iter().map(|one| {
        let (input, output) = view::example(module, one);
        LockedExample { input, output }
    });
    Ok(LockedModule {
        signature: Signature { input, output },
        version: module.version.clone(),
        description: module.description.clone(),
        capabilities: LockedCapabilities { idempotent: offers.idempotent, batch: offers.batch, stream: offers.stream },
        examples: examples.collect(),
    })
}

async fn check(target: &Target, args: &LockArgs, output: &Output) -> Result<(), Failures> {
    let mut old = read(&args.out)?;
    if !args.modules.is_empty() {
        old = old.matching(&args.modules);
    }
    let now = fetch(target, &old.patterns).await?;
    let differences = old.differences(&now);
    let breaking = differences.iter().filter(|(_, difference)| difference.is_breaking()).count();
    if output.json {
        let modules = differences.iter().map(|(name, difference)| {
            json!({
                "name": name,
                "change": kind(difference),
                "breaking": difference.is_breaking(),
                "details": details(difference),
            })
        });
        output.document(&json!({
            "file": args.out.display().to_string(),
            "stale": !differences.is_empty(),
            "breaking": breaking > 0,
            "modules": modules.collect::<Value>(),
        }))?;
    } else if differences.is_empty() {
        return output.line(&format!("{} is up to date: {}", args.out.display(), counted(old.modules.len())));
    } else {
        let rows = differences.iter().map(|(name, difference)| {
            let callers = if difference.is_breaking() { "break" } else { "hold" };
            vec![cell(name), cell(kind(difference)), cell(callers), cell(details(difference).join("; "))]
        });
        output.line(&output.table(&["MODULE", "CHANGE", "CALLERS", "DETAILS"], rows))?;
    }
    if differences.is_empty() {
        return Ok(());
    }
    let message = format!(
        "`{}` differs from the host at `{}` in {}; callers of {breaking} break",
        args.out.display(),
        target.as_str(),
        counted(differences.len())
    );
    Err(Failure::local(codes::LOCK_STALE, message).into())
}

fn counted(modules: usize) -> String {
    if modules == 1 { "1 module".to_owned() } else { format!("{modules} modules") }
}

fn kind(difference: &LockDifference) -> &'static str {
    match difference {
        LockDifference::Added => "added",
        LockDifference::Removed => "removed",
        LockDifference::Types(_) => "types",
        LockDifference::Streaming { .. } => "stream",
        LockDifference::Facts(_) => "facts",
    }
}

fn details(difference: &LockDifference) -> Vec<String> {
    match difference {
        LockDifference::Added | LockDifference::Removed => Vec::new(),
        LockDifference::Types(compatibility) => compatibility.changes.iter().map(ToString::to_string).collect(),
        LockDifference::Streaming { now: true } => vec!["is a stream now".to_owned()],
        LockDifference::Streaming { now: false } => vec!["is a stream no more".to_owned()],
        LockDifference::Facts(members) => members.iter().map(|member| (*member).to_owned()).collect(),
    }
}
