//! What both macros need of their input: the generics with the bound of a trait. Reads no fields and no variants.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{DeriveInput, Generics, Type, parse_quote};

/// `impl<…> modrack::Trait for Name<…> where … { body }`, with the trait as a bound of each type parameter.
pub(crate) fn implement(input: &DeriveInput, name_of_trait: &str, body: &TokenStream) -> TokenStream {
    let path: syn::Ident = quote::format_ident!("{name_of_trait}");
    let mut generics: Generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::modrack::#path));
    }
    let (params, args, bounds) = generics.split_for_impl();
    let name = input.ident.to_token_stream();
    quote! {
        #[automatically_derived]
        impl #params ::modrack::#path for #name #args #bounds {
            #body
        }
    }
}

/// Whether the type borrows, so that nothing can be decoded into it: it has a lifetime, or a field such as `&'static str`.
pub(crate) fn borrows<'a>(input: &DeriveInput, mut types: impl Iterator<Item = &'a Type>) -> bool {
    input.generics.lifetimes().next().is_some() || types.any(|ty| has_reference(ty.to_token_stream()))
}

fn has_reference(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Punct(punct) => punct.as_char() == '&',
        TokenTree::Group(group) => has_reference(group.stream()),
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    })
}
