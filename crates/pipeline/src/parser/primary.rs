//! Reads operands, and what may stand behind them. Operators between operands are in `expr`, calls in `call`.

use super::recover::{BRACES, Brackets, PARENS, SQUARES, Trailing};
use super::{Context, Parser};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::SyntaxKind::*;

impl Parser<'_> {
    pub(super) fn primary(&mut self) {
        match self.kind() {
            Ident if self.nth(1) == Eq && !self.is_misplaced_eq() => self.no_expr(),
            Ident => self.name_or_call(),
            Int | Float | TrueKw | FalseKw => {
                self.start(Literal);
                self.bump();
                self.finish();
            }
            BadNumber => self.bad_number(),
            Duration => {
                let fault = Diagnostic::new(
                    Code::UnexpectedToken,
                    self.span(),
                    format!("the duration `{}` stands outside an option", self.nth_text(0)),
                );
                self.faults
                    .push(fault.label("no expression").help("durations are values of options: `with timeout: 5s`"));
                self.start(ErrorExpr);
                self.bump();
                self.finish();
            }
            StringStart => self.string(),
            LParen if self.at_lambda() => self.lambda(),
            LParen => {
                self.start(ParenExpr);
                self.in_parentheses();
                self.finish();
            }
            LBracket => {
                self.start(ListExpr);
                self.list(SQUARES, Trailing::Comma, "an expression or `]`", Self::starts_expr, Self::expr);
                self.finish();
            }
            LBrace => {
                self.start(RecordExpr);
                self.list(BRACES, Trailing::Comma, "a field or `}`", Self::starts_name, Self::record_field);
                self.finish();
            }
            IfKw => self.if_expr(),
            BranchKw => self.branch(),
            MatchKw => self.match_expr(),
            _ => self.no_expr(),
        }
    }

    /// Says that an expression lacks; skips what cannot begin one, and reads what follows that on its line.
    fn no_expr(&mut self) {
        self.expected("an expression");
        let can_go_on =
            !self.at_boundary() && !matches!(self.kind(), Comma | Arrow | FatArrow | Colon | ElseKw | OtherwiseKw);
        if can_go_on {
            self.start(Error);
            self.bump();
            while self.is_at(Unknown) {
                self.bump();
            }
            self.finish();
            if self.starts_expr() && self.same_line() {
                // One deeper, so that many wrong tokens in a row do not nest.
                return self.deeper(ErrorExpr, Self::primary);
            }
        }
        self.write_trivia_if_there();
        self.missing(ErrorExpr);
    }

    /// A missing expression stands behind the last token, except that blanks already written stay before it.
    fn write_trivia_if_there(&mut self) {
        if self.is_at(Eof) {
            return;
        }
        self.write_trivia();
    }

    fn bad_number(&mut self) {
        let text = self.nth_text(0);
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let help = match digits.chars().next() {
            Some('_') => "digits have no `_` between them",
            Some('e' | 'E') => "a number has no exponent: write its digits",
            Some('x' | 'b' | 'o') if text.starts_with('0') => "numbers are decimal",
            Some('.') => "a duration is a whole number with `ms`, `s`, `min`, `h` or `d`",
            _ => "a duration ends with `ms`, `s`, `min`, `h` or `d`; a name does not begin with a digit",
        };
        let message = format!("{} is no number", self.shown());
        self.faults.push(Diagnostic::new(Code::ParseError, self.span(), message).label("no number").help(help));
        self.start(ErrorExpr);
        self.bump();
        self.finish();
    }

    /// `"(" expr ")"`
    fn in_parentheses(&mut self) {
        let opened = self.span();
        if !self.is_at(LParen) {
            self.expected(LParen.text());
            return self.missing(ErrorExpr);
        }
        self.bump();
        self.within(Context::default(), Self::expr);
        if self.is_at(Comma) {
            let fault = self.unexpected(RParen.text()).help("a list stands in `[` and `]`");
            self.faults.push(fault);
            self.skip_until(|parser| parser.is_at(RParen));
        }
        self.close(PARENS, opened);
    }

    fn string(&mut self) {
        self.start(StringExpr);
        let opened = self.span();
        self.bump();
        loop {
            match self.kind() {
                StringText | Escape => self.bump(),
                BadEscape => {
                    let message = format!("`{}` is no escape", self.nth_text(0).trim_end());
                    let fault = Diagnostic::new(Code::ParseError, self.span(), message)
                        .label("unknown escape")
                        .help("there are `\\n`, `\\t`, `\\r`, `\\\\`, `\\\"` and `\\$`");
                    self.faults.push(fault);
                    self.bump();
                }
                InterpolationStart => self.interpolation(),
                StringEnd => {
                    self.bump();
                    break;
                }
                _ => {
                    // The lexer ends each string, by a quote or where it must.
                    let line = self.source[opened.start as usize..].lines().next().map_or(0, str::len);
                    let end = self.span().start.min(opened.start + u32::try_from(line).unwrap_or(u32::MAX));
                    if !self.after_cut() {
                        let span = Span::new(opened.start, end);
                        let fault = Diagnostic::new(Code::ParseError, span, "the string has no end");
                        self.faults.push(fault.label("expected `\"` behind it"));
                    }
                    if self.is_at(StringCut) {
                        self.bump();
                    }
                    break;
                }
            }
        }
        self.finish();
    }

    /// Whether the end of something inside was missing just before, of which was told.
    fn after_cut(&self) -> bool {
        let last = self.at.checked_sub(1).map(|at| self.tokens[self.significant[at] as usize].kind);
        matches!(last, Some(StringCut | InterpolationCut))
    }

    /// `${expr}`
    fn interpolation(&mut self) {
        self.start(Interpolation);
        let opened = self.span();
        self.bump();
        let outer = std::mem::take(&mut self.open);
        self.within(Context::default(), Self::expr);
        if !matches!(self.kind(), InterpolationEnd | InterpolationCut) {
            if self.is_at(StringStart) {
                // The quote was meant to end the string around.
                self.faults.push(unclosed_interpolation(opened));
            } else {
                self.expected("`}`");
            }
            self.skip_until(|_| false);
            // Nothing but the end of the interpolation ends it: declarations are no boundary in a string.
            while !matches!(self.kind(), InterpolationEnd | InterpolationCut | Eof) {
                self.start(Error);
                let before = self.at;
                self.bump();
                self.finish();
                if self.at == before {
                    break;
                }
                self.skip_until(|_| false);
            }
        }
        self.open = outer;
        if self.is_at(InterpolationCut) && !self.after_cut() {
            self.faults.push(unclosed_interpolation(opened));
        }
        self.bump();
        self.finish();
    }

    fn record_field(&mut self) {
        self.start(RecordField);
        if self.name("the name of a field") && self.colon() {
            self.expr();
        } else {
            self.write_trivia();
            self.missing(ErrorExpr);
        }
        self.finish();
    }

    /// `:`, or `=` in its place, which is refused.
    pub(super) fn colon(&mut self) -> bool {
        if self.is_at(Eq) {
            let fault = self.unexpected(Colon.text());
            self.faults
                .push(Diagnostic { help: vec!["a name and its value have `:` between them".to_owned()], ..fault });
            self.start(Error);
            self.bump();
            self.finish();
            return true;
        }
        self.expect(Colon)
    }

    /// The name behind a dot.
    pub(super) fn field_name(&mut self) {
        let is_next_decl = self.at_decl() && !self.same_line();
        if is_next_decl {
            return self.expected("the name of a field");
        }
        if matches!(self.kind(), TypeKw | InKw | OutKw | UseKw) && self.previous().end == self.span().start {
            let message = format!("{} is a reserved word and cannot be the name of a field", self.kind());
            self.faults.push(Diagnostic::new(Code::UnexpectedToken, self.span(), message).label("a reserved word"));
            self.start(Name);
            self.bump();
            return self.finish();
        }
        self.name("the name of a field");
    }

    /// `"[" name {"," name} "]"`, and the same in braces.
    pub(super) fn projection(&mut self) {
        let brackets = if self.is_at(LBracket) { SQUARES } else { BRACES };
        self.names(brackets, "the name of a field");
    }

    /// Names in brackets, at least one.
    fn names(&mut self, brackets: Brackets, what: &str) {
        if self.nth(1) == brackets.close {
            self.bump();
            self.expected(what);
            self.bump();
            return;
        }
        self.list(brackets, Trailing::Never, what, Self::starts_name, |parser| {
            parser.name(what);
        });
    }

    /// `"if" "(" expr ")" expr "else" expr`
    fn if_expr(&mut self) {
        self.start(IfExpr);
        self.bump();
        self.in_parentheses();
        let context = self.context;
        self.within(Context { in_list: false, ..context }, Self::expr);
        if self.expect(ElseKw) {
            self.expr();
        } else {
            self.missing(ErrorExpr);
        }
        self.finish();
    }

    /// `"branch" "{" { expr "->" expr "," } "otherwise" "->" expr [","] "}"`
    fn branch(&mut self) {
        self.start(BranchExpr);
        let word = self.span();
        self.bump();
        if self.is_at(LBrace) {
            let mut has_otherwise = false;
            let mut is_late = false;
            self.list(
                BRACES,
                Trailing::Comma,
                "a condition or `otherwise`",
                |parser| parser.starts_expr() || parser.is_at(OtherwiseKw),
                |parser| {
                    parser.start(BranchCase);
                    if has_otherwise && !is_late {
                        is_late = true;
                        let fault =
                            Diagnostic::new(Code::UnexpectedToken, parser.span(), "a case stands behind `otherwise`");
                        parser.faults.push(fault.label("never reached").help("`otherwise` is the last case"));
                    }
                    if parser.is_at(OtherwiseKw) {
                        has_otherwise = true;
                        parser.bump();
                    } else {
                        parser.expr();
                    }
                    parser.arrow();
                    parser.finish();
                },
            );
            if !has_otherwise {
                let fault = Diagnostic::new(Code::ParseError, word, "the branch has no `otherwise`")
                    .label("without a value where no condition is true")
                    .help("end it with `otherwise -> value`");
                self.faults.push(fault);
            }
        } else {
            self.expected(LBrace.text());
        }
        self.finish();
    }

    /// `"->" expr`
    fn arrow(&mut self) {
        if self.is_at(FatArrow) {
            self.expected(Arrow.text());
            self.start(Error);
            self.bump();
            self.finish();
            self.expr();
        } else if self.expect(Arrow) {
            self.expr();
        } else {
            self.write_trivia();
            self.missing(ErrorExpr);
        }
    }

    /// `"match" primary "{" pattern "->" expr { "," pattern "->" expr } [","] "}"`
    fn match_expr(&mut self) {
        self.start(MatchExpr);
        self.bump();
        self.subject();
        if self.is_at(LBrace) && self.nth(1) != RBrace {
            let starts = |parser: &Self| matches!(parser.kind(), LBrace | IsKw | Ident) && !parser.at_decl();
            self.list(BRACES, Trailing::Comma, "a pattern", starts, |parser| {
                parser.start(MatchArm);
                parser.pattern();
                parser.arrow();
                parser.finish();
            });
        } else if self.eat(LBrace) {
            self.expected("a pattern");
            self.bump();
        } else {
            self.expected(LBrace.text());
        }
        self.finish();
    }

    fn subject(&mut self) {
        let start = self.checkpoint();
        let subject = Context { in_list: false, in_subject: true };
        self.within(subject, |parser| parser.deeper(ErrorExpr, Self::primary));
        if matches!(self.kind(), Dot | LBracket) {
            let fault =
                Diagnostic::new(Code::UnexpectedToken, self.span(), "only a name or a call can be matched as it is")
                    .label("goes on here")
                    .help("put what is matched in parentheses: `match (a.b) { … }`");
            self.faults.push(fault);
            self.within(subject, |parser| parser.postfix(start));
        }
    }

    /// `"{" name { "," name } "}" | "is" type | "_"`
    fn pattern(&mut self) {
        match self.kind() {
            LBrace => {
                self.start(RecordPattern);
                self.names(BRACES, "the name of a field");
                self.finish();
            }
            IsKw => {
                self.start(IsPattern);
                self.bump();
                self.ty();
                self.finish();
            }
            Ident if self.nth_text(0) == "_" => {
                self.start(RestPattern);
                self.bump();
                self.finish();
            }
            _ => {
                let fault = self.unexpected("a pattern").help("a pattern is `{ field }`, `is Type` or `_`");
                self.faults.push(fault);
                self.start(ErrorPattern);
                self.skip_until(|parser| matches!(parser.kind(), Arrow | FatArrow | Comma));
                self.finish();
            }
        }
    }

    /// Whether the parenthesis ahead opens the parameters of a lambda: `()`, `(a)` behind which `=>` stands, `(a,` and `(a:`.
    pub(super) fn at_lambda(&self) -> bool {
        match self.nth(1) {
            RParen => true,
            Ident => match self.nth(2) {
                Comma | Colon => true,
                RParen => self.nth(3) == FatArrow,
                _ => false,
            },
            _ => false,
        }
    }

    /// `"(" [ name [ ":" type ] { "," … } ] ")" "=>" expr`
    pub(super) fn lambda(&mut self) {
        self.start(LambdaExpr);
        self.start(ParamList);
        self.list(PARENS, Trailing::Never, "the name of a parameter", Self::starts_name, |parser| {
            parser.start(Param);
            parser.name("the name of a parameter");
            if parser.eat(Colon) {
                parser.ty();
            }
            parser.finish();
        });
        self.finish();
        if self.expect(FatArrow) {
            self.expr();
        } else {
            self.write_trivia();
            self.missing(ErrorExpr);
        }
        self.finish();
    }

    /// A literal or name that nothing follows, as the value of an option.
    pub(super) fn bare(&mut self) {
        match self.kind() {
            Minus if matches!(self.nth(1), Int | Float) => {
                self.start(NegateExpr);
                self.bump();
                self.primary();
                self.finish();
            }
            _ => self.deeper(ErrorExpr, Self::primary),
        }
    }
}

fn unclosed_interpolation(opened: Span) -> Diagnostic {
    Diagnostic::new(Code::ParseError, opened, "the interpolation has no end").label("expected `}` behind it")
}
