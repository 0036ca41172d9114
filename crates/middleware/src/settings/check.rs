//! What is wrong with settings, all at once. Mends nothing.

use serde_json::Value;

use crate::filter::Filter;
use crate::hook::Hook;
use crate::pointer::{Pointer, escape};
use crate::settings::Settings;

/// Most levels of a filter.
const MAX_FILTER_DEPTH: usize = 16;
/// Most objects of a filter.
const MAX_FILTER_PARTS: usize = 256;

/// One thing that is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// JSON pointer to it, within the settings.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

impl Settings {
    /// All that is wrong with them; empty when they can be used.
    #[must_use]
    pub fn check(&self) -> Vec<SettingFault> {
        let mut faults = Faults::default();
        for (i, hook) in self.hooks.iter().enumerate() {
            if self.hooks[..i].contains(hook) {
                faults.tell(format!("/hooks/{i}"), format!("`{hook}` is listed twice"), "list each hook once");
            }
        }
        if let Some(filter) = &self.filter {
            faults.filter(filter, "/filter", 1);
            if faults.parts > MAX_FILTER_PARTS {
                let message = format!("the filter has more than {MAX_FILTER_PARTS} objects");
                faults.tell("/filter".to_owned(), message, "write it with fewer parts");
            }
        }
        for (i, pointer) in self.field_policy.change.iter().enumerate() {
            if Pointer::parse(pointer).is_none() {
                let message = format!("`{pointer}` is no JSON pointer");
                faults.tell(format!("/field_policy/change/{i}"), message, "a pointer is empty or begins with `/`");
            }
        }
        for (i, pattern) in self.field_policy.route.iter().enumerate() {
            faults.pattern(pattern, format!("/field_policy/route/{i}"));
        }
        if self.on_component_failure.contains_key(&Hook::Audit) {
            let message = "`audit` cannot fail a call".to_owned();
            faults.tell("/on_component_failure/audit".to_owned(), message, "leave it out");
        }
        faults.found
    }
}

#[derive(Default)]
struct Faults {
    found: Vec<SettingFault>,
    /// Objects of the filter so far.
    parts: usize,
}

impl Faults {
    fn tell(&mut self, pointer: String, message: String, hint: &'static str) {
        self.found.push(SettingFault { pointer, message, hint });
    }

    fn filter(&mut self, filter: &Filter, at: &str, depth: usize) {
        self.parts += 1;
        if self.parts > MAX_FILTER_PARTS {
            return;
        }
        if depth > MAX_FILTER_DEPTH {
            let message = format!("the filter is deeper than {MAX_FILTER_DEPTH}");
            return self.tell(at.to_owned(), message, "write it with fewer levels");
        }
        match filter {
            Filter::And { and } => self.several(and, &format!("{at}/AND"), depth),
            Filter::Or { or } => self.several(or, &format!("{at}/OR"), depth),
            Filter::Not { not } => self.filter(not, &format!("{at}/NOT"), depth + 1),
            Filter::Fields(fields) if fields.is_empty() => {
                self.tell(at.to_owned(), "the filter is empty".to_owned(), "say what must hold, or leave it out");
            }
            Filter::Fields(fields) => {
                for (name, value) in fields {
                    self.field(name, value, format!("{at}/{}", escape(name)));
                }
            }
        }
    }

    fn several(&mut self, filters: &[Filter], at: &str, depth: usize) {
        if filters.is_empty() {
            self.tell(at.to_owned(), "nothing is listed".to_owned(), "list at least one filter");
        }
        for (i, filter) in filters.iter().enumerate() {
            self.filter(filter, &format!("{at}/{i}"), depth + 1);
        }
    }

    fn field(&mut self, name: &str, value: &Value, at: String) {
        match (name, value) {
            ("module", Value::String(pattern)) => self.pattern(pattern, at),
            ("namespace" | "caller", Value::String(_)) => {}
            ("hook", Value::String(hook)) if Hook::ALL.iter().any(|known| known.as_str() == hook) => {}
            ("hook", _) => {
                self.tell(
                    at,
                    format!("{value} is no hook"),
                    "hooks are pre_run, pre_invoke, post_invoke, post_run and audit",
                );
            }
            ("module" | "namespace" | "caller", _) => self.tell(at, format!("{value} is no text"), "write a text"),
            (pointer, _) if pointer.starts_with('/') => {
                if Pointer::parse(pointer).is_none() {
                    self.tell(at, format!("`{pointer}` is no JSON pointer"), "`~` is written `~0`, `/` in a name `~1`");
                }
            }
            _ => {
                const HINT: &str = "fields are module, namespace, caller, hook and JSON pointers that begin with `/`";
                self.tell(at, format!("`{name}` is no field of a filter"), HINT);
            }
        }
    }

    fn pattern(&mut self, pattern: &str, at: String) {
        let of_names = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '*');
        if pattern.is_empty() || !pattern.chars().all(of_names) {
            self.tell(at, format!("`{pattern}` matches no name"), "patterns look like `text.*` or `text.Uppercase`");
        }
    }
}
