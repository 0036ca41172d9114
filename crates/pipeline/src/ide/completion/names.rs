//! Offers what the source itself names: variables, outputs, types.

use crate::facts::FactKind;
use crate::ide::hover;
use crate::ide::names::{Sort, visible};
use crate::ide::probe::NAME;
use crate::ide::show;
use crate::ide::tree::own_name;
use crate::syntax::{SyntaxKind, SyntaxNode};

use super::{CompletionKind, Offers, Rank};

/// The types of the language, those with arguments as snippets.
const TYPES: [(&str, &str, &str); 10] = [
    ("String", "String", "UTF-8 text."),
    ("Int", "Int", "A signed 64-bit integer."),
    ("Float", "Float", "A 64-bit floating point number."),
    ("Bool", "Bool", "`true` or `false`."),
    ("List", "List<${1:String}>", "Values of one type, in order."),
    ("Map", "Map<${1:String}, ${2:String}>", "Values by keys, which are String, Int or Bool."),
    ("Option", "Option<${1:String}>", "A value or nothing."),
    ("Bytes", "Bytes", "Octets."),
    ("Any", "Any", "A value of any type."),
    ("{ }", "{ ${1:name}: ${2:String} }", "A record."),
];

impl Offers<'_> {
    /// The variables that an expression here may use.
    pub(super) fn variables(&mut self) {
        let Some(from) = self.probe.token.parent() else { return };
        let own = self.binding(&from);
        for named in visible(&from) {
            let name = named.declaration.text().to_owned();
            // A binding that uses itself never has a value.
            if name == NAME || own.as_ref() == Some(&name) && named.sort == Sort::Binding {
                continue;
            }
            let ty = self.probe.analysis.type_of_declared(&named);
            let near = match named.sort {
                Sort::Parameter | Sort::PatternField => Rank::Own,
                _ => Rank::Near,
            };
            let rank = self.rank(ty.as_deref(), near);
            let documentation = hover::variable(&self.probe.analysis, Some(&named), &name, ty.as_deref());
            let offered = self.offer(rank, CompletionKind::Variable, &name);
            offered.detail = ty.map(|ty| ty.to_string()).unwrap_or_default();
            offered.documentation = documentation;
        }
    }

    /// Inputs and bindings that are not put out yet.
    pub(super) fn outputs(&mut self) {
        let root = &self.probe.analysis.root;
        let out: Vec<String> = declared(root, SyntaxKind::OutDecl);
        let bindings = declared(root, SyntaxKind::BindDecl);
        let inputs = declared(root, SyntaxKind::InDecl);
        for (rank, names) in [(Rank::Own, bindings), (Rank::Near, inputs)] {
            for name in names.into_iter().filter(|name| !out.contains(name)) {
                self.offer(rank, CompletionKind::Variable, &name);
            }
        }
    }

    /// The types of the source, then those of the language.
    pub(super) fn types(&mut self) {
        for name in declared(&self.probe.analysis.root, SyntaxKind::TypeDecl) {
            let meaning = self.probe.analysis.facts.facts.iter().find_map(|fact| match &fact.kind {
                FactKind::Type { name: other, ty, .. } if *other == name => Some(ty.clone()),
                _ => None,
            });
            let offered = self.offer(Rank::Near, CompletionKind::Type, &name);
            if let Some(ty) = meaning {
                offered.detail = ty.to_string();
                offered.documentation = show::code(&format!("type {name} = {}", show::pretty(&ty)));
            }
        }
        for (name, snippet, description) in TYPES {
            let offered = self.offer(Rank::Far, CompletionKind::Type, name);
            description.clone_into(&mut offered.documentation);
            if snippet != name {
                offered.snippet = Some(snippet.to_owned());
            }
        }
    }

    /// The name of the binding whose value is being typed.
    fn binding(&self, from: &SyntaxNode) -> Option<String> {
        let decl = from.ancestors().find(|node| node.kind() == SyntaxKind::BindDecl)?;
        own_name(&decl).map(|name| name.text().to_owned())
    }
}

/// The names that declarations of a kind have, but for the one that is being typed.
fn declared(root: &SyntaxNode, kind: SyntaxKind) -> Vec<String> {
    let decls = root.children().filter(|decl| decl.kind() == kind).filter_map(|decl| own_name(&decl));
    decls.map(|name| name.text().to_owned()).filter(|name| name != NAME).collect()
}
