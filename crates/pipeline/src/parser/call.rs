//! Reads names, calls and their options. Which options there are and what they take is the checker's matter, but for those of streaming
//! pipelines, and for where a comma ends the options.

use super::Parser;
use super::decl::streaming;
use super::recover::{PARENS, Trailing};
use crate::ast::OPTIONS;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::SyntaxKind::*;

/// Options of streaming pipelines.
const STREAMING: [&str; 3] = ["window", "join", "checkpoint"];

/// Whether `, name:` goes on with the options of a call, where it could also be the next item of a list.
pub(crate) fn is_option(name: &str) -> bool {
    OPTIONS.contains(&name) || STREAMING.contains(&name)
}

impl Parser<'_> {
    /// A variable, or a call with its options.
    pub(super) fn name_or_call(&mut self) {
        if !self.at_call() {
            self.start(NameExpr);
            self.bump();
            return self.finish();
        }
        self.start(CallExpr);
        self.qname("a name");
        self.arguments();
        if self.is_at(WithKw) {
            self.options();
        }
        self.finish();
    }

    /// Whether names joined by dots without blanks are ahead, and `(` behind them.
    fn at_call(&self) -> bool {
        let mut n = 0;
        while self.nth(n + 1) == Dot
            && self.touches(n)
            && self.touches(n + 1)
            && (self.nth(n + 2) == Ident || self.nth(n + 2).is_keyword())
        {
            n += 2;
        }
        self.nth(n + 1) == LParen
    }

    /// `"(" [ arg { "," arg } [","] ] ")"`
    fn arguments(&mut self) {
        self.start(ArgList);
        let starts = |parser: &Self| parser.starts_expr() || parser.at_named();
        let mut named = None;
        self.list(PARENS, Trailing::Comma, "an argument or `)`", starts, |parser| {
            parser.start(Arg);
            let first = parser.span();
            if parser.at_named() {
                named = named.or(Some(first));
                parser.name("the name of an argument");
                parser.colon();
            } else if let Some(named) = named {
                let message = "a positional argument stands behind a named one";
                let fault = Diagnostic::new(Code::ParseError, first, message)
                    .label("positional")
                    .related(named, "named")
                    .help("put positional arguments first, or name this one too");
                parser.faults.push(fault);
            }
            parser.expr();
            parser.finish();
        });
        self.finish();
    }

    /// `name:` ahead, or `name =` in its place on the line of an open list.
    fn at_named(&self) -> bool {
        let is_name = self.is_at(Ident) || self.kind().is_keyword();
        is_name && (self.nth(1) == Colon || (self.nth(1) == Eq && self.is_at(Ident) && self.is_misplaced_eq()))
    }

    /// `"with" option { "," option }`
    fn options(&mut self) {
        self.start(WithClause);
        self.bump();
        loop {
            if self.is_at(Ident) || self.kind().is_keyword() && !self.at_decl() {
                self.option();
            } else {
                self.expected("an option");
                break;
            }
            if !self.is_at(Comma) || !self.option_follows() {
                break;
            }
            self.bump();
        }
        if self.is_at(Comma) && !self.context.in_list {
            self.bump();
            self.expected("an option");
        }
        self.finish();
    }

    /// Whether an option stands behind the comma ahead, rather than the next item of the list around.
    fn option_follows(&self) -> bool {
        match self.nth(1) {
            LazyKw => true,
            Ident if self.nth(2) == Colon => {
                // Only an option has such a value.
                let is_timed = self.nth(3) == Duration || (self.nth(4) == Slash && self.nth(5) == Duration);
                !self.context.in_list || is_option(self.nth_text(1)) || is_timed
            }
            _ => false,
        }
    }

    fn option(&mut self) {
        let (name, is_lazy) = (self.nth_text(0), self.is_at(LazyKw));
        if STREAMING.contains(&name) {
            return self.streaming_option();
        }
        self.start(CallOption);
        if is_lazy {
            self.start(Name);
            self.bump();
            self.finish();
            if !self.is_at(Colon) {
                return self.finish();
            }
        } else {
            self.name("the name of an option");
        }
        if self.colon() {
            self.option_value(name);
        } else {
            self.missing(ErrorExpr);
        }
        self.finish();
    }

    fn option_value(&mut self, name: &str) {
        match self.kind() {
            Duration => {
                self.start(DurationValue);
                self.bump();
                self.finish();
            }
            Int if self.nth(1) == Slash && (self.nth(2) == Duration || name == "throttle") => {
                self.start(RateValue);
                self.bump();
                self.bump();
                if !self.eat(Duration) {
                    let fault = self.unexpected("a duration").help("a rate is a number in a time: `10/1s`");
                    self.faults.push(fault);
                    self.skip_until(|parser| parser.is_at(Comma) || !matches!(parser.kind(), Int | Float | BadNumber));
                }
                self.finish();
            }
            _ if name == "fallback" => self.expr(),
            _ => self.bare(),
        }
    }

    /// An option that only streaming pipelines have, with whatever it says.
    fn streaming_option(&mut self) {
        self.start(Error);
        let name = self.nth_text(0);
        let fault = streaming(self.span(), &format!("the option `{name}`"));
        self.faults.push(fault);
        self.bump();
        self.skip_until(|parser| matches!(parser.kind(), Comma | WithKw | ElseKw | Arrow | Coalesce | WhenKw));
        self.finish();
    }

    /// An argument list behind what is no name of a module.
    pub(super) fn called(&mut self) {
        let fault = self
            .unexpected("an operator or the next declaration")
            .help("only a module is called, by its name without blanks: `text.Uppercase(value)`");
        self.faults.push(fault);
        self.skip_group();
    }

    /// Options behind what is no call.
    pub(super) fn stray_with(&mut self) {
        let fault =
            Diagnostic::new(Code::UnexpectedToken, self.span(), "options stand behind something that is no call");
        self.faults.push(fault.label("no call in front of it").help("options belong to a call: `F(x) with retry: 3`"));
        self.start(Error);
        self.options();
        self.finish();
    }
}
