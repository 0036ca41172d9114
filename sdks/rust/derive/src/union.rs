//! `#[derive(Union)]`. Gives each variant its position; the bytes are written by `modrack`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Ident, Type};

use crate::input::{borrows, implement};

struct Variant<'a> {
    position: u32,
    ident: &'a Ident,
    ty: &'a Type,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let variants = variants(input)?;
    let positions: Vec<u32> = variants.iter().map(|v| v.position).collect();
    let idents: Vec<&Ident> = variants.iter().map(|v| v.ident).collect();
    let types: Vec<&Type> = variants.iter().map(|v| v.ty).collect();
    let count =
        u32::try_from(variants.len()).map_err(|_| syn::Error::new_spanned(&input.ident, "too many variants"))?;

    let typed = quote! {
        fn ctype() -> ::modrack::CType {
            ::modrack::CType::Union(::std::vec![#(<#types as ::modrack::Typed>::ctype()),*])
        }
    };
    let encode = quote! {
        fn encode(&self, encoder: &mut ::modrack::codec::Encoder) -> ::std::result::Result<(), ::modrack::CodecError> {
            match self {
                #(Self::#idents(value) => encoder.variant(#positions, |encoder| ::modrack::Encode::encode(value, encoder)),)*
            }
        }
    };
    let decode = quote! {
        fn decode(decoder: &mut ::modrack::codec::Decoder<'_>) -> ::std::result::Result<Self, ::modrack::CodecError> {
            decoder.variant(#count, |position, decoder| match position {
                #(#positions => <#types as ::modrack::Decode>::decode(decoder).map(Self::#idents),)*
                _ => ::std::unreachable!("the decoder gives positions of variants only"),
            })
        }
    };
    let mut expanded = implement(input, "Typed", &typed);
    expanded.extend(implement(input, "Encode", &encode));
    if !borrows(input, types.iter().copied()) {
        expanded.extend(implement(input, "Decode", &decode));
    }
    Ok(expanded)
}

fn variants(input: &DeriveInput) -> syn::Result<Vec<Variant<'_>>> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "`Union` is for an enum"));
    };
    if data.variants.len() < 2 {
        return Err(syn::Error::new_spanned(&input.ident, "a union has two variants or more"));
    }
    (0..)
        .zip(&data.variants)
        .map(|(position, variant)| match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                Ok(Variant { position, ident: &variant.ident, ty: &fields.unnamed[0].ty })
            }
            _ => Err(syn::Error::new_spanned(
                variant,
                "a variant of a union has one payload; give it a struct that derives `Record` for several",
            )),
        })
        .collect()
}
