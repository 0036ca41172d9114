//! Reads the text form of a type. Leaves the rules of registration to `check`, but for those that the tree cannot express.

use crate::{
    code::TypeCode,
    ctype::{CType, Field, KeyType, MAX_TYPE_DEPTH, MAX_TYPE_NODES, Record, TypeFault},
    path,
};

/// Reads a whole text. Time and memory are linear in the text; recursion ends at [`MAX_TYPE_DEPTH`] open brackets.
pub(crate) fn parse(text: &str) -> Result<CType, TypeFault> {
    let mut parser = Parser { text, at: 0, nodes: 0 };
    let ctype = parser.union(0)?;
    match parser.peek() {
        None => Ok(ctype),
        Some(_) => Err(parser.expected("the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    nodes: usize,
}

impl<'a> Parser<'a> {
    fn union(&mut self, open: usize) -> Result<CType, TypeFault> {
        let start = self.start();
        let first = self.primary(open).map_err(|fault| {
            // Only what follows tells that this was a variant.
            if bar_follows(&self.text[start..]) { fault.inside(path::variant(0)) } else { fault }
        })?;
        if self.peek() != Some('|') {
            return Ok(first);
        }
        let mut variants = vec![first];
        while self.eat('|') {
            let i = variants.len();
            variants.push(self.primary(open).map_err(|fault| fault.inside(path::variant(i)))?);
        }
        Ok(CType::Union(variants))
    }

    fn primary(&mut self, open: usize) -> Result<CType, TypeFault> {
        if open > MAX_TYPE_DEPTH {
            return Err(TypeFault::new(TypeCode::Depth));
        }
        self.nodes += 1;
        if self.nodes > MAX_TYPE_NODES {
            return Err(TypeFault::new(TypeCode::Size));
        }
        if self.eat('(') {
            self.nodes -= 1;
            let ctype = self.union(open + 1)?;
            self.expect(')')?;
            return Ok(ctype);
        }
        if self.eat('{') {
            return self.record(open);
        }
        let start = self.start();
        match self.name().ok_or_else(|| self.expected("a type"))? {
            "String" => Ok(CType::String),
            "Int" => Ok(CType::Int),
            "Float" => Ok(CType::Float),
            "Bool" | "Boolean" => Ok(CType::Bool),
            "Bytes" => Ok(CType::Bytes),
            "Any" => Ok(CType::Any),
            "List" => {
                self.expect('<')?;
                let item = self.union(open + 1).map_err(|fault| fault.inside("[]".to_owned()))?;
                self.expect('>')?;
                Ok(CType::list(item))
            }
            "Option" | "Optional" => {
                self.expect('<')?;
                let value = self.union(open + 1).map_err(|fault| fault.inside("?".to_owned()))?;
                self.expect('>')?;
                Ok(CType::option(value))
            }
            "Map" => {
                self.expect('<')?;
                let in_key = |fault: TypeFault| fault.inside("{key}".to_owned());
                let key = self.union(open + 1).map_err(in_key)?;
                let key = KeyType::of(&key).ok_or_else(|| in_key(TypeFault::new(TypeCode::MapKey)))?;
                self.expect(',')?;
                let value = self.union(open + 1).map_err(|fault| fault.inside("{}".to_owned()))?;
                self.expect('>')?;
                Ok(CType::map(key, value))
            }
            _ => {
                self.at = start;
                Err(self.expected("a type"))
            }
        }
    }

    fn record(&mut self, open: usize) -> Result<CType, TypeFault> {
        let mut fields = Vec::new();
        while !self.eat('}') {
            let name = self.name().ok_or_else(|| self.expected("a field name or `}`"))?;
            self.expect(':')?;
            let ctype = self.union(open + 1).map_err(|fault| fault.inside(path::field(name)))?;
            fields.push(Field { name: name.to_owned(), ctype });
            if !self.eat(',') {
                self.expect('}')?;
                break;
            }
        }
        Ok(CType::Record(Record { fields }))
    }

    /// Skips white space and gives the offset of what follows.
    fn start(&mut self) -> usize {
        let rest = &self.text[self.at..];
        self.at = self.text.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.at
    }

    fn peek(&mut self) -> Option<char> {
        let start = self.start();
        self.text[start..].chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), TypeFault> {
        if self.eat(wanted) { Ok(()) } else { Err(self.expected(&format!("`{wanted}`"))) }
    }

    fn name(&mut self) -> Option<&'a str> {
        let start = self.start();
        let text = self.text;
        let rest = &text[start..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        self.at = start + end;
        Some(&rest[..end])
    }

    fn expected(&mut self, what: &str) -> TypeFault {
        let start = self.start();
        let detail = match self.text[start..].chars().next() {
            None => format!("expected {what} at byte {start}, found the end"),
            Some(_) => {
                let word = self.name().map(|name| name.chars().take(32).collect::<String>());
                let found = word.unwrap_or_else(|| self.text[start..].chars().take(1).collect());
                format!("expected {what} at byte {start}, found `{found}`")
            }
        };
        TypeFault::with_detail(TypeCode::Syntax, detail)
    }
}

/// How far a refusal looks ahead for the exact path, in characters: enough for any type that a person writes.
const LOOK_AHEAD: usize = 16 * 1024;

/// Whether a `|` stands after the first primary of `text`, outside all of its brackets.
fn bar_follows(text: &str) -> bool {
    let mut open = 0_usize;
    for c in text.chars().take(LOOK_AHEAD) {
        match c {
            '<' | '{' | '(' => open += 1,
            '>' | '}' | ')' | ',' if open == 0 => return false,
            '>' | '}' | ')' => open -= 1,
            '|' if open == 0 => return true,
            _ => {}
        }
    }
    false
}
