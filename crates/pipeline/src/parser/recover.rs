//! What the parser does behind a fault: what it says, what it skips, where it goes on. Reads no construct.

use super::{Context, Parser};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::SyntaxKind::{self, *};

/// How much of a token a message repeats.
const SHOWN_CHARS: usize = 40;

/// One kind of bracket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brackets {
    pub(super) open: SyntaxKind,
    pub(super) close: SyntaxKind,
}

pub(super) const PARENS: Brackets = Brackets { open: LParen, close: RParen };
pub(super) const SQUARES: Brackets = Brackets { open: LBracket, close: RBracket };
pub(super) const BRACES: Brackets = Brackets { open: LBrace, close: RBrace };
pub(super) const ANGLES: Brackets = Brackets { open: Lt, close: Gt };

/// Whether a comma may stand behind the last item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trailing {
    Comma,
    Never,
}

impl Parser<'_> {
    /// Whether a declaration begins here. `name =` stands nowhere else in a right source, nor do the words and `@`.
    pub(super) fn at_decl(&self) -> bool {
        match self.kind() {
            TypeKw | InKw | OutKw | UseKw => self.nth(1) != Colon && self.nth(1) != Comma,
            At => true,
            Ident => self.nth(1) == Eq,
            _ => false,
        }
    }

    /// Whether nothing inside an expression can go on here, whatever was wrong before.
    pub(super) fn at_boundary(&self) -> bool {
        match self.kind() {
            Eof | InterpolationEnd | InterpolationCut | StringCut => true,
            RParen => self.open[0] > 0,
            RBracket => self.open[1] > 0,
            RBrace => self.open[2] > 0,
            _ => self.at_decl(),
        }
    }

    /// Whether the name of an item begins here, be it a reserved word.
    pub(super) fn starts_name(&self) -> bool {
        match self.kind() {
            Ident => self.nth(1) != Eq || self.is_misplaced_eq(),
            kind => kind.is_keyword() && !self.at_decl(),
        }
    }

    /// Says that something else must stand here. `what` reads behind "expected".
    pub(super) fn expected(&mut self, what: &str) {
        let fault = self.unexpected(what);
        self.faults.push(fault);
    }

    /// The fault of the token ahead; where that stands on a line further down, the fault is behind the last token, where something lacks.
    pub(super) fn unexpected(&self, what: &str) -> Diagnostic {
        let is_end = matches!(self.kind(), Eof | StringCut | InterpolationCut);
        let is_here = self.at == 0 || (!is_end && self.same_line());
        let span = if is_here { self.span() } else { Span::new(self.previous().end, self.previous().end) };
        let mut fault =
            Diagnostic::new(Code::UnexpectedToken, span, format!("expected {what}, found {}", self.shown()));
        fault.label = format!("expected {what}");
        if is_here && let Some(help) = self.advice() {
            fault.help.push(help.to_owned());
        }
        fault
    }

    /// The token ahead as a message names it.
    pub(super) fn shown(&self) -> String {
        match self.kind() {
            kind @ (Ident | Int | Float | Duration | BadNumber | Unknown) => {
                let text = self.nth_text(0);
                let mut chars = text.chars().filter(|c| !c.is_control());
                let mut shown: String = chars.by_ref().take(SHOWN_CHARS).collect();
                if chars.next().is_some() {
                    shown.push('…');
                }
                // A control character cannot be shown as it is.
                if shown.is_empty() { kind.text().to_owned() } else { format!("`{shown}`") }
            }
            kind => kind.text().to_owned(),
        }
    }

    /// What people write here who are used to another language.
    fn advice(&self) -> Option<&'static str> {
        let text = self.nth_text(0);
        Some(match self.kind() {
            Unknown => match text.chars().next()? {
                ';' => "declarations and fields have no `;`: leave it out",
                '\'' | '`' | '\u{201c}' | '\u{201d}' => "a string stands in double quotes: `\"text\"`",
                '&' => "write `and`",
                '!' => "write `not`, or `!=`",
                '%' => "write `modulo(a, b)`",
                '?' => "write `a ?? b` for a value in place of none",
                '$' => "`${…}` stands in strings only",
                _ => return None,
            },
            Pipe if self.nth(1) == Pipe => "write `or`",
            Slash if matches!(self.nth(1), Slash | Star) => "a comment begins with `#`",
            _ => return None,
        })
    }

    /// Reads a token, or says that it lacks.
    pub(super) fn expect(&mut self, kind: SyntaxKind) -> bool {
        let is_there = self.eat(kind);
        if !is_there {
            self.expected(kind.text());
        }
        is_there
    }

    /// Reads the bracket that closes `opened`, or says that it lacks.
    pub(super) fn close(&mut self, brackets: Brackets, opened: Span) {
        if self.is_at(brackets.close) {
            self.bump();
            return;
        }
        let fault = self.unexpected(brackets.close.text()).related(opened, "opened here");
        self.faults.push(fault);
        // A bracket that nothing here closes any more must not be waited for.
        match brackets.open {
            LParen => self.open[0] = self.open[0].saturating_sub(1),
            LBracket => self.open[1] = self.open[1].saturating_sub(1),
            LBrace => self.open[2] = self.open[2].saturating_sub(1),
            _ => {}
        }
    }

    /// Reads items between brackets with commas between them. `starts` says whether an item may begin at the token ahead, `item` reads one;
    /// `what` names it.
    pub(super) fn list(
        &mut self,
        brackets: Brackets,
        trailing: Trailing,
        what: &str,
        starts: impl Fn(&Self) -> bool,
        mut item: impl FnMut(&mut Self),
    ) {
        let opened = self.span();
        self.bump();
        let inside = Context { in_list: true, in_subject: false };
        self.within(inside, |parser| {
            loop {
                if parser.is_at(brackets.close) || (parser.at_boundary() && !starts(parser)) {
                    break;
                }
                if starts(parser) {
                    let before = parser.at;
                    item(parser);
                    if parser.at == before {
                        parser.junk(brackets.close);
                        if parser.at == before {
                            break;
                        }
                    }
                } else {
                    parser.expected(what);
                    parser.junk(brackets.close);
                }
                if parser.is_at(Comma) {
                    parser.bump();
                    if trailing == Trailing::Never && parser.is_at(brackets.close) {
                        parser.expected(what);
                    }
                } else if !parser.is_at(brackets.close) && (!parser.at_boundary() || starts(parser)) {
                    parser.expected(&format!("`,` or {}", brackets.close.text()));
                    if !starts(parser) {
                        parser.junk(brackets.close);
                        parser.eat(Comma);
                    }
                }
            }
        });
        self.close(brackets, opened);
    }

    /// Skips what belongs to nothing, up to the next comma, the bracket that closes, or where the whole expression ends.
    fn junk(&mut self, close: SyntaxKind) {
        self.skip_until(|parser| parser.is_at(Comma) || parser.is_at(close));
    }

    /// Skips up to the next comma or where the whole expression ends.
    pub(super) fn skip_balanced(&mut self) {
        self.skip_until(|parser| parser.is_at(Comma));
    }

    /// Skips tokens into an error node up to a boundary or to where `stops`, brackets and strings as a whole. Skips nothing where it
    /// stands at one. Does not recurse, and looks at each token once.
    pub(super) fn skip_until(&mut self, stops: impl Fn(&Self) -> bool) {
        if self.at_boundary() || stops(self) {
            return;
        }
        self.start(Error);
        let outer = self.open;
        let mut inside = Inside::default();
        loop {
            let kind = self.kind();
            let ends = match kind {
                Eof => true,
                LParen | LBracket | LBrace | StringStart | InterpolationStart => {
                    let ends = inside.is_empty() && stops(self);
                    if !ends {
                        inside.open(kind);
                    }
                    ends
                }
                RParen | RBracket | RBrace | StringEnd | StringCut | InterpolationEnd | InterpolationCut => {
                    let is_closed = inside.close(kind);
                    // One that closes nothing here closes what is open around, or nothing at all.
                    !is_closed
                        && inside.strings == 0
                        && (self.closes(kind, outer) || (inside.is_empty() && stops(self)))
                }
                _ => inside.strings == 0 && (self.at_decl() || (inside.is_empty() && stops(self))),
            };
            if ends {
                break;
            }
            self.bump();
        }
        self.open = outer;
        self.finish();
    }

    /// Whether a token closes one of the brackets that are `open`, or a string or interpolation around.
    fn closes(&self, kind: SyntaxKind, open: [u32; 3]) -> bool {
        match kind {
            RParen => open[0] > 0,
            RBracket => open[1] > 0,
            RBrace => open[2] > 0,
            _ => true,
        }
    }
}

/// What is open inside skipped text.
#[derive(Debug, Default)]
struct Inside {
    open: Vec<SyntaxKind>,
    /// How many of `(`, `[`, `{` are open since the last string or interpolation began, and before it in those around.
    brackets: Vec<[u32; 3]>,
    /// How many strings and interpolations are open.
    strings: usize,
}

impl Inside {
    fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn open(&mut self, kind: SyntaxKind) {
        match bracket(kind) {
            Some(i) => self.counts()[i] += 1,
            None => {
                self.strings += 1;
                self.counts();
                self.brackets.push([0; 3]);
            }
        }
        self.open.push(kind);
    }

    /// Closes what a token closes, with what is still open in it. Gives whether there is such.
    fn close(&mut self, kind: SyntaxKind) -> bool {
        let opener = match kind {
            RParen => LParen,
            RBracket => LBracket,
            RBrace => LBrace,
            StringEnd | StringCut => StringStart,
            _ => InterpolationStart,
        };
        let is_open = match bracket(opener) {
            Some(i) => self.counts()[i] > 0,
            None => self.strings > 0,
        };
        while is_open && let Some(open) = self.open.pop() {
            match bracket(open) {
                Some(i) => self.counts()[i] -= 1,
                None => {
                    self.strings -= 1;
                    self.brackets.pop();
                }
            }
            if open == opener {
                break;
            }
        }
        is_open
    }

    fn counts(&mut self) -> &mut [u32; 3] {
        if self.brackets.is_empty() {
            self.brackets.push([0; 3]);
        }
        let last = self.brackets.len() - 1;
        &mut self.brackets[last]
    }
}

/// Which bracket an opening token is.
fn bracket(kind: SyntaxKind) -> Option<usize> {
    match kind {
        LParen => Some(0),
        LBracket => Some(1),
        LBrace => Some(2),
        _ => None,
    }
}
