//! Offers reserved words where they may stand.

use super::Offers;
use crate::ide::tree::before;
use crate::syntax::SyntaxKind;

impl Offers<'_> {
    /// An operand: what has a value, what gives one, and the words that begin one.
    pub(super) fn expression(&mut self) {
        self.variables();
        self.functions();
        self.word("if", "if (${1:condition}) ${2:value} else ${3:other}", "One of two values.");
        self.word(
            "branch",
            "branch { ${1:condition} -> ${2:value}, otherwise -> ${3:other} }",
            "The value of the first condition that is true.",
        );
        self.word("match", "match ${1:value} { $0 }", "The value of the pattern that fits.");
        self.word("not", "not ", "The opposite of a Bool.");
        self.word("true", "true", "");
        self.word("false", "false", "");
        let is_case =
            self.probe.token.parent_ancestors().nth(1).is_some_and(|node| node.kind() == SyntaxKind::BranchCase);
        let is_condition = before(&self.probe.token)
            .is_some_and(|token| matches!(token.kind(), SyntaxKind::Comma | SyntaxKind::LBrace));
        if is_case && is_condition {
            self.word("otherwise", "otherwise -> ", "The value where no condition is true.");
        }
    }

    /// A declaration; behind an operand also what may go on with it.
    pub(super) fn declaration(&mut self, behind_operand: bool) {
        if behind_operand {
            self.word("with", "with ", "Options of the call.");
            self.word("when", "when ", "The value if a condition is true, else nothing.");
            self.word("and", "and ", "");
            self.word("or", "or ", "");
            self.word("else", "else ", "");
            self.word("as", "as ", "A short name for the namespace.");
        }
        self.word("in", "in ${1:name}: ${2:String}", "An input.");
        self.word("out", "out ", "An output: a binding or an input.");
        self.word("type", "type ${1:Name} = ${2:String}", "A name for a type.");
        self.word("use", "use ", "Makes the modules of a namespace known by their names.");
        let after_at = before(&self.probe.token).is_some_and(|token| token.kind() == SyntaxKind::At);
        if !after_at {
            self.word("@example", "@example($1)", "An example of the input that follows.");
        }
    }
}
