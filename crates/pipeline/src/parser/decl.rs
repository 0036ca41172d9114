//! Reads declarations. A declaration that is not whole still declares its name.

use super::Parser;
use super::recover::PARENS;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::syntax::SyntaxKind::*;

/// Annotations of streaming pipelines.
const STREAMING: [&str; 5] = ["source", "sink", "window", "join", "checkpoint"];

impl Parser<'_> {
    /// The whole source.
    pub(super) fn file(&mut self) {
        self.builder.start_node(SourceFile.into());
        while !self.is_at(Eof) {
            self.faults.mute(false);
            match self.kind() {
                TypeKw => self.type_decl(),
                At => self.annotated(),
                InKw | OutKw | UseKw => self.plain_decl(),
                Ident if self.nth(1) == Ident && self.nth(2) == Eq && self.same_line_ahead() => self.introduced(),
                Ident if self.nth(1) == Eq || self.at == 0 || !self.same_line() => self.bind(),
                _ => {
                    let goes_on = self.at > 0 && self.same_line();
                    self.expected(if goes_on { "an operator or the next declaration" } else { "a declaration" });
                    self.stray();
                }
            }
        }
        self.faults.mute(false);
        self.write_trivia();
        self.finish();
    }

    /// Skips at least one token, up to the next declaration.
    fn stray(&mut self) {
        let before = self.at;
        self.skip_until(|_| false);
        if self.at == before {
            self.start(Error);
            self.bump();
            self.finish();
        }
    }

    /// Whether the next token begins on the line of this one.
    fn same_line_ahead(&self) -> bool {
        let (this, next) = (self.nth_span(0), self.nth_span(1));
        !self.source[this.end as usize..next.start as usize].contains('\n')
    }

    fn type_decl(&mut self) {
        self.start(TypeDecl);
        self.bump();
        // Before an equals sign stands the name of the type, on whatever line.
        if self.is_at(Ident) {
            self.name("the name of a type");
        } else {
            self.decl_name("the name of a type");
        }
        if self.expect(Eq) {
            self.ty();
        } else {
            self.missing(ErrorType);
        }
        self.finish();
    }

    /// `{ "@example" "(" expr ")" } "in" name ":" type`
    fn annotated(&mut self) {
        let start = self.checkpoint();
        let mut example = None;
        while self.is_at(At) {
            let is_example = self.nth(1) == Ident && self.nth_text(1) == "example";
            let span = self.annotation(is_example);
            if is_example {
                example.get_or_insert(span);
            }
        }
        match self.kind() {
            InKw => {
                self.start_at(start, InDecl);
                self.in_decl();
                self.finish();
            }
            kind => {
                if let Some(example) = example {
                    let fault =
                        Diagnostic::new(Code::UnexpectedToken, example, "`@example` does not belong to an input")
                            .label("expected `in` behind it")
                            .help("write it in front of `in name: type`");
                    self.faults.push(fault);
                }
                match kind {
                    OutKw => {
                        self.start_at(start, OutDecl);
                        self.out_decl();
                    }
                    Ident if self.nth(1) == Eq => {
                        self.start_at(start, BindDecl);
                        self.bind_rest();
                    }
                    _ => self.start_at(start, Error),
                }
                self.finish();
            }
        }
    }

    /// One annotation, and where it stands.
    fn annotation(&mut self, is_example: bool) -> Span {
        self.start(Annotation);
        let at = self.span();
        self.bump();
        let name = self.span();
        let is_name = self.is_at(Ident) || self.kind().is_keyword();
        if is_example {
            self.bump();
            if self.is_at(LParen) {
                let opened = self.span();
                self.bump();
                self.within(Default::default(), Self::expr);
                self.close(PARENS, opened);
            } else {
                self.expected(LParen.text());
                self.missing(ErrorExpr);
            }
        } else {
            if is_name {
                let text = self.nth_text(0);
                let span = at.to(name);
                let fault = if STREAMING.contains(&text) {
                    streaming(span, &format!("`@{text}`"))
                } else {
                    Diagnostic::new(Code::UnexpectedToken, span, format!("`@{text}` is no annotation"))
                        .label("unknown annotation")
                        .help("there is `@example(value)`, in front of an input")
                };
                self.faults.push(fault);
                self.bump();
            } else {
                self.expected("the name of an annotation");
            }
            if self.is_at(LParen) {
                self.skip_group();
            }
        }
        self.finish();
        at.to(self.previous())
    }

    /// Skips a bracket with all that is in it.
    pub(super) fn skip_group(&mut self) {
        let start = self.at;
        self.skip_until(|parser| parser.at > start);
    }

    fn plain_decl(&mut self) {
        match self.kind() {
            InKw => {
                self.start(InDecl);
                self.in_decl();
            }
            OutKw => {
                self.start(OutDecl);
                self.out_decl();
            }
            _ => {
                self.start(UseDecl);
                self.use_decl();
            }
        }
        self.finish();
    }

    fn in_decl(&mut self) {
        self.bump();
        self.decl_name("the name of an input");
        if self.expect(Colon) {
            self.ty();
        } else {
            self.missing(ErrorType);
        }
    }

    fn out_decl(&mut self) {
        self.bump();
        if self.decl_name("the name of an output") && self.is_at(Eq) && self.same_line() {
            let fault =
                self.unexpected("the next declaration").help("bind the value first: `name = value`, then `out name`");
            self.faults.push(fault);
            self.stray();
        }
    }

    fn use_decl(&mut self) {
        self.bump();
        self.qname("a namespace");
        if self.eat(AsKw) {
            self.decl_name("a short name for the namespace");
        }
    }

    /// The name that a declaration declares. A name that begins the next declaration on another line is not this one's.
    fn decl_name(&mut self, what: &str) -> bool {
        if self.at_decl() && !(self.is_at(Ident) && self.same_line()) {
            let is_word = self.kind().is_keyword() && self.same_line();
            if is_word && !matches!(self.nth(1), Ident) {
                return self.reserved_name(what);
            }
            self.expected(what);
            return false;
        }
        self.name(what)
    }

    fn reserved_name(&mut self, what: &str) -> bool {
        let message = format!("{} is a reserved word and cannot be {what}", self.kind());
        self.faults.push(Diagnostic::new(Code::UnexpectedToken, self.span(), message).label("a reserved word"));
        self.start(Name);
        self.bump();
        self.finish();
        true
    }

    /// Identifiers joined by dots without blanks.
    pub(super) fn qname(&mut self, what: &str) -> bool {
        if !self.is_at(Ident) || (self.nth(1) == Eq && !self.same_line()) {
            self.expected(what);
            return false;
        }
        self.start(QName);
        self.bump();
        while self.is_at(Dot) {
            if self.previous().end != self.span().start || !self.touches(0) {
                let fault =
                    self.unexpected("no blank beside the dot").help("a qualified name has no blanks: `text.Uppercase`");
                self.faults.push(fault);
            }
            self.bump();
            match self.kind() {
                Ident if self.nth(1) != Eq || self.same_line() => self.bump(),
                kind if kind.is_keyword() && self.previous().end == self.span().start => {
                    let message = format!("{kind} is a reserved word and cannot be part of a name");
                    self.faults
                        .push(Diagnostic::new(Code::UnexpectedToken, self.span(), message).label("a reserved word"));
                    self.bump();
                }
                _ => {
                    self.expected("a name");
                    break;
                }
            }
        }
        self.finish();
        true
    }

    /// `let name = expr`, as other languages have it.
    fn introduced(&mut self) {
        let message = format!("expected `=`, found `{}`", self.nth_text(1));
        let fault = Diagnostic::new(Code::UnexpectedToken, self.nth_span(1), message)
            .label("expected `=`")
            .help("a binding begins with its name: `name = value`");
        self.faults.push(fault);
        self.start(Error);
        self.bump();
        self.finish();
        self.bind();
    }

    fn bind(&mut self) {
        self.start(BindDecl);
        self.bind_rest();
        self.finish();
    }

    /// `name "=" expr`
    fn bind_rest(&mut self) {
        self.start(Name);
        self.bump();
        self.finish();
        if self.expect(Eq) {
            self.expr();
        } else if self.same_line() && self.starts_expr() {
            // Most likely only `=` lacks.
            self.expr();
        } else {
            self.missing(ErrorExpr);
            if !self.at_decl() && !self.is_at(Ident) && !self.is_at(Eof) {
                self.stray();
            }
        }
    }
}

/// What is said of a construct of streaming pipelines.
pub(super) fn streaming(span: Span, what: &str) -> Diagnostic {
    Diagnostic::new(Code::Streaming, span, format!("{what} belongs to streaming pipelines, which Modrack does not run"))
        .label("a streaming construct")
        .help("leave it out: a pipeline takes its inputs once and puts its outputs out once")
}
