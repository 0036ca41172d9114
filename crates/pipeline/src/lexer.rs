//! Cuts a source into tokens, with strings and their interpolations as tokens of their own. Refuses nothing: what is no token is
//! [`SyntaxKind::Unknown`], of which the parser speaks.

use logos::{Lexer, Logos};

use crate::syntax::SyntaxKind;

/// A token; it ends where the next one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: SyntaxKind,
    /// Offset of its first byte.
    pub(crate) start: u32,
}

/// Where a string ends that has no quote at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strings {
    /// At the end of the source: a string may have line feeds.
    ManyLines,
    /// At the end of its line. A source that reads better so lacks a quote.
    OneLine,
}

/// The tokens of a source, in order; the last is [`SyntaxKind::Eof`]. Time and memory are linear in the source, which is shorter than
/// 4 GiB.
pub(crate) fn lex(source: &str, strings: Strings) -> Vec<Token> {
    let mut cutter =
        Cutter { source, strings, at: 0, open: Vec::new(), tokens: Vec::with_capacity(source.len() / 4 + 1) };
    if source.starts_with('\u{feff}') {
        cutter.push(SyntaxKind::Whitespace, '\u{feff}'.len_utf8());
    }
    while cutter.at < source.len() {
        match cutter.open.last() {
            Some(Open::String) => cutter.string(),
            _ => cutter.code(),
        }
    }
    cutter.cut_all();
    cutter.push(SyntaxKind::Eof, 0);
    cutter.tokens
}

/// What is open around a place.
#[derive(Debug, Clone, Copy)]
enum Open {
    String,
    /// With the number of open braces in it.
    Interpolation(u32),
}

struct Cutter<'s> {
    source: &'s str,
    strings: Strings,
    at: usize,
    open: Vec<Open>,
    tokens: Vec<Token>,
}

impl Cutter<'_> {
    fn push(&mut self, kind: SyntaxKind, len: usize) {
        // What cannot be told apart for a reader is one token.
        let merges = matches!(kind, SyntaxKind::StringText | SyntaxKind::Unknown);
        if !(merges && self.tokens.last().is_some_and(|last| last.kind == kind)) {
            self.tokens.push(Token { kind, start: offset(self.at) });
        }
        self.at += len;
    }

    /// Ends every open string and interpolation here.
    fn cut_all(&mut self) {
        while let Some(open) = self.open.pop() {
            self.push(
                if matches!(open, Open::String) { SyntaxKind::StringCut } else { SyntaxKind::InterpolationCut },
                0,
            );
        }
    }

    /// Tokens up to where a string begins or goes on.
    fn code(&mut self) {
        let source = self.source;
        let mut lexer = Lexer::<Code>::new(&source[self.at..]);
        while let Some(token) = lexer.next() {
            let text = lexer.slice();
            let kind = match token.unwrap_or(Code::Unknown) {
                Code::Word => {
                    // A hyphen belongs to the name, but not that of an arrow.
                    let is_cut = text.ends_with('-') && lexer.remainder().starts_with('>');
                    let word = if is_cut { &text[..text.len() - 1] } else { text };
                    self.push(SyntaxKind::keyword(word).unwrap_or(SyntaxKind::Ident), word.len());
                    if is_cut {
                        return;
                    }
                    continue;
                }
                Code::Quote => {
                    self.push(SyntaxKind::StringStart, text.len());
                    self.open.push(Open::String);
                    return;
                }
                Code::LBrace => {
                    if let Some(Open::Interpolation(braces)) = self.open.last_mut() {
                        *braces += 1;
                    }
                    SyntaxKind::LBrace
                }
                Code::RBrace => match self.open.last_mut() {
                    Some(Open::Interpolation(0)) => {
                        self.push(SyntaxKind::InterpolationEnd, text.len());
                        self.open.pop();
                        return;
                    }
                    Some(Open::Interpolation(braces)) => {
                        *braces -= 1;
                        SyntaxKind::RBrace
                    }
                    _ => SyntaxKind::RBrace,
                },
                Code::Whitespace => {
                    if self.strings == Strings::OneLine && text.contains('\n') {
                        self.cut_all();
                    }
                    SyntaxKind::Whitespace
                }
                other => other.kind(),
            };
            self.push(kind, text.len());
        }
    }

    /// The parts of a string up to its end or to an interpolation.
    fn string(&mut self) {
        let source = self.source;
        let mut lexer = Lexer::<Text>::new(&source[self.at..]);
        while let Some(token) = lexer.next() {
            let len = lexer.slice().len();
            match token.unwrap_or(Text::Plain) {
                Text::Plain => self.push(SyntaxKind::StringText, len),
                Text::LineFeed if self.strings == Strings::ManyLines => self.push(SyntaxKind::StringText, len),
                Text::LineFeed => return self.cut_all(),
                Text::Escape => self.push(SyntaxKind::Escape, len),
                Text::BadEscape => self.push(SyntaxKind::BadEscape, len),
                Text::Quote => {
                    self.push(SyntaxKind::StringEnd, len);
                    self.open.pop();
                    return;
                }
                Text::Interpolation => {
                    self.push(SyntaxKind::InterpolationStart, len);
                    self.open.push(Open::Interpolation(0));
                    return;
                }
            }
        }
    }
}

/// An offset as spans have it.
fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a source is shorter than 4 GiB")
}

/// Tokens outside strings.
#[derive(Logos, Debug, Clone, Copy)]
enum Code {
    #[regex(r"[ \t\r\n\x0C]+")]
    Whitespace,
    #[regex(r"#[^\n]*", allow_greedy = true)]
    Comment,
    #[regex(r"[A-Za-z_][A-Za-z0-9_-]*")]
    Word,
    #[regex(r"[0-9]+", priority = 5)]
    Int,
    #[regex(r"[0-9]+\.[0-9]+", priority = 5)]
    Float,
    #[regex(r"[0-9]+(ms|s|min|h|d)", priority = 10)]
    Duration,
    #[regex(r"[0-9]+(\.[0-9]+)?[A-Za-z_][A-Za-z0-9_]*", priority = 4)]
    BadNumber,
    #[token("\"")]
    Quote,
    #[token("(")]
    LParen,
    #[token(")")]
    RParen,
    #[token("[")]
    LBracket,
    #[token("]")]
    RBracket,
    #[token("{")]
    LBrace,
    #[token("}")]
    RBrace,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token(".")]
    Dot,
    #[token("@")]
    At,
    #[token("=")]
    Eq,
    #[token("=>")]
    FatArrow,
    #[token("->")]
    Arrow,
    #[token("==")]
    EqEq,
    #[token("!=")]
    NotEq,
    #[token("<")]
    Lt,
    #[token("<=")]
    LtEq,
    #[token(">")]
    Gt,
    #[token(">=")]
    GtEq,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("|")]
    Pipe,
    #[token("??")]
    Coalesce,
    #[regex(r".", priority = 0)]
    Unknown,
}

impl Code {
    fn kind(self) -> SyntaxKind {
        match self {
            Code::Whitespace => SyntaxKind::Whitespace,
            Code::Comment => SyntaxKind::Comment,
            Code::Word => SyntaxKind::Ident,
            Code::Int => SyntaxKind::Int,
            Code::Float => SyntaxKind::Float,
            Code::Duration => SyntaxKind::Duration,
            Code::BadNumber => SyntaxKind::BadNumber,
            Code::Quote => SyntaxKind::StringStart,
            Code::LParen => SyntaxKind::LParen,
            Code::RParen => SyntaxKind::RParen,
            Code::LBracket => SyntaxKind::LBracket,
            Code::RBracket => SyntaxKind::RBracket,
            Code::LBrace => SyntaxKind::LBrace,
            Code::RBrace => SyntaxKind::RBrace,
            Code::Comma => SyntaxKind::Comma,
            Code::Colon => SyntaxKind::Colon,
            Code::Dot => SyntaxKind::Dot,
            Code::At => SyntaxKind::At,
            Code::Eq => SyntaxKind::Eq,
            Code::FatArrow => SyntaxKind::FatArrow,
            Code::Arrow => SyntaxKind::Arrow,
            Code::EqEq => SyntaxKind::EqEq,
            Code::NotEq => SyntaxKind::NotEq,
            Code::Lt => SyntaxKind::Lt,
            Code::LtEq => SyntaxKind::LtEq,
            Code::Gt => SyntaxKind::Gt,
            Code::GtEq => SyntaxKind::GtEq,
            Code::Plus => SyntaxKind::Plus,
            Code::Minus => SyntaxKind::Minus,
            Code::Star => SyntaxKind::Star,
            Code::Slash => SyntaxKind::Slash,
            Code::Pipe => SyntaxKind::Pipe,
            Code::Coalesce => SyntaxKind::Coalesce,
            Code::Unknown => SyntaxKind::Unknown,
        }
    }
}

/// Parts of a string.
#[derive(Logos, Debug, Clone, Copy)]
enum Text {
    #[regex(r#"[^"\\$\n]+"#)]
    #[token("$")]
    Plain,
    #[token("\n")]
    LineFeed,
    #[regex(r#"\\[ntr\\"$]"#, priority = 5)]
    Escape,
    #[regex(r"\\[^\n]", priority = 3)]
    #[token("\\", priority = 2)]
    BadEscape,
    #[token("\"")]
    Quote,
    #[token("${")]
    Interpolation,
}
