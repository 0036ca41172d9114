//! The signature of the call whose arguments are being typed. Checks none of them.

use crate::diagnostic::Span;
use crate::facts::FactKind;
use crate::syntax::{SyntaxKind, SyntaxNode};

use super::probe::probe;
use super::tree::{child, own_name, span};
use super::{Analysis, show};

/// A signature with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// E.g. `text.Repeat(text: String, times: Option<Int>) -> String`.
    pub label: String,
    /// What the function does, in Markdown; may be empty.
    pub description: String,
    /// Each as it stands in the label.
    pub parameters: Vec<String>,
    /// Index of the one that is being typed.
    pub active: Option<u32>,
}

/// The signature of the innermost call that a place is among the arguments of.
#[must_use]
pub fn signature(analysis: &Analysis, at: u32) -> Option<Signature> {
    let probe = probe(analysis, at)?;
    let mut inner = probe.token.parent()?;
    let list = loop {
        // Inside the body of a lambda or a record the call around is far away, but still the one.
        let outer = inner.parent()?;
        if outer.kind() == SyntaxKind::ArgList {
            break outer;
        }
        inner = outer;
    };
    let call = list.parent().filter(|call| call.kind() == SyntaxKind::CallExpr)?;
    let name = span(&child(&call, SyntaxKind::QName)?);
    let described = called(&probe.analysis, name)?;
    let active = active(&list, &inner, &described.names);
    Some(Signature {
        label: described.label,
        description: described.description,
        parameters: described.parameters,
        active,
    })
}

struct Described {
    label: String,
    description: String,
    parameters: Vec<String>,
    names: Vec<String>,
}

/// What the name in a call means.
fn called(analysis: &Analysis, name: Span) -> Option<Described> {
    let facts = analysis.facts_at(name.end).filter(|fact| fact.span.end == name.end && name.start <= fact.span.start);
    facts.into_iter().find_map(|fact| match &fact.kind {
        FactKind::Module(module) => {
            let parameters = show::parameters(module);
            let shown = |one: &show::Parameter| match &one.ty {
                Some(ty) => format!("{}: {ty}", one.name),
                None => one.name.clone(),
            };
            Some(Described {
                label: format!("{}{}", module.name, show::signature(module)),
                description: module.description.to_string(),
                parameters: parameters.iter().map(shown).collect(),
                names: parameters.into_iter().map(|one| one.name).collect(),
            })
        }
        FactKind::Function { name, signature, description } => {
            let names: Vec<String> =
                crate::stdlib::function(name)?.parameters.iter().map(|one| (*one).to_owned()).collect();
            // Its parameters stand in it by their names.
            let parameters = names.iter().map(|name| format!("{name}: ")).collect();
            Some(Described { label: format!("{name}{signature}"), description: description.clone(), parameters, names })
        }
        _ => None,
    })
}

/// The parameter that an argument is for: by its name, else by its place.
fn active(list: &SyntaxNode, argument: &SyntaxNode, names: &[String]) -> Option<u32> {
    let index = match own_name(argument) {
        Some(name) => names.iter().position(|other| other == name.text())?,
        None => list.children().filter(|child| child.kind() == SyntaxKind::Arg).position(|one| one == *argument)?,
    };
    u32::try_from(index).ok().filter(|index| (*index as usize) < names.len())
}
