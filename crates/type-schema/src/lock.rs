//! `modules.lock.json`: the types of modules as a file, so that bindings and pipelines are checked without a host. Text in,
//! text out: reads and writes no file. `docs/bindings.md` is the contract of the format.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    compat::{Compatibility, compatibility},
    ctype::{CType, TypeError},
    signature::Signature,
};

/// Version of the format that this code writes; it reads no other.
pub const LOCK_VERSION: u32 = 1;

/// The modules of a host at one time, by their qualified names.
///
/// Equal locks have equal text: members stand in a fixed order, modules in ascending order of their names, and nothing is dated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lock {
    /// Which modules were asked for, e.g. `text.*`; empty for all.
    pub patterns: Vec<String>,
    /// The modules by qualified name.
    pub modules: BTreeMap<String, LockedModule>,
}

/// What a lock holds of one module.
#[derive(Debug, Clone, PartialEq)]
pub struct LockedModule {
    /// The types.
    pub signature: Signature,
    /// Semantic version, as the provider gave it.
    pub version: String,
    /// What the module does.
    pub description: String,
    /// What it offers beyond a plain call.
    pub capabilities: LockedCapabilities,
    /// Inputs with their expected outputs, as JSON of the types.
    pub examples: Vec<LockedExample>,
}

/// What a module offers beyond a plain call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LockedCapabilities {
    /// May be retried.
    pub idempotent: bool,
    /// Takes several inputs at once.
    pub batch: bool,
    /// Gives a stream of outputs.
    pub stream: bool,
}

/// One input and what comes out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockedExample {
    /// The input.
    pub input: Value,
    /// The expected output; of a stream, one item.
    pub output: Value,
}

/// Why a text is no lock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// No JSON, or not of the format's shape.
    #[error("not a lock of modules")]
    Syntax(#[source] serde_json::Error),
    /// A format that this code does not know.
    #[error("version {0} of the format; this program reads version {LOCK_VERSION}")]
    Version(u64),
    /// A name that is not `namespace.Name`.
    #[error("`{0}` is no name of a module")]
    Name(String),
    /// A module that occurs twice.
    #[error("module `{0}` occurs twice")]
    Duplicate(String),
    /// A type that breaks the rules.
    #[error("the {side} type of module `{module}`")]
    Type {
        /// Qualified name.
        module: String,
        /// `input` or `output`.
        side: &'static str,
        /// The fault.
        #[source]
        source: TypeError,
    },
    /// The types are not those that the fingerprint is of: somebody edited the file.
    #[error("the fingerprint of module `{module}` is not that of its types")]
    Fingerprint {
        /// Qualified name.
        module: String,
    },
}

/// One module on its own in the file.
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    version: String,
    fingerprint: String,
    input: String,
    output: String,
    capabilities: LockedCapabilities,
    description: String,
    examples: Vec<LockedExample>,
}

/// The file. Members that it does not know are skipped: a later program may have written more.
#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    patterns: Vec<String>,
    modules: Vec<Entry>,
}

impl Lock {
    /// Reads a lock. Whether it is in order does not matter.
    ///
    /// # Errors
    /// The first fault in reading order.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        #[derive(Deserialize)]
        struct Head {
            version: u64,
        }
        let head: Head = serde_json::from_str(text).map_err(LockError::Syntax)?;
        if head.version != u64::from(LOCK_VERSION) {
            return Err(LockError::Version(head.version));
        }
        let document: Document = serde_json::from_str(text).map_err(LockError::Syntax)?;
        let mut modules = BTreeMap::new();
        for entry in document.modules {
            let name = entry.name.clone();
            let module = entry.read()?;
            if modules.insert(name.clone(), module).is_some() {
                return Err(LockError::Duplicate(name));
            }
        }
        Ok(Self { patterns: document.patterns, modules })
    }

    /// The modules of which any pattern is true; all without patterns. `*` stands for any run of characters.
    #[must_use]
    pub fn matching(&self, patterns: &[String]) -> Self {
        let wanted = |name: &str| patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name));
        let modules = self.modules.iter().filter(|(name, _)| wanted(name));
        Self {
            patterns: patterns.to_vec(),
            modules: modules.map(|(name, module)| (name.clone(), module.clone())).collect(),
        }
    }

    /// What differs between this lock and a later one, in ascending order of the names.
    #[must_use]
    pub fn differences(&self, later: &Self) -> Vec<(String, LockDifference)> {
        let names: std::collections::BTreeSet<_> = self.modules.keys().chain(later.modules.keys()).collect();
        let difference = |name: &String| match (self.modules.get(name), later.modules.get(name)) {
            (Some(_), None) => Some(LockDifference::Removed),
            (None, Some(_)) => Some(LockDifference::Added),
            (Some(old), Some(new)) if old.signature != new.signature => {
                Some(LockDifference::Types(compatibility(&old.signature, &new.signature)))
            }
            (Some(old), Some(new)) if old.capabilities.stream != new.capabilities.stream => {
                Some(LockDifference::Streaming { now: new.capabilities.stream })
            }
            (Some(old), Some(new)) if old != new => Some(LockDifference::Facts(old.facts_that_differ(new))),
            _ => None,
        };
        names.into_iter().filter_map(|name| Some((name.clone(), difference(name)?))).collect()
    }
}

/// How a module differs between two locks.
#[derive(Debug, Clone, PartialEq)]
pub enum LockDifference {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its types changed. Bindings that were made for the old ones fail with `registry.schema.changed`, whether or not the change is breaking.
    Types(Compatibility),
    /// It became a stream, or is one no more.
    Streaming {
        /// Whether it is a stream now.
        now: bool,
    },
    /// The types are the same; these members of the file are not: `version`, `description`, `capabilities`, `examples`.
    Facts(Vec<&'static str>),
}

impl LockDifference {
    /// Whether callers that were built for the old module no longer are served.
    #[must_use]
    pub fn is_breaking(&self) -> bool {
        match self {
            Self::Removed | Self::Streaming { .. } => true,
            Self::Added | Self::Facts(_) => false,
            Self::Types(compatibility) => compatibility.is_breaking(),
        }
    }
}

impl LockedModule {
    fn facts_that_differ(&self, other: &Self) -> Vec<&'static str> {
        [
            ("version", self.version != other.version),
            ("capabilities", self.capabilities != other.capabilities),
            ("description", self.description != other.description),
            ("examples", self.examples != other.examples),
        ]
        .into_iter()
        .filter_map(|(member, differs)| differs.then_some(member))
        .collect()
    }
}

impl Entry {
    fn read(self) -> Result<LockedModule, LockError> {
        let Self { name, version, fingerprint, input, output, capabilities, description, examples } = self;
        if !is_qualified_name(&name) {
            return Err(LockError::Name(name));
        }
        let read = |side, text: &str| {
            CType::parse(text).map_err(|source| LockError::Type { module: name.clone(), side, source })
        };
        let signature = Signature { input: read("input", &input)?, output: read("output", &output)? };
        if signature.fingerprint() != fingerprint {
            return Err(LockError::Fingerprint { module: name });
        }
        Ok(LockedModule { signature, version, description, capabilities, examples })
    }
}

/// The text of the file, which ends with a line break.
impl std::fmt::Display for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entry = |(name, module): (&String, &LockedModule)| Entry {
            name: name.clone(),
            version: module.version.clone(),
            fingerprint: module.signature.fingerprint(),
            input: module.signature.input.to_string(),
            output: module.signature.output.to_string(),
            capabilities: module.capabilities,
            description: module.description.clone(),
            examples: module.examples.clone(),
        };
        let document = Document {
            version: LOCK_VERSION,
            patterns: self.patterns.clone(),
            modules: self.modules.iter().map(entry).collect(),
        };
        writeln!(f, "{}", serde_json::to_string_pretty(&document).map_err(|_| std::fmt::Error)?)
    }
}

/// `namespace.Name`, the namespace with dots of its own.
fn is_qualified_name(name: &str) -> bool {
    name.contains('.') && name.split('.').all(crate::ctype::is_field_name)
}

/// Whether the whole name matches. The parts between the stars occur in it in their order; each is taken where it comes first.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn module(input: &str, output: &str) -> LockedModule {
        LockedModule {
            signature: Signature { input: CType::parse(input).unwrap(), output: CType::parse(output).unwrap() },
            version: "1.0.0".into(),
            description: "Ünïcode \"quoted\".".into(),
            capabilities: LockedCapabilities { idempotent: true, ..LockedCapabilities::default() },
            examples: vec![LockedExample { input: json!({"b": 1, "a": 2}), output: json!("x") }],
        }
    }

    fn lock<const N: usize>(modules: [(&str, LockedModule); N]) -> Lock {
        Lock {
            patterns: Vec::new(),
            modules: modules.into_iter().map(|(name, module)| (name.to_owned(), module)).collect(),
        }
    }

    #[test]
    fn the_text_is_sorted_and_undated_and_ends_with_a_line_break() {
        let text = lock([("b.B", module("Int", "Int")), ("a.A", module("{text: String}", "String"))]).to_string();
        insta::assert_snapshot!(text.split("    {\n      \"name\": \"b.B\"").next().unwrap(), @r#"
        {
          "version": 1,
          "patterns": [],
          "modules": [
            {
              "name": "a.A",
              "version": "1.0.0",
              "fingerprint": "306ec29eedc26638cea1836efe06af35a5cefacf87f7990d46f68bda53a01f30",
              "input": "{text: String}",
              "output": "String",
              "capabilities": {
                "idempotent": true,
                "batch": false,
                "stream": false
              },
              "description": "Ünïcode \"quoted\".",
              "examples": [
                {
                  "input": {
                    "a": 2,
                    "b": 1
                  },
                  "output": "x"
                }
              ]
            },
        "#);
        assert!(text.ends_with("}\n"), "{text}");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let lock = Lock { patterns: vec!["a.*".into()], ..lock([("a.A", module("{a: Int | String}", "List<Bool>"))]) };
        assert_eq!(Lock::parse(&lock.to_string()).unwrap(), lock);
    }

    #[test]
    fn members_of_a_later_program_are_skipped() {
        let text = lock([]).to_string().replace("\"patterns\"", "\"later\": [1], \"patterns\"");
        assert_eq!(Lock::parse(&text).unwrap(), lock([]));
    }

    #[test]
    fn each_fault_is_named() {
        let good = lock([("a.A", module("Int", "Int"))]).to_string();
        let fault = |from: &str, to: &str| Lock::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert_eq!(fault("\"modules\"", "\"m\""), "not a lock of modules");
        assert_eq!(fault("1", "2"), "version 2 of the format; this program reads version 1");
        assert_eq!(fault("a.A", "a"), "`a` is no name of a module");
        assert_eq!(fault("a.A", "a.B\\\"C"), "`a.B\"C` is no name of a module");
        assert_eq!(fault("\"Int\"", "\"Int>\""), "the input type of module `a.A`");
        assert_eq!(fault("\"Int\"", "\"Bool\""), "the fingerprint of module `a.A` is not that of its types");
        let entry = good.split_once("[\n    {").unwrap().1.rsplit_once("}\n  ]").unwrap().0;
        let twice = good.replace("    }\n  ]", &format!("    }},\n    {{{entry}}}\n  ]"));
        assert_eq!(Lock::parse(&twice).unwrap_err().to_string(), "module `a.A` occurs twice");
    }

    #[test]
    fn a_difference_says_whether_it_breaks() {
        let old = lock([
            ("a.Gone", module("Int", "Int")),
            ("a.Same", module("Int", "Int")),
            ("a.Stream", module("Int", "Int")),
            ("a.Told", module("Int", "Int")),
            ("a.Wide", module("{a: Int}", "Int")),
            ("a.Narrow", module("{a: Int}", "Int")),
        ]);
        let mut stream = module("Int", "Int");
        stream.capabilities.stream = true;
        let told = LockedModule { version: "2.0.0".into(), description: String::new(), ..module("Int", "Int") };
        let new = lock([
            ("a.New", module("Int", "Int")),
            ("a.Same", module("Int", "Int")),
            ("a.Stream", stream),
            ("a.Told", told),
            ("a.Wide", module("{a: Int, b: Option<Int>}", "Int")),
            ("a.Narrow", module("{a: Int, b: Int}", "Int")),
        ]);
        let shown: Vec<_> = old
            .differences(&new)
            .into_iter()
            .map(|(name, difference)| {
                let kind = match &difference {
                    LockDifference::Added => "added".to_owned(),
                    LockDifference::Removed => "removed".to_owned(),
                    LockDifference::Types(changes) => changes.changes[0].to_string(),
                    LockDifference::Streaming { now } => format!("stream {now}"),
                    LockDifference::Facts(facts) => facts.join(","),
                };
                format!("{name}: {kind}, breaking {}", difference.is_breaking())
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        a.Gone: removed, breaking true
        a.Narrow: input `.b`: field of type Int added (breaking), breaking true
        a.New: added, breaking false
        a.Stream: stream true, breaking true
        a.Told: version,description, breaking false
        a.Wide: input `.b`: field of type Option<Int> added (compatible), breaking false
        ");
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, name, expected) in [
            ("text.*", "text.Replace", true),
            ("text.*", "texts.Replace", false),
            ("*.Replace", "text.Replace", true),
            ("t*t.*e", "text.Replace", true),
            ("text.Replace", "text.Replace", true),
            ("text.Rep", "text.Replace", false),
            ("*", "text.Replace", true),
            ("a*a", "a", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
