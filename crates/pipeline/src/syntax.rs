//! The lossless tree of a source: its kinds of tokens and nodes, and the `rowan` types over them. Builds no tree: that is the parser's.

use std::fmt;

/// The tree's language for `rowan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cst {}

/// A node of the tree, with its parent and place.
pub type SyntaxNode = rowan::SyntaxNode<Cst>;
/// A token of the tree, with its parent and place.
pub type SyntaxToken = rowan::SyntaxToken<Cst>;
/// A node or a token.
pub type SyntaxElement = rowan::SyntaxElement<Cst>;

macro_rules! kinds {
    (tokens { $($(#[$tdoc:meta])* $token:ident = $text:literal,)* } nodes { $($(#[$ndoc:meta])* $node:ident,)* }) => {
        /// What a token or node of the tree is. The text of all tokens in order is the source.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum SyntaxKind { $($(#[$tdoc])* #[doc = concat!("A token: ", $text)] $token,)* $($(#[$ndoc])* $node,)* }

        impl SyntaxKind {
            const ALL: &[SyntaxKind] = &[$(SyntaxKind::$token,)* $(SyntaxKind::$node,)*];

            /// A token as a message names it; empty for a node.
            pub(crate) fn text(self) -> &'static str {
                match self { $(SyntaxKind::$token => $text,)* _ => "" }
            }
        }
    };
}

kinds! {
    tokens {
        Whitespace = "white space",
        Comment = "a comment",
        Ident = "a name",
        TypeKw = "`type`",
        InKw = "`in`",
        OutKw = "`out`",
        IfKw = "`if`",
        ElseKw = "`else`",
        TrueKw = "`true`",
        FalseKw = "`false`",
        UseKw = "`use`",
        AsKw = "`as`",
        AndKw = "`and`",
        OrKw = "`or`",
        NotKw = "`not`",
        WhenKw = "`when`",
        BranchKw = "`branch`",
        OtherwiseKw = "`otherwise`",
        WithKw = "`with`",
        LazyKw = "`lazy`",
        MatchKw = "`match`",
        IsKw = "`is`",
        Int = "an integer",
        Float = "a number with a point",
        Duration = "a duration",
        BadNumber = "a number with letters behind it, which is none",
        StringStart = "a string",
        StringText = "text in a string",
        Escape = "an escape such as `\\n`",
        BadEscape = "a backslash that begins no escape",
        InterpolationStart = "`${`",
        InterpolationEnd = "the `}` of an interpolation",
        StringEnd = "`\"`",
        LParen = "`(`",
        RParen = "`)`",
        LBracket = "`[`",
        RBracket = "`]`",
        LBrace = "`{`",
        RBrace = "`}`",
        Comma = "`,`",
        Colon = "`:`",
        Dot = "`.`",
        At = "`@`",
        Eq = "`=`",
        FatArrow = "`=>`",
        Arrow = "`->`",
        EqEq = "`==`",
        NotEq = "`!=`",
        Lt = "`<`",
        LtEq = "`<=`",
        Gt = "`>`",
        GtEq = "`>=`",
        Plus = "`+`",
        Minus = "`-`",
        Star = "`*`",
        Slash = "`/`",
        Pipe = "`|`",
        Coalesce = "`??`",
        Unknown = "characters that begin no token",
        /// Stands where a string has no end; of no length, and not in the tree.
        StringCut = "the end of the line",
        /// Stands where an interpolation has no end; of no length, and not in the tree.
        InterpolationCut = "the end of the line",
        /// Of no length, and not in the tree.
        Eof = "the end of the file",
    }
    nodes {
        /// The root.
        SourceFile,
        /// `type Name = type`
        TypeDecl,
        /// `@example(e) in name: type`
        InDecl,
        /// `out name`
        OutDecl,
        /// `use qname as name`
        UseDecl,
        /// `name = expr`
        BindDecl,
        /// `@example(e)`, in the declaration that it belongs to
        Annotation,
        /// A name that is declared, or that a field, parameter, argument or option has.
        Name,
        /// Names joined by dots, in `use` and in calls.
        QName,
        /// What could not be read, and belongs to nothing.
        Error,
        /// Stands where a type is missing.
        ErrorType,
        /// Stands where an expression is missing.
        ErrorExpr,
        /// Stands where a pattern is missing.
        ErrorPattern,
        /// `Name<A, B>`
        NamedType,
        /// `<A, B>`
        TypeArgs,
        /// `{ name: type }`
        RecordType,
        /// `name: type` of a record type
        TypeField,
        /// `A + B`
        MergeType,
        /// `A | B`
        UnionType,
        /// A variable.
        NameExpr,
        /// A number, `true` or `false`.
        Literal,
        /// `"text ${expr}"`
        StringExpr,
        /// `${expr}`
        Interpolation,
        /// `[a, b]`
        ListExpr,
        /// `{ name: expr }`
        RecordExpr,
        /// `name: expr` of a record
        RecordField,
        /// `(expr)`
        ParenExpr,
        /// `qname(args) with options`
        CallExpr,
        /// `(a, name: b)`
        ArgList,
        /// One argument.
        Arg,
        /// `with option, option`
        WithClause,
        /// `name: value`
        CallOption,
        /// `5min`, the value of an option
        DurationValue,
        /// `10/1s`, the value of an option
        RateValue,
        /// `(params) => expr`
        LambdaExpr,
        /// `(a, b: T)`
        ParamList,
        /// `a: T`
        Param,
        /// `value.field`
        FieldExpr,
        /// `value[f, g]` or `value{f, g}`
        ProjectExpr,
        /// `not value`
        NotExpr,
        /// `-value`
        NegateExpr,
        /// `left op right`
        BinaryExpr,
        /// `value when condition`
        WhenExpr,
        /// `if (condition) then else otherwise`
        IfExpr,
        /// `branch { case, otherwise -> value }`
        BranchExpr,
        /// `condition -> value`; without condition the last
        BranchCase,
        /// `match subject { arm, arm }`
        MatchExpr,
        /// `pattern -> value`
        MatchArm,
        /// `{ a, b }` in a match
        RecordPattern,
        /// `is type`
        IsPattern,
        /// `_`
        RestPattern,
    }
}

impl SyntaxKind {
    /// White space and comments, which may stand between any two tokens.
    #[must_use]
    pub fn is_trivia(self) -> bool {
        matches!(self, Self::Whitespace | Self::Comment)
    }

    /// A reserved word.
    #[must_use]
    pub fn is_keyword(self) -> bool {
        (Self::TypeKw..=Self::IsKw).contains(&self)
    }

    /// A node that is an expression.
    #[must_use]
    pub fn is_expr(self) -> bool {
        use SyntaxKind::*;
        matches!(
            self,
            ErrorExpr
                | NameExpr
                | Literal
                | StringExpr
                | ListExpr
                | RecordExpr
                | ParenExpr
                | CallExpr
                | LambdaExpr
                | FieldExpr
                | ProjectExpr
                | NotExpr
                | NegateExpr
                | BinaryExpr
                | WhenExpr
                | IfExpr
                | BranchExpr
                | MatchExpr
        )
    }

    /// A node that is a type.
    #[must_use]
    pub fn is_type(self) -> bool {
        use SyntaxKind::*;
        matches!(self, ErrorType | NamedType | RecordType | MergeType | UnionType)
    }

    /// A node that is a pattern.
    #[must_use]
    pub fn is_pattern(self) -> bool {
        use SyntaxKind::*;
        matches!(self, ErrorPattern | RecordPattern | IsPattern | RestPattern)
    }

    /// A node that is a declaration.
    #[must_use]
    pub fn is_decl(self) -> bool {
        use SyntaxKind::*;
        matches!(self, TypeDecl | InDecl | OutDecl | UseDecl | BindDecl)
    }

    /// The reserved word that a word is.
    pub(crate) fn keyword(word: &str) -> Option<Self> {
        Some(match word {
            "type" => Self::TypeKw,
            "in" => Self::InKw,
            "out" => Self::OutKw,
            "if" => Self::IfKw,
            "else" => Self::ElseKw,
            "true" => Self::TrueKw,
            "false" => Self::FalseKw,
            "use" => Self::UseKw,
            "as" => Self::AsKw,
            "and" => Self::AndKw,
            "or" => Self::OrKw,
            "not" => Self::NotKw,
            "when" => Self::WhenKw,
            "branch" => Self::BranchKw,
            "otherwise" => Self::OtherwiseKw,
            "with" => Self::WithKw,
            "lazy" => Self::LazyKw,
            "match" => Self::MatchKw,
            "is" => Self::IsKw,
            _ => return None,
        })
    }
}

impl fmt::Display for SyntaxKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl From<SyntaxKind> for rowan::SyntaxKind {
    fn from(kind: SyntaxKind) -> Self {
        Self(kind as u16)
    }
}

impl rowan::Language for Cst {
    type Kind = SyntaxKind;

    fn kind_from_raw(raw: rowan::SyntaxKind) -> SyntaxKind {
        SyntaxKind::ALL[usize::from(raw.0)]
    }

    fn kind_to_raw(kind: SyntaxKind) -> rowan::SyntaxKind {
        kind.into()
    }
}

#[cfg(test)]
mod tests {
    use rowan::Language;

    use super::*;

    #[test]
    fn each_kind_comes_back_from_its_number() {
        for kind in SyntaxKind::ALL {
            assert_eq!(Cst::kind_from_raw(Cst::kind_to_raw(*kind)), *kind);
        }
    }
}
