//! One test per language and plane, each a process of its own under nextest.

/// Writes a module with a test `<language>_on_<plane>` for every cell, or for the languages in brackets.
macro_rules! on_every_plane {
    (async fn $name:ident($language:ident, $plane:ident) $body:block) => {
        on_every_plane!([python Python, typescript TypeScript, rust Rust] async fn $name($language, $plane) $body);
    };
    ([$($module:ident $variant:ident),*] async fn $name:ident($language:ident, $plane:ident) $body:block) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn check($language: e2e::Language, $plane: e2e::Plane) $body

            $(mod $module {
                #[tokio::test]
                async fn on_link() {
                    super::check(e2e::Language::$variant, e2e::Plane::Link).await;
                }

                #[tokio::test]
                async fn on_attach() {
                    super::check(e2e::Language::$variant, e2e::Plane::Attach).await;
                }

                #[tokio::test]
                async fn on_unary() {
                    super::check(e2e::Language::$variant, e2e::Plane::Unary).await;
                }
            })*
        }
    };
}
