//! Prints an [`ast`](crate::ast) as a source. Layout is `format`'s.

mod expr;

use std::fmt::Write as _;

use crate::ast::{Decl, File, QName, Type, TypeKind};
use crate::format::format;

/// The source of a file, in canonical form. Read again it is the same file, spans apart; comments other than the description are not in it. An
/// `Error` in the file prints as `?`, which does not parse.
#[must_use]
pub fn print(file: &File) -> String {
    let mut printer = Printer::default();
    for decl in &file.decls {
        printer.decl(decl);
    }
    let body = format(&printer.text).unwrap_or(printer.text);
    let mut text = String::new();
    if !file.description.is_empty() {
        for line in file.description.split('\n') {
            text.push_str(format!("# {line}").trim_end());
            text.push('\n');
        }
        if !body.is_empty() {
            text.push('\n');
        }
    }
    text + &body
}

#[derive(Default)]
struct Printer {
    text: String,
}

impl Printer {
    fn push(&mut self, text: &str) {
        if self.text.ends_with('-') && text.starts_with('>') {
            // A name may end with a hyphen, but with these two it would be an arrow.
            self.text.push(' ');
        }
        self.text.push_str(text);
    }

    /// Items with commas between them.
    fn items<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.push(", ");
            }
            each(self, item);
        }
    }

    fn decl(&mut self, decl: &Decl) {
        match decl {
            Decl::Type { name, ty } => {
                self.push(&format!("type {} = ", name.text));
                self.ty(ty);
            }
            Decl::In { examples, name, ty } => {
                for example in examples {
                    self.push("@example(");
                    self.expr(example);
                    self.push(")\n");
                }
                self.push(&format!("in {}: ", name.text));
                self.ty(ty);
            }
            Decl::Out { name } => self.push(&format!("out {}", name.text)),
            Decl::Use { namespace, alias } => {
                self.push("use ");
                self.qname(namespace);
                if let Some(alias) = alias {
                    self.push(&format!(" as {}", alias.text));
                }
            }
            Decl::Bind { name, value } => {
                self.push(&format!("{} = ", name.text));
                self.expr(value);
            }
        }
        self.push("\n");
    }

    fn qname(&mut self, name: &QName) {
        let text = name.text();
        self.push(&text);
    }

    fn ty(&mut self, ty: &Type) {
        match &ty.kind {
            TypeKind::Named { name, args } => {
                self.push(&name.text);
                if !args.is_empty() {
                    self.push("<");
                    self.items(args, Self::ty);
                    self.push(">");
                }
            }
            TypeKind::Record(fields) => {
                self.push("{");
                self.items(fields, |printer, (name, ty)| {
                    printer.push(&format!("{}: ", name.text));
                    printer.ty(ty);
                });
                self.push("}");
            }
            TypeKind::Merge(parts) => self.joined(parts, " + "),
            TypeKind::Union(variants) => self.joined(variants, " | "),
            TypeKind::Error => self.push("?"),
        }
    }

    fn joined(&mut self, types: &[Type], between: &str) {
        for (i, ty) in types.iter().enumerate() {
            if i > 0 {
                self.push(between);
            }
            self.ty(ty);
        }
    }

    fn float(&mut self, value: f64) {
        // Never with an exponent.
        let start = self.text.len();
        let written = write!(self.text, "{value}");
        debug_assert!(written.is_ok(), "a string takes everything");
        if !self.text[start..].contains('.') {
            self.push(".0");
        }
    }
}
