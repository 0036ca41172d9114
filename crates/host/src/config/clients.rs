//! Who may use the host as a client: tokens and their scopes. Does not ask anybody for a token.

use std::fmt;
use std::path::PathBuf;

use protocol::{ModuleName, Namespace, Secret, Subject};

use crate::config::grants::{self, Form};
use crate::config::read::Reader;

/// One entry of `[[clients]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientGrant {
    /// Whom the token identifies. Several entries may name one subject, e.g. while its token is changed.
    pub subject: Subject,
    /// Where the token was read from.
    pub token_file: PathBuf,
    /// What the file holds, without white space at its ends.
    pub token: Secret,
    /// What the client may do; at least one.
    pub scopes: Vec<Scope>,
}

/// One thing that a client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `list`: see which modules there are, and their types.
    List,
    /// `watch`: be told what changes.
    Watch,
    /// `call:…`: call modules, and see the types of those.
    Call(CallGrant),
    /// `metrics`: read what the host counts.
    Metrics,
    /// `pipelines`: store and remove pipelines.
    Pipelines,
    /// `components`: start, stop and restart components, and read what they write.
    Components,
    /// `staging`: keep values at the host. Only components have it, by a grant; no client can be given it.
    Staging,
}

/// Which modules may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallGrant {
    /// `*`.
    All,
    /// `text.*`: every module in `text`, `text.en`, and so on.
    Below(Namespace),
    /// `text.Uppercase`.
    Exact(ModuleName),
}

impl Scope {
    /// Reads one; none for what is no scope.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "list" => Some(Self::List),
            "watch" => Some(Self::Watch),
            "metrics" => Some(Self::Metrics),
            "pipelines" => Some(Self::Pipelines),
            "components" => Some(Self::Components),
            _ => text.strip_prefix("call:").and_then(CallGrant::parse).map(Self::Call),
        }
    }
}

impl CallGrant {
    /// Reads one; none for what is no such pattern.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix(".*") {
            _ if text == "*" => Some(Self::All),
            Some(above) => Namespace::parse(above).ok().map(Self::Below),
            None => ModuleName::parse(text).ok().map(Self::Exact),
        }
    }

    /// Whether the module may be called.
    #[must_use]
    pub fn covers(&self, module: &ModuleName) -> bool {
        match self {
            Self::All => true,
            Self::Exact(own) => own == module,
            Self::Below(own) => module.as_str().strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with('.')),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("list"),
            Self::Watch => f.write_str("watch"),
            Self::Metrics => f.write_str("metrics"),
            Self::Pipelines => f.write_str("pipelines"),
            Self::Components => f.write_str("components"),
            Self::Staging => f.write_str("staging"),
            Self::Call(CallGrant::All) => f.write_str("call:*"),
            Self::Call(CallGrant::Below(namespace)) => write!(f, "call:{namespace}.*"),
            Self::Call(CallGrant::Exact(module)) => write!(f, "call:{module}"),
        }
    }
}

/// Reads `[[clients]]`; entries with a fault are left out.
pub(super) fn read(reader: &mut Reader<'_>) -> Vec<ClientGrant> {
    let form = Form {
        list: "clients",
        file: "token_file",
        grants: "scopes",
        grant: "scope",
        hint: "a scope is `list`, `watch`, `metrics`, `pipelines`, `components`, `call:*`, `call:text.*` or `call:text.Uppercase`",
        example: "list what the client may do, e.g. `scopes = [\"list\", \"call:text.*\"]`",
        parse: Scope::parse,
    };
    let grant = |entry: grants::Granted<Scope>| ClientGrant {
        subject: entry.subject,
        token_file: entry.file,
        token: entry.secret,
        scopes: entry.grants,
    };
    grants::read(reader, &form).into_iter().map(grant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_back_as_it_is_written_and_anything_else_is_none() {
        let calls = ["call:*", "call:text.*", "call:text.en.*", "call:text.Uppercase"];
        for text in ["list", "watch", "metrics", "pipelines", "components"].into_iter().chain(calls) {
            assert_eq!(Scope::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["", "*", "List", "call", "call:", "call:text", "call:*.text", "call:.*", "call:a b.*", "admin", "staging"]
        {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_call_grant_covers_whole_parts_of_names() {
        for (grant, module, covered) in [
            ("*", "text.Uppercase", true),
            ("text.*", "text.Uppercase", true),
            ("text.*", "text.en.Stem", true),
            ("text.*", "texts.Uppercase", false),
            ("text.*", "other.text.Uppercase", false),
            ("text.Uppercase", "text.Uppercase", true),
            ("text.Uppercase", "text.UppercaseAll", false),
        ] {
            let module = ModuleName::parse(module).unwrap();
            assert_eq!(CallGrant::parse(grant).unwrap().covers(&module), covered, "{grant} {module}");
        }
    }
}
