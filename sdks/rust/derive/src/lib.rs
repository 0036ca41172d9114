//! The derive macros of the crate `modrack`. Holds no types of its own: use them through `modrack`.

mod input;
mod record;
mod union;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct with named fields a record of the type system.
///
/// Every field needs a type that `modrack` knows. `#[modrack(rename = "class")]` gives a field another name on the wire.
/// A struct that borrows (`struct Input<'a> { text: &'a str }`) can be sent but not received.
#[proc_macro_derive(Record, attributes(modrack))]
pub fn record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an enum with one payload in each variant a union of the type system.
///
/// The position of a variant on the wire is its place in the declaration; the names stay in Rust.
#[proc_macro_derive(Union)]
pub fn union(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    union::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
