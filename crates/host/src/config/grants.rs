//! What the entries of `[[providers]]` and `[[clients]]` have in common: a subject, a secret in a file, a list of what it
//! permits. Does not know what that is.

use std::path::PathBuf;

use protocol::{Secret, Subject};

use crate::config::fault::FaultCode;
use crate::config::read::{Reader, Refusal, string};
use crate::config::secret_file::read_secret;

/// One entry as it was written.
pub(super) struct Granted<G> {
    pub(super) subject: Subject,
    pub(super) file: PathBuf,
    pub(super) secret: Secret,
    pub(super) grants: Vec<G>,
}

/// How the entries of one list are written.
pub(super) struct Form<G> {
    /// `providers`.
    pub(super) list: &'static str,
    /// The key of the secret's file.
    pub(super) file: &'static str,
    /// The key of what is permitted.
    pub(super) grants: &'static str,
    /// What stands there, for a message.
    pub(super) grant: &'static str,
    /// How it is written, with an example.
    pub(super) hint: &'static str,
    /// An example of a list.
    pub(super) example: &'static str,
    pub(super) parse: fn(&str) -> Option<G>,
}

/// Reads all entries; those with a fault are left out.
pub(super) fn read<G>(reader: &mut Reader<'_>, form: &Form<G>) -> Vec<Granted<G>> {
    let mut entries: Vec<Granted<G>> = Vec::new();
    for i in 0.. {
        let prefix = format!("{}[{i}]", form.list);
        if !reader.has(&prefix) {
            break;
        }
        reader.known(&prefix);
        let Some(entry) = entry(reader, &prefix, form) else { continue };
        if let Some(other) = entries.iter().find(|other| other.secret == entry.secret) {
            let key = format!("{prefix}.{}", form.file);
            let message = format!("`{key}` holds the secret of `{}`", other.subject);
            let origin = reader.origin(&key);
            let hint = "give each entry its own; the host tells them apart by it";
            reader.fault(&key, origin, Refusal::new(FaultCode::ValueConflict, message, hint));
        }
        entries.push(entry);
    }
    entries
}

fn entry<G>(reader: &mut Reader<'_>, prefix: &str, form: &Form<G>) -> Option<Granted<G>> {
    let keys = ["subject", form.file, form.grants].map(|name| format!("{prefix}.{name}"));
    let mut complete = true;
    for key in &keys {
        if !reader.has(key) {
            complete = false;
            let hint = format!("an entry of `[[{}]]` has `subject`, `{}` and `{}`", form.list, form.file, form.grants);
            let origin = reader.origin(prefix);
            reader.fault(key, origin, Refusal::new(FaultCode::KeyMissing, format!("`{key}` is missing"), hint));
        }
    }
    let [subject_key, file_key, grants_key] = &keys;

    let subject = reader.text(subject_key, "", |text| {
        // Else somebody could pass for a component.
        let own = !text.starts_with("component ");
        let usable = own && (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
        let hint = "a subject has 1 to 128 bytes and no control characters, and does not begin with `component `";
        usable.then_some(()).ok_or_else(|| {
            Refusal::new(FaultCode::ValueInvalid, format!("`{subject_key}` cannot be `{}`", text.escape_debug()), hint)
        })
    });
    let secret = secret(reader, file_key);

    let mut grants = Vec::new();
    let texts = reader.strings(grants_key);
    for text in &texts {
        match (form.parse)(text) {
            Some(grant) => grants.push(grant),
            None => {
                let origin = reader.origin(grants_key);
                let message = format!("`{grants_key}` cannot hold `{}`", text.escape_debug());
                reader.fault(grants_key, origin, Refusal::new(FaultCode::ValueInvalid, message, form.hint));
            }
        }
    }
    if complete && texts.is_empty() {
        let origin = reader.origin(grants_key);
        let message = format!("`{grants_key}` names no {}", form.grant);
        reader.fault(grants_key, origin, Refusal::new(FaultCode::ValueInvalid, message, form.example));
    }

    let (file, secret) = secret.filter(|_| complete)?;
    Some(Granted { subject: Subject::new(&subject), file, secret, grants })
}

/// The secret in the file that a key names, with the file.
fn secret(reader: &mut Reader<'_>, key: &str) -> Option<(PathBuf, Secret)> {
    let bases = reader.bases();
    let show = |read: &Option<(PathBuf, Secret)>| {
        read.as_ref().map_or_else(|| "".into(), |(path, _)| path.display().to_string().into())
    };
    reader.take(key, None, show, |raw, origin| {
        let path = bases.resolve(origin, string(key, raw)?);
        let hint = "the file holds nothing but the secret, is readable by the host and not writable by everybody; `openssl rand -hex 32` makes a good one";
        match read_secret(&path) {
            Ok(secret) => Ok(Some((path, secret))),
            Err(error) => Err(Refusal::new(FaultCode::CredentialUnreadable, format!("`{key}`: {error}"), hint)),
        }
    })
}
