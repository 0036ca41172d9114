//! Types as text, both ways. Checks syntax and nesting only; the other rules are in `CType::check`.

use std::fmt;

use crate::types::{CType, Field, MAX_DEPTH, TypeError};

pub(super) fn parse(text: &str) -> Result<CType, TypeError> {
    let mut parser = Parser { text, at: 0 };
    let ty = parser.ty(0)?;
    match parser.peek() {
        None => Ok(ty),
        Some(_) => Err(parser.fault("the end")),
    }
}

pub(super) fn print(ty: &CType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match ty {
        CType::String => f.write_str("String"),
        CType::Int => f.write_str("Int"),
        CType::Float => f.write_str("Float"),
        CType::Bool => f.write_str("Bool"),
        CType::Bytes => f.write_str("Bytes"),
        CType::Any => f.write_str("Any"),
        CType::List(item) => write!(f, "List<{item}>"),
        CType::Map(key, value) => write!(f, "Map<{key}, {value}>"),
        CType::Option(inner) => write!(f, "Option<{inner}>"),
        CType::Record(fields) => {
            f.write_str("{")?;
            for (i, Field { name, ty }) in fields.iter().enumerate() {
                let separator = if i == 0 { "" } else { ", " };
                write!(f, "{separator}{name}: {ty}")?;
            }
            f.write_str("}")
        }
        CType::Union(variants) => {
            for (i, variant) in variants.iter().enumerate() {
                let separator = if i == 0 { "" } else { " | " };
                write!(f, "{separator}{variant}")?;
            }
            Ok(())
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// `open` counts the brackets around this place, which bounds the recursion. The depth of the type is checked by `CType::check`:
    /// a union adds to it, and a parenthesis does not.
    fn ty(&mut self, open: usize) -> Result<CType, TypeError> {
        let first = self.prim(open)?;
        if self.peek() != Some('|') {
            return Ok(first);
        }
        let mut variants = vec![first];
        while self.eat('|') {
            let position = variants.len();
            variants.push(self.prim(open).map_err(|e| e.under(format_args!("|{position}")))?);
        }
        Ok(CType::Union(variants))
    }

    fn prim(&mut self, open: usize) -> Result<CType, TypeError> {
        if open > MAX_DEPTH {
            return Err(TypeError::new("type.depth", "a type is nested deeper than 64"));
        }
        if self.eat('(') {
            let inner = self.ty(open + 1)?;
            self.expect(')')?;
            return Ok(inner);
        }
        if self.eat('{') {
            return self.record(open);
        }
        let start = self.at;
        match self.word() {
            "String" => Ok(CType::String),
            "Int" => Ok(CType::Int),
            "Float" => Ok(CType::Float),
            "Bool" | "Boolean" => Ok(CType::Bool),
            "Bytes" => Ok(CType::Bytes),
            "Any" => Ok(CType::Any),
            "List" => {
                self.expect('<')?;
                let item = self.ty(open + 1).map_err(|e| e.under("[]"))?;
                self.expect('>')?;
                Ok(CType::list(item))
            }
            "Option" | "Optional" => {
                self.expect('<')?;
                let inner = self.ty(open + 1).map_err(|e| e.under("?"))?;
                self.expect('>')?;
                Ok(CType::option(inner))
            }
            "Map" => {
                self.expect('<')?;
                let key = self.ty(open + 1).map_err(|e| e.under("{key}"))?;
                self.expect(',')?;
                let value = self.ty(open + 1).map_err(|e| e.under("{}"))?;
                self.expect('>')?;
                Ok(CType::map(key, value))
            }
            _ => {
                self.at = start;
                Err(self.fault("a type"))
            }
        }
    }

    fn record(&mut self, open: usize) -> Result<CType, TypeError> {
        let mut fields = Vec::new();
        while !self.eat('}') {
            let name = self.word().to_owned();
            if name.is_empty() {
                return Err(self.fault("a field name"));
            }
            self.expect(':')?;
            let ty = self.ty(open + 1).map_err(|e| e.under(format_args!(".{name}")))?;
            fields.push(Field { name, ty });
            if !self.eat(',') {
                self.expect('}')?;
                break;
            }
        }
        Ok(CType::Record(fields))
    }

    /// The identifier at this place; empty where there is none.
    fn word(&mut self) -> &'a str {
        self.space();
        let rest = &self.text[self.at..];
        let end = rest
            .char_indices()
            .find(|&(i, c)| !(c.is_ascii_alphabetic() || c == '_' || (i > 0 && (c.is_ascii_digit() || c == '-'))))
            .map_or(rest.len(), |(i, _)| i);
        self.at += end;
        &rest[..end]
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&mut self) -> Option<char> {
        self.space();
        self.text[self.at..].chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), TypeError> {
        if self.eat(wanted) { Ok(()) } else { Err(self.fault(&format!("`{wanted}`"))) }
    }

    fn fault(&mut self, wanted: &str) -> TypeError {
        let found = self.peek().map_or_else(|| "the end".to_owned(), |c| format!("`{c}`"));
        TypeError::new("type.syntax", format!("expected {wanted}, found {found} at byte {}", self.at))
    }
}
