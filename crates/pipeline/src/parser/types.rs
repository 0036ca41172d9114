//! Reads types as written. Does not know which names are types.

use super::Parser;
use super::recover::{ANGLES, BRACES, Trailing};
use crate::syntax::SyntaxKind::*;

impl Parser<'_> {
    /// `tmerge { "|" tmerge }`
    pub(super) fn ty(&mut self) {
        self.deeper(ErrorType, |parser| {
            let start = parser.checkpoint();
            parser.merge_type();
            if parser.is_at(Pipe) {
                parser.start_at(start, UnionType);
                while parser.eat(Pipe) {
                    parser.merge_type();
                }
                parser.finish();
            }
        });
    }

    /// `tprim { "+" tprim }`
    fn merge_type(&mut self) {
        let start = self.checkpoint();
        self.primary_type();
        if self.is_at(Plus) {
            self.start_at(start, MergeType);
            while self.eat(Plus) {
                self.primary_type();
            }
            self.finish();
        }
    }

    fn primary_type(&mut self) {
        match self.kind() {
            // What begins the next declaration is no type of this one.
            Ident if self.nth(1) != Eq || self.same_line() => {
                self.start(NamedType);
                self.bump();
                if self.is_at(Lt) {
                    self.start(TypeArgs);
                    self.list(ANGLES, Trailing::Never, "a type", Self::starts_type, Self::ty);
                    self.finish();
                }
                self.finish();
            }
            LBrace => {
                self.start(RecordType);
                self.list(BRACES, Trailing::Comma, "a field or `}`", Self::starts_name, Self::type_field);
                self.finish();
            }
            LParen => {
                let fault = self
                    .unexpected("a type")
                    .help("types have no parentheses: give a part a name with `type Name = …`");
                self.faults.push(fault);
                self.write_trivia();
                self.missing(ErrorType);
                self.skip_until(|parser| matches!(parser.kind(), Comma | Gt | Arrow));
            }
            _ => {
                self.expected("a type");
                self.write_trivia();
                self.missing(ErrorType);
            }
        }
    }

    fn starts_type(&self) -> bool {
        matches!(self.kind(), Ident | LBrace | LParen)
    }

    fn type_field(&mut self) {
        self.start(TypeField);
        if self.name("the name of a field") && self.expect(Colon) {
            self.ty();
        } else {
            self.missing(ErrorType);
        }
        self.finish();
    }
}
