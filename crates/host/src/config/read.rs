//! Takes values key by key, with their defaults, and collects every fault on the way. Knows kinds of values, not the keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::config::entry::{Entry, Origin};
use crate::config::fault::{Fault, FaultCode};
use crate::config::layers::{Layers, Raw, Setting};
use crate::config::sources::Sources;

/// Longest path of a Unix socket, in bytes: `sun_path` holds 108 with the zero at the end.
const MAX_SOCKET_PATH: usize = 107;

/// Why a value does not do.
pub(super) struct Refusal {
    code: FaultCode,
    message: String,
    hint: String,
}

impl Refusal {
    pub(super) fn new(code: FaultCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }

    pub(super) fn kind(key: &str, wanted: &str, raw: &Raw) -> Self {
        let found = match raw {
            Raw::Text(text) => format!("`{text}`"),
            raw => raw.kind().to_owned(),
        };
        Self::new(
            FaultCode::ValueType,
            format!("`{key}` takes {wanted}, found {found}"),
            format!("give `{key}` {wanted}"),
        )
    }
}

/// Hands out values and remembers what was asked for, what was found and what was wrong.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    file: Option<PathBuf>,
    settings: BTreeMap<String, Setting>,
    asked: BTreeSet<String>,
    /// Ids of all components that somebody speaks of, those of bundles that are not in use and those with faults among them.
    components: BTreeSet<String>,
    entries: Vec<Entry>,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources, layers: Layers) -> Self {
        let Layers { settings, file, components: _ } = layers;
        let (asked, components) = (BTreeSet::new(), BTreeSet::new());
        Self { sources, file, settings, asked, components, entries: Vec::new(), faults: Vec::new() }
    }

    /// Where the value in force of a key was set.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.settings.get(key).map_or(Origin::Default, |setting| setting.origin.clone())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.settings.contains_key(key)
    }

    pub(super) fn fault(&mut self, key: &str, origin: Origin, refusal: Refusal) {
        let Refusal { code, message, hint } = refusal;
        self.faults.push(Fault { code, key: key.into(), origin, message, hint });
    }

    /// Reports that two keys contradict each other, at the one that was set by somebody.
    pub(super) fn conflict(&mut self, keys: [&str; 2], message: String, hint: &str) {
        let key = keys.into_iter().find(|key| self.has(key)).unwrap_or(keys[0]);
        let origin = self.origin(key);
        self.fault(key, origin, Refusal::new(FaultCode::ValueConflict, message, hint));
    }

    /// The value of a key as `parse` reads it; the default where nobody set it or it is at fault.
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        default: T,
        show: impl Fn(&T) -> Value,
        parse: impl FnOnce(&Raw, &Origin) -> Result<T, Refusal>,
    ) -> T {
        self.asked.insert(key.into());
        let (value, origin) = match self.settings.get(key).cloned() {
            None => (default, Origin::Default),
            Some(Setting { raw, origin }) => match parse(&raw, &origin) {
                Ok(value) => (value, origin),
                Err(refusal) => {
                    self.fault(key, origin.clone(), refusal);
                    (default, origin)
                }
            },
        };
        self.entries.push(Entry { key: key.into(), value: show(&value), origin });
        value
    }

    pub(super) fn integer(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.take(
            key,
            default,
            |&value| value.into(),
            |raw, _| {
                let number = match raw {
                    Raw::Integer(Ok(number)) => i128::from(*number),
                    Raw::Integer(Err(_)) => i128::MAX,
                    Raw::Text(text) => {
                        text.trim().replace('_', "").parse().map_err(|_| Refusal::kind(key, "an integer", raw))?
                    }
                    raw => return Err(Refusal::kind(key, "an integer", raw)),
                };
                u64::try_from(number).ok().filter(|number| range.contains(number)).ok_or_else(|| {
                    let shown = match raw {
                        Raw::Integer(Err(text)) => text.clone(),
                        _ => number.to_string(),
                    };
                    let hint = format!("give a number from {} to {}", range.start(), range.end());
                    Refusal::new(FaultCode::ValueRange, format!("`{key}` cannot be {shown}"), hint)
                })
            },
        )
    }

    pub(super) fn count(&mut self, key: &str, default: usize, range: RangeInclusive<usize>) -> usize {
        let range = *range.start() as u64..=*range.end() as u64;
        usize::try_from(self.integer(key, default as u64, range)).expect("both ends of the range are a usize")
    }

    pub(super) fn millis(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.integer(key, default, range))
    }

    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        self.take(
            key,
            default,
            |&value| value.into(),
            |raw, _| match raw {
                Raw::Boolean(value) => Ok(*value),
                Raw::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                    "true" | "1" | "yes" | "on" => Ok(true),
                    "false" | "0" | "no" | "off" => Ok(false),
                    _ => Err(Refusal::kind(key, "true or false", raw)),
                },
                raw => Err(Refusal::kind(key, "true or false", raw)),
            },
        )
    }

    pub(super) fn text(&mut self, key: &str, default: &str, check: impl FnOnce(&str) -> Result<(), Refusal>) -> String {
        self.take(
            key,
            default.to_owned(),
            |value| value.clone().into(),
            |raw, _| {
                let text = string(key, raw)?;
                check(text)?;
                Ok(text.to_owned())
            },
        )
    }

    pub(super) fn choice<T: Copy + PartialEq>(&mut self, key: &str, default: T, choices: &[(&'static str, T)]) -> T {
        let name = |value: &T| choices.iter().find(|choice| choice.1 == *value).map_or("", |choice| choice.0).into();
        self.take(key, default, name, |raw, _| {
            let text = string(key, raw)?;
            choices.iter().find(|choice| choice.0 == text).map(|choice| choice.1).ok_or_else(|| {
                let names = choices.iter().map(|choice| format!("`{}`", choice.0)).collect::<Vec<_>>().join(", ");
                Refusal::new(
                    FaultCode::ValueInvalid,
                    format!("`{key}` cannot be `{text}`"),
                    format!("choose one of {names}"),
                )
            })
        })
    }

    /// An absolute path. In a file, relative means relative to the file; elsewhere, to the working directory.
    pub(super) fn path(&mut self, key: &str, default: PathBuf) -> PathBuf {
        let bases = self.bases();
        self.take(
            key,
            default,
            |path| shown(path),
            |raw, origin| match string(key, raw)? {
                "" => Err(Refusal::new(
                    FaultCode::ValueInvalid,
                    format!("`{key}` is empty"),
                    format!("give `{key}` a path"),
                )),
                text => Ok(bases.resolve(origin, text)),
            },
        )
    }

    /// An absolute path, or nothing when the key is not set or empty.
    pub(super) fn optional_path(&mut self, key: &str) -> Option<PathBuf> {
        self.optional_path_or(key, None)
    }

    /// An absolute path, the default where the key is not set, or nothing when it is empty.
    pub(super) fn optional_path_or(&mut self, key: &str, default: Option<PathBuf>) -> Option<PathBuf> {
        let bases = self.bases();
        let show = |path: &Option<PathBuf>| path.as_deref().map_or_else(|| "".into(), shown);
        self.take(key, default, show, |raw, origin| match string(key, raw)? {
            "" => Ok(None),
            text => Ok(Some(bases.resolve(origin, text))),
        })
    }

    /// A path for a Unix socket, or nothing when the value is empty.
    pub(super) fn optional_socket(&mut self, key: &str, default: PathBuf) -> Option<PathBuf> {
        let bases = self.bases();
        let show = |path: &Option<PathBuf>| path.as_deref().map_or_else(|| "".into(), shown);
        let path = self.take(key, Some(default), show, |raw, origin| match string(key, raw)? {
            "" => Ok(None),
            text => Ok(Some(bases.resolve(origin, text))),
        });
        path.inspect(|path| self.check_socket(key, path))
    }

    /// A path for a Unix socket.
    pub(super) fn socket(&mut self, key: &str, default: PathBuf) -> PathBuf {
        let path = self.path(key, default);
        self.check_socket(key, &path);
        path
    }

    fn check_socket(&mut self, key: &str, path: &Path) {
        let length = path.as_os_str().len();
        if length > MAX_SOCKET_PATH {
            let message = format!("`{key}` has {length} bytes, a Unix socket's path at most {MAX_SOCKET_PATH}");
            let hint = format!("set `{key}` or `data_dir` to a shorter path");
            let origin = if self.has(key) { self.origin(key) } else { self.origin("data_dir") };
            self.fault(key, origin, Refusal::new(FaultCode::ValueInvalid, message, hint));
        }
    }

    /// An address, or nothing when the value is empty. `localhost` is read as 127.0.0.1.
    pub(super) fn optional_address(&mut self, key: &str, default: SocketAddr) -> Option<SocketAddr> {
        let show = |address: &Option<SocketAddr>| address.map_or_else(|| "".into(), |a| a.to_string().into());
        self.take(key, Some(default), show, |raw, _| {
            let text = string(key, raw)?.trim();
            if text.is_empty() {
                return Ok(None);
            }
            let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
            numeric.as_deref().unwrap_or(text).parse().map(Some).map_err(|_| {
                let message = format!("`{key}` cannot be `{text}`");
                let hint = "give an IP address and a port, e.g. `127.0.0.1:7420` or `[::1]:7420`; port 0 lets the system choose";
                Refusal::new(FaultCode::ValueInvalid, message, hint)
            })
        })
    }

    /// A list of strings; nothing when it is not there.
    pub(super) fn strings(&mut self, key: &str) -> Vec<String> {
        self.take(
            key,
            Vec::new(),
            |list| list.clone().into(),
            |raw, _| match raw {
                Raw::List(items) => items.iter().map(|item| string(key, item).map(str::to_owned)).collect(),
                raw => Err(Refusal::kind(key, "an array of strings", raw)),
            },
        )
    }

    pub(super) fn bases(&self) -> Bases {
        let file = self.file.as_deref().map(|file| self.sources.absolute(file));
        let file_dir = file.as_deref().and_then(Path::parent).unwrap_or(&self.sources.working_dir).to_owned();
        Bases { file_dir, working_dir: self.sources.working_dir.clone() }
    }

    /// Where bundles lie when nobody says otherwise: beside the directory of the program.
    pub(super) fn default_bundle_dir(&self) -> Option<PathBuf> {
        Some(self.sources.program.as_deref()?.parent()?.parent()?.join("bundle"))
    }

    /// Notes of which components somebody speaks.
    pub(super) fn note_components<'i>(&mut self, ids: impl Iterator<Item = &'i String>) {
        self.components.extend(ids.cloned());
    }

    /// Ids of all components that somebody speaks of, those of bundles that are not in use and those with faults among them.
    pub(super) fn noted_components(&self) -> &BTreeSet<String> {
        &self.components
    }

    /// Adds values that were read elsewhere.
    pub(super) fn entries(&mut self, entries: Vec<Entry>) {
        self.entries.extend(entries);
    }

    /// Marks a key as known that is no value itself.
    pub(super) fn known(&mut self, key: &str) {
        self.asked.insert(key.into());
    }

    /// Ends the reading: what nobody asked for is a fault, too. Faults come in the order of their origins.
    pub(super) fn finish(mut self) -> (Vec<Entry>, Vec<Fault>, Option<PathBuf>) {
        let unknown: Vec<_> = self
            .settings
            .iter()
            .filter(|(key, _)| !self.asked.contains(*key))
            .filter_map(|(key, setting)| unknown_key(key, &setting.origin, &self.asked))
            .collect();
        self.faults.extend(unknown);
        self.faults.sort_by_key(|fault| match &fault.origin {
            Origin::Default => (0, 0),
            Origin::File { line, .. } => (1, *line),
            Origin::Env(_) => (2, 0),
            Origin::Flag(_) => (3, 0),
        });
        (self.entries, self.faults, self.file)
    }
}

/// What relative paths are relative to.
pub(super) struct Bases {
    file_dir: PathBuf,
    working_dir: PathBuf,
}

impl Bases {
    pub(super) fn resolve(&self, origin: &Origin, text: &str) -> PathBuf {
        match origin {
            Origin::File { .. } => self.file_dir.join(text),
            _ => self.working_dir.join(text),
        }
    }
}

/// The text of a value that must be one.
pub(super) fn string<'r>(key: &str, raw: &'r Raw) -> Result<&'r str, Refusal> {
    match raw {
        Raw::Text(text) | Raw::String(text) => Ok(text),
        raw => Err(Refusal::kind(key, "a string", raw)),
    }
}

fn shown(path: &Path) -> Value {
    path.display().to_string().into()
}

fn unknown_key(key: &str, origin: &Origin, known: &BTreeSet<String>) -> Option<Fault> {
    let variable = |key: &str| format!("MODRACK_{}", key.replace('.', "__").to_ascii_uppercase());
    let nearest = nearest(key, known);
    let (subject, hint) = match origin {
        Origin::Env(name) => {
            let lists = ["caches", "providers", "clients", "components"];
            let list = lists.into_iter().find(|list| key.starts_with(&format!("{list}.")));
            // Others use the prefix, too (Kubernetes for a service of that name, for one). A variable that is
            // neither nested nor close to a key is not meant for the host.
            if nearest.is_none() && !key.contains('.') {
                return None;
            }
            let hint = match (list, nearest) {
                (Some("components"), _) => "`[components.ID]` can only be set in files".to_owned(),
                (Some(list), _) => format!("`[[{list}]]` can only be set in the file"),
                (None, Some(nearest)) => format!("did you mean `{}`?", variable(nearest)),
                (None, None) => "`modrack config show` lists the keys".into(),
            };
            (name.as_str(), hint)
        }
        _ => {
            let hint = nearest.map_or_else(
                || "`modrack config show` lists the keys".to_owned(),
                |nearest| format!("did you mean `{nearest}`?"),
            );
            (key, hint)
        }
    };
    Some(Fault {
        code: FaultCode::KeyUnknown,
        key: key.into(),
        origin: origin.clone(),
        message: unknown_message(subject),
        hint,
    })
}

fn unknown_message(subject: impl Display) -> String {
    format!("`{subject}` is no key of the configuration")
}

/// The known key that the unknown one most likely means: the same name in another section, or a small slip of the pen.
fn nearest<'k>(key: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let slip = known
        .iter()
        .map(|candidate| (strsim::osa_distance(key, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 4).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.as_str());
    slip.or_else(|| known.iter().find(|candidate| leaf(candidate) == leaf(key)).map(String::as_str))
}
