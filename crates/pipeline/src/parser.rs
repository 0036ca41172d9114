//! Reads tokens into the lossless tree by recursive descent, and goes on behind every fault. Knows nothing of meaning: no name is
//! looked up, no value computed.

mod call;
mod decl;
mod expr;
mod faults;
mod primary;
mod recover;
mod types;

use rowan::{Checkpoint, GreenNode, GreenNodeBuilder};

pub(crate) use self::call::is_option;
pub(crate) use self::faults::Faults;
pub use self::faults::MAX_DIAGNOSTICS;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lexer::{Strings, Token, lex};
use crate::syntax::SyntaxKind;

/// How deep expressions and types may stand in each other. An operand is one deeper than its operator, so that it is also the length of the
/// longest chain of operators.
pub const MAX_NESTING: u32 = 128;

/// Reads a source, which is shorter than 4 GiB. Gives the tree and what is wrong with it. Time and memory are linear in the source; the depth
/// of the tree is bounded by [`MAX_NESTING`].
pub(crate) fn parse(source: &str) -> (GreenNode, Faults) {
    let one_line = || parse_tokens(source, lex(source, Strings::OneLine));
    let tokens = lex(source, Strings::ManyLines);
    if tokens.iter().any(|token| token.kind == SyntaxKind::StringCut) {
        return one_line();
    }
    let has_strings = tokens.iter().any(|token| token.kind == SyntaxKind::StringStart);
    let (tree, faults) = parse_tokens(source, tokens);
    if faults.is_empty() || !has_strings {
        return (tree, faults);
    }
    // Two quotes that lack turn what is between them inside out. When strings that end with their line give no more faults, they lack.
    let (other_tree, other_faults) = one_line();
    if other_faults.total() <= faults.total() { (other_tree, other_faults) } else { (tree, faults) }
}

fn parse_tokens(source: &str, tokens: Vec<Token>) -> (GreenNode, Faults) {
    let mut parser = Parser::new(source, tokens);
    parser.file();
    (parser.builder.finish(), parser.faults)
}

struct Parser<'s> {
    source: &'s str,
    /// All of them, the last is the end.
    tokens: Vec<Token>,
    /// The indices of those that are not blanks or comments.
    significant: Vec<u32>,
    /// Index into `significant` of the token to read.
    at: usize,
    /// Index into `tokens` of the first that is not in the tree yet.
    written: usize,
    builder: GreenNodeBuilder<'static>,
    faults: Faults,
    /// How many expressions and types are open.
    depth: u32,
    /// The depth of the deepest one since the expression began whose left side may still be put one deeper.
    deepest: u32,
    /// How many of `(`, `[`, `{` are open.
    open: [u32; 3],
    context: Context,
}

/// What surrounds an expression and decides how it is read.
#[derive(Debug, Clone, Copy, Default)]
struct Context {
    /// A comma ends the expression: what follows belongs to a list.
    in_list: bool,
    /// A brace ends the expression: it opens the arms of a match.
    in_subject: bool,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str, tokens: Vec<Token>) -> Self {
        let significant = tokens.iter().zip(0..).filter(|(token, _)| !token.kind.is_trivia()).map(|(_, i)| i).collect();
        Self {
            source,
            tokens,
            significant,
            at: 0,
            written: 0,
            builder: GreenNodeBuilder::new(),
            faults: Faults::default(),
            depth: 0,
            deepest: 0,
            open: [0; 3],
            context: Context::default(),
        }
    }

    // The tokens ahead.

    /// Index into `tokens` of the nth token ahead.
    fn index(&self, n: usize) -> usize {
        let last = self.significant.len() - 1;
        self.significant[(self.at + n).min(last)] as usize
    }

    fn nth(&self, n: usize) -> SyntaxKind {
        self.tokens[self.index(n)].kind
    }

    fn kind(&self) -> SyntaxKind {
        self.nth(0)
    }

    fn is_at(&self, kind: SyntaxKind) -> bool {
        self.kind() == kind
    }

    fn span_of(&self, index: usize) -> Span {
        let start = self.tokens[index].start;
        Span::new(start, self.tokens.get(index + 1).map_or(start, |next| next.start))
    }

    fn nth_span(&self, n: usize) -> Span {
        self.span_of(self.index(n))
    }

    fn span(&self) -> Span {
        self.nth_span(0)
    }

    fn nth_text(&self, n: usize) -> &'s str {
        &self.source[self.nth_span(n).range()]
    }

    /// The last token that was read; of no length at the start of the source.
    fn previous(&self) -> Span {
        match self.at.checked_sub(1) {
            Some(at) => self.span_of(self.significant[at] as usize),
            None => Span::default(),
        }
    }

    /// Whether no blank or comment stands between the nth token ahead and the next.
    fn touches(&self, n: usize) -> bool {
        self.index(n) + 1 == self.index(n + 1)
    }

    /// Whether the token ahead begins on the line on which the last one ended.
    fn same_line(&self) -> bool {
        let from = self.previous().end as usize;
        !self.source[from..self.span().start as usize].contains('\n')
    }

    /// Whether an equals sign behind the name ahead is meant as something else than the binding of a declaration: in brackets, on one line.
    fn is_misplaced_eq(&self) -> bool {
        self.open.iter().any(|open| *open > 0) && self.same_line()
    }

    // The tree.

    /// Puts blanks and comments before the token ahead into the tree, so that no node begins with them.
    fn write_trivia(&mut self) {
        let end = self.index(0);
        while self.written < end {
            let token = self.tokens[self.written];
            if token.kind.is_trivia() {
                let text = &self.source[self.span_of(self.written).range()];
                self.builder.token(token.kind.into(), text);
            }
            self.written += 1;
        }
    }

    fn start(&mut self, kind: SyntaxKind) {
        self.write_trivia();
        self.builder.start_node(kind.into());
    }

    fn finish(&mut self) {
        self.builder.finish_node();
    }

    fn checkpoint(&mut self) -> Checkpoint {
        self.write_trivia();
        self.builder.checkpoint()
    }

    fn start_at(&mut self, checkpoint: Checkpoint, kind: SyntaxKind) {
        self.builder.start_node_at(checkpoint, kind.into());
    }

    /// A node without text, where something is missing.
    fn missing(&mut self, kind: SyntaxKind) {
        self.builder.start_node(kind.into());
        self.builder.finish_node();
    }

    /// Reads the token ahead.
    fn bump(&mut self) {
        if self.is_at(SyntaxKind::Eof) {
            return;
        }
        self.write_trivia();
        let (kind, span) = (self.kind(), self.span());
        if span.start != span.end {
            self.builder.token(kind.into(), &self.source[span.range()]);
        }
        match kind {
            SyntaxKind::LParen => self.open[0] += 1,
            SyntaxKind::LBracket => self.open[1] += 1,
            SyntaxKind::LBrace => self.open[2] += 1,
            SyntaxKind::RParen => self.open[0] = self.open[0].saturating_sub(1),
            SyntaxKind::RBracket => self.open[1] = self.open[1].saturating_sub(1),
            SyntaxKind::RBrace => self.open[2] = self.open[2].saturating_sub(1),
            _ => {}
        }
        self.at += 1;
        self.written += 1;
    }

    fn eat(&mut self, kind: SyntaxKind) -> bool {
        let is_at = self.is_at(kind);
        if is_at {
            self.bump();
        }
        is_at
    }

    /// Reads a name into a node of its own; a reserved word that stands in the place of one is refused and read too.
    fn name(&mut self, what: &str) -> bool {
        match self.kind() {
            SyntaxKind::Ident => {}
            kind if kind.is_keyword() && !self.at_decl() => {
                let fault = Diagnostic::new(
                    Code::UnexpectedToken,
                    self.span(),
                    format!("{kind} is a reserved word and cannot be {what}"),
                );
                self.faults.push(fault.label("a reserved word"));
            }
            _ => {
                self.expected(what);
                return false;
            }
        }
        self.start(SyntaxKind::Name);
        self.bump();
        self.finish();
        true
    }

    /// Reads with another context and gives the old one back.
    fn within<R>(&mut self, context: Context, read: impl FnOnce(&mut Self) -> R) -> R {
        let outer = std::mem::replace(&mut self.context, context);
        let result = read(self);
        self.context = outer;
        result
    }

    /// Reads something one deeper; where that is too deep, `missing` stands for it and its text is skipped.
    fn deeper(&mut self, missing: SyntaxKind, read: impl FnOnce(&mut Self)) {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            self.too_deep();
            self.write_trivia();
            self.missing(missing);
            self.skip_balanced();
        } else {
            self.deepest = self.deepest.max(self.depth);
            read(self);
        }
        self.depth -= 1;
    }

    /// Whether what was read since `deepest` was set may stand one deeper; if not, says so.
    fn may_wrap(&mut self) -> bool {
        let may = self.deepest < MAX_NESTING;
        if may {
            self.deepest += 1;
        } else {
            self.too_deep();
        }
        may
    }

    fn too_deep(&mut self) {
        let message = format!("nested deeper than {MAX_NESTING} levels");
        let fault = Diagnostic::new(Code::ParseError, self.span(), message)
            .label("one level too many")
            .help("bind a part of it to a name of its own");
        self.faults.push(fault);
        // The declaration is not read to its end.
        self.faults.mute(true);
    }
}
