//! Reads operators by their precedence. Operands are in `primary`.

use rowan::Checkpoint;

use super::Parser;
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::SyntaxKind::{self, *};

/// How tight an operator binds; the loosest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Any,
    Coalesce,
    When,
    Or,
    And,
    Not,
    Compare,
    Add,
    Multiply,
    Negate,
}

/// The level of an operator between operands, and that of its right operand.
fn binary(kind: SyntaxKind) -> Option<(Level, Level)> {
    Some(match kind {
        // Right associative.
        SyntaxKind::Coalesce => (Level::Coalesce, Level::Coalesce),
        WhenKw => (Level::When, Level::Or),
        OrKw => (Level::Or, Level::And),
        AndKw => (Level::And, Level::Not),
        EqEq | NotEq | Lt | LtEq | Gt | GtEq => (Level::Compare, Level::Add),
        Plus | Minus => (Level::Add, Level::Multiply),
        Star | Slash => (Level::Multiply, Level::Negate),
        _ => return None,
    })
}

impl Parser<'_> {
    /// `lambda | coalesce`
    pub(super) fn expr(&mut self) {
        self.operand(Level::Any);
    }

    /// Whether an expression may begin at the token ahead.
    pub(super) fn starts_expr(&self) -> bool {
        match self.kind() {
            Ident => self.nth(1) != Eq || self.is_misplaced_eq(),
            Int | Float | Duration | BadNumber | StringStart | LParen | LBracket | LBrace | TrueKw | FalseKw | IfKw
            | BranchKw | MatchKw | NotKw | Minus => true,
            _ => false,
        }
    }

    /// An expression whose operators bind at least as tight as `least`.
    fn operand(&mut self, least: Level) {
        let outer = std::mem::replace(&mut self.deepest, self.depth);
        self.deeper(ErrorExpr, |parser| parser.operators(least));
        self.deepest = self.deepest.max(outer);
    }

    fn operators(&mut self, least: Level) {
        let start = self.checkpoint();
        self.prefix(least);
        // Of the last operator, where that does not chain.
        let mut last = None;
        while let Some((level, right)) = self.operator() {
            if level < least {
                break;
            }
            if last == Some(level) && matches!(level, Level::When | Level::Compare) {
                self.chained(level);
            }
            last = Some(level);
            if !self.may_wrap() {
                return self.skip_balanced();
            }
            self.start_at(start, if self.is_at(WhenKw) { WhenExpr } else { BinaryExpr });
            self.bump();
            self.operand(right);
            self.finish();
        }
    }

    /// The levels of the operator ahead, and of its right operand.
    fn operator(&mut self) -> Option<(Level, Level)> {
        if self.is_at(Eq) && self.is_misplaced_eq() {
            let fault = self.unexpected("an operator").help("`=` binds a name; equality is `==`");
            self.faults.push(fault);
            return binary(EqEq);
        }
        binary(self.kind())
    }

    fn chained(&mut self, level: Level) {
        let (message, help) = if level == Level::When {
            ("`when` does not chain", "put conditions together with `and`")
        } else {
            ("comparisons do not chain", "compare twice: `a < b and b < c`")
        };
        let fault = Diagnostic::new(Code::UnexpectedToken, self.span(), message);
        self.faults.push(fault.label("a second one").help(help));
    }

    fn prefix(&mut self, least: Level) {
        match self.kind() {
            NotKw => {
                if least > Level::Not {
                    self.must_be_in_parentheses("`not …`");
                }
                self.start(NotExpr);
                self.bump();
                self.operand(Level::Compare);
                self.finish();
            }
            Minus => {
                self.start(NegateExpr);
                self.bump();
                self.operand(Level::Negate);
                self.finish();
            }
            LParen if self.at_lambda() => {
                if least > Level::Any {
                    self.must_be_in_parentheses("a lambda");
                }
                self.lambda();
            }
            _ => {
                let start = self.checkpoint();
                self.primary();
                self.postfix(start);
            }
        }
    }

    fn must_be_in_parentheses(&mut self, what: &str) {
        let fault =
            Diagnostic::new(Code::UnexpectedToken, self.span(), format!("{what} cannot be an operand as it is"));
        self.faults.push(fault.label("an operand begins here").help("put it in parentheses"));
    }

    /// What follows an operand and takes something of it.
    pub(super) fn postfix(&mut self, start: Checkpoint) {
        loop {
            match self.kind() {
                LBracket | Dot => {}
                LBrace if !self.context.in_subject => {}
                LParen if self.same_line() => return self.called(),
                WithKw => return self.stray_with(),
                _ => return,
            }
            if !self.may_wrap() {
                return self.skip_balanced();
            }
            match self.kind() {
                Dot => {
                    self.start_at(start, FieldExpr);
                    self.bump();
                    self.field_name();
                }
                _ => {
                    self.start_at(start, ProjectExpr);
                    self.projection();
                }
            }
            self.finish();
        }
    }
}
