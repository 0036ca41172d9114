//! `#[derive(Record)]`. Decides the order of the bytes; the bytes themselves are written by `modrack`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Type};

use crate::input::{borrows, implement};

struct Field<'a> {
    ident: &'a Ident,
    /// Where decoding keeps the value until the record ends; cannot clash with names of the author.
    slot: Ident,
    name: String,
    ty: &'a Type,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let declared = fields(input)?;
    let mut sorted: Vec<&Field<'_>> = declared.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));

    let typed = typed(&declared);
    let encode = encode(&sorted);
    let mut expanded = implement(input, "Typed", &typed);
    expanded.extend(implement(input, "Encode", &encode));
    if !borrows(input, declared.iter().map(|f| f.ty)) {
        expanded.extend(implement(input, "Decode", &decode(&declared, &sorted)));
    }
    Ok(expanded)
}

fn typed(declared: &[Field<'_>]) -> TokenStream {
    let names = declared.iter().map(|f| &f.name);
    let types = declared.iter().map(|f| f.ty);
    quote! {
        fn ctype() -> ::modrack::CType {
            ::modrack::CType::Record(::std::vec![
                #(::modrack::Field { name: ::std::string::String::from(#names), ty: <#types as ::modrack::Typed>::ctype() }),*
            ])
        }
    }
}

fn encode(sorted: &[&Field<'_>]) -> TokenStream {
    let idents: Vec<_> = sorted.iter().map(|f| f.ident).collect();
    let names = sorted.iter().map(|f| &f.name);
    quote! {
        fn encode(&self, encoder: &mut ::modrack::codec::Encoder) -> ::std::result::Result<(), ::modrack::CodecError> {
            let len = 0usize #(+ usize::from(!::modrack::Encode::is_absent(&self.#idents)))*;
            encoder.record(len, |encoder| {
                #(
                    if !::modrack::Encode::is_absent(&self.#idents) {
                        encoder.field(#names, |encoder| ::modrack::Encode::encode(&self.#idents, encoder))?;
                    }
                )*
                // A record without fields writes none.
                let _ = &encoder;
                ::std::result::Result::Ok(())
            })
        }
    }
}

fn decode(declared: &[Field<'_>], sorted: &[&Field<'_>]) -> TokenStream {
    let slots: Vec<_> = declared.iter().map(|f| &f.slot).collect();
    let idents = declared.iter().map(|f| f.ident);
    let names = declared.iter().map(|f| &f.name);
    let types = declared.iter().map(|f| f.ty);
    // The first missing field in byte order of the names is the one reported.
    let sorted_slots: Vec<_> = sorted.iter().map(|f| &f.slot).collect();
    let sorted_names = sorted.iter().map(|f| &f.name);
    quote! {
        fn decode(decoder: &mut ::modrack::codec::Decoder<'_>) -> ::std::result::Result<Self, ::modrack::CodecError> {
            #(let mut #slots: ::std::option::Option<#types> = ::std::option::Option::None;)*
            let mut fields = decoder.record()?;
            while let ::std::option::Option::Some(name) = decoder.next_field(&mut fields)? {
                match name {
                    #(#names => ::modrack::codec::read_field(decoder, &mut #slots, name)?,)*
                    _ => decoder.skip_field(&mut fields, name)?,
                }
            }
            #(let #sorted_slots = ::modrack::codec::finish_field(#sorted_slots, #sorted_names)?;)*
            ::std::result::Result::Ok(Self { #(#idents: #slots),* })
        }
    }
}

fn fields(input: &DeriveInput) -> syn::Result<Vec<Field<'_>>> {
    let refuse = || syn::Error::new_spanned(&input.ident, "`Record` is for a struct with named fields");
    let Data::Struct(data) = &input.data else {
        return Err(refuse());
    };
    let named = match &data.fields {
        Fields::Named(named) => &named.named,
        Fields::Unit | Fields::Unnamed(_) => return Err(refuse()),
    };
    let mut fields: Vec<Field<'_>> = Vec::with_capacity(named.len());
    for (i, field) in named.iter().enumerate() {
        let ident = field.ident.as_ref().ok_or_else(refuse)?;
        let name = renamed(field)?.unwrap_or_else(|| ident.unraw().to_string());
        if fields.iter().any(|f| f.name == name) {
            return Err(syn::Error::new_spanned(ident, format!("two fields are named `{name}` on the wire")));
        }
        fields.push(Field { ident, slot: format_ident!("__field_{i}"), name, ty: &field.ty });
    }
    Ok(fields)
}

/// The name in `#[modrack(rename = "…")]`.
fn renamed(field: &syn::Field) -> syn::Result<Option<String>> {
    let mut name = None;
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("modrack")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("rename") {
                return Err(meta.error("unknown attribute; `rename = \"…\"` is the only one"));
            }
            let literal: LitStr = meta.value()?.parse()?;
            let value = literal.value();
            if !is_identifier(&value) {
                return Err(syn::Error::new_spanned(
                    literal,
                    "a field name is `[A-Za-z_][A-Za-z0-9_-]*`, at most 128 bytes",
                ));
            }
            name = Some(value);
            Ok(())
        })?;
    }
    Ok(name)
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 128
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
