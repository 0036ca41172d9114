//! Makes the document of a tree: where blanks are, where lines may be broken, where comments go. Widths are `doc`'s matter.

use super::doc::Doc;
use crate::syntax::SyntaxKind::{self, *};
use crate::tree::{Child, Node, Token};

/// The document of a whole source without faults.
pub(super) fn build<'t>(root: Node<'t>) -> Doc<'t> {
    let mut builder = Builder::default();
    let mut parts = Vec::new();
    for child in root.elements() {
        match child {
            Child::Token(token) if token.kind() == Comment => {
                builder.comment(token);
                // Comments between declarations keep the empty lines around them.
                let pending = builder.pending.pop();
                parts.extend(pending.into_iter().flat_map(Pending::at_top));
            }
            Child::Token(token) => builder.blank(token),
            Child::Node(node) => {
                parts.push(if builder.line_feeds > 1 { Doc::BlankLine } else { Doc::HardLine });
                parts.push(builder.decl(node));
            }
        }
    }
    Doc::Parts(parts)
}

/// A comment that was met and not put anywhere yet.
struct Pending<'t> {
    text: &'t str,
    /// Line feeds between it and what is before it.
    line_feeds: usize,
}

impl<'t> Pending<'t> {
    fn doc(self) -> Doc<'t> {
        if self.line_feeds == 0 { Doc::Trailing(self.text) } else { Doc::Own(self.text) }
    }

    fn at_top(self) -> [Doc<'t>; 2] {
        let before = if self.line_feeds > 1 { Doc::BlankLine } else { Doc::Parts(Vec::new()) };
        [before, self.doc()]
    }
}

#[derive(Default)]
struct Builder<'t> {
    pending: Vec<Pending<'t>>,
    /// Line feeds since the last token or comment.
    line_feeds: usize,
    /// Something was read before: a comment at the start of the source is behind nothing.
    is_behind: bool,
    /// Inside a string, where nothing is broken that need not be.
    in_string: bool,
}

impl<'t> Builder<'t> {
    fn blank(&mut self, token: Token<'t>) {
        self.line_feeds += token.text().matches('\n').count();
    }

    fn comment(&mut self, token: Token<'t>) {
        let line_feeds = if self.is_behind { self.line_feeds } else { 1 };
        self.pending.push(Pending { text: token.text().trim_end(), line_feeds });
        self.line_feeds = 0;
        self.is_behind = true;
    }

    /// The comments that were met since they were last put somewhere.
    fn comments(&mut self) -> Doc<'t> {
        Doc::Parts(self.pending.drain(..).map(Pending::doc).collect())
    }

    fn token(&mut self, token: Token<'t>) -> Doc<'t> {
        self.line_feeds = 0;
        self.is_behind = true;
        Doc::Text(token.text())
    }

    /// The parts of a node that are neither blanks nor comments; `each` gives what a part becomes. Comments are pending when it is called.
    fn parts(&mut self, node: Node<'t>, mut each: impl FnMut(&mut Self, Child<'t>)) {
        for child in node.elements() {
            match child {
                Child::Token(token) if token.kind() == Comment => self.comment(token),
                Child::Token(token) if token.kind() == Whitespace => self.blank(token),
                other => each(self, other),
            }
        }
    }

    fn child(&mut self, child: Child<'t>) -> Doc<'t> {
        match child {
            Child::Token(token) => self.token(token),
            Child::Node(node) => self.node(node),
        }
    }

    /// Part after part on one line, with a blank before each but the first where `has_blank` says so of its kind.
    fn row(&mut self, node: Node<'t>, has_blank: impl Fn(SyntaxKind) -> bool) -> Doc<'t> {
        let mut parts = Vec::new();
        let mut is_first = true;
        self.parts(node, |builder, child| {
            parts.push(builder.comments());
            if !is_first && has_blank(child.kind()) {
                parts.push(Doc::Space);
            }
            parts.push(builder.child(child));
            is_first = false;
        });
        Doc::Parts(parts)
    }

    fn decl(&mut self, node: Node<'t>) -> Doc<'t> {
        let mut parts = Vec::new();
        // What follows a comment in the middle of a declaration.
        let mut further = Vec::new();
        let mut is_first = true;
        self.parts(node, |builder, child| {
            let kind = child.kind();
            let has_comments = !builder.pending.is_empty();
            let goes_further = (has_comments && !is_first) || !further.is_empty();
            let into = if goes_further { &mut further } else { &mut parts };
            into.push(builder.comments());
            if !is_first && kind != Colon {
                into.push(Doc::Space);
            }
            into.push(builder.child(child));
            is_first = kind == Annotation;
            if is_first {
                into.push(Doc::HardLine);
            }
        });
        parts.push(Doc::Nest(further));
        Doc::Parts(parts)
    }

    fn node(&mut self, node: Node<'t>) -> Doc<'t> {
        match node.kind() {
            RecordType | RecordExpr => self.list(node, Doc::Line, Doc::IfBroken(",")),
            RecordPattern => self.list(node, Doc::Line, Doc::Parts(Vec::new())),
            ListExpr | ArgList => self.list(node, Doc::SoftLine, Doc::IfBroken(",")),
            TypeArgs | ParamList => self.list(node, Doc::SoftLine, Doc::Parts(Vec::new())),
            ProjectExpr => self.projection(node),
            BranchExpr | MatchExpr => self.arms(node),
            MergeType | UnionType => self.chain(node),
            BinaryExpr | WhenExpr => self.chain(node),
            WithClause => self.with_clause(node),
            CallExpr => self.row(node, |next| next == WithClause),
            IfExpr => self.if_expr(node),
            ParenExpr => self.parentheses(node),
            StringExpr => self.string(node),
            TypeField | RecordField | Param | CallOption | Arg => self.row(node, |next| next != Colon),
            LambdaExpr | BranchCase | MatchArm | NotExpr | IsPattern => self.row(node, |_| true),
            _ => self.row(node, |_| false),
        }
    }

    /// Items between brackets: all on one line, or each on its own with `trailing` behind the last.
    fn list(&mut self, node: Node<'t>, inside: Doc<'t>, trailing: Doc<'t>) -> Doc<'t> {
        let mut open = Doc::Parts(Vec::new());
        let mut close = Doc::Parts(Vec::new());
        let mut items = Vec::new();
        let mut trailing = Some(trailing);
        let mut is_empty = true;
        let mut is_done = false;
        let edge = || if matches!(inside, Doc::Line) { Doc::Line } else { Doc::SoftLine };
        self.parts(node, |builder, child| match child {
            Child::Token(token) if token.kind() == Comma => {
                // Comments in front of it go behind it. The last one is made anew.
                builder.token(token);
                is_done = true;
            }
            Child::Token(token) if matches!(token.kind(), RBrace | RBracket | RParen | Gt) => {
                if !is_empty {
                    items.extend(trailing.take());
                }
                items.push(builder.comments());
                close = builder.token(token);
            }
            Child::Token(token) if matches!(token.kind(), LBrace | LBracket | LParen | Lt) => {
                open = builder.token(token)
            }
            item => {
                if std::mem::take(&mut is_done) {
                    items.push(Doc::Text(","));
                    items.push(builder.comments());
                    items.push(Doc::Line);
                } else {
                    items.push(builder.comments());
                    items.push(edge());
                }
                items.push(builder.child(item));
                is_empty = false;
            }
        });
        let last = if is_empty && items.iter().all(Doc::is_flat) { Doc::Parts(Vec::new()) } else { edge() };
        Doc::group(vec![open, Doc::Nest(items), last, close])
    }

    /// `value[f, g]`: the value, then the names in brackets.
    fn projection(&mut self, node: Node<'t>) -> Doc<'t> {
        let mut value = Vec::new();
        let mut names = Vec::new();
        let mut close = Doc::Parts(Vec::new());
        let mut is_behind_comma = false;
        self.parts(node, |builder, child| match child.kind() {
            LBracket | LBrace => {
                value.push(builder.comments());
                value.push(builder.child(child));
            }
            RBracket | RBrace => {
                names.push(builder.comments());
                close = builder.child(child);
            }
            Comma => {
                builder.child(child);
                is_behind_comma = true;
            }
            SyntaxKind::Name => {
                if std::mem::take(&mut is_behind_comma) {
                    names.push(Doc::Text(","));
                    names.push(builder.comments());
                    names.push(Doc::Line);
                } else {
                    names.push(builder.comments());
                    names.push(Doc::SoftLine);
                }
                names.push(builder.child(child));
            }
            _ => value.push(builder.child(child)),
        });
        value.push(Doc::group(vec![Doc::Nest(names), Doc::SoftLine, close]));
        Doc::Parts(value)
    }

    /// `branch { … }` and `match x { … }`: each arm on its own line.
    fn arms(&mut self, node: Node<'t>) -> Doc<'t> {
        let in_string = self.in_string;
        let line = || if in_string { Doc::Line } else { Doc::HardLine };
        let mut head = Vec::new();
        let mut arms = Vec::new();
        let mut close = Doc::Parts(Vec::new());
        let mut is_behind_comma = false;
        self.parts(node, |builder, child| match child.kind() {
            RBrace => {
                arms.push(Doc::IfBroken(","));
                arms.push(builder.comments());
                close = builder.child(child);
            }
            Comma => {
                builder.child(child);
                is_behind_comma = true;
            }
            BranchCase | MatchArm => {
                if std::mem::take(&mut is_behind_comma) {
                    arms.push(Doc::Text(","));
                }
                arms.push(builder.comments());
                arms.push(line());
                arms.push(builder.child(child));
            }
            _ => {
                head.push(builder.comments());
                if head.len() > 1 {
                    head.push(Doc::Space);
                }
                head.push(builder.child(child));
            }
        });
        head.push(Doc::group(vec![Doc::Nest(arms), line(), close]));
        Doc::Parts(head)
    }

    /// Operands with operators of one precedence between them: all on one line, or each operator at the start of its own.
    fn chain(&mut self, node: Node<'t>) -> Doc<'t> {
        let mut links = Vec::new();
        self.links(node, &mut links);
        // The first operand is not further in than what it stands behind.
        let further = links.split_off(links.iter().position(|part| matches!(part, Doc::Line)).unwrap_or(links.len()));
        links.push(Doc::Nest(further));
        Doc::group(links)
    }

    fn links(&mut self, node: Node<'t>, parts: &mut Vec<Doc<'t>>) {
        let precedence = precedence(node);
        let mut is_first = true;
        self.parts(node, |builder, child| {
            parts.push(builder.comments());
            match child {
                Child::Token(token) => {
                    parts.push(Doc::Line);
                    parts.push(builder.token(token));
                }
                Child::Node(operand) => {
                    if !is_first {
                        parts.push(Doc::Space);
                    }
                    if matches!(operand.kind(), BinaryExpr | WhenExpr) && self::precedence(operand) == precedence {
                        builder.links(operand, parts);
                    } else {
                        parts.push(builder.node(operand));
                    }
                }
            }
            is_first = false;
        });
    }

    /// `with a: 1, b: 2`, or each option on its own line.
    fn with_clause(&mut self, node: Node<'t>) -> Doc<'t> {
        let mut word = Doc::Parts(Vec::new());
        let mut options = Vec::new();
        let mut is_behind_comma = false;
        self.parts(node, |builder, child| match child.kind() {
            WithKw => word = builder.child(child),
            Comma => {
                builder.child(child);
                is_behind_comma = true;
            }
            _ => {
                if std::mem::take(&mut is_behind_comma) {
                    options.push(Doc::Text(","));
                }
                options.push(builder.comments());
                options.push(Doc::Line);
                options.push(builder.child(child));
            }
        });
        Doc::group(vec![word, Doc::Nest(options)])
    }

    fn parentheses(&mut self, node: Node<'t>) -> Doc<'t> {
        let mut parts = Vec::new();
        let mut inside = Vec::new();
        self.parts(node, |builder, child| match child.kind() {
            LParen => parts.push(builder.child(child)),
            RParen => {
                inside.push(builder.comments());
                parts.push(Doc::Nest(std::mem::take(&mut inside)));
                parts.push(Doc::SoftLine);
                parts.push(builder.child(child));
            }
            _ => {
                inside.push(builder.comments());
                inside.push(Doc::SoftLine);
                inside.push(builder.child(child));
            }
        });
        Doc::group(parts)
    }

    /// `if (c) a else b`, or each value on its own line.
    fn if_expr(&mut self, node: Node<'t>) -> Doc<'t> {
        let mut parts = Vec::new();
        self.if_parts(node, &mut parts);
        Doc::group(parts)
    }

    fn if_parts(&mut self, node: Node<'t>, parts: &mut Vec<Doc<'t>>) {
        let mut condition = Vec::new();
        let mut inside = Vec::new();
        let mut is_condition = true;
        let mut is_else = false;
        self.parts(node, |builder, child| match child.kind() {
            IfKw => parts.push(builder.child(child)),
            LParen => {
                parts.push(builder.comments());
                parts.push(Doc::Space);
                condition.push(builder.child(child));
            }
            RParen => {
                inside.push(builder.comments());
                condition.push(Doc::Nest(std::mem::take(&mut inside)));
                condition.push(Doc::SoftLine);
                condition.push(builder.child(child));
                parts.push(Doc::group(std::mem::take(&mut condition)));
                is_condition = false;
            }
            ElseKw => {
                parts.push(builder.comments());
                parts.push(Doc::Line);
                parts.push(builder.child(child));
                is_else = true;
            }
            _ if is_condition => {
                inside.push(builder.comments());
                inside.push(Doc::SoftLine);
                inside.push(builder.child(child));
            }
            BranchExpr | MatchExpr if is_else && builder.pending.is_empty() => {
                parts.push(Doc::Space);
                parts.push(builder.child(child));
            }
            IfExpr if is_else => {
                let Child::Node(node) = child else { return };
                parts.push(builder.comments());
                parts.push(Doc::Space);
                builder.if_parts(node, parts);
            }
            _ => {
                let comments = builder.comments();
                let value = builder.child(child);
                parts.push(Doc::Nest(vec![comments, Doc::Line, value]));
            }
        });
    }

    /// As it is, but for the expressions in it, which stay on one line unless they have comments.
    fn string(&mut self, node: Node<'t>) -> Doc<'t> {
        let outer = std::mem::replace(&mut self.in_string, true);
        let mut parts = Vec::new();
        self.parts(node, |builder, child| parts.push(builder.child(child)));
        self.in_string = outer;
        Doc::Flat(parts)
    }
}

/// The level of a chain's operators.
fn precedence(node: Node<'_>) -> u8 {
    let operator = node.tokens().map(Token::kind).next();
    match operator {
        Some(SyntaxKind::Coalesce) => 1,
        Some(WhenKw) => 2,
        Some(OrKw) => 3,
        Some(AndKw) => 4,
        Some(EqEq | NotEq | Lt | LtEq | Gt | GtEq) => 5,
        Some(Plus | Minus) => 6,
        Some(Star | Slash) => 7,
        _ => 0,
    }
}
