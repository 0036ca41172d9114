//! The stable codes of refusals. Says nothing about where a fault was found: that is in each error type.

use std::fmt;

/// Why bytes, JSON or a native value are refused. `docs/codec.md` defines each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// The input ends too early, or a length exceeds what is left.
    Truncated,
    /// Bytes after the value.
    TrailingBytes,
    /// Another kind of value than declared.
    TypeMismatch,
    /// An integer outside i64.
    IntRange,
    /// An integer that float64 cannot hold, where Float is declared.
    FloatInexact,
    /// A str that is not valid UTF-8.
    Utf8,
    /// A key or field that occurs twice.
    DuplicateKey,
    /// A declared field that is no option is absent.
    MissingField,
    /// Not an array of two, or a position that is no variant.
    UnionVariant,
    /// More than 128 arrays and maps inside each other.
    Depth,
    /// An extension type, or the byte `c1`.
    Unsupported,
    /// No variant of the union fits.
    NoVariant,
    /// More than one variant fits and the value does not say which.
    AmbiguousUnion,
    /// No JSON text.
    JsonSyntax,
    /// A string that is not base64.
    Base64,
}

impl Code {
    /// Every code, in the order of `docs/codec.md`.
    pub const ALL: [Code; 15] = [
        Code::Truncated,
        Code::TrailingBytes,
        Code::TypeMismatch,
        Code::IntRange,
        Code::FloatInexact,
        Code::Utf8,
        Code::DuplicateKey,
        Code::MissingField,
        Code::UnionVariant,
        Code::Depth,
        Code::Unsupported,
        Code::NoVariant,
        Code::AmbiguousUnion,
        Code::JsonSyntax,
        Code::Base64,
    ];

    /// The code as it stands in every error envelope, e.g. `codec.int_range`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Truncated => "codec.truncated",
            Code::TrailingBytes => "codec.trailing_bytes",
            Code::TypeMismatch => "codec.type_mismatch",
            Code::IntRange => "codec.int_range",
            Code::FloatInexact => "codec.float_inexact",
            Code::Utf8 => "codec.utf8",
            Code::DuplicateKey => "codec.duplicate_key",
            Code::MissingField => "codec.missing_field",
            Code::UnionVariant => "codec.union_variant",
            Code::Depth => "codec.depth",
            Code::Unsupported => "codec.unsupported",
            Code::NoVariant => "codec.no_variant",
            Code::AmbiguousUnion => "codec.ambiguous_union",
            Code::JsonSyntax => "codec.json_syntax",
            Code::Base64 => "codec.base64",
        }
    }

    /// What the fault is, as a clause for messages.
    pub fn describe(self) -> &'static str {
        match self {
            Code::Truncated => "the input ends too early, or a length exceeds what is left",
            Code::TrailingBytes => "there are bytes after the value",
            Code::TypeMismatch => "another kind of value than declared",
            Code::IntRange => "an integer outside the 64-bit signed range",
            Code::FloatInexact => "an integer that a 64-bit float cannot hold",
            Code::Utf8 => "a string that is not valid UTF-8",
            Code::DuplicateKey => "a key or field that occurs twice",
            Code::MissingField => "a declared field is absent",
            Code::UnionVariant => "not a position of the union and its value",
            Code::Depth => "more than 128 arrays and maps inside each other",
            Code::Unsupported => "an extension type or a reserved byte",
            Code::NoVariant => "no variant of the union fits",
            Code::AmbiguousUnion => "more than one variant of the union fits",
            Code::JsonSyntax => "the text is no JSON",
            Code::Base64 => "the string is no base64",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a type is refused. `docs/codec.md` defines each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TypeCode {
    /// The text is no type.
    Syntax,
    /// A schema node without a kind, or with the wrong number of children. Only a conversion into [`CType`](crate::CType) finds it.
    Kind,
    /// A union of fewer than two variants.
    UnionEmpty,
    /// A union directly in a union.
    UnionNested,
    /// Two variants that print alike.
    UnionDuplicate,
    /// An option directly in an option.
    OptionNested,
    /// Two fields of one name.
    FieldDuplicate,
    /// A field name that is no identifier or longer than 128 bytes.
    FieldName,
    /// A key other than String, Int, Bool.
    MapKey,
    /// A node with more than 64 constructors above it.
    Depth,
    /// More than 10 000 nodes.
    Size,
}

impl TypeCode {
    /// Every code, in the order of `docs/codec.md`.
    pub const ALL: [TypeCode; 11] = [
        TypeCode::Syntax,
        TypeCode::Kind,
        TypeCode::UnionEmpty,
        TypeCode::UnionNested,
        TypeCode::UnionDuplicate,
        TypeCode::OptionNested,
        TypeCode::FieldDuplicate,
        TypeCode::FieldName,
        TypeCode::MapKey,
        TypeCode::Depth,
        TypeCode::Size,
    ];

    /// The code as it stands in every error envelope, e.g. `type.union.empty`.
    pub fn as_str(self) -> &'static str {
        match self {
            TypeCode::Syntax => "type.syntax",
            TypeCode::Kind => "type.kind",
            TypeCode::UnionEmpty => "type.union.empty",
            TypeCode::UnionNested => "type.union.nested",
            TypeCode::UnionDuplicate => "type.union.duplicate",
            TypeCode::OptionNested => "type.option.nested",
            TypeCode::FieldDuplicate => "type.field.duplicate",
            TypeCode::FieldName => "type.field.name",
            TypeCode::MapKey => "type.map.key",
            TypeCode::Depth => "type.depth",
            TypeCode::Size => "type.size",
        }
    }

    /// What the fault is, as a clause for messages.
    pub fn describe(self) -> &'static str {
        match self {
            TypeCode::Syntax => "the text is no type",
            TypeCode::Kind => "a schema node without a kind, or with the wrong number of children",
            TypeCode::UnionEmpty => "a union needs at least two variants",
            TypeCode::UnionNested => "a union stands directly in a union",
            TypeCode::UnionDuplicate => "the variant occurs twice",
            TypeCode::OptionNested => "an option stands directly in an option",
            TypeCode::FieldDuplicate => "the field name occurs twice",
            TypeCode::FieldName => {
                "a field name is a letter or `_`, then letters, digits, `_` or `-`, at most 128 bytes"
            }
            TypeCode::MapKey => "a map key is String, Int or Bool",
            TypeCode::Depth => "more than 64 constructors stand above this one",
            TypeCode::Size => "the type has more than 10000 nodes",
        }
    }
}

impl fmt::Display for TypeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
